"""Stop the run that has a batch, and cancel what it has open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from datetime import timedelta

from batchgen.attempt import job_from, parse_timestamp
from batchgen.batch import STOP_NAME, Batch
from batchgen.binding import check_queue
from batchgen.canceller import Cancellation, Canceller, Witness
from batchgen.clock import Clock, real_clock
from batchgen.course import Course
from batchgen.delivery import Delivery
from batchgen.errors import AccountError, BusyError, ReadError
from batchgen.images import ImageStore
from batchgen.launch import tidy
from batchgen.pacing import PRICE, Contact, Polling, ReadPace
from batchgen.platform_client import PlatformClient
from batchgen.reconciler import Reconciler
from batchgen.record import Record
from batchgen.records import Records
from batchgen.recovery import OpenRequest, Recovery
from batchgen.retry import RetryRule
from batchgen.run_log import log_to
from batchgen.service import Service
from batchgen.standing import Standing
from batchgen.state import AttemptState
from batchgen.stop import Cause
from batchgen.worker import Worker

# How often the lock is tried while a run is being waited for, and how often that run is asked
# once more, in seconds: one that has just begun throws away what was asked before it.
LOCK_LOOK_S = 0.2
ASK_AGAIN_S = 2.0


@contextmanager
def stopped(
    batch: Batch,
    *,
    wait_s: float,
    sleep: Callable[[float], None],
    monotonic: Callable[[], float],
    tell: Callable[[BusyError], None],
) -> Iterator[bool]:
    """Hold the batch's lock; a run that has it is asked to stop and waited for.

    The run submits nothing more, leaves its open requests on record and ends. Yields whether
    there was one.

    Args:
        batch: Its folder.
        wait_s: How long the run is waited for, in seconds.
        sleep: Waits so many seconds.
        monotonic: A clock that never goes back, in seconds.
        tell: Told once who has the lock.

    Raises:
        BusyError: The run has not stopped in time; the request to stop stands.
        LedgerError: The folder cannot be written.
    """
    until = monotonic() + wait_s
    ask_at: float | None = None
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(batch.lock())
            except BusyError as busy:
                now = monotonic()
                if ask_at is None:
                    tell(busy)
                if ask_at is None or (now >= ask_at and not (batch.folder / STOP_NAME).exists()):
                    batch.request_stop()
                    ask_at = now + ASK_AGAIN_S
                if now >= until:
                    raise
                sleep(LOCK_LOOK_S)
            else:
                break
        batch.takes_stop_request()  # nobody is there to see it any more
        yield ask_at is not None


def open_standings(record: Record) -> list[Standing]:
    """Return where the jobs stand whose request is open, the oldest request first."""
    found = [one for one in record.jobs.values() if one.state is AttemptState.SUBMITTED]
    return sorted(found, key=lambda one: one.submitted_at)


async def cancel_open(
    batch: Batch,
    record: Record,
    *,
    service: Service,
    patience_s: float,
    clock: Clock | None = None,
) -> Cancellation:
    """Cancel every open request of a batch, and record what became of each; under its lock.

    Args:
        batch: Its folder.
        record: What `Batch.replay` returned, under the same lock; kept up to date.
        service: The queue.
        patience_s: How long what has begun is waited for, in seconds.
        clock: Time and chance; the machine's if None.

    Raises:
        AccountError: The requests belong to another account; nothing was cancelled.
        ReadError: Nothing is known of the requests; nothing was cancelled.
        ServiceError: They are at another queue; nothing was cancelled.
        LedgerError: The files cannot be written.
    """
    clock = clock or real_clock()
    check_queue(batch, record, service)
    records = batch.open_records(record, service=service)
    with log_to(batch), records.journal, records.ledger:
        requests = _open_requests(records, clock)
        async with AsyncExitStack() as stack:
            images = ImageStore(batch.folder, loopback=service.is_loopback)
            client = await stack.enter_async_context(Witness(service, now=clock.now))
            await stack.enter_async_context(images)
            platform = None
            if service.platform_url:
                platform = await stack.enter_async_context(
                    PlatformClient(service.platform_url, service.key, now=clock.now)
                )
            canceller = _make_canceller(records, client, platform, images, clock, patience_s)
            await _check_account(canceller, requests)
            cancellation = await canceller.settle_all(requests)
    tidy(batch, record)
    return cancellation


def _open_requests(records: Records, clock: Clock) -> list[OpenRequest]:
    found = []
    for standing in open_standings(records.record):
        request = records.entry_at(standing.last).request
        age = clock.now() - parse_timestamp(standing.submitted_at)
        if request is not None:
            found.append(
                OpenRequest(
                    job=job_from(records.entry_at(standing.started)),
                    standing=standing,
                    request=request,
                    age_s=max(0.0, age.total_seconds()),
                )
            )
    return found


async def _check_account(canceller: Canceller, requests: list[OpenRequest]) -> None:
    """Refuse a key that does not find what another key has sent."""
    recovery = Recovery(
        records=canceller.records,
        retry=RetryRule(),
        download=True,
        worker=canceller.worker,
        reconciler=canceller.reconciler,
        clock=canceller.clock,
    )
    stop = await recovery.check_account(requests)
    if stop is None:
        return
    text = f"{stop.text[:1].upper()}{stop.text[1:]}. Nothing was sent, nothing was cancelled."
    if stop.cause is Cause.NO_ANSWER:
        raise ReadError(text)
    raise AccountError(f"{text}\n  Mend it: {stop.mend}", cause="key", http=0)


def _make_canceller(
    records: Records,
    client: Witness,
    platform: PlatformClient | None,
    images: ImageStore,
    clock: Clock,
    patience_s: float,
) -> Canceller:
    return Canceller(
        client=client,
        reconciler=Reconciler(
            records=records,
            platform=platform,
            clock=clock,
            unknown_after=timedelta(),
            resubmit=False,
        ),
        records=records,
        worker=Worker(
            client=client,
            records=records,
            images=images,
            clock=clock,
            timeout_s=patience_s,
            # It is nearly over, and somebody is waiting for it.
            polling=Polling(price=PRICE / 4),
            reads=ReadPace(),
            contact=Contact(began_at=clock.monotonic()),
            course=Course(sleep=clock.sleep),
        ),
        delivery=Delivery(
            client=client,
            platform=platform,
            records=records,
            images=images,
            clock=clock,
            download=True,
        ),
        clock=clock,
        patience_s=patience_s,
    )
