"""A whole run: what is on record first, then new work, until all is done or something stops it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta

from batchgen.batch import Batch
from batchgen.course import Course
from batchgen.dispatcher import Dispatcher
from batchgen.recovery import Recovery
from batchgen.stop import Cause, Stop
from batchgen.window_log import WindowLog

logger = logging.getLogger(__name__)

# How often the run looks up from its work, in seconds: for a request to stop, for a service that
# is gone, for a clock that jumped.
LOOK_S = 0.5

# How often images that could not be fetched are tried again, and lost submissions are looked up,
# in seconds.
SECOND_TRY_S = 60.0

# So long a silence of the service is worth a word, in seconds.
SILENCE_S = 10.0

# A clock that is off by more than this, in seconds, has jumped.
JUMP_S = 30.0


@dataclass(slots=True, kw_only=True)
class Runner:
    """One run of one batch.

    Attributes:
        batch: Its folder.
        recovery: What is done about the record first.
        dispatcher: What is sent, and what follows from it.
        course: Whether the run goes on.
    """

    batch: Batch
    recovery: Recovery
    dispatcher: Dispatcher
    course: Course

    async def run(self) -> None:
        """Run until all is done or something stops it; what happened is in the records.

        Raises:
            ExceptionGroup: A mistake of batchgen itself. No job was begun after it, and every
                request that was open was followed to its end first.
        """
        downloads = self.dispatcher.downloads
        background = [asyncio.create_task(self._watch())]
        downloads.start()
        try:
            await self.course.guarded(self._recover())
            again = asyncio.create_task(self._try_again())
            background.append(again)
            await self.course.guarded(self.dispatcher.submit_all())
            stopped = self.course.stopped
            if stopped is not None and stopped.cause is not Cause.SIGNAL:
                await self.course.guarded(self.dispatcher.look_up())
            await self.dispatcher.drain()
            again.cancel()
            await asyncio.gather(again, return_exceptions=True)
            await self.dispatcher.drain()  # what it has found in the meantime
            await downloads.finish()
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await downloads.close()
        if self.course.bugs:
            raise ExceptionGroup("batchgen has made a mistake", self.course.bugs)

    async def _recover(self) -> None:
        """Do what the record asks for before anything is sent."""
        found = await self.recovery.recover()
        progress = self.dispatcher.progress
        progress.unknown += found.unknown
        progress.failed += found.failed
        for number in found.downloads:
            self.dispatcher.downloads.add(number)
        stop = await self.course.unless_aborted(self.recovery.check_account(found.open))
        if stop is not None:
            self.course.stop(stop)
        if self.course.has_aborted or stop is not None:
            return
        for one in found.open:
            self.dispatcher.reopen(one.job, one.standing, one.request, age_s=one.age_s)

    async def _watch(self) -> None:
        """Look up from the work now and then."""
        clock = self.recovery.clock
        window_log = WindowLog(window=self.dispatcher.gate.window)
        wall, steady = clock.now(), clock.monotonic()
        while True:
            await clock.sleep(LOOK_S)
            now, monotonic = clock.now(), clock.monotonic()
            off_s = (now - wall).total_seconds() - (monotonic - steady)
            if abs(off_s) > JUMP_S:
                logger.warning("the clock has jumped by %.0f s", off_s)
            wall, steady = now, monotonic
            await self.course.guarded(self._look(monotonic))
            window_log.look(monotonic)

    async def _look(self, monotonic: float) -> None:
        self._check_stop_request()
        self._check_contact(monotonic)
        self._show(monotonic)

    async def _try_again(self) -> None:
        """Try again, at once and now and then, what could not be settled or fetched so far."""
        while True:
            self.dispatcher.downloads.try_again()
            await self.course.guarded(self.dispatcher.look_up(only_due=True))
            await self.recovery.clock.sleep(min(SECOND_TRY_S, self.recovery.reconciler.pause_s))

    def _show(self, monotonic: float) -> None:
        progress, waiting = self.dispatcher.progress, self.dispatcher.worker.waiting
        progress.open = self.dispatcher.gate.window.open
        progress.queued = len(waiting)
        known = [ahead for ahead in waiting.values() if ahead is not None]
        progress.ahead = min(known) if known and len(waiting) >= progress.open else None
        progress.notice = self._notice(monotonic)

    def _notice(self, monotonic: float) -> str:
        """Return what a person should know of the run as a whole, in a few words."""
        open_, downloads = self.dispatcher.gate.window.open, self.dispatcher.downloads.unfinished
        since = self.dispatcher.worker.contact.failing_since
        if since is not None and monotonic - since >= SILENCE_S:
            moment = self.recovery.clock.now() - timedelta(seconds=monotonic - since)
            return f"no answer since {moment.astimezone():%H:%M}"
        if self.course.stopped is None:
            return ""
        what = f"reading the {open_:,} open ones" if open_ else "fetching the last images"
        return f"{self.course.stopped.cause.label}: {what}" if open_ or downloads else ""

    def _check_stop_request(self) -> None:
        if self.course.stopped is None and self.batch.takes_stop_request():
            self.course.stop(Stop(cause=Cause.CANCELLED, text="stopped by batchgen cancel"))
            self.course.abort()

    def _check_contact(self, monotonic: float) -> None:
        worker = self.dispatcher.worker
        if not worker.contact.is_lost(monotonic):
            return
        self.course.stop(
            Stop(
                cause=Cause.NO_ANSWER,
                text=f"no answer from {worker.client.service.queue_url}",
                mend="check the network (batchgen doctor)",
            )
        )
        self.course.abort()
