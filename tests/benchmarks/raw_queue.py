"""A queue that costs next to nothing, so that what a client takes is the client's own.

    python tests/benchmarks/raw_queue.py [--port N] [--seconds S]

HTTP/1.1 taken apart by hand in one asyncio protocol on uvloop. It answers a POST, a status, a
result, a cancellation and an image as the service does when all goes well, knows every id that it
has given and denies all others, and keeps nothing of a request but when it came. No key is
checked and no input looked at. An image is always the same PNG of 3 kB.

What it has seen is told under `/_raw`: calls by kind, its own CPU time, and when the first
submission came, by the clock that all processes of a machine share.

Other benchmarks use it as `with RawQueue() as queue: …queue.url…`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast
from urllib.request import ProxyHandler, build_opener

import uvloop
from PIL import Image

ID_TAIL = "-0000-4000-8000-000000000000"
SIDE = 32
END_OF_HEAD = b"\r\n\r\n"
REASONS = {200: b"OK", 202: b"Accepted", 400: b"Bad Request", 404: b"Not Found"}


class Desk:
    """What the queue knows.

    Attributes:
        url: Its own address, which its answers name.
        seconds: How long a request takes.
        came_at: When each request came, by the monotonic clock; its place is its number.
        calls: How many calls of each kind there were.
        first_at: When the first submission came; None before.
    """

    def __init__(self, *, seconds: float) -> None:
        self.url = ""
        self.seconds = seconds
        self.came_at: list[float] = []
        self.calls: Counter[str] = Counter()
        self.first_at: float | None = None
        self._image = make_image()

    def answer(self, method: bytes, path: bytes) -> bytes:
        """Return the whole answer to a call."""
        if method == b"POST":
            return self._accept(path.decode())
        if path.startswith(b"/files/"):
            self.calls["image"] += 1
            return _head(200, len(self._image), b"image/png") + self._image
        if path == b"/_raw":
            return _json(200, self.seen())
        return self._read(method, path.decode())

    def seen(self) -> dict[str, Any]:
        """Return what there is to say of the queue itself."""
        return {
            "calls": dict(self.calls),
            "cpu_s": time.process_time(),
            "first_at": self.first_at,
            "now": time.monotonic(),
        }

    # -- what a queue with runners does otherwise ------------------------------------------------

    def came(self, number: int) -> int:
        """Take in a request that came just now, and return what its answer says of its place."""
        return 0

    def left_s(self, number: int) -> float:
        """Return how long a request still takes, in seconds, to one who looks at it just now."""
        return self.seconds and self.came_at[number] + self.seconds - time.monotonic()

    def state(self, number: int) -> str:
        """Return what a status says of a request that has not ended, as members of its JSON."""
        return '"status": "IN_PROGRESS"'

    def ran_s(self, number: int) -> float:
        """Return how long a request that has ended was in progress, in seconds."""
        return self.seconds

    # -- calls -----------------------------------------------------------------------------------

    def _accept(self, path: str) -> bytes:
        now = time.monotonic()
        if self.first_at is None:
            self.first_at = now
        number = len(self.came_at)
        request_id = f"{number:08x}{ID_TAIL}"
        self.came_at.append(now)
        self.calls["submit"] += 1
        place = f"{self.url}{path}/requests/{request_id}"
        body = (
            f'{{"status": "IN_QUEUE", "request_id": "{request_id}", "response_url": "{place}", '
            f'"status_url": "{place}/status", "cancel_url": "{place}/cancel", '
            f'"queue_position": {self.came(number)}, "logs": null, "metrics": {{}}}}'
        )
        return _text(200, body, request_id)

    def _read(self, method: bytes, path: str) -> bytes:
        place, _, last = path.partition("?")[0].rpartition("/")
        request_id = last if last.endswith(ID_TAIL) else place.rpartition("/")[2]
        number = self._number(request_id)
        if number is None:
            self.calls["denied"] += 1
            return _json(404, {"status": "NOT_FOUND"})
        left_s = self.left_s(number)
        if last == "status":
            return self._status(request_id, number, is_done=left_s <= 0)
        if method == b"PUT":
            self.calls["cancel"] += 1
            return _json(400, {"status": "ALREADY_COMPLETED"})
        self.calls["result" if left_s <= 0 else "early result"] += 1
        if left_s > 0:
            return _text(400, '{"detail": "Request is still in progress"}', request_id)
        body = (
            f'{{"images": [{{"url": "{self.url}/files/{request_id}.png", '
            f'"content_type": "image/png", "file_name": "{request_id}.png", '
            f'"file_size": {len(self._image)}, "width": {SIDE}, "height": {SIDE}}}], '
            '"description": ""}'
        )
        return _text(200, body, request_id)

    def _status(self, request_id: str, number: int, *, is_done: bool) -> bytes:
        if is_done:
            self.calls["status"] += 1
            body = (
                f'{{"status": "COMPLETED", "request_id": "{request_id}", "logs": null, '
                f'"metrics": {{"inference_time": {self.ran_s(number)}}}}}'
            )
            return _text(200, body, request_id)
        self.calls["early status"] += 1
        body = f'{{{self.state(number)}, "request_id": "{request_id}", "logs": null}}'
        return _text(202, body, request_id)

    def _number(self, request_id: str) -> int | None:
        """Return the number of a request; None if there is none of that id."""
        if not request_id.endswith(ID_TAIL):
            return None
        try:
            number = int(request_id[:8], 16)
        except ValueError:
            return None
        return number if number < len(self.came_at) else None


class Caller(asyncio.Protocol):
    """One connection: calls come one after the other, their bodies are thrown away."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._rest = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not derived from it

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        while (end := data.find(END_OF_HEAD)) >= 0:
            head, end = data[:end], end + len(END_OF_HEAD)
            if not head.startswith(b"GET "):
                end += _body_bytes(head)
                if len(data) < end:
                    break
            method, path, _ = head.split(b" ", 2)
            self._transport.write(self._desk.answer(method, path))
            data = data[end:]
        self._rest = data


