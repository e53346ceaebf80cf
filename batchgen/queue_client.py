"""The queue over HTTP: submit, read, fetch, cancel. aiohttp's errors end here.

What matters most is decided in `submit`: whether a POST may have arrived.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType
from typing import Self
from urllib.parse import quote
from uuid import uuid4

import aiohttp
from yarl import URL

from batchgen.answer import Answer, parse_answer, plain
from batchgen.attempt import JUDGING_CODES, Request
from batchgen.errors import (
    AccountError,
    NotSentError,
    ReadError,
    RefusedError,
    ThrottledError,
    UncertainError,
)
from batchgen.job import Json
from batchgen.reply import (
    FINAL_FAILURES,
    Failure,
    Fetched,
    NotFound,
    NotReady,
    Result,
    Status,
)
from batchgen.request_address import RequestAddresses
from batchgen.retry import parse_retry_after
from batchgen.service import Service
from batchgen.version import USER_AGENT

# A POST on a connection that the service is just closing cannot be told from one that was
# accepted. So a connection that has been idle for this long, in seconds, is not used for one:
# servers keep them for five seconds or more.
POST_KEEPALIVE_S = 2.0

# A read may be made anew, so its connections are kept for as long as that helps, in seconds.
READ_KEEPALIVE_S = 15.0

# Answers are JSON; one that carries its images inside may be large.
MAX_ANSWER_BYTES = 256 * 1024 * 1024

# No place in a queue, and no time in seconds, is beyond this. JSON's numbers have no end, and what
# is too large for a float must not reach a computation.
MAX_NUMBER = 1_000_000_000

# What answers an address under which no request lives, though the request may well live.
_NOT_THERE = frozenset({404, 405, 410})

# How what may be an address begins, whole or on our own host.
_ADDRESS = re.compile(r"https?://|/", re.IGNORECASE)

_POST_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Type": "application/json",
        # What was asked for is what is paid for: no silent switch to another model.
        "x-app-fal-disable-fallback": "true",
    }
)

# Made once: `json.dumps` makes one for each text that is not written in its own way.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a call may take, in seconds.

    Attributes:
        connect_s: To reach the service, name and handshake included.
        answer_s: Without a byte of the answer.
        total_s: In all.
    """

    connect_s: float = 15.0
    answer_s: float = 60.0
    total_s: float = 180.0


