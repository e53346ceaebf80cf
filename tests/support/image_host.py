"""An image host on loopback that answers, byte for byte, what a test scripts."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Pause:
    """Send nothing for so many seconds; for as long as the client waits, without a number."""

    seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the connection."""


Step = bytes | Pause | Reset


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request as it arrived, the names of its headers in lower case."""

    path: str
    headers: dict[str, str]


def answer(body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a whole answer with its length."""
    lines = {"Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode() + body


def chunked(*pieces: bytes, end: bool = True) -> bytes:
    """Return an answer without a length, in chunks."""
    body = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    tail = b"0\r\n\r\n" if end else b""
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + tail


class ImageHost:
    """Serves scripts by path; everything else is 404.

    Attributes:
        seen: The requests, in order.
        connections: How many connections were made.
    """

    def __init__(self, *, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[Seen] = []
        self.connections = 0
        self._address = address
        self._tls = tls
        self._scripts: dict[str, Sequence[Step]] = {}
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self._address, 0, ssl=self._tls)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self._address}:{self.port}"

    def play(self, path: str, *steps: Step) -> str:
        """Answer a path with these steps, each time; return its URL."""
        self._scripts[path] = steps
        return self.url + path

    def redirect(self, path: str, to: str, *, status: int = 302) -> str:
        return self.play(path, answer(b"moved", status=status, headers={"Location": to}))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._answer(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = head[0].split(" ")[1]
        pairs = (line.split(": ", 1) for line in head[1:] if line)
        self.seen.append(Seen(path=path, headers={name.lower(): value for name, value in pairs}))
        for step in self._scripts.get(path, [answer(b"", status=404)]):
            match step:
                case bytes():
                    writer.write(step)
                    await writer.drain()
                case Pause(seconds=seconds):
                    await asyncio.sleep(seconds)
                case Reset():
                    sock = writer.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return False
        return not head[0].endswith("HTTP/1.0") and path in self._scripts and self._keeps(path)

    def _keeps(self, path: str) -> bool:
        """Whether the connection stays open: only behind answers that say where they end."""
        first = self._scripts[path][0]
        return isinstance(first, bytes) and b"Connection: close" not in first
