"""Send what is left to send, one decision at a time, and see every request through.

One task decides what is sent next; each open request has a task that follows it. Workers return
failures as values: here it is decided what follows from them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from batchgen.attempt import Request
from batchgen.budget import ZERO
from batchgen.course import Course
from batchgen.downloads import Downloads, Fresh
from batchgen.errors import AccountError, ReadError
from batchgen.gate import Gate, Hold
from batchgen.job import Job, number_of
from batchgen.outcome import Completed, Ending, Failed, Lost, StillOpen
from batchgen.progress import Progress
from batchgen.reconciler import Reconciler
from batchgen.records import Records
from batchgen.recovery import goes_on
from batchgen.retry import Backoff, RetryRule
from batchgen.standing import Standing
from batchgen.stop import NO_KEY, Cause, FailureGuard, Stop
from batchgen.submission import (
    Accepted,
    Barred,
    Rejected,
    SlowDown,
    Submission,
    Uncertain,
    Withheld,
)
from batchgen.todo import Todo
from batchgen.worker import NEW_REQUEST_S, Worker

logger = logging.getLogger(__name__)

# Where a person is in a hurry, POSTs that are out get so long for their answers, in seconds.
LAST_ANSWERS_S = 10.0


@dataclass(slots=True, kw_only=True)
class Dispatcher:
    """Decides what is sent, when, and what follows from how it ended.

    Attributes:
        records: Both files, open for writing.
        todo: What is left to send.
        retry: Which failures are tried again.
        worker: The life of one attempt.
        reconciler: Settles submissions whose answer was lost.
        downloads: How images are brought to disk.
        gate: What a request has to pass before it is sent.
        guard: Stops a run in which too many jobs fail.
        course: Whether the run goes on.
        progress: What is shown while it goes on.
        price_usd: What a job costs whose endpoint has no price.
        limit: New jobs that may be sent, or None.
        taken: New jobs that were taken up.
        submitted: Requests that the service has accepted.
    """

    records: Records
    todo: Todo
    retry: RetryRule
    worker: Worker
    reconciler: Reconciler
    downloads: Downloads
    gate: Gate
    guard: FailureGuard
    course: Course
    progress: Progress
    price_usd: Decimal | None = None
    limit: int | None = None
    taken: int = 0
    submitted: int = 0
    _key_is_checked: bool = False
    _next: Job | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _one_look: asyncio.Lock = field(default_factory=asyncio.Lock)
    _backoff: Backoff = field(default_factory=lambda: Backoff(base_s=1.0, cap_s=60.0))

    async def submit_all(self) -> None:
        """Send what is left to send; return when that has ended, or the run was stopped."""
        while self.course.stopped is None:
            if self._next is None:
                self._next = self.todo.pull_back() or self._draw()
            if self._next is not None:
                await self._consider(self._next)
            elif self._may_draw:
                await asyncio.sleep(0)
            elif self._is_busy or self.todo.waiting:
                await self.course.pause(self._until_due_s())
            elif not await self._settle_last():
                return

    def reopen(self, job: Job, standing: Standing, request: Request, *, age_s: float) -> None:
        """Follow a request that is open already: it takes its slot, whatever the cap."""
        self.gate.expect(job)
        self.gate.window.open += 1
        self.gate.window.reopened(request.request_id)
        self._spawn(self._follow(job, standing, request, ahead=None, age_s=max(age_s, 0.001)))

    async def drain(self) -> None:
        """Return when nothing is open; after an abort, when the last POSTs are answered.

        A POST is cut by nothing but a second signal, and then only after a while.
        """
        while self._is_busy and not self.course.is_hurried:
            await self.course.pause(60.0)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_ANSWERS_S)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def look_up(self, *, only_due: bool = False) -> None:
        """Look lost submissions up, and go on with those that were settled.

        When this returns, what an earlier look has settled goes on as well.

        Args:
            only_due: Leave out what was looked up in vain a short while ago.
        """
        async with self._one_look:
            if not self.reconciler.unknown or self.course.has_aborted:
                return
            settled = (
                await self.course.unless_aborted(self.reconciler.look(only_due=only_due)) or []
            )
            for one in settled:
                self.progress.unknown -= 1
                if one.request is not None:
                    self.reopen(one.job, one.standing, one.request, age_s=NEW_REQUEST_S)
                elif self.course.stopped is None:
                    self.todo.put_back(one.job, due_at=self._monotonic())
            self.course.wake()

    # -- what is sent --------------------------------------------------------------------

    @property
    def _is_busy(self) -> bool:
        # One that has just ended is still in the set, and wakes nobody any more.
        return any(not task.done() for task in self._tasks)

    @property
    def _may_draw(self) -> bool:
        is_at_limit = self.limit is not None and self.taken >= self.limit
        return not self.todo.is_drawn and not is_at_limit

    def _draw(self) -> Job | None:
        job = self.todo.draw() if self._may_draw else None
        if job is not None and not job.problem:
            self.taken += 1
        return job

    def _until_due_s(self) -> float:
        due_at = self.todo.next_due_at
        return 60.0 if due_at is None else max(0.0, due_at - self._monotonic())

    async def _consider(self, job: Job) -> None:
        """Send the next job, unless something is in its way."""
        standing = self.records.record.own(number_of(job.job_id))
        if job.problem:
            self._next = None
            await self.records.template_failed(job, standing)
            self._count_failure("template", job, job.problem)
            return
        price = job.price_usd if job.price_usd is not None else self.price_usd or ZERO
        self.gate.expect(job)
        held = self._is_held(price)
        if held is not None:
            await self._wait(held)
        elif not self._key_is_checked:
            await self._check_key(
                job.endpoint
            )  # it takes a while: then everything is looked at anew
        else:
            self._next = None
            self._send(job, standing, price)

    def _is_held(self, price_usd: Decimal) -> Hold | Stop | None:
        """Return why the next job may not be sent now, or None if it may."""
        if self.records.journal.strained:
            text = "the disk is full: what was set aside for open requests is in use"
            return Stop(cause=Cause.DISK, text=text, mend="make room")
        self.gate.waiting = self.downloads.waiting
        self.gate.failing_since = self.downloads.failing_since
        self.gate.images = self.downloads.delivery.delivered
        self.gate.image_bytes = self.downloads.delivery.delivered_bytes
        held = self.gate.check(monotonic=self._monotonic(), now=self.worker.clock.now())
        return self._check_failures() or held or self._check_money(price_usd)

    def _check_failures(self) -> Stop | None:
        # Asked here too: images that are missing, or gone, fail their jobs behind our back.
        return self.guard.check_limit(failed=self.progress.failed_now, ended=self.progress.ended)

    def _check_money(self, price_usd: Decimal) -> Hold | Stop | None:
        bill = self.records.record.bill
        if bill.allows(price_usd) or bill.limit_usd is None:
            return None
        if self._is_busy:
            # What is open may turn out to cost nothing.
            return Hold(wait_s=5.0, reason="budget: waiting for what is open")
        text = (
            f"the budget of ${bill.limit_usd:,.2f} is used up: ${bill.spent_usd:,.2f} spent, "
            f"${bill.reserved_usd:,.2f} reserved, the next job costs ${price_usd:,.2f}"
        )
        return Stop(cause=Cause.BUDGET, text=text, mend="raise --budget")

    async def _wait(self, held: Hold | Stop) -> None:
        if isinstance(held, Stop):
            self.course.stop(held)
        else:
            self.progress.reason = held.reason
            await self.course.pause(held.wait_s)

    def _send(self, job: Job, standing: Standing, price_usd: Decimal) -> None:
        self.progress.reason = ""
        if standing.rows.is_failed and standing.fresh == 0:
            self.progress.failed -= 1
        self.gate.rate.take(self._monotonic())
        self.gate.window.open += 1
        # Set aside at once: the next decision must see it, the row is written a moment later.
        self.records.record.bill.reserve(price_usd)
        self._spawn(self._attempt(job, standing, price_usd))

    async def _check_key(self, endpoint: str) -> None:
        """Before the first POST, make a free read that shows whether the key works."""
        client, clock = self.worker.client, self.worker.clock
        if not client.service.key:
            self.course.stop(NO_KEY)
        failures = 0
        while not self._key_is_checked and self.course.stopped is None:
            try:
                await self.course.unless_aborted(client.check_key(endpoint))
            except AccountError as error:
                self.worker.contact.answered(self._monotonic())
                self.course.bar(error)
            except ReadError as error:
                self.worker.contact.failed(self._monotonic())
                self.progress.reason = f"the service does not answer: {error}"
                failures += 1
                wait = self._backoff.wait_s(failures=failures, jitter=clock.jitter())
                await self.course.pause(min(wait, 5.0))
            else:
                self.worker.contact.answered(self._monotonic())
                self._key_is_checked = True

    # -- what became of it ----------------------------------------------------------------

    async def _attempt(self, job: Job, standing: Standing, price_usd: Decimal) -> None:
        """Send one attempt and see it through."""
        # What was set aside by hand is now set aside by the row.
        self.records.record.bill.settle(reserved_usd=price_usd, charged_usd=ZERO)
        submission = await self.worker.submit(job, standing, price_usd=price_usd)
        await self._act_on(job, standing, submission)

    async def _act_on(self, job: Job, standing: Standing, submission: Submission) -> None:
        now = self._monotonic()
        match submission:
            case Accepted():
                self.submitted += 1
                self.gate.window.accepted(submission.request.request_id, ahead=submission.ahead)
                await self._follow(
                    job, standing, submission.request, ahead=submission.ahead, age_s=0.0
                )
            case SlowDown():
                self.gate.window.slow_down(
                    now,
                    retry_after_s=submission.retry_after_s,
                    jitter=self.worker.clock.jitter(),
                    why=submission.why,
                )
                if self.course.stopped is None:
                    self.todo.put_back(job, due_at=now)
            case Barred():
                self.course.bar(submission.error)
            case Uncertain():
                self.progress.unknown += 1
                self.reconciler.unknown.add(number_of(job.job_id))
                logger.warning("%s is unknown: %s", job.job_id, submission.reason)
            case Rejected():
                await self._give_up(job, standing, submission.error_type, submission.message)
            case Failed():
                await self._failed(job, standing, submission, request_id="")
            case Withheld():
                pass  # its job is left to do

    async def _follow(
        self, job: Job, standing: Standing, request: Request, *, ahead: int | None, age_s: float
    ) -> None:
        """Follow an open request to its end, record that, and do what follows from it."""
        ending: Ending | None = await self.course.unless_aborted(
            self.worker.follow(job, request, ahead=ahead, age_s=age_s)
        )
        if isinstance(ending, Lost):
            ending = await self.course.unless_aborted(self._ask_history(job, request))
        match ending:
            case Completed():
                row = await self.records.completed(job, standing, request, ending)
                self.downloads.add(number_of(job.job_id), fresh=Fresh(job, row))
            case Failed():
                await self.records.failed(job, standing, request, ending)
                await self._failed(job, standing, ending, request_id=request.request_id)
            case StillOpen():
                logger.warning("%s stays open: %s", job.job_id, ending.reason)
            case None:
                pass  # by an abort: it stays open on record

    async def _ask_history(self, job: Job, request: Request) -> Ending:
        found = await self.reconciler.find(job, request)
        return found if isinstance(found, StillOpen) else await self.worker.keep_inside(job, found)

    async def _settle_last(self) -> bool:
        """Before the run ends, settle what can be settled; return whether something goes on."""
        while self.course.stopped is None:
            wait = self.reconciler.next_chance_s()
            await self.look_up()
            if self._is_busy or self.todo.waiting:
                return True
            if not wait:
                return False
            self.progress.reason = "waiting until the history shows what was sent last"
            await self.course.pause(wait)
        return False

    async def _failed(
        self, job: Job, standing: Standing, ending: Failed, *, request_id: str
    ) -> None:
        """Let a failed job have another attempt, or close it."""
        if not goes_on(standing, self.retry):
            await self._give_up(
                job, standing, ending.error_type, ending.message, request_id=request_id
            )
            return
        if self.course.stopped is None and standing.drawn:
            wait = self._backoff.wait_s(failures=standing.fresh, jitter=self.worker.clock.jitter())
            self.todo.put_back(job, due_at=self._monotonic() + wait)

    async def _give_up(
        self,
        job: Job,
        standing: Standing,
        error_type: str,
        message: str,
        *,
        request_id: str = "",
    ) -> None:
        await self.records.job_failed(
            job, standing, error_type=error_type, error=message, request_id=request_id
        )
        self._count_failure(error_type, job, message)

    def _count_failure(self, error_type: str, job: Job, message: str) -> None:
        """Show the first failure of a kind, and stop where too many jobs fail."""
        self.progress.fail(error_type, job=job, message=message)
        stop = self.guard.check(
            error_type, failed=self.progress.failed_now, ended=self.progress.ended
        )
        if stop is not None:
            self.course.stop(stop)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._slot(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _slot(self, work: Awaitable[None]) -> None:
        try:
            await self.course.guarded(work)
        finally:
            self.gate.window.open -= 1
            self.course.wake()

    def _monotonic(self) -> float:
        return self.worker.clock.monotonic()
