"""See open requests to their end: cancelled, or saved because they completed all the same.

A request counts as cancelled only if the service says so, or denies it twice after it had agreed
to cancel it: a read is free, a wrong verdict is an image.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum

from batchgen.attempt import Request
from batchgen.clock import Clock
from batchgen.delivery import Delivery
from batchgen.errors import AccountError, ReadError, StorageError
from batchgen.job import number_of
from batchgen.outcome import Completed, Ending, Failed, Lost, StillOpen
from batchgen.queue_client import QueueClient
from batchgen.reconciler import Reconciler
from batchgen.records import Records
from batchgen.recovery import OpenRequest
from batchgen.reply import NotFound, Status
from batchgen.retry import Again, Backoff, again
from batchgen.service import Service
from batchgen.worker import NEW_REQUEST_S, SECOND_READ_S, Worker

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
        reason: Why it is open, failed, or not on disk; else `""`.
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
        barred: Why the service let nothing more be cancelled, or None.
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
    DECLINED = "it has ended, is not known, or cannot be cancelled"
    SILENT = "nothing"


@dataclass(slots=True, kw_only=True)
class Canceller:
    """Cancels open requests, and sees each to its end.

    Attributes:
        client: The queue.
        reconciler: Looks up what the queue denies.
        records: Where everything is written down.
        worker: Reads a request to its end.
        delivery: Saves what completed all the same.
        clock: Time and chance.
        patience_s: How long the service is asked, in seconds.
        barred: Why the account may cancel nothing, once that is certain.
        answered: Whether the service has answered.
        backoff: Waits between calls that failed.
    """

    client: Witness
    reconciler: Reconciler
    records: Records
    worker: Worker
    delivery: Delivery
    clock: Clock
    patience_s: float
    barred: AccountError | None = None
    answered: bool = False
    backoff: Backoff = field(default_factory=lambda: Backoff(base_s=0.5, cap_s=10.0))

    async def settle_all(self, requests: Sequence[OpenRequest]) -> Cancellation:
        """Cancel or save each, some at a time, in this order.

        Raises:
            LedgerError: The records cannot be written; what had begun was finished first.
        """
        source = iter(requests)
        settled: list[Settled] = []
        errors: list[Exception] = []
        until = self.clock.monotonic() + self.patience_s

        async def drain() -> None:
            for one in source:
                try:
                    settled.append(await self._settle(one, until=until))
                except Exception as error:  # noqa: BLE001 - raised when all others are done
                    errors.append(error)
                if errors:
                    return

        async with asyncio.TaskGroup() as pool:
            for _ in range(min(SIDE_BY_SIDE, len(requests))):
                pool.create_task(drain())
        if errors:
            raise errors[0]
        return Cancellation(settled=tuple(settled), barred=self.barred, answered=self.answered)

    async def _settle(self, one: OpenRequest, *, until: float) -> Settled:
        reply = await self._ask(one, until=until)
        if reply is _Reply.SILENT:
            return _settled(one, Fate.OPEN, str(self.barred or "no answer from the service"))
        agreed = reply is _Reply.AGREED
        ending = await self._follow(one, agreed=agreed)
        if isinstance(ending, Lost):
            ending = await self._look_up(one, agreed=agreed)
        return await self._record(one, ending)

    async def _ask(self, one: OpenRequest, *, until: float) -> _Reply:
        """Ask the service to cancel a request, again where it gives no answer."""
        failures = 0
        while self.barred is None:
            failures += 1
            try:
                return await self._ask_once(one)
            except ReadError as error:
                self.answered = self.answered or error.http is not None
            except AccountError as error:
                self.answered = True
                if failures >= MOST_BARRED:
                    self.barred = error
            if self.clock.monotonic() >= until:
                break
            jitter = 0.5 + 0.5 * self.clock.jitter()
            await self.clock.sleep(self.backoff.wait_s(failures=failures, jitter=jitter))
        return _Reply.SILENT

    async def _ask_once(self, one: OpenRequest) -> _Reply:
        """Look where the request stands, and ask for its end.

        The look tells whether it had begun, which decides what a cancelled request costs.
        """
        status = await self.client.status(one.job.endpoint, one.request)
        self.answered = True
        if isinstance(status, Status) and status.is_done:
            return _Reply.DECLINED
        http = await self.client.cancel(one.job.endpoint, one.request)
        if http in (408, 425, 429) or http >= 500:
            raise ReadError(f"HTTP {http}", http=http)
        return _Reply.AGREED if 200 <= http < 300 else _Reply.DECLINED

    async def _follow(self, one: OpenRequest, *, agreed: bool) -> Ending:
        """Read a request to its end; what the service denies is looked at twice."""
        # No older than that: the age also says how seldom a request is asked about.
        age_s = NEW_REQUEST_S if agreed else min(NEW_REQUEST_S, max(1.0, one.age_s))
        ending = await self.worker.follow(one.job, one.request, ahead=None, age_s=age_s)
        if not (isinstance(ending, Lost) and agreed):
            return ending
        await self.clock.sleep(SECOND_READ_S)
        return await self.worker.follow(one.job, one.request, ahead=None, age_s=age_s)

    async def _look_up(self, one: OpenRequest, *, agreed: bool) -> Ending:
        """Return what became of a request that the queue denies; `Lost`: it was cancelled."""
        found = await self.reconciler.find(one.job, one.request)
        if isinstance(found, Completed):
            return await self.worker.keep_inside(one.job, found)
        was_asked = self.reconciler.platform is not None
        if agreed and (isinstance(found, Failed) or not was_asked):
            return Lost()
        return found

    async def _record(self, one: OpenRequest, ending: Ending) -> Settled:
        """Write down how a request ended."""
        match ending:
            case Completed():
                await self.records.completed(one.job, one.standing, one.request, ending)
                return await self._deliver(one)
            case Failed() if self._is_cancelled(one, ending):
                return await self._cancelled(one, ending)
            case Failed():
                return await self._failed(one, ending)
            case Lost():
                return await self._cancelled(one, None)
            case StillOpen():
                return _settled(one, Fate.OPEN, ending.reason)

    def _is_cancelled(self, one: OpenRequest, ending: Failed) -> bool:
        return (
            ending.http == CANCELLED_CODE
            or ending.error_type in CANCELLED_TYPES
            or one.request.request_id in self.client.given_up
        )

    async def _cancelled(self, one: OpenRequest, ending: Failed | None) -> Settled:
        await self.records.cancelled(
            one.job,
            one.standing,
            one.request,
            has_begun=one.request.request_id in self.client.begun,
            units=ending.units if ending else None,
        )
        return _settled(one, Fate.CANCELLED)

    async def _failed(self, one: OpenRequest, ending: Failed) -> Settled:
        await self.records.failed(one.job, one.standing, one.request, ending)
        # What may be tried again is left to the next run, which decides by its own rules.
        if again(ending.error_type, retryable=ending.retryable) is Again.NEVER:
            await self.records.job_failed(
                one.job,
                one.standing,
                error_type=ending.error_type,
                error=ending.message,
                request_id=one.request.request_id,
            )
        return _settled(one, Fate.FAILED, ending.error_type)

    async def _deliver(self, one: OpenRequest) -> Settled:
        result = self.records.entry_at(one.standing.last)
        try:
            await self.delivery.deliver(one.standing, one.job, result)
        except StorageError as error:
            return _settled(one, Fate.UNDELIVERED, str(error))
        standing = self.records.record.jobs[number_of(one.job.job_id)]
        if standing.lacks_rows:
            return _settled(one, Fate.UNDELIVERED, "its image could not be fetched")
        if standing.missing_type:
            return _settled(one, Fate.FAILED, standing.missing_type)
        return _settled(one, Fate.SAVED)


def _settled(one: OpenRequest, fate: Fate, reason: str = "") -> Settled:
    return Settled(
        job_id=one.job.job_id, request_id=one.request.request_id, fate=fate, reason=reason
    )
