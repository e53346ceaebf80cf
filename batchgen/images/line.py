"""A connection between two processes of ours: each line is a message in JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import cast

from batchgen.job import Json


class Line(asyncio.Protocol):
    """One end of it. Messages of one turn of the event loop go out together."""

    def __init__(self, *, heard: Callable[[list[Json]], None], lost: Callable[[], None]) -> None:
        """Keep who is told.

        Args:
            heard: Is given each message that comes.
            lost: Is called once, when the connection has ended on either side.
        """
        self._heard = heard
        self._lost = lost
        self._transport: asyncio.Transport
        self._rest = b""
        self._unsent: list[str] = []

    def say(self, message: Sequence[Json]) -> None:
        """Send a message."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._send)
        self._unsent.append(json.dumps(message))

    def close(self) -> None:
        """End the connection."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection, as the event loop asks."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take in what comes, as the event loop asks."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._heard(json.loads(line))

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's own
        """Tell that it is over, as the event loop asks."""
        self._lost()

    def _send(self) -> None:
        lines = "".join(f"{line}\n" for line in self._unsent)
        self._unsent.clear()
        if not self._transport.is_closing():
            self._transport.write(lines.encode())
