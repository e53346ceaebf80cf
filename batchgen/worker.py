"""The life of one attempt: submit it once, ask until it has ended, fetch what came of it.

Whatever happens is written down before it is acted on. Failures come back as values; only a bug,
or a disk that refuses to keep records, raises.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TypeVar

from batchgen.attempt import Request
from batchgen.clock import Clock
from batchgen.course import Course
from batchgen.errors import (
    AccountError,
    LedgerError,
    NotSentError,
    QueueError,
    ReadError,
    RefusedError,
    StorageError,
    ThrottledError,
    UncertainError,
    UnrecordedError,
)
from batchgen.event_loop import to_its_end
from batchgen.images import ImageStore
from batchgen.inside import keep_inside
from batchgen.job import Job, Json
from batchgen.outcome import (
    Completed,
    Ending,
    Failed,
    Lost,
    StillOpen,
    complete,
    failed,
    judge,
)
from batchgen.pacing import SLOWEST_POLL_S, Contact, Polling, ReadPace, Watch, Window, kind_of
from batchgen.queue_client import QueueClient, encode_input
from batchgen.records import Records
from batchgen.reply import Failure, Fetched, NotFound, NotReady, Status
from batchgen.retry import Again, Backoff, again
from batchgen.standing import Standing
from batchgen.submission import (
    Accepted,
    Barred,
    Rejected,
    SlowDown,
    Submission,
    Uncertain,
    Withheld,
)

logger = logging.getLogger(__name__)

# So soon after the submission a 404 means nothing, in seconds.
NEW_REQUEST_S = 30.0

# One 404 may be a slip, and a service that is not itself denies everything for a while: so many
# reads in a row have to say that a request is not known, over so many seconds.
MISSES = 3
DENIED_S = 30.0

# How long a failure is left alone before the second read that has to confirm it, in seconds.
SECOND_READ_S = 3.0

# Reads that the account is barred from are tried for so long, in seconds: locks are known to
# flap, wrong keys are not.
LOCKED_READS_S = 60.0
WRONG_KEY_READS_S = 5.0

T = TypeVar("T")


@dataclass(slots=True)
class _Denials:
    """Reads in a row that say that a request is not known, and how old it was at the first."""

    count: int = 0
    first_age_s: float = 0.0

    def note(self, *, is_denied: bool, age_s: float) -> None:
        if not self.count:
            self.first_age_s = age_s
        self.count = self.count + 1 if is_denied and age_s >= NEW_REQUEST_S else 0

    def are_believed(self, *, age_s: float) -> bool:
        return self.count >= MISSES and age_s - self.first_age_s >= DENIED_S


@dataclass(slots=True, kw_only=True)
class Worker:
    """What every attempt of a run shares.

    Attributes:
        client: The queue.
        records: Where everything is written down.
        images: Where images that come inside a result are put.
        clock: Time and chance.
        timeout_s: From the later of a request's submission and this run's first read of it.
        polling: When to ask again.
        reads: The inner limit on reads.
        contact: Whether the service answers at all.
        course: Whether the run goes on; told of reads that the account is barred from.
        window: How many requests may be open; told of where those stand that are.
        backoff: Waits between failed reads.
        waiting: The ids of requests that the service has not begun yet, and how many others are
            before each, where it says so.
        strange: States that nobody knew, to tell of each once.
        open: The ids of requests that are being followed, or are about to be.
    """

    client: QueueClient
    records: Records
    images: ImageStore
    clock: Clock
    timeout_s: float
    polling: Polling
    reads: ReadPace
    contact: Contact
    course: Course
    window: Window = field(default_factory=lambda: Window(cap=1))
    backoff: Backoff = field(default_factory=lambda: Backoff(base_s=0.5, cap_s=30.0))
    waiting: dict[str, int | None] = field(default_factory=dict)
    strange: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)

    async def submit(self, job: Job, standing: Standing, *, price_usd: Decimal) -> Submission:
        """Send an attempt, once, and return what is known of it; both are on record by then."""
        await self.records.submitting(job, standing, price_usd=price_usd)
        if self.course.stopped is not None:
            # The run was stopped while the row was written: nothing has left this machine.
            await self.records.refused(job, standing, "not sent: the run was stopped")
            return Withheld()
        try:
            request, ahead = await self.client.submit(job.endpoint, encode_input(job.input))
        except QueueError as error:
            return await to_its_end(self._not_accepted(job, standing, error))
        if request.request_id in self.open:
            # Something on the way has played an earlier answer again.
            replayed = UncertainError("it was answered with another job's request", http=200)
            return await to_its_end(self._not_accepted(job, standing, replayed))
        self.open.add(request.request_id)
        return await to_its_end(self._accepted(job, standing, request, ahead))

    async def follow(
        self, job: Job, request: Request, *, ahead: int | None, age_s: float
    ) -> Ending:
        """Ask for a request until it has ended, or its time is up, and return how.

        Args:
            job: The job.
            request: Its request.
            ahead: Requests before it in the queue, as far as the service said.
            age_s: Seconds since its submission; 0 for one that this run has just sent.
        """
        self.open.add(request.request_id)
        first_read = self.clock.monotonic()
        began = first_read - age_s
        until = first_read + self.timeout_s
        is_probe = self.window.wants_probe(ahead)
        watch = self.polling.watch(kind_of(job), ahead=ahead, is_new=not age_s, is_probe=is_probe)
        before: Failure | None = None
        denials = _Denials()
        try:
            while True:
                await self._until_due(watch, began)
                status = await self._read(
                    lambda: self.client.status(job.endpoint, request), until=until
                )
                age = self.clock.monotonic() - began
                found = await self._look(job, request, status, before=before, until=until)
                denials.note(is_denied=isinstance(found, NotFound), age_s=age)
                if denials.are_believed(age_s=age):
                    return Lost()
                if isinstance(found, Completed | Failed | StillOpen):
                    if isinstance(found, Completed):
                        watch.done(age, inference_s=found.inference_s)
                    return found
                # Judged only now, after a read: a machine that slept must not fail a request.
                if self.clock.monotonic() >= until:
                    return StillOpen(reason=f"no result after {self.timeout_s:g} s")
                before = found if isinstance(found, Failure) else None
                is_queued = isinstance(status, Status) and status.state == "IN_QUEUE"
                ahead = status.ahead if isinstance(status, Status) else None
                watch.saw(age, is_queued=is_queued, ahead=ahead)
                if found is not None:
                    await self.clock.sleep(SECOND_READ_S)
        finally:
            watch.close()
            self.window.closed(request.request_id)
            self.waiting.pop(request.request_id, None)
            self.open.discard(request.request_id)

    async def _until_due(self, watch: Watch, began: float) -> None:
        """Sleep until a request is due; what others show meanwhile may make it sooner."""
        while delay := watch.delay_s(age := self.clock.monotonic() - began):
            await self.clock.sleep(min(delay, watch.patience_s(age)))

    async def find(self, job: Job, request: Request) -> Status | Lost | StillOpen:
        """Read a request once, to see whether the service knows it."""
        until = self.clock.monotonic() + LOCKED_READS_S
        found = await self._read(lambda: self.client.status(job.endpoint, request), until=until)
        return Lost() if isinstance(found, NotFound) else found

    async def _look(
        self,
        job: Job,
        request: Request,
        status: Status | NotFound | StillOpen,
        *,
        before: Failure | None,
        until: float,
    ) -> Completed | Failed | StillOpen | Failure | NotFound | None:
        """Return how the request ended; what needs a second read; None: ask again."""
        match status:
            case StillOpen() | NotFound():
                return status
            case Status():
                self._note_queue(request, status)
                if not status.is_done:
                    return None
                return await self._fetch(job, request, status, before=before, until=until)

    async def keep_inside(
        self, job: Job, ending: Completed | Failed
    ) -> Completed | Failed | StillOpen:
        """Put images that came inside a result into files, before the result is recorded."""
        if isinstance(ending, Failed):
            return ending
        try:
            output = await keep_inside(ending.output, job, images=self.images)
        except StorageError as error:
            # The service keeps it for some minutes only: nothing more is bought until it fits.
            self.course.lack_room(error)
            return StillOpen(reason=f"its image could not be stored: {error}")
        return ending if output == ending.output else replace(ending, output=output)

    async def _accepted(
        self, job: Job, standing: Standing, request: Request, ahead: int | None
    ) -> Submission:
        self.contact.answered(self.clock.monotonic())
        detail: dict[str, Json] = {} if ahead is None else {"queue_position": ahead}
        try:
            await self.records.submitted(job, standing, request, detail=detail)
        except LedgerError as error:
            raise UnrecordedError(
                str(error), job_id=job.job_id, request_id=request.request_id
            ) from error
        return Accepted(request=request, ahead=ahead)

    async def _not_accepted(self, job: Job, standing: Standing, error: QueueError) -> Submission:
        """Record what an error proves of a POST: that nothing was accepted, or nothing at all."""
        if not isinstance(error, NotSentError | UncertainError):
            self.contact.answered(self.clock.monotonic())
        match error:
            case NotSentError():
                self.contact.failed(self.clock.monotonic())
                await self.records.refused(job, standing, str(error))
                return SlowDown(reason=str(error), is_answer=False)
            case UncertainError():
                self._note_contact(error.http)
                await self.records.unknown(job, standing, str(error))
                return Uncertain(reason=str(error))
            case ThrottledError():
                await self.records.refused(job, standing, str(error))
                return SlowDown(reason=str(error), retry_after_s=error.retry_after_s)
            case AccountError():
                await self.records.refused(job, standing, str(error), http=error.http)
                return Barred(error=error)
            case RefusedError():
                return await self._refused(job, standing, error)
            case _:
                raise error

    async def _refused(self, job: Job, standing: Standing, error: RefusedError) -> Submission:
        if error.http == 400 and again(error.error_type) is Again.TRANSIENT:
            # A failure that may pass, told by the POST itself: an attempt like any other.
            outcome = Failed(error_type=error.error_type, message=str(error), http=error.http)
            await self.records.failed(job, standing, None, outcome)
            return outcome
        await self.records.refused(
            job,
            standing,
            str(error),
            error_type=error.error_type,
            http=error.http,
            judges_input=True,
        )
        return Rejected(error_type=error.error_type, message=str(error))

    async def _fetch(
        self,
        job: Job,
        request: Request,
        status: Status,
        *,
        before: Failure | None,
        until: float,
    ) -> Completed | Failed | StillOpen | Failure | NotFound | None:
        """Fetch the result; return a `Failure` that needs a second read, None if not ready."""
        result = await self._read(lambda: self.client.result(job.endpoint, request), until=until)
        match result:
            case StillOpen():
                return result
            case Fetched() if status.has_failed:
                return replace(failed(None, status), units=result.units)
            case Fetched():
                ending = complete(result, status, before=before)
                if isinstance(ending, Failure):
                    return ending
                return await self.keep_inside(job, ending)
            case NotReady():
                return failed(None, status) if status.has_failed else None
            case NotFound():
                said = status.error_type or status.has_failed
                return failed(None, status) if said else result
            case Failure():
                return judge(result, status=status, before=before) or result

    async def _read(self, ask: Callable[[], Awaitable[T]], *, until: float) -> T | StillOpen:
        """Read until there is an answer; what the account is barred from, not for ever."""
        failures = 0
        barred_since: float | None = None
        while True:
            wait = self.reads.turn_s(self.clock.monotonic())
            if wait:
                await self.clock.sleep(wait)
            asked = None
            try:
                answer = await ask()
            except ReadError as error:
                self._note_read_error(error)
                reason, asked = str(error), error.retry_after_s
            except AccountError as error:
                self.contact.answered(self.clock.monotonic())
                self.course.bar(error)
                barred_since = barred_since or self.clock.monotonic()
                reason = str(error)
                patience = WRONG_KEY_READS_S if error.cause == "key" else LOCKED_READS_S
                if self.clock.monotonic() - barred_since >= patience:
                    return StillOpen(reason=reason)
            else:
                self.contact.answered(self.clock.monotonic())
                return answer
            if self.clock.monotonic() >= until:
                return StillOpen(reason=reason)
            failures += 1
            jitter = 0.5 + 0.5 * self.clock.jitter()
            wait = max(asked or 0.0, self.backoff.wait_s(failures=failures, jitter=jitter))
            # Whatever was asked for: a result may live no longer than a few minutes.
            await self.clock.sleep(min(wait, SLOWEST_POLL_S))

    def _note_read_error(self, error: ReadError) -> None:
        self._note_contact(error.http)
        if error.http in (403, 425, 429):
            self.reads.slow_down(self.clock.monotonic())

    def _note_contact(self, http: int | None) -> None:
        if http is None:
            self.contact.failed(self.clock.monotonic())
        else:
            self.contact.answered(self.clock.monotonic())

    def _note_queue(self, request: Request, status: Status) -> None:
        is_queued = status.state == "IN_QUEUE"
        self.window.saw(request.request_id, is_queued=is_queued, ahead=status.ahead)
        if is_queued:
            self.waiting[request.request_id] = status.ahead
            return
        self.waiting.pop(request.request_id, None)
        if (
            status.state != "IN_PROGRESS"
            and not status.is_done
            and status.state not in self.strange
        ):
            self.strange.add(status.state)
            logger.warning("%s is in a state that is new to us, asked on", status.state)
