"""Stop the run that has a batch, and cancel what it has open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager

from batchgen.batch import STOP_NAME, Batch
from batchgen.canceller import Cancellation, Canceller, Witness
from batchgen.delivery import Delivery
from batchgen.errors import BusyError
from batchgen.images import ImageStore
from batchgen.launch import check_queue, log_to, real_clock, tidy
from batchgen.pacing import Contact, Polling, ReadPace
from batchgen.platform_client import PlatformClient
from batchgen.records import Records
from batchgen.replay import Record
from batchgen.service import Service
from batchgen.standing import Standing
from batchgen.state import AttemptState
from batchgen.worker import Clock, Worker

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
        AccountError: The requests belong to another account.
        ServiceError: They are at another queue.
        LedgerError: The files cannot be written.
    """
    clock = clock or real_clock()
    check_queue(batch, record, service)
    records = batch.open_records(record, service=service)
    with log_to(batch), records.journal, records.ledger:
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
            cancellation = await canceller.settle_all(open_standings(record))
    tidy(batch, record)
    return cancellation


def _make_canceller(
    records: Records,
    client: Witness,
    platform: PlatformClient | None,
    images: ImageStore,
    clock: Clock,
    patience_s: float,
) -> Canceller:
    contact = Contact(began_at=clock.monotonic())
    return Canceller(
        client=client,
        platform=platform,
        records=records,
        worker=Worker(
            client=client,
            records=records,
            images=images,
            clock=clock,
            timeout_s=patience_s,
            polling=Polling(),
            reads=ReadPace(),
            contact=contact,
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
