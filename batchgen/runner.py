"""A whole run: what is on record first, then new work, until all is done or something stops it.

One task decides what is sent next; each open request has a task that follows it; a few tasks
download. Workers return failures as values, and only the runner slows down or stops.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from batchgen.attempt import Request
from batchgen.batch import Batch
from batchgen.budget import ZERO
from batchgen.downloads import Downloads
from batchgen.errors import (
    AccountError,
    LedgerError,
    ReadError,
    StorageError,
    UnrecordedError,
)
from batchgen.gate import Gate, Hold
from batchgen.job import Job, number_of
from batchgen.outcome import Completed, Ending, Failed, Lost, StillOpen
from batchgen.pacing import Contact
from batchgen.progress import Progress
from batchgen.queue_client import QueueClient
from batchgen.reconciler import Reconciler
from batchgen.records import Records
from batchgen.recovery import Recovery, goes_on
from batchgen.retry import Backoff, RetryRule
from batchgen.settings import RunSettings
from batchgen.standing import Standing
from batchgen.stop import NO_KEY, Cause, FailureGuard, Stop, stop_for_account
from batchgen.todo import Todo
from batchgen.worker import (
    NEW_REQUEST_S,
    Accepted,
    Barred,
    Clock,
    Rejected,
    SlowDown,
    Submission,
    Uncertain,
    Worker,
)

logger = logging.getLogger(__name__)

# After the second signal, POSTs that are out get so long for their answers, in seconds.
LAST_ANSWERS_S = 10.0

# How often the run looks up from its work, in seconds: for a request to stop, for a clock that
# jumped, for images that could not be fetched.
LOOK_S = 0.5
SECOND_TRY_S = 60.0
LOOK_UP_S = 60.0

# A clock that is off by more than this, in seconds, has jumped.
JUMP_S = 30.0


@dataclass(slots=True, kw_only=True)
class Runner:
    """One run of one batch.

    Attributes:
        batch: Its folder.
        records: Both of its files, open for writing.
        todo: What is left to send.
        settings: What the run keeps to.
        client: The queue.
        reconciler: Settles submissions whose answer was lost.
        worker: The life of one attempt.
        downloads: How images are brought to disk.
        gate: What a request has to pass before it is sent.
        contact: Whether the service answers.
        clock: Time and chance.
        progress: What is shown while it goes on.
        price_usd: What a job costs whose endpoint has no price.
        limit: Jobs that this run may send, or None.
        stopped: Why it stopped submitting, or None.
        has_aborted: Whether it has stopped reading and downloading, too.
        sent: New jobs that it has taken up.
        submitted: Requests that the service has accepted.
        unrecorded: Accepted requests whose ids the disk did not take, as `job_id=request_id`.
    """

    batch: Batch
    records: Records
    todo: Todo
    settings: RunSettings
    client: QueueClient
    reconciler: Reconciler
    worker: Worker
    downloads: Downloads
    gate: Gate
    contact: Contact
    clock: Clock
    progress: Progress
    price_usd: Decimal | None = None
    limit: int | None = None
    stopped: Stop | None = None
    has_aborted: bool = False
    sent: int = 0
    submitted: int = 0
    unrecorded: list[str] = field(default_factory=list)
    retry: RetryRule = field(init=False)
    _guard: FailureGuard = field(init=False)
    _key_is_checked: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _following: set[asyncio.Task[Any]] = field(default_factory=set)
    _bugs: list[Exception] = field(default_factory=list)
    _backoff: Backoff = field(default_factory=lambda: Backoff(base_s=1.0, cap_s=60.0))

    def __post_init__(self) -> None:
        """Join the parts that have to tell each other something."""
        self.retry = RetryRule(mode=self.settings.retry, max_attempts=self.settings.max_attempts)
        self._guard = FailureGuard(limit=self.settings.max_failures)
        self.worker.barred = self.bar
        self.downloads.changed = self._changed.set

    async def run(self) -> None:
        """Run until all is done or something stops it; what happened is in the records.

        Raises:
            ExceptionGroup: A mistake of batchgen itself. No job was begun after it, and every
                request that was open was followed to its end first.
        """
        background = [
            asyncio.create_task(self._look_around()),
            asyncio.create_task(self._look_up_now_and_then()),
        ]
        self.downloads.start(self._guarded)
        try:
            await self._guarded(self._recover())
            await self._guarded(self._submit_all())
            if self.stopped is not None and self.stopped.cause is not Cause.SIGNAL:
                await self._guarded(self._look_up())
            await self._drain()
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await self.downloads.close()
        if self._bugs:
            raise ExceptionGroup("batchgen has made a mistake", self._bugs)

    def stop(self, stop: Stop) -> None:
        """Submit nothing more; the first reason counts. What is open is read and saved."""
        if self.stopped is None:
            self.stopped = stop
            logger.warning("stopping: %s: %s", stop.cause.label, stop.text)
        self._changed.set()

    def bar(self, error: AccountError) -> None:
        """Take note that the account is barred: nothing more is submitted."""
        self.stop(stop_for_account(error))

    def abort(self) -> None:
        """Read and download nothing more; POSTs that are out may still get their answers."""
        self.has_aborted = True
        for task in list(self._following):
            task.cancel()
        self.downloads.abort()
        self._changed.set()

    async def _recover(self) -> None:
        """Do what the record asks for before anything is sent."""
        recovery = Recovery(
            records=self.records,
            retry=self.retry,
            download=self.settings.download,
            worker=self.worker,
            reconciler=self.reconciler,
            clock=self.clock,
        )
        found = await recovery.recover()
        self.progress.unknown += found.unknown
        self.progress.failed += found.failed
        for number in found.downloads:
            self.downloads.add(number)
        stop = await recovery.check_account(found.open)
        if stop is not None:
            self.stop(stop)
            return
        for one in found.open:
            self._reopen(one.job, one.standing, one.request, age_s=one.age_s)

    def _reopen(self, job: Job, standing: Standing, request: Request, *, age_s: float) -> None:
        """Follow a request that is open already: it takes its slot, whatever the cap."""
        self.gate.window.open += 1
        self._spawn(self._follow(job, standing, request, ahead=None, age_s=max(age_s, 0.001)))

    # -- what is sent --------------------------------------------------------------------

    async def _submit_all(self) -> None:
        """Send what is left to send, one decision at a time."""
        while self.stopped is None:
            if self.records.journal.strained:
                text = "the disk is full: the reserve for what is open is in use"
                self.stop(Stop(cause=Cause.DISK, text=text, mend="make room"))
                return
            self.gate.waiting = self.downloads.waiting
            self.gate.failing_since = self.downloads.failing_since
            held = self.gate.check(monotonic=self.clock.monotonic(), now=self.clock.now())
            if isinstance(held, Stop):
                self.stop(held)
                return
            if isinstance(held, Hold):
                self.progress.reason = held.reason
                await self._pause(held.wait_s)
                continue
            self.progress.reason = ""
            job = self.todo.pull_back() or self._draw()
            if job is not None:
                await self._consider(job)
            elif self._may_draw:
                await asyncio.sleep(0)
            elif not self._tasks and not self.todo.waiting:
                if not await self._settle_last():
                    return
            else:
                due_at = self.todo.next_due_at
                now = self.clock.monotonic()
                await self._pause(60.0 if due_at is None else max(0.0, due_at - now))

    @property
    def _may_draw(self) -> bool:
        is_at_limit = self.limit is not None and self.sent >= self.limit
        return not self.todo.is_drawn and not is_at_limit

    def _draw(self) -> Job | None:
        job = self.todo.draw() if self._may_draw else None
        if job is not None and not job.problem:
            self.sent += 1
        return job

    async def _consider(self, job: Job) -> None:
        """Send one job, unless it cannot be rendered or cannot be paid for."""
        number = number_of(job.job_id)
        standing = self.records.record.own(number)
        if job.problem:
            await self.records.template_failed(job, standing)
            self._count_failure("template", job, job.problem)
            return
        price = job.price_usd if job.price_usd is not None else self.price_usd or ZERO
        if not self.records.record.bill.allows(price):
            await self._wait_for_money(job, price)
            return
        if not await self._check_key(job.endpoint):
            return
        if standing.rows.is_failed and standing.fresh == 0:
            self.progress.failed -= 1
        now = self.clock.monotonic()
        self.gate.rate.take(now)
        self.gate.window.open += 1
        # Set aside at once: the next decision must see it, the row is written a moment later.
        self.records.record.bill.reserve(price)
        self._spawn(self._attempt(job, standing, price))

    async def _wait_for_money(self, job: Job, price: Decimal) -> None:
        """Keep a job for when a reservation is given back, or stop if none can be."""
        bill = self.records.record.bill
        if self._tasks:
            self.todo.put_back(job, due_at=self.clock.monotonic())
            self.progress.reason = "budget: waiting for what is open"
            await self._pause(5.0)
            return
        self.stop(
            Stop(
                cause=Cause.BUDGET,
                text=(
                    f"the budget of ${bill.limit_usd:.2f} is used up: ${bill.spent_usd:.2f} spent, "
                    f"${bill.reserved_usd:.2f} reserved, the next job costs ${price:.2f}"
                ),
                mend="raise --budget",
            )
        )

    async def _check_key(self, endpoint: str) -> bool:
        """Before the first POST, make a free read that shows whether the key works."""
        if not self.client.service.key:
            self.stop(NO_KEY)
        failures = 0
        while not self._key_is_checked and self.stopped is None:
            try:
                await self.client.check_key(endpoint)
            except AccountError as error:
                self.contact.answered(self.clock.monotonic())
                self.bar(error)
            except ReadError as error:
                self.contact.failed(self.clock.monotonic())
                self.progress.reason = f"the service does not answer: {error}"
                failures += 1
                wait = self._backoff.wait_s(failures=failures, jitter=self.clock.jitter())
                await self._pause(min(wait, 5.0))
            else:
                self.contact.answered(self.clock.monotonic())
                self._key_is_checked = True
        return self.stopped is None

    async def _attempt(self, job: Job, standing: Standing, price_usd: Decimal) -> None:
        """Send one attempt and see it through."""
        # What was set aside by hand is now set aside by the row.
        self.records.record.bill.settle(reserved_usd=price_usd, charged_usd=ZERO)
        submission = await self.worker.submit(job, standing, price_usd=price_usd)
        await self._act_on(job, standing, submission)

    async def _act_on(self, job: Job, standing: Standing, submission: Submission) -> None:
        now = self.clock.monotonic()
        match submission:
            case Accepted():
                self.submitted += 1
                self.gate.window.accepted()
                await self._follow(
                    job, standing, submission.request, ahead=submission.ahead, age_s=0.0
                )
            case SlowDown():
                self.gate.window.slow_down(
                    now, retry_after_s=submission.retry_after_s, jitter=self.clock.jitter()
                )
                if self.stopped is None:
                    self.todo.put_back(job, due_at=now)
            case Barred():
                self.bar(submission.error)
            case Uncertain():
                self.progress.unknown += 1
                self.reconciler.unknown.add(number_of(job.job_id))
                logger.warning("%s is unknown: %s", job.job_id, submission.reason)
            case Rejected():
                await self._give_up(job, standing, submission.error_type, submission.message)
            case Failed():
                await self._failed(job, standing, submission, request_id="")

    async def _follow(
        self, job: Job, standing: Standing, request: Request, *, ahead: int | None, age_s: float
    ) -> None:
        """Follow an open request to its end, record that, and do what follows from it."""
        if self.has_aborted:
            return
        task = asyncio.ensure_future(self.worker.follow(job, request, ahead=ahead, age_s=age_s))
        self._following.add(task)
        try:
            ending = await task
        except asyncio.CancelledError:
            return  # by `abort`: it stays open on record
        finally:
            self._following.discard(task)
        if isinstance(ending, Lost):
            ending = await self._ask_history(job, request)
        match ending:
            case Completed():
                await self.records.completed(job, standing, request, ending)
                self.downloads.add(number_of(job.job_id))
            case Failed():
                await self.records.failed(job, standing, request, ending)
                await self._failed(job, standing, ending, request_id=request.request_id)
            case StillOpen():
                logger.warning("%s stays open: %s", job.job_id, ending.reason)

    async def _ask_history(self, job: Job, request: Request) -> Ending:
        found = await self.reconciler.find(job, request)
        return found if isinstance(found, StillOpen) else await self.worker.keep_inside(job, found)

    # -- submissions whose answer was lost -------------------------------------------------

    async def _look_up(self) -> bool:
        """Look lost submissions up, and go on with those that were settled."""
        if not self.reconciler.unknown or self.has_aborted:
            return False
        settled = await self.reconciler.look()
        for one in settled:
            self.progress.unknown -= 1
            if one.request is not None:
                self._reopen(one.job, one.standing, one.request, age_s=NEW_REQUEST_S)
            elif self.stopped is None:
                self.todo.put_back(one.job, due_at=self.clock.monotonic())
        self._changed.set()
        return bool(settled)

    async def _look_up_now_and_then(self) -> None:
        while True:
            await self.clock.sleep(LOOK_UP_S)
            await self._guarded(self._look_up())

    async def _settle_last(self) -> bool:
        """Before the run ends, settle what can be settled; return whether something goes on."""
        while self.stopped is None and self.reconciler.unknown:
            wait = self.reconciler.next_chance_s()
            if await self._look_up():
                return True
            if not wait:
                return False
            self.progress.reason = "waiting until the history shows what was sent last"
            await self._pause(wait)
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
        if self.stopped is None and standing.drawn:
            wait = self._backoff.wait_s(failures=standing.fresh, jitter=self.clock.jitter())
            self.todo.put_back(job, due_at=self.clock.monotonic() + wait)

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
        stop = self._guard.check(
            error_type, failed=self.progress.failed_now, ended=self.progress.ended
        )
        if stop is not None:
            self.stop(stop)

    # -- the end, and what goes on beside -------------------------------------------------

    async def _drain(self) -> None:
        """Wait for what is open, then for what is to be downloaded."""
        while self._tasks and not self.has_aborted:
            await self._pause(60.0)
        await self.downloads.finish()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_ANSWERS_S)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look_around(self) -> None:
        """Look up from the work now and then."""
        wall, steady = self.clock.now(), self.clock.monotonic()
        tried_at = steady
        while True:
            await self.clock.sleep(LOOK_S)
            now, monotonic = self.clock.now(), self.clock.monotonic()
            off_s = (now - wall).total_seconds() - (monotonic - steady)
            if abs(off_s) > JUMP_S:
                logger.warning("the clock has jumped by %.0f s", off_s)
            wall, steady = now, monotonic
            self._check_stop_request()
            self._check_contact(monotonic)
            self.progress.open = self.gate.window.open
            self.progress.queued = len(self.worker.waiting)
            if monotonic - tried_at > SECOND_TRY_S:
                tried_at = monotonic
                self.downloads.try_again()

    def _check_stop_request(self) -> None:
        if self.stopped is None and self.batch.takes_stop_request():
            self.stop(Stop(cause=Cause.CANCELLED, text="stopped by batchgen cancel"))
            self.abort()

    def _check_contact(self, monotonic: float) -> None:
        if not self.contact.is_lost(monotonic):
            return
        self.stop(
            Stop(
                cause=Cause.NO_ANSWER,
                text=f"no answer from {self.client.service.queue_url}",
                mend="check the network (batchgen doctor)",
            )
        )
        self.abort()

    async def _pause(self, longest_s: float) -> None:
        """Wait until something has changed, or for so many seconds."""
        self._changed.clear()
        waiter = asyncio.ensure_future(self._changed.wait())
        timer = asyncio.ensure_future(self.clock.sleep(longest_s))
        await asyncio.wait({waiter, timer}, return_when=asyncio.FIRST_COMPLETED)
        waiter.cancel()
        timer.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._slot(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _slot(self, work: Awaitable[None]) -> None:
        try:
            await self._guarded(work)
        finally:
            self.gate.window.open -= 1
            self._changed.set()

    async def _guarded(self, work: Awaitable[object]) -> None:
        """Do some work; what it raises stops the run and cuts no other work."""
        try:
            await work
        except StorageError as error:
            self.stop(Stop(cause=Cause.DISK, text=str(error), mend="make room"))
        except LedgerError as error:
            if isinstance(error, UnrecordedError):
                self.unrecorded.append(f"{error.job_id}={error.request_id}")
            self.stop(Stop(cause=Cause.DISK, text=str(error), mend="make room, or free the file"))
            self.abort()
        except Exception as bug:
            logger.exception("a mistake of batchgen itself")
            self._bugs.append(bug)
            self.stop(Stop(cause=Cause.MISTAKE, text=f"{type(bug).__name__}: {bug}"))