def _body_bytes(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(b"\r\ncontent-length:")
    return int(lower[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


def _head(http: int, length: int, kind: bytes, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d %b\r\nServer: raw\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b\r\n" % (
        *(http, REASONS[http], kind, length, more),
    )


def _text(http: int, body: str, request_id: str) -> bytes:
    content = body.encode()
    more = b"x-fal-request-id: %b\r\n" % request_id.encode()
    return _head(http, len(content), b"application/json", more) + content


def _json(http: int, body: object) -> bytes:
    content = json.dumps(body).encode()
    return _head(http, len(content), b"application/json") + content


def make_image() -> bytes:
    """Return a PNG of about 3 kB: noise, which compresses to nothing less."""
    noise = [Image.effect_noise((SIDE, SIDE), spread) for spread in (60, 60, 90)]
    file = BytesIO()
    Image.merge("RGB", noise).save(file, "PNG")
    return file.getvalue()


@dataclass(slots=True)
class RawQueue:
    """The queue as a process of its own, for as long as the context lasts.

    Attributes:
        seconds: How long a request takes.
        url: Its address.
    """

    seconds: float = 0.0
    url: str = ""
    _process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.communicate(timeout=30)

    def command(self) -> list[str]:
        """Return what its process is started with."""
        return [sys.executable, str(Path(__file__)), "--seconds", str(self.seconds)]

    def seen(self) -> dict[str, Any]:
        """Return what the queue has counted, its CPU time, and when the first submission came."""
        with build_opener(ProxyHandler({})).open(f"{self.url}/_raw", timeout=30) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found


async def serve(desk: Desk, *, port: int = 0) -> None:
    """Say the address on stdout, and serve until stdin is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Caller(desk), "127.0.0.1", port, backlog=1024)
    desk.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    sys.stdout.write(f"{desk.url}\n")
    sys.stdout.flush()
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="(any that is free)")
    parser.add_argument("--seconds", type=float, default=0.0, help="a request takes so long (0)")
    options = parser.parse_args()
    uvloop.run(serve(Desk(seconds=options.seconds), port=options.port))


if __name__ == "__main__":
    main()
