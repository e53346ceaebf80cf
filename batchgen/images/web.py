"""Fetch the bytes of an image over HTTP. aiohttp's errors end here.

No key, no cookie and no user name goes along. Redirects are followed by hand, each hop judged
like the first; every socket is judged by the address that it will really connect to.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
from yarl import URL

from batchgen.answer import plain
from batchgen.errors import ImageError
from batchgen.images.addresses import Reach, guarded_socket, parse_image_url
from batchgen.retry import parse_retry_after
from batchgen.version import USER_AGENT

REDIRECTS = frozenset({301, 302, 303, 307, 308})
GONE = frozenset({404, 410})


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """How long an image may take, and how large it may be.

    Attributes:
        connect_s: To reach its host, name and handshake included, in seconds.
        stall_s: Without a single byte, in seconds.
        total_s: In all, on the wall clock, in seconds: a byte now and then is no progress.
        max_bytes: Of the image, in bytes.
        max_redirects: From one URL to the next.
    """

    connect_s: float = 10.0
    stall_s: float = 30.0
    total_s: float = 300.0
    max_bytes: int = 256 * 1024 * 1024
    max_redirects: int = 5


class Body:
    """The bytes of an image, as they come in.

    Attributes:
        length: How many the host has announced; None if it has not, or has compressed them.
        received: How many were read so far.
    """

    def __init__(self, answer: aiohttp.ClientResponse, *, max_bytes: int) -> None:
        """Begin to read an answer.

        Raises:
            ImageError: It announces more than `max_bytes`.
        """
        is_compressed = "Content-Encoding" in answer.headers
        self.length = None if is_compressed else answer.content_length
        self.received = 0
        self._host = answer.url.host
        self._content = answer.content
        self._max_bytes = max_bytes
        self._check_size(self.length or 0)

    async def read(self, at_least: int) -> bytes:
        """Return at least so many bytes, or fewer if these are the last ones.

        Raises:
            ImageError: The host broke off before the end, or sends more than is taken.
        """
        pieces: list[bytes] = []
        end = self.received + at_least
        try:
            while self.received < end and (piece := await self._content.readany()):
                pieces.append(piece)
                self.received += len(piece)
                self._check_size(self.received)
        except aiohttp.ClientPayloadError as error:
            of = f" of {self.length:,}" if self.length is not None else ""
            raise ImageError(
                f"{self._host} broke off after {self.received:,}{of} bytes of the image"
            ) from error
        return b"".join(pieces)

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise ImageError(f"the image is larger than {self._max_bytes:,} bytes")


class ImageWeb:
    """The hosts that images are fetched from, for as long as a run lasts."""

    def __init__(
        self,
        *,
        reach: Reach,
        limits: FetchLimits,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Keep what is needed; nothing is connected before `connect` is called.

        Args:
            reach: Which schemes and addresses images are fetched from.
            limits: How long an image may take, and how large it may be.
            now: The time in UTC, for `Retry-After`.
            tls: Which certificates to trust; the system's if None.
        """
        self.limits = limits
        self._reach = reach
        self._now = now
        self._tls = tls
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def open_sessions(self) -> None:
        """Make ready to fetch; one session for each scheme, since they reach different hosts."""
        for scheme, allows in self._reach.items():
            self._sessions[scheme] = aiohttp.ClientSession(
                # How many are fetched at a time is the caller's business.
                connector=aiohttp.TCPConnector(
                    limit=0, socket_factory=guarded_socket(allows), ssl=self._tls or True
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(
                    total=None, connect=self.limits.connect_s, sock_read=self.limits.stall_s
                ),
                trust_env=False,
            )

    async def close_sessions(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Body]:
        """Ask for an image, and give its bytes for as long as the context lasts.

        The limits count, and errors are translated, until the context ends.

        Raises:
            ImageError: The image cannot be had; `gone`, `http` and `retry_after_s` say more.
        """
        first = parse_image_url(url, reach=self._reach)
        with _web_errors(first.host or "", self.limits):
            async with asyncio.timeout(self.limits.total_s), await self._get(first) as answer:
                self._check_status(answer)
                yield Body(answer, max_bytes=self.limits.max_bytes)

    async def _get(self, url: URL) -> aiohttp.ClientResponse:
        """Return the first answer that is no redirect."""
        for _ in range(self.limits.max_redirects + 1):
            answer = await self._sessions[url.scheme].get(url, allow_redirects=False)
            if answer.status not in REDIRECTS:
                return answer
            answer.close()
            location = answer.headers.get("Location")
            if not location:
                raise ImageError(f"{url.host} redirects without saying where to")
            url = parse_image_url(location, reach=self._reach, here=url)
        raise ImageError(f"the image is behind more than {self.limits.max_redirects} redirects")

    def _check_status(self, answer: aiohttp.ClientResponse) -> None:
        if answer.status != 200:
            raise ImageError(
                f"{answer.url.host} answered {answer.status} instead of an image",
                gone=answer.status in GONE,
                http=answer.status,
                retry_after_s=parse_retry_after(answer.headers.get("Retry-After"), now=self._now()),
            )


@contextmanager
def _web_errors(host: str, limits: FetchLimits) -> Iterator[None]:
    """Turn what aiohttp raises around a fetch into our own word for it."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise ImageError(f"{host} was not reached within {limits.connect_s:g} s") from error
    except aiohttp.SocketTimeoutError as error:
        raise ImageError(f"{host} sent nothing for {limits.stall_s:g} s") from error
    except TimeoutError as error:
        raise ImageError(f"{host} was not done after {limits.total_s:g} s") from error
    except aiohttp.ClientConnectorError as error:
        reason = error.os_error.strerror or error.os_error
        raise ImageError(f"{error.host} cannot be reached: {reason}") from error
    except (aiohttp.ClientError, UnicodeError, OSError) as error:
        raise ImageError(f"{host}: {plain(_reason(error))}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientResponseError):
        return f"not an answer in HTTP: {error.message}"
    return str(error) or repr(error)
