"""A process of its own for images that come so fast that threads are in each other's way.

Python runs one thread of a process at a time. Where hundreds of small images a second are to be
fetched, checked and made durable, the threads that do it take their turns from the event loop,
which has requests to send. So from some speed on a second process does the very same, with an
`ImageStore` like ours. A slower run never starts it.

It is a help and no more: where it cannot be started, or has ended, images are stored here as
before. It is never given the key, and it ends when this process does, however that ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from batchgen.errors import ImageError
from batchgen.images.line import Line
from batchgen.images.orders import PULSE_S, READY, Order, parse_outcome
from batchgen.images.saved import SavedImage
from batchgen.job import Json

logger = logging.getLogger(__name__)

# From this speed on it pays: so many images within so many seconds.
FAST_IMAGES = 100
FAST_S = 1.0

# After so many pulses without a sign of life it is given up.
SILENT_PULSES = 3

# How long it may take to end, in seconds.
END_S = 5.0

# The key must not be in its environment.
KEY_VARIABLES = frozenset({"FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET"})

# So much of what it complained of is logged, in characters.
COMPLAINT = 2000

# A socket is handed down by its number, which Windows does not know.
IS_POSSIBLE = os.name == "posix" and bool(sys.executable)


class ImageProcess:
    """This process's end of it. Nothing is started before it pays.

    Attributes:
        pid: The number of the process, once it was started.
        is_at_work: Whether it takes orders.
    """

    def __init__(
        self,
        folder: Path,
        *,
        loopback: bool,
        monotonic: Callable[[], float] = time.monotonic,
        fast_images: int = FAST_IMAGES,
        pulse_s: float = 2 * PULSE_S,
        program: str = "batchgen.images.process_main",
    ) -> None:
        """Keep what is needed to start it.

        Args:
            folder: The batch's folder; it exists.
            loopback: As `ImageStore` has it.
            monotonic: A clock that never goes back, in seconds.
            fast_images: So many images within `FAST_S` are fast.
            pulse_s: So often something has to be heard of it, in seconds.
            program: The module that it runs.
        """
        self.pid: int | None = None
        self.is_at_work = False
        self._program = program
        self._arguments = [str(folder.absolute()), *(["--loopback"] if loopback else [])]
        self._monotonic = monotonic
        self._fast_images = fast_images
        self._pulse_s = pulse_s
        self._noted = 0
        self._noted_at = monotonic()
        self._life: asyncio.Task[None] | None = None
        self._over = asyncio.Event()
        self._is_closing = False
        self._is_ready = False
        self._was_heard = False
        self._line = Line(heard=self._hear, lost=self._hand_back)
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[SavedImage | None]] = {}

    async def download(self, url: str, *, stem: str, size_hint: int | None) -> SavedImage | None:
        """Have an image fetched and saved; None where that has to be done here.

        Raises:
            ImageError: As `ImageStore.download` does.
        """
        if not self.is_at_work:
            self._note()
            return None
        number = next(self._numbers)
        came: asyncio.Future[SavedImage | None] = asyncio.get_running_loop().create_future()
        self._waiting[number] = came
        self._line.say(Order(number, url, stem, size_hint))
        try:
            return await came
        finally:
            del self._waiting[number]

    async def close(self) -> None:
        """Have it end, and return when it has; what it has in hand is given up."""
        self._is_closing = True
        self._hand_back()
        if self._life is not None:
            # Whoever is cancelled while waiting must not cancel it.
            await asyncio.wait([self._life])

    def _note(self) -> None:
        """Take note of an image that is stored here, and start the process once that pays."""
        self._noted += 1
        if self._noted % self._fast_images or self._life is not None or self._is_closing:
            return
        now, before = self._monotonic(), self._noted_at
        self._noted_at = now
        if now - before <= FAST_S and IS_POSSIBLE:
            self._life = asyncio.create_task(self._live())

    async def _live(self) -> None:
        """Start the process and see it to its end."""
        try:
            with TemporaryFile("w+", errors="replace") as complaints:
                code = await self._run(complaints)
                complaints.seek(0)
                said = complaints.read()[-COMPLAINT:].strip()
        except Exception as error:  # noqa: BLE001 - whatever it is, the run goes on without it
            self._hand_back()
            logger.warning("no process for images could be started: %s", error)
            return
        if not self._is_closing:
            logger.warning(
                "the process for images has ended (%d): they are stored by this one again", code
            )
        if said:
            logger.warning("the process for images said:\n%s", said)

    async def _run(self, complaints: IO[str]) -> int:
        """Start the process, be connected with it until that ends, and return its exit code."""
        ours, theirs = socket.socketpair()
        with ours:
            ours.settimeout(0)
            with theirs:
                process = await self._start(theirs, complaints)
            self.pid = process.pid
            await asyncio.get_running_loop().create_connection(lambda: self._line, sock=ours)
            is_useless = await self._listen()
            self._hand_back()
            self._line.close()
            # One that has not begun, or is not heard any more, has nothing to bring to an end.
            return await _exit_code_of(process, within_s=0.0 if is_useless else END_S)

    async def _listen(self) -> bool:
        """Return when the connection has ended: whether nobody is waited for at its other end."""
        silent = 0
        while silent < SILENT_PULSES:
            self._was_heard = False
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pulse_s):
                    await self._over.wait()
                return self._is_closing and not self._is_ready
            # Counted in turns of this loop: a machine that slept, or stood still, has had none.
            silent = 0 if self._was_heard or not self._is_ready else silent + 1
        logger.warning("the process for images says nothing any more: it is ended")
        return True

    async def _start(
        self, theirs: socket.socket, complaints: IO[str]
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(*_interpreter(), "-m", self._program, str(theirs.fileno()), *self._arguments),
            pass_fds=[theirs.fileno()],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=complaints,
            env={name: text for name, text in os.environ.items() if name not in KEY_VARIABLES},
            # A terminal's Ctrl-C is not for it: what is open is still seen to its end.
            start_new_session=True,
        )

    def _hear(self, message: list[Json]) -> None:
        self._was_heard = True
        if message == list(READY):
            self._is_ready = True
            self.is_at_work = not self._over.is_set()
            logger.info("images come fast: a process of their own stores them (%d)", self.pid)
            return
        number, *_ = message
        came = self._waiting.get(number) if isinstance(number, int) else None
        if came is None or came.done():  # nobody waits any more
            return
        outcome = parse_outcome(message)
        if isinstance(outcome, ImageError):
            came.set_exception(outcome)
        else:
            came.set_result(outcome)

    def _hand_back(self) -> None:
        """Give no more orders; who waits for one that was given does it here."""
        self.is_at_work = False
        self._over.set()
        for came in self._waiting.values():
            if not came.done():
                came.set_result(None)


def _interpreter() -> list[str]:
    """Return how Python is started, as much apart from its surroundings as here."""
    if sys.flags.isolated:
        return [sys.executable, "-I"]
    # What lies in the present folder must not be taken for a module.
    flags = {"-P": True, "-E": sys.flags.ignore_environment, "-s": sys.flags.no_user_site}
    return [sys.executable, *(flag for flag, is_set in flags.items() if is_set)]


async def _exit_code_of(process: asyncio.subprocess.Process, *, within_s: float) -> int:
    """Return with which code a process ended; one that does not end by itself is ended."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            return await process.wait()
    with suppress(ProcessLookupError):
        process.kill()
    return await process.wait()
