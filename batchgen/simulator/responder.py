"""From an answer, or a fault in its place, to what goes over the wire."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from email.utils import formatdate

from aiohttp import web

from batchgen.simulator.answer import REQUEST_ID_HEADER, Answer, RetryAfter, detail
from batchgen.simulator.fault import (
    Change,
    Fault,
    Kind,
    NoReply,
    Redirect,
    Reply,
    Silence,
    Slow,
)
from batchgen.simulator.service import Service
from batchgen.simulator.submit_faults import INVALID_KEY

LANDING_PATH = "/_simulator/landing"
NO_ANSWER = 0

_NO_KEY = (
    'Cannot access application "{name}". Authentication is required to access this application.'
)
_WRONG_SCHEME = "bearer: unable to decode issuer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """A fault that takes the place of the true answer."""

    effect: Reply | NoReply | Redirect

    @property
    def accepted(self) -> bool:
        """Whether a submission was accepted all the same."""
        return not isinstance(self.effect, Redirect) and self.effect.accepted


class Responder:
    """Sends answers, or breaks off, and counts both.

    Attributes:
        base: Scheme, host and port of the service, once it listens.
    """

    def __init__(self, service: Service) -> None:
        """Answer for a service."""
        self.base = ""
        self._service = service
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End everything that waits."""
        self._closing.set()

    @property
    def is_closing(self) -> bool:
        """Whether the server is about to end."""
        return self._closing.is_set()

    def account(self, call: web.Request, *, name: str) -> str | Answer:
        """Return whose key a call bears, or the 401 that it gets.

        Args:
            call: The call.
            name: The application that it wants.
        """
        scheme, _, key = call.headers.get("Authorization", "").partition(" ")
        if not key.strip():
            return detail(_NO_KEY.format(name=name), status=401)
        if scheme.lower() != "key":
            return detail(_WRONG_SCHEME, status=401)
        account = self._service.account_of(key.strip())
        return account if account is not None else detail(INVALID_KEY, status=401)

    async def interruption(self, drawn: Iterable[Fault]) -> Interruption | None:
        """Return what takes the place of the true answer, if anything does; be slow if asked to."""
        for fault in drawn:
            match fault.effect:
                case Slow():
                    await self.pause(self._service.settings.slow_s)
                case Reply() | NoReply() | Redirect() as effect:
                    return Interruption(effect=effect)
                case Change():
                    pass
        return None

    async def interrupt(
        self, call: web.Request, kind: Kind, interruption: Interruption, *, request_id: str = ""
    ) -> web.StreamResponse:
        """Play what takes the place of the true answer."""
        match interruption.effect:
            case Reply(answer=answer):
                return self.send(kind, answer, request_id=request_id)
            case NoReply(how=how):
                return await self.be_silent(call, kind, how)
            case Redirect():
                return self.redirect(kind, f"{self.base}{LANDING_PATH}")

    def redirect(self, kind: Kind, location: str) -> web.Response:
        """Return a redirect: 307 for a POST, which then is repeated with its body, else 302."""
        status = 307 if kind is Kind.SUBMIT else 302
        answer = Answer(
            status=status, content_type="", headers={"Location": location}, from_service=False
        )
        return self.send(kind, answer)

    def send(self, kind: Kind, answer: Answer, *, request_id: str = "") -> web.Response:
        """Return an answer as aiohttp has it, and count it.

        Args:
            kind: What it answers.
            answer: What is sent.
            request_id: The request that it is about; an answer about none gets an id of its own.
        """
        self._service.tally.answers[kind, answer.status] += 1
        return web.Response(
            status=answer.status, body=answer.body, headers=self._headers(answer, request_id)
        )

    async def send_half(
        self, call: web.Request, kind: Kind, answer: Answer, how: Silence, *, request_id: str = ""
    ) -> web.StreamResponse:
        """Announce the whole of an answer, send one half of it, and break off."""
        self._service.tally.answers[kind, answer.status] += 1
        response = web.StreamResponse(
            status=answer.status, headers=self._headers(answer, request_id)
        )
        response.content_length = len(answer.body)
        await response.prepare(call)
        await response.write(answer.body[: len(answer.body) // 2])
        await self._break_off(call, how)
        return response

    async def be_silent(self, call: web.Request, kind: Kind, how: Silence) -> web.StreamResponse:
        """Give no answer at all."""
        self._service.tally.answers[kind, NO_ANSWER] += 1
        await self._break_off(call, how)
        return web.Response()  # nobody is there any more to read it

    async def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end of the server."""
        if seconds <= 0 or self._closing.is_set():
            return
        await first_of(self._service.settings.sleep(seconds), self._closing.wait())

    async def _break_off(self, call: web.Request, how: Silence) -> None:
        if how is Silence.HANGING:
            await self.pause(self._service.settings.hang_s)
        transport = call.transport
        if transport is None:
            return
        if how is Silence.RESET:
            _reset_when_closed(transport)
            transport.abort()
        else:
            transport.close()

    def _headers(self, answer: Answer, request_id: str) -> dict[str, str]:
        headers = dict(answer.headers)
        if answer.content_type:
            headers["Content-Type"] = answer.content_type
        if answer.from_service:
            headers[REQUEST_ID_HEADER] = request_id or self._service.settings.new_id()
        settings = self._service.settings
        now = settings.clock()
        headers["Date"] = formatdate(now, usegmt=True)
        match answer.retry_after:
            case RetryAfter.SECONDS:
                headers["Retry-After"] = f"{settings.retry_after_s:g}"
            case RetryAfter.DATE:
                headers["Retry-After"] = formatdate(now + settings.retry_after_s, usegmt=True)
            case None:
                pass
        return headers


def _reset_when_closed(transport: asyncio.Transport) -> None:
    """Make the system send a reset instead of an orderly end, once the socket is closed."""
    linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


async def first_of(*waits: Awaitable[object]) -> None:
    """Wait until the first of several is over, and end the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
