"""A simulated queue in a thread of the test: there at once, for commands that are processes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from simulator_calls import TINY
from support.command import Desk
from support.simulated_queue import KEY

from batchgen.simulator import Kind, Simulator, SimulatorSettings

PATIENCE_S = 30.0

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class ThreadedQueue:
    """A simulator on an event loop of its own; use it as a context manager.

    Attributes:
        settings: What it is like, beside being quick and drawing tiny images.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: threading.Thread | None = None
    _queue: Simulator | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        given = {"seconds": 0.1, "spread": 0.0, "image_scale": TINY, **self.settings}
        self._queue = Simulator(SimulatorSettings(**given))
        self._call(self._queue.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._call(self.queue.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        if self._thread is not None:
            self._thread.join(PATIENCE_S)
        self._loop.close()

    def desk(self, folder: Path, **environ: str) -> Desk:
        """Return a folder in which commands find this queue, and its key; with more variables."""
        return Desk(
            folder=folder,
            environ={
                "FAL_KEY": KEY,
                "BATCHGEN_QUEUE_URL": self.url,
                "BATCHGEN_PLATFORM_URL": self.platform_url,
                **environ,
            },
        )

    @property
    def queue(self) -> Simulator:
        """The simulator; its counts may be read from here."""
        assert self._queue is not None
        return self._queue

    @property
    def url(self) -> str:
        """The queue's address."""
        return self.queue.url

    @property
    def platform_url(self) -> str:
        """The platform's."""
        return self.queue.platform_url

    @property
    def accepted(self) -> int:
        """How many submissions it has accepted."""
        return self.queue.accepted

    @property
    def accepted_most(self) -> int:
        """How often the input was accepted that was accepted most often."""
        return max(self.queue.accepted_inputs.values(), default=0)

    def calls(self, kind: Kind) -> int:
        """Return how many calls of a kind there were."""
        return self.queue.tally.calls[kind]

    def script(self, *, on: str, nth: Any, do: str | Sequence[str]) -> None:
        """Add a line to its script."""
        self._call(self._later(lambda: self.queue.faults.script(on=on, nth=nth, do=do)))

    def unlock(self) -> None:
        """Lift the lock."""
        self._call(self._later(self.queue.unlock))

    def release(self) -> None:
        """Let the stuck requests go on."""
        self._call(self._later(self.queue.release))

    async def _later(self, what: Any) -> None:
        what()

    def _call(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(PATIENCE_S)
