"""See open requests to their end: cancelled, or saved because they completed all the same.

A request counts as cancelled only if the service says so, or denies it twice after it had agreed
to cancel it: a read is free, a wrong verdict is an image.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum

from batchgen.attempt import Request, job_from, parse_timestamp
from batchgen.delivery import Delivery
from batchgen.errors import AccountError, QueueError, ReadError, StorageError
from batchgen.job import Job, number_of
from batchgen.outcome import Completed, Ending, Failed, Lost, StillOpen, image_urls
from batchgen.platform_client import PlatformClient
from batchgen.queue_client import NotFound, QueueClient, Status
from batchgen.records import Records
from batchgen.retry import Again, Backoff, again
from batchgen.service import Service
from batchgen.standing import Standing
from batchgen.worker import NEW_REQUEST_S, SECOND_READ_S, Clock, Worker

# Requests that are settled at a time. What waits at the service is cancelled at once; only what
# runs there takes long, and that is never more than some dozens.
SIDE_BY_SIDE = 64

# An account that is barred so often in a row is barred.
MOST_BARRED = 3

CANCELLED_CODE = 499
CANCELLED_TYPES = frozenset({"client_cancelled", "client_disconnected"})
CANCELLED_STATES = frozenset({"CANCELLED", "CANCELED"})


class Fate(StrEnum):
    """What became of an open request."""

    CANCELLED = "cancelled"
    SAVED = "saved"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """One request, and what became of it.

    Attributes:
        job_id: Its job.
        request_id: The service's name for it.
        fate: What became of it; it is on record.
        reason: Why it is still open, or its image is not on disk; else `""`.
    """

    job_id: str
    request_id: str
    fate: Fate
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """What came of cancelling a batch's open requests.

    Attributes:
        settled: One for each of them.
        barred: Why the service let nothing be cancelled, or None.
        answered: Whether the service answered at all.
    """

    settled: tuple[Settled, ...] = ()
    barred: AccountError | None = None
    answered: bool = True

    def count(self, fate: Fate) -> int:
        """Return how many requests met this fate."""
        return sum(one.fate is fate for one in self.settled)


class Witness(QueueClient):
    """A queue client that remembers which requests it has seen running, or given up.

    Attributes:
        begun: Ids of requests that the service had begun when it was asked.
        given_up: Ids of requests whose status says that they were cancelled.
    """

    def __init__(self, service: Service, *, now: Callable[[], datetime]) -> None:
        """Keep what is needed; nothing is connected before the context is entered."""
        super().__init__(service, now=now)
        self.begun: set[str] = set()
        self.given_up: set[str] = set()

    async def status(self, endpoint: str, request: Request) -> Status | NotFound:
        """Ask where a request stands; see `QueueClient.status`."""
        status = await super().status(endpoint, request)
        if isinstance(status, Status):
            if status.state == "IN_PROGRESS":
                self.begun.add(request.request_id)
            elif status.state in CANCELLED_STATES:
                self.given_up.add(request.request_id)
        return status


class _Reply(Enum):
    """What the service says when it is asked to cancel a request."""

    AGREED = "it will, if it still can"
    TOO_LATE = "it has ended, or is not known"
    REFUSED = "it does not cancel it"
    SILENT = "nothing"


@dataclass(slots=True, kw_only=True)
class Canceller:
    """Cancels open requests, and sees each to its end.

    Attributes:
        client: The queue.
        platform: The history, where the queue denies a request; None if there is none.
        records: Where everything is written down.
        worker: Reads a request to its end.
        delivery: Saves what completed all the same.
        clock: Time and chance.
        patience_s: How long the service is asked, and what has begun is waited for, in seconds.
        barred: Why the account may cancel nothing, once that is certain.
        answered: Whether the service has answered.
    """

    client: Witness
    platform: PlatformClient | None
    records: Records
    worker: Worker
    delivery: Delivery
    clock: Clock
    patience_s: float
    barred: AccountError | None = None
    answered: bool = False
    backoff: Backoff = field(default_factory=lambda: Backoff(base_s=0.5, cap_s=10.0))

    async def settle_all(self, standings: list[Standing]) -> Cancellation:
        """Cancel or save each, some at a time, in this order.

        Raises:
            AccountError: They belong to another account; nothing was cancelled.
            LedgerError: The records cannot be written; what had begun was finished first.
        """
        await self._check_account(standings)
        source = iter(standings)
        settled: list[Settled] = []
        errors: list[Exception] = []
        until = self.clock.monotonic() + self.patience_s

        async def drain() -> None:
            for standing in source:
                try:
                    settled.append(await self._settle(standing, until=until))
                except Exception as error:  # noqa: BLE001 - raised when all others are done
                    errors.append(error)
                if errors:
                    return

        async with asyncio.TaskGroup() as pool:
            for _ in range(min(SIDE_BY_SIDE, len(standings))):
                pool.create_task(drain())
        if errors:
            raise errors[0]
        return Cancellation(settled=tuple(settled), barred=self.barred, answered=self.answered)

    async def _check_account(self, standings: list[Standing]) -> None:
        """Refuse a key that does not find what another key has sent."""
        account = self.client.service.account
        foreign = next((one for one in standings if one.account != account), None)
        request = None if foreign is None else self.records.entry_at(foreign.last).request
        if foreign is None or request is None:
            return
        job = self._job_of(foreign)
        found = await self.worker.find(job, request)
        if isinstance(found, Lost) and not await self._is_in_history(job, request):
            text = (
                "These requests belong to another account: this key does not find them. "
                "Use the key that sent them. Nothing was cancelled."
            )
            raise AccountError(text, cause="key", http=404)

    async def _settle(self, standing: Standing, *, until: float) -> Settled:
        job = self._job_of(standing)
        request = self.records.entry_at(standing.last).request
        if request is None:
            return _settled(job, None, Fate.OPEN, reason="its row names no request")
        reply = await self._ask(job, request, until=until)
        if reply is _Reply.SILENT:
            reason = str(self.barred) if self.barred else "no answer from the service"
            return _settled(job, request, Fate.OPEN, reason=reason)
        agreed = reply is _Reply.AGREED
        ending = await self._follow(job, request, standing, agreed=agreed)
        if isinstance(ending, Lost):
            ending = await self._ask_history(job, request) or ending
        return await self._record(job, standing, request, ending, agreed=agreed)

    async def _ask(self, job: Job, request: Request, *, until: float) -> _Reply:
        """Ask the service to cancel a request, again and again where it gives no answer."""
        failures = 0
        while self.barred is None:
            try:
                return await self._ask_once(job, request)
            except ReadError as error:
                self.answered = self.answered or error.http is not None
            except AccountError as error:
                self.answered = True
                if failures + 1 >= MOST_BARRED:
                    self.barred = error
                    break
            if self.clock.monotonic() >= until:
                break
            failures += 1
            jitter = 0.5 + 0.5 * self.clock.jitter()
            await self.clock.sleep(self.backoff.wait_s(failures=failures, jitter=jitter))
        return _Reply.SILENT

    async def _ask_once(self, job: Job, request: Request) -> _Reply:
        """Look where the request stands, and ask for its end.

        The look tells whether it had begun, which decides what a cancelled request costs.
        """
        status = await self.client.status(job.endpoint, request)
        self.answered = True
        if isinstance(status, Status) and status.is_done:
            return _Reply.TOO_LATE
        http = await self.client.cancel(job.endpoint, request)
        if 200 <= http < 300:
            return _Reply.AGREED
        if http in (400, 404, 409, 410):
            return _Reply.TOO_LATE
        if http in (408, 425, 429) or http >= 500:
            raise ReadError(f"HTTP {http}", http=http)
        return _Reply.REFUSED

    async def _follow(
        self, job: Job, request: Request, standing: Standing, *, agreed: bool
    ) -> Ending:
        """Read a request to its end; what the service denies is looked at twice."""
        age = self.clock.now() - parse_timestamp(standing.submitted_at)
        # No older than that: the age also says how seldom a request is asked about.
        age_s = NEW_REQUEST_S if agreed else min(NEW_REQUEST_S, max(1.0, age.total_seconds()))
        ending = await self.worker.follow(job, request, ahead=None, age_s=age_s)
        if not (isinstance(ending, Lost) and agreed):
            return ending
        await self.clock.sleep(SECOND_READ_S)
        return await self.worker.follow(job, request, ahead=None, age_s=age_s)

    async def _ask_history(self, job: Job, request: Request) -> Completed | None:
        """Return the result that the platform remembers of a request that the queue denies."""
        if self.platform is None:
            return None
        try:
            entry = await self.platform.find(job.endpoint, request.request_id)
        except QueueError:
            return None
        result = None if entry is None else entry.result
        urls = image_urls(result) if result else []
        # Images that stand in the result itself would go into the journal.
        is_usable = any(urls) and not any(url.startswith("data:") for url in urls)
        return Completed(output=result) if result and is_usable else None

    async def _is_in_history(self, job: Job, request: Request) -> bool:
        if self.platform is None:
            return False
        try:
            return await self.platform.find(job.endpoint, request.request_id) is not None
        except QueueError:
            return False

    async def _record(
        self, job: Job, standing: Standing, request: Request, ending: Ending, *, agreed: bool
    ) -> Settled:
        """Write down how a request ended."""
        match ending:
            case Completed():
                await self.records.completed(job, standing, request, ending)
                return await self._deliver(job, standing, request)
            case Failed() if self._is_cancelled(request, ending):
                return await self._cancelled(job, standing, request, ending)
            case Failed():
                await self._failed(job, standing, request, ending)
                return _settled(job, request, Fate.FAILED, reason=ending.error_type)
            case Lost() if agreed:
                return await self._cancelled(job, standing, request, None)
            case Lost():
                return _settled(job, request, Fate.OPEN, reason="the queue does not know it (404)")
            case StillOpen():
                return _settled(job, request, Fate.OPEN, reason=ending.reason)

    def _is_cancelled(self, request: Request, ending: Failed) -> bool:
        return (
            ending.http == CANCELLED_CODE
            or ending.error_type in CANCELLED_TYPES
            or request.request_id in self.client.given_up
        )

    async def _cancelled(
        self, job: Job, standing: Standing, request: Request, ending: Failed | None
    ) -> Settled:
        await self.records.cancelled(
            job,
            standing,
            request,
            has_begun=request.request_id in self.client.begun,
            units=ending.units if ending else None,
        )
        return _settled(job, request, Fate.CANCELLED)

    async def _failed(self, job: Job, standing: Standing, request: Request, ending: Failed) -> None:
        await self.records.failed(job, standing, request, ending)
        if again(ending.error_type, retryable=ending.retryable) is Again.NEVER:
            await self.records.job_failed(
                job,
                standing,
                error_type=ending.error_type,
                error=ending.message,
                request_id=request.request_id,
            )
        # Else the next run decides whether it goes on, by its own rules.

    async def _deliver(self, job: Job, standing: Standing, request: Request) -> Settled:
        begun = self.records.entry_at(standing.started)
        result = self.records.entry_at(standing.last)
        try:
            await self.delivery.deliver(standing, begun, result)
        except StorageError as error:
            return _settled(job, request, Fate.UNDELIVERED, reason=str(error))
        standing = self.records.record.jobs[number_of(job.job_id)]
        if standing.lacks_rows:
            return _settled(job, request, Fate.UNDELIVERED, reason="it could not be fetched")
        if standing.missing_type:
            return _settled(job, request, Fate.FAILED, reason=standing.missing_type)
        return _settled(job, request, Fate.SAVED)

    def _job_of(self, standing: Standing) -> Job:
        return job_from(self.records.entry_at(standing.started))


def _settled(job: Job, request: Request | None, fate: Fate, *, reason: str = "") -> Settled:
    request_id = request.request_id if request else ""
    return Settled(job_id=job.job_id, request_id=request_id, fate=fate, reason=reason)
