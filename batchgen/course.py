"""Whether a run goes on: one place to stop it, and one event that says that something changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from batchgen.errors import AccountError, LedgerError, StorageError, UnrecordedError
from batchgen.stop import Cause, Stop, stop_for_account

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Course:
    """What every part of a run looks at before it goes on.

    Attributes:
        sleep: Waits so many seconds.
        stopped: Why nothing more is submitted, or None.
        has_aborted: Whether nothing more is read or downloaded either.
        is_hurried: Whether somebody waits for the end: POSTs that are out get a moment only.
        unrecorded: Accepted requests whose ids the disk did not take, as `job_id=request_id`.
        bugs: Mistakes of batchgen itself, to be raised when the run has drained.
    """

    sleep: Callable[[float], Awaitable[None]]
    stopped: Stop | None = None
    has_aborted: bool = False
    is_hurried: bool = False
    unrecorded: list[str] = field(default_factory=list)
    bugs: list[Exception] = field(default_factory=list)
    _pauses: set[asyncio.Future[None]] = field(default_factory=set)
    _readers: set[asyncio.Task[Any]] = field(default_factory=set)

    def stop(self, stop: Stop) -> None:
        """Submit nothing more; the first reason counts. What is open is read and saved."""
        if self.stopped is None:
            self.stopped = stop
            logger.warning("stopping: %s: %s", stop.cause.label, stop.text)
        self.wake()

    def bar(self, error: AccountError) -> None:
        """Take note that the account is barred: nothing more is submitted."""
        self.stop(stop_for_account(error))

    def lack_room(self, error: StorageError) -> None:
        """Take note that the disk refuses files: nothing more is submitted."""
        self.stop(Stop(cause=Cause.DISK, text=str(error), mend="make room"))

    def abort(self) -> None:
        """Read and download nothing more; POSTs that are out still get their answers."""
        self.has_aborted = True
        for reader in self._readers:
            reader.cancel()
        self._readers.clear()  # each is cut once: whoever else cancels it means its task
        self.wake()

    def hurry(self) -> None:
        """Abort, and let POSTs that are out have a moment for their answers, but no longer."""
        self.is_hurried = True
        self.abort()

    def wake(self) -> None:
        """Say that something has changed."""
        for pause in self._pauses:
            pause.cancel()

    async def pause(self, longest_s: float) -> None:
        """Wait until something has changed, or for so many seconds."""
        timer = asyncio.ensure_future(self.sleep(longest_s))
        self._pauses.add(timer)
        try:
            await asyncio.wait((timer,))
        finally:
            self._pauses.discard(timer)
            timer.cancel()

    async def unless_aborted(self, reading: Coroutine[Any, Any, T]) -> T | None:
        """Return what a read, or a download, returns; None if an abort has cut it."""
        if self.has_aborted:
            reading.close()
            return None
        # The task that reads is cut itself: one of its own for each read would cost more than
        # what it has to do.
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("reads are made inside a task")
        cancelled = task.cancelling()
        self._readers.add(task)
        try:
            return await reading
        except asyncio.CancelledError:
            if not self.has_aborted or task.uncancel() > cancelled:
                raise
            return None
        finally:
            self._readers.discard(task)

    async def guarded(self, work: Awaitable[object]) -> None:
        """Do some work; what it raises stops the run and cuts no other work."""
        try:
            await work
        except StorageError as error:
            self.lack_room(error)
        except LedgerError as error:
            if isinstance(error, UnrecordedError):
                self.unrecorded.append(f"{error.job_id}={error.request_id}")
            self.stop(Stop(cause=Cause.DISK, text=str(error), mend="make room, or free the file"))
            self.abort()
        except Exception as bug:
            logger.exception("a mistake of batchgen itself")
            self.bugs.append(bug)
            self.stop(Stop(cause=Cause.MISTAKE, text=f"{type(bug).__name__}: {bug}"))