class QueueClient:
    """The queue, with the key, for as long as a run lasts.

    Use it as an async context manager. Every method raises errors of our own tree only.
    """

    def __init__(
        self,
        service: Service,
        *,
        timeouts: Timeouts | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep what is needed; nothing is connected before the context is entered."""
        self.service = service
        self._now = now
        self._limits = timeouts or Timeouts()
        self._addresses = RequestAddresses(service.queue_url)
        self._posts: aiohttp.ClientSession
        self._reads: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._posts = self._session(
            POST_KEEPALIVE_S, total_s=self._limits.total_s, headers=_POST_HEADERS
        )
        # A timer for every read would cost a quarter of it: the whole time is kept by `_content`,
        # for answers that come in pieces.
        self._reads = self._session(READ_KEEPALIVE_S)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self._posts.close()
        await self._reads.close()

    async def submit(self, endpoint: str, body: bytes) -> tuple[Request, int | None]:
        """Send one request, once, and return its names and how many are ahead of it.

        Args:
            endpoint: The endpoint's id, its sub-path included.
            body: The input, as JSON.

        Raises:
            NotSentError: Nothing was delivered.
            UncertainError: It may have been accepted.
            RefusedError: The service said no to this input.
            ThrottledError: The service said: slow down; nothing was accepted.
            AccountError: The key, the account or the endpoint is at fault.
        """
        url = URL(f"{self.service.queue_url}/{quote(endpoint)}", encoded=True)
        try:
            answer = await self._call(self._posts, "POST", url, data=body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSentError(_reason(error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UncertainError(_reason(error)) from error
        return self._accepted(answer)

    async def status(self, endpoint: str, request: Request) -> Status | NotFound:
        """Ask where a request stands.

        Raises:
            ReadError: The read failed, which says nothing of the request.
            AccountError: The key or the account is at fault.
        """
        answer = await self._ask(endpoint, request, request.status_url, "/status")
        if answer.http in (404, 410):
            return NotFound()
        body = answer.body
        if answer.http not in (200, 202) or body is None or not isinstance(body.get("status"), str):
            raise self._read_error(answer)
        metrics = body.get("metrics")
        time_s = metrics.get("inference_time") if isinstance(metrics, dict) else None
        ahead = body.get("queue_position")
        error = body.get("error")
        return Status(
            state=plain(str(body["status"])).upper(),
            ahead=_count(ahead),
            error=answer.message if error else "",
            error_type=answer.error_type,
            inference_s=_seconds(time_s),
        )

    async def result(self, endpoint: str, request: Request) -> Result:
        """Fetch the result of a request.

        Raises:
            ReadError: The read failed, which says nothing of the request.
            AccountError: The key or the account is at fault.
        """
        return self._judge_result(await self._ask(endpoint, request, request.response_url, ""))

    async def cancel(self, endpoint: str, request: Request) -> int:
        """Ask the service to cancel a request, and return the answer's status code.

        What became of it is decided by what the status says afterwards.

        Raises:
            ReadError: The call failed.
            AccountError: The key or the account is at fault.
        """
        answer = await self._ask(endpoint, request, request.cancel_url, "/cancel", method="PUT")
        return answer.http

    async def check_key(self, endpoint: str) -> datetime | None:
        """Make a free read of a request that does not exist, which shows whether the key works.

        Returns:
            The time by the service's clock, in UTC, to the second; None if it does not say.

        Raises:
            AccountError: The key is wrong, or the account is locked for reads too.
            ReadError: The service gave no answer.
        """
        request = Request(request_id=str(uuid4()))
        answer = await self._read("GET", self._addresses.of(endpoint, request, "", "/status"))
        return answer.sent_at

    def _session(
        self,
        keepalive_s: float,
        *,
        total_s: float | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            # The cap on open requests is the run's; a second one here could only hide a wait.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=keepalive_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            # connect covers everything before the first byte, sock_read everything after it: the
            # two prove different things.
            timeout=aiohttp.ClientTimeout(
                total=total_s, connect=self._limits.connect_s, sock_read=self._limits.answer_s
            ),
            headers={
                "Authorization": f"Key {self.service.key}",
                "Accept": "application/json",
                "User-Agent": USER_AGENT,
                **headers,
            },
            requote_redirect_url=False,
        )

    async def _ask(
        self, endpoint: str, request: Request, given: str, suffix: str, *, method: str = "GET"
    ) -> Answer:
        url = self._addresses.of(endpoint, request, given, suffix)
        answer = await self._read(method, url)
        if answer.http in _NOT_THERE or 300 <= answer.http < 400:
            # The address named a sub-path, under which no request lives (405), or was meant for
            # another host, where we do not go with the key: use our own.
            own = self._addresses.of(endpoint, request, "", suffix)
            if url != own:
                answer = await self._read(method, own)
        return answer

    async def _read(self, method: str, url: URL) -> Answer:
        try:
            answer = await self._call(self._reads, method, url)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ReadError(_reason(error)) from error
        if answer.http == 401:
            raise AccountError(answer.message or "the key is not valid", cause="key", http=401)
        if answer.http in (402, 403) and not answer.speaks_of_rate:
            raise _account_error(answer)
        return answer

    async def _call(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: URL,
        *,
        data: bytes | None = None,
    ) -> Answer:
        async with session.request(method, url, data=data, allow_redirects=False) as response:
            content = await self._content(response)
            return parse_answer(response.status, response.headers, content, key=self.service.key)

    async def _content(self, response: aiohttp.ClientResponse) -> bytes:
        """Return the body of an answer; one that does not end is given up."""
        content = await response.content.readany()
        if response.content.at_eof():
            return content
        pieces, length = [content], len(content)
        async with asyncio.timeout(self._limits.total_s):
            while piece := await response.content.readany():
                pieces.append(piece)
                length += len(piece)
                if length > MAX_ANSWER_BYTES:
                    raise aiohttp.ClientPayloadError("the answer does not end")
        return b"".join(pieces)

    def _accepted(self, answer: Answer) -> tuple[Request, int | None]:
        """Return the names in the answer to a POST, or raise what it proves."""
        http = answer.http
        if 200 <= http < 300:
            return _parse_accepted(answer)
        shown = answer.message or f"HTTP {http}"
        if http in JUDGING_CODES:
            raise RefusedError(shown, error_type=answer.error_type or f"http_{http}", http=http)
        if http in (425, 429) or (http == 403 and answer.speaks_of_rate):
            raise ThrottledError(f"{http}: {shown}", retry_after_s=self._retry_after(answer))
        if http == 503 and answer.is_from_service:
            raise ThrottledError(f"503: {shown}", retry_after_s=self._retry_after(answer))
        if http in (401, 402, 403, 404, 405) or 300 <= http < 400:
            raise _account_error(answer)
        said = f"HTTP {http}: {shown}" if answer.message else f"HTTP {http}"
        raise UncertainError(said, http=http)

    def _judge_result(self, answer: Answer) -> Result:
        http = answer.http
        if answer.is_not_ready:
            return NotReady()
        if http in (404, 410):
            return NotFound()
        body = answer.body
        has_failed = body is not None and str(body.get("status", "")).upper() in FINAL_FAILURES
        if http == 200 and body is not None and not has_failed:
            return Fetched(
                output=body,
                units=answer.billable_units,
                origin=answer.headers.get("x-fal-served-from", ""),
            )
        if http in (403, 405, 408, 425, 429) or not (400 <= http < 600 or has_failed):
            raise self._read_error(answer)
        return Failure(
            http=http,
            error_type=answer.error_type,
            message=answer.message,
            is_own=body is not None and ("detail" in body or answer.is_from_service),
            retryable=answer.retryable,
            units=answer.billable_units,
        )

    def _read_error(self, answer: Answer) -> ReadError:
        return ReadError(
            f"HTTP {answer.http}: {answer.message}" if answer.message else f"HTTP {answer.http}",
            http=answer.http,
            retry_after_s=self._retry_after(answer),
        )

    def _retry_after(self, answer: Answer) -> float | None:
        # A date is meant by the clock that wrote it.
        now = answer.sent_at or self._now()
        return parse_retry_after(answer.headers.get("retry-after"), now=now)


def encode_input(value: Mapping[str, Json]) -> bytes:
    """Return an input as the body of its POST."""
    return _ENCODER.encode(value).encode()


def _parse_accepted(answer: Answer) -> tuple[Request, int | None]:
    body = answer.body or {}
    request_id = body.get("request_id")
    if not isinstance(request_id, str) or not _is_usable(request_id):
        said = f"HTTP {answer.http} without a usable request_id"
        raise UncertainError(said, http=answer.http)
    ahead = body.get("queue_position")
    urls = {name: _address(body.get(name)) for name in ("status_url", "response_url", "cancel_url")}
    return Request(request_id=request_id, **urls), _count(ahead)


def _is_usable(request_id: str) -> bool:
    return 0 < len(request_id) <= 200 and request_id.isprintable() and request_id not in (".", "..")


def _count(value: Json) -> int | None:
    """Return a number of requests; None for what can be none."""
    return value if isinstance(value, int) and 0 <= value <= MAX_NUMBER else None


def _seconds(value: Json) -> float | None:
    """Return a time in seconds; None for what can be none, as NaN and what no float holds."""
    if not isinstance(value, int | float) or not 0 <= value <= MAX_NUMBER:
        return None
    return float(value)


def _address(value: Json) -> str:
    """Return an address in an answer; `""` for what is none, as a formula for a spreadsheet."""
    is_address = isinstance(value, str) and value.isprintable()
    return str(value) if is_address and _ADDRESS.match(str(value)) else ""


def _account_error(answer: Answer) -> AccountError:
    cause = "redirect"
    if answer.http == 401:
        cause = "key"
    elif answer.http in (402, 403):
        cause = "locked"
    elif answer.http in (404, 405):
        cause = "endpoint"
    return AccountError(answer.message or f"HTTP {answer.http}", cause=cause, http=answer.http)


def _reason(error: BaseException) -> str:
    """Return one line about a failed call; aiohttp's own texts name the host, never the key."""
    match error:
        case aiohttp.ClientConnectorError():
            return f"no connection: {error.strerror or error}"
        case aiohttp.ConnectionTimeoutError():
            return "no connection in time"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed before an answer came"
        case TimeoutError():
            return "no answer in time"
        case _:
            return f"the connection broke: {type(error).__name__}"
