"""The platform's history of requests, for reconciling. aiohttp's errors end here.

The platform keeps what was sent and what came of it for a while, beside the queue. It is asked
when an answer was lost, or when the queue does not know a request any more.

Source:
    Protocol notes, section 10; https://fal.ai/docs/platform-apis/v1/models/requests/by-endpoint.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

import aiohttp

from batchgen.answer import Answer, parse_answer
from batchgen.attempt import timestamp
from batchgen.errors import AccountError, ReadError
from batchgen.history import HistoryEntry, HistoryPage, parse_page
from batchgen.retry import Backoff, parse_retry_after
from batchgen.version import USER_AGENT

__all__ = ["HistoryEntry", "PlatformClient", "PlatformLimits"]

HISTORY_PATH = "/models/requests/by-endpoint"

# The most that a page may hold. A page of inputs that carry images can still be large.
PAGE_ENTRIES = 100
MAX_PAGE_BYTES = 256 * 1024 * 1024

# A history that goes on beyond this, a million requests, does not end by itself.
MAX_PAGES = 10_000

# How far back one request is looked for. Without a start some versions of the service look at
# the last day only, and take a request that is older for one that never was.
FIND_WITHIN = timedelta(days=90)

_LOCKED = re.compile(r"locked|balance|top.?up|billing", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformLimits:
    """How long a page may take, and how often it is asked for.

    Attributes:
        connect_s: To reach the platform, in seconds.
        answer_s: Without a byte of the answer, in seconds.
        total_s: In all, in seconds.
        tries: For one page.
        longest_wait_s: Who asks for a longer pause than this, in seconds, is not waited for.
    """

    connect_s: float = 10.0
    answer_s: float = 60.0
    total_s: float = 180.0
    tries: int = 4
    longest_wait_s: float = 60.0


class _PageTooLargeError(ReadError):
    """It will be as large the next time."""


class PlatformClient:
    """The platform, with the key, for as long as a run lasts.

    Use it as an async context manager. Every method raises `ReadError` and `AccountError` only,
    and an `AccountError` says no more than that this key may not read this history.

    Attributes:
        ahead: How far the platform's clock was ahead of ours when it answered last.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        limits: PlatformLimits | None = None,
        backoff: Backoff | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep what is needed; nothing is connected before the context is entered.

        Args:
            base_url: As in `https://api.fal.ai/v1`. The key goes there and nowhere else.
            key: The key.
            limits: How long a page may take, and how often it is asked for.
            backoff: How long to wait before a page is asked for again.
            sleep: Waits so many seconds.
            jitter: Draws from [0, 1).
            now: The time, in UTC.
        """
        self._url = base_url.rstrip("/") + HISTORY_PATH
        self._key = key
        self._limits = limits or PlatformLimits()
        self._backoff = backoff or Backoff(base_s=2.0, cap_s=30.0)
        self._sleep = sleep
        self._jitter = jitter
        self._now = now
        self._session: aiohttp.ClientSession
        self.ahead = timedelta(0)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=self._limits.total_s,
                connect=self._limits.connect_s,
                sock_read=self._limits.answer_s,
            ),
            headers={
                "Authorization": f"Key {self._key}",
                "Accept": "application/json",
                "User-Agent": USER_AGENT,
            },
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def history(
        self, endpoint: str, *, start: datetime, end: datetime
    ) -> AsyncIterator[HistoryEntry]:
        """Yield every request to an endpoint that the platform shows, each once.

        The history was read whole only if the iterator ends by itself: what came before an error
        is a part of it.

        Args:
            endpoint: The endpoint's id, its sub-path included.
            start: Entries from here on.
            end: Entries before this.

        Raises:
            ReadError: A page could not be read, or the pages do not end.
            AccountError: The key may not read the history.
        """
        window = {"start": timestamp(start), "end": timestamp(end)}
        async for entry in self._entries({"endpoint_id": endpoint, **window}):
            yield entry

    async def find(
        self, endpoint: str, request_id: str, *, since: datetime | None = None
    ) -> HistoryEntry | None:
        """Return what the platform remembers of one request; None if it remembers nothing.

        Args:
            endpoint: The endpoint's id, its sub-path included.
            request_id: The queue's name for the request.
            since: The request is not older than this; 90 days ago if None.

        Raises:
            ReadError: The platform gave no answer that says whether it knows the request.
            AccountError: The key may not read the history.
        """
        start = timestamp(since or self._now() - FIND_WITHIN)
        question = {"endpoint_id": endpoint, "request_id": request_id, "start": start}
        async for entry in self._entries(question):
            # A service that does not know the filter lists others too.
            if entry.request_id == request_id:
                return entry
        return None

    async def _entries(self, question: Mapping[str, str]) -> AsyncIterator[HistoryEntry]:
        cursors: set[str] = set()
        # Pages are counted by number, so that a request which ends meanwhile moves others on.
        seen: set[str] = set()
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await self._page(question, cursor)
            for entry in page.entries:
                if entry.request_id not in seen:
                    yield entry
                if entry.request_id:
                    seen.add(entry.request_id)
            cursor = page.next_cursor
            if cursor is None:
                return
            if cursor in cursors:
                raise ReadError("the pages of the history go round in a circle")
            cursors.add(cursor)
        raise ReadError(f"the history does not end after {MAX_PAGES:,} pages")

    async def _page(self, question: Mapping[str, str], cursor: str | None) -> HistoryPage:
        """Return one page; ask again where that can help."""
        params = {**question, "expand": "payloads", "limit": str(PAGE_ENTRIES)}
        if cursor is not None:
            params["cursor"] = cursor
        for failures in itertools.count(1):
            try:
                return parse_page((await self._read(params)).body)
            except _PageTooLargeError:
                raise
            except ReadError as error:
                pause = error.retry_after_s or 0.0
                is_last = failures >= self._limits.tries or pause > self._limits.longest_wait_s
                if is_last or not _may_pass(error.http):
                    raise
                wait = self._backoff.wait_s(failures=failures, jitter=self._jitter())
                await self._sleep(max(pause, wait))
        raise AssertionError("unreachable")

    async def _read(self, params: Mapping[str, str]) -> Answer:
        try:
            async with self._session.get(self._url, params=params, allow_redirects=False) as reply:
                content = bytearray()
                async for piece in reply.content.iter_any():
                    content += piece
                    if len(content) > MAX_PAGE_BYTES:
                        raise _PageTooLargeError(
                            f"a page of the history is larger than {MAX_PAGE_BYTES:,} bytes"
                        )
                answer = parse_answer(reply.status, reply.headers, bytes(content), key=self._key)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # aiohttp's texts name the host, never the key.
            raise ReadError(f"the platform gave no answer: {str(error) or type(error)}") from error
        self._note_clock(answer)
        if answer.http != 200:
            raise self._refusal(answer)
        return answer

    def _note_clock(self, answer: Answer) -> None:
        if answer.sent_at is not None:
            self.ahead = answer.sent_at - self._now()

    def _refusal(self, answer: Answer) -> ReadError | AccountError:
        http = answer.http
        shown = answer.message or f"HTTP {http}"
        if http == 401:
            return AccountError(shown, cause="key", http=http)
        if http in (402, 403) and not answer.speaks_of_rate:
            is_locked = http == 402 or _LOCKED.search(shown)
            return AccountError(shown, cause="locked" if is_locked else "key", http=http)
        return ReadError(
            f"the platform answered HTTP {http}: {shown}",
            http=http,
            retry_after_s=parse_retry_after(answer.headers.get("retry-after"), now=self._now()),
        )


def _may_pass(http: int | None) -> bool:
    """Say whether a page that could not be read may be there the next time.

    A 403 that gets here speaks of how often we ask; a 200, of a page that was none. A 404 is
    more likely a deployment's hiccup than an address that is wrong.
    """
    return http in (None, 200, 403, 404, 408, 425, 429) or http >= 500
