"""The submission: from the body of a POST to an accepted request, or to a refusal.

Source:
    Protocol notes, sections 2 and 7.1.
"""

from __future__ import annotations

import json

from aiohttp import web

from batchgen.simulator.address import Address
from batchgen.simulator.answer import Answer, Json, detail, json_answer
from batchgen.simulator.fault import Kind
from batchgen.simulator.locks import Lock
from batchgen.simulator.outcome import check
from batchgen.simulator.request import Request
from batchgen.simulator.responder import Interruption, Responder
from batchgen.simulator.service import Service, Submission
from batchgen.simulator.shapes import submit_answer
from batchgen.simulator.submit_faults import (
    LOCK_FROM_HERE,
    LOCK_WITH_READS,
    UNKNOWN_APPLICATION,
    VALIDATED_AT_ONCE,
)

START_WITHIN_HEADER = "X-Fal-Request-Timeout"
STORE_HEADER = "X-Fal-Store-IO"
QUEUE_LENGTH_PARAMETER = "fal_max_queue_length"

_FULL = detail("Too many requests are open, please slow down", status=429)
_TOO_LARGE = detail("Request Entity Too Large", status=413)


class SubmitApi:
    """Answers submissions."""

    def __init__(self, service: Service, responder: Responder) -> None:
        """Answer for a service."""
        self._service = service
        self._responder = responder

    async def answer(
        self,
        call: web.Request,
        address: Address,
        account: str,
        marks: frozenset[str],
        interruption: Interruption | None,
    ) -> web.StreamResponse:
        """Answer one submission.

        Args:
            call: The POST.
            address: What its path names.
            account: Whose key it bears.
            marks: The names of the faults that hit it.
            interruption: What takes the place of the true answer, or None.
        """
        body = await _read_body(call)
        refusal = _TOO_LARGE if body is None else self._refusal(call, address, marks)
        if body is None or refusal is not None:
            return self._responder.send(Kind.SUBMIT, refusal or _TOO_LARGE)
        if interruption and not interruption.accepted:
            return await self._responder.interrupt(call, Kind.SUBMIT, interruption)
        request = self._accept(call, address, account, marks, body)
        if isinstance(request, Answer):
            return self._responder.send(Kind.SUBMIT, request)
        if interruption:
            return await self._responder.interrupt(
                call, Kind.SUBMIT, interruption, request_id=request.request_id
            )
        position = self._service.line.position(request)
        answer = submit_answer(request, base=self._responder.base, position=position, marks=marks)
        return self._responder.send(Kind.SUBMIT, answer, request_id=request.request_id)

    def _refusal(self, call: web.Request, address: Address, marks: frozenset[str]) -> Answer | None:
        """Return why a submission is turned away whatever its body says, or None."""
        if address.application not in self._service.endpoints:
            name = address.application.rpartition("/")[2]
            return detail(UNKNOWN_APPLICATION.format(name=name), status=404)
        if marks & {LOCK_FROM_HERE, LOCK_WITH_READS}:
            self._service.lock = Lock(reads=LOCK_WITH_READS in marks)
        if self._service.lock:
            return detail(self._service.lock.text, status=403)
        longest = call.query.get(QUEUE_LENGTH_PARAMETER, "")
        too_long = longest.isdecimal() and self._service.line.waiting > int(longest)
        return _FULL if too_long or self._service.is_full() else None

    def _accept(
        self,
        call: web.Request,
        address: Address,
        account: str,
        marks: frozenset[str],
        body: bytes,
    ) -> Request | Answer:
        """Return the request that a body becomes, or why it becomes none."""
        given = _parse_input(body)
        if isinstance(given, Answer):
            return given
        if VALIDATED_AT_ONCE in marks:
            wrong = check(given, address.application, address.path, self._service.endpoints)
            if wrong is not None:
                return json_answer(wrong.body, status=wrong.status)
        try:
            return self._service.accept(_submission(call, address, account, given))
        except OSError as error:  # what cannot be kept is not accepted
            return detail(f"Internal Server Error: {error.strerror}", status=500)


async def _read_body(call: web.Request) -> bytes | None:
    try:
        return await call.read()
    except web.HTTPRequestEntityTooLarge:
        return None


def _parse_input(body: bytes) -> dict[str, Json] | Answer:
    """Return the input in a body, or the 422 for a body that is no JSON object."""
    try:
        given = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return _no_object("json_invalid", "JSON decode error")
    if not isinstance(given, dict):
        return _no_object("model_attributes_type", "Input should be a valid dictionary")
    return given


def _no_object(kind: str, text: str) -> Answer:
    return json_answer({"detail": [{"loc": ["body"], "msg": text, "type": kind}]}, status=422)


def _no_number(word: str) -> Json:
    raise ValueError(f"{word} is no JSON")


def _submission(
    call: web.Request, address: Address, account: str, given: dict[str, Json]
) -> Submission:
    return Submission(
        application=address.application,
        path=address.path,
        account=account,
        input=given,
        start_within_s=_seconds(call.headers.get(START_WITHIN_HEADER, "")),
        stored=call.headers.get(STORE_HEADER) != "0",
    )


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if seconds > 0 else None
