"""A server on loopback that plays with each connection what a test scripts, byte for byte."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Any, Self


class Do(Enum):
    """What can be done to a connection besides sending bytes."""

    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"


Step = bytes | Do


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request as it arrived, the names of its headers in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


def http(status: int = 200, body: Any = None, *, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a whole answer with its length."""
    content = (
        body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    )
    lines = {"Content-Length": str(len(content)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode() + content


class Wire:
    """Answers the n-th request with the n-th script; the last one is repeated.

    Attributes:
        seen: The requests, in order.
        connections: How many connections were made.
    """

    def __init__(
        self,
        *scripts: Sequence[Step],
        tls: ssl.SSLContext | None = None,
        on_request: Callable[[Seen], None] = lambda seen: None,
    ) -> None:
        self._on_request = on_request
        self.seen: list[Seen] = []
        self.connections = 0
        self._scripts = scripts
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
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
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def posts(self) -> int:
        return sum(seen.method == "POST" for seen in self.seen)

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
        """Play one script, and say whether the connection stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.split(": ", 1) for line in head[1:] if line)
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, target, _ = head[0].split(" ")
        self.seen.append(Seen(method=method, target=target, headers=headers, body=body))
        self._on_request(self.seen[-1])
        script = self._scripts[min(len(self.seen), len(self._scripts)) - 1]
        for step in script:
            match step:
                case bytes():
                    writer.write(step)
                    await writer.drain()
                case Do.HANG:
                    await asyncio.sleep(3600)
                case Do.CLOSE:
                    return False
                case Do.RESET:
                    sock = writer.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return False
        return True


class Silent:
    """A port that takes no connection: its backlog is full, so every attempt hangs."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self._fillers: list[socket.socket] = []

    def __enter__(self) -> Self:
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self._listener.getsockname())
            self._fillers.append(filler)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for one in (*self._fillers, self._listener):
            one.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"


def refused_url() -> str:
    """Return the URL of a port on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
