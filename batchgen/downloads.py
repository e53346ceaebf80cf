"""The second stage: images are fetched beside the requests, and hold none of their slots.

What waits here waits as numbers; its records are read from the journal when its turn comes. Only
a bounded number brings along what was just written.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from batchgen.attempt import Entry, job_from
from batchgen.course import Course
from batchgen.delivery import TRIES, Delivery
from batchgen.job import Job
from batchgen.progress import Progress
from batchgen.records import Records
from batchgen.standing import Standing

# Jobs whose images are fetched at a time.
SIDE_BY_SIDE = 16

# Of so many that wait, what was just written is kept in memory, some kilobytes each. More than that
# wait only after a pause of submissions, or at the start of a run.
KEPT = 1000

# So many jobs in a row whose images cannot be fetched mean that their host is at fault.
FEW = 3


class Fresh(NamedTuple):
    """What has just been recorded of a job: nobody has to read it from the journal again."""

    job: Job
    result: Entry


class _Turn(NamedTuple):
    """One job whose images are to be fetched, and how often each is tried."""

    number: int
    tries: int
    fresh: Fresh | None = None


@dataclass(slots=True, kw_only=True)
class Downloads:
    """The images of a run on their way to disk.

    Attributes:
        records: Where their results stand.
        delivery: Brings one job's images to disk.
        progress: What is shown meanwhile.
        course: Whether the run goes on.
        monotonic: A clock that never goes back, in seconds.
    """

    records: Records
    delivery: Delivery
    progress: Progress
    course: Course
    monotonic: Callable[[], float]
    # What an earlier run has left may be a million: a number each, and nothing around it.
    _queue: asyncio.Queue[_Turn | int] = field(default_factory=asyncio.Queue)
    _deferred: deque[int] = field(default_factory=deque)
    _failed: set[int] = field(default_factory=set)
    _failed_since: float = 0.0
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _busy: int = 0

    @property
    def waiting(self) -> int:
        """Jobs whose images are still to be fetched."""
        return self._queue.qsize()

    @property
    def unfinished(self) -> int:
        """The same, and those that are being fetched."""
        return self._queue.qsize() + self._busy

    @property
    def failing_since(self) -> float | None:
        """Since when nothing could be fetched, by the monotonic clock; None while it works.

        One image that cannot be had says nothing of its host: several jobs in a row do.
        """
        return self._failed_since if len(self._failed) >= FEW else None

    def start(self) -> None:
        """Begin to fetch."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(SIDE_BY_SIDE)]

    def add(self, number: int, *, fresh: Fresh | None = None) -> None:
        """Have the images of a job fetched whose result is on record.

        Args:
            number: The job's.
            fresh: Its records, if the caller has just written them.
        """
        has_room = self._queue.qsize() < KEPT
        self._queue.put_nowait(_Turn(number, TRIES, fresh) if fresh and has_room else number)

    def try_again(self) -> None:
        """Give some of the jobs another try whose images could not be fetched."""
        for _ in range(min(SIDE_BY_SIDE, len(self._deferred))):
            self._queue.put_nowait(_Turn(self._deferred.popleft(), 1))

    async def finish(self) -> None:
        """Return when everything was tried, and what had failed was tried once more."""
        await self._join()
        while self._deferred and not self.course.has_aborted:
            self._queue.put_nowait(_Turn(self._deferred.popleft(), 1))
        await self._join()

    async def close(self) -> None:
        """End the tasks that fetch."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _join(self) -> None:
        # Even after an abort this ends at once: what is left is taken from the queue unfetched.
        await self._queue.join()

    async def _work(self) -> None:
        while True:
            found = await self._queue.get()
            turn = found if isinstance(found, _Turn) else _Turn(found, TRIES)
            self._busy += 1
            try:
                if not self.course.has_aborted:
                    await self.course.guarded(self._deliver(turn))
            finally:
                self._busy -= 1
                self._queue.task_done()
                self.course.wake()

    async def _deliver(self, turn: _Turn) -> None:
        standing = self.records.record.own(turn.number)
        job, result = turn.fresh or self._from_journal(standing)
        delivered = self.delivery.delivered
        # An abort cuts it; then the next run fetches what is missing.
        await self.course.unless_aborted(
            self.delivery.deliver(standing, job, result, tries=turn.tries)
        )
        if self.course.has_aborted:
            return
        if self.delivery.delivered > delivered or not self.delivery.download:
            self._failed.clear()
        self._count(turn.number)

    def _from_journal(self, standing: Standing) -> Fresh:
        begun = self.records.entry_at(standing.started)
        return Fresh(job_from(begun), self.records.entry_at(standing.last))

    def _count(self, number: int) -> None:
        standing = self.records.record.jobs[number]
        if standing.lacks_rows:
            self._deferred.append(number)
            if not self._failed:
                self._failed_since = self.monotonic()
            self._failed.add(number)
        elif standing.missing_type:
            self.progress.fail(standing.missing_type)
        else:
            self.progress.succeed()
        self.progress.undelivered = len(self._deferred)
