"""Put a run together from its parts, let it run, and say what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from batchgen.attempt import timestamp
from batchgen.batch import Batch
from batchgen.binding import check_queue
from batchgen.clock import Clock, real_clock
from batchgen.course import Course
from batchgen.delivery import Delivery
from batchgen.dispatcher import Dispatcher
from batchgen.downloads import Downloads
from batchgen.errors import LedgerError
from batchgen.gate import Gate
from batchgen.images import ImageProcess, ImageStore, shared_sync
from batchgen.job import number_of
from batchgen.manifest import Manifest
from batchgen.pacing import Contact, Polling, ReadPace, Spacing, Window
from batchgen.platform_client import PlatformClient
from batchgen.progress import Progress
from batchgen.queue_client import QueueClient
from batchgen.reconciler import Reconciler
from batchgen.record import Record
from batchgen.records import Records
from batchgen.recovery import Recovery
from batchgen.redo_file import Redo
from batchgen.report import Report
from batchgen.retry import RetryRule
from batchgen.run_log import log_to
from batchgen.runner import Runner
from batchgen.service import Service
from batchgen.settings import RunSettings, next_time
from batchgen.standing import Standing
from batchgen.state import JobState
from batchgen.stop import FailureGuard
from batchgen.tally import count, drawn, undrawn
from batchgen.todo import Todo
from batchgen.worker import Worker

logger = logging.getLogger(__name__)

# A manifest of up to so many jobs is drawn to its end before the report, so that every count is
# exact; of a larger one, what was not reached is counted by arithmetic.
MOST_DRAWN_FOR_REPORT = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which part of a manifest a run is about.

    Attributes:
        sample: `--sample`, or `""`.
        limit: `--limit`, or None.
        redo: What is made once more, and nothing else; empty for the manifest and all that was
            ordered before.
    """

    sample: str = ""
    limit: int | None = None
    redo: tuple[Redo, ...] = ()


async def launch(
    batch: Batch,
    manifest: Manifest,
    *,
    service: Service,
    settings: RunSettings,
    selection: Selection,
    progress: Progress,
    began: Callable[[Runner], None],
    price_usd: Decimal | None = None,
    clock: Clock | None = None,
) -> Report:
    """Run a batch, from taking its lock to tidying its ledger.

    Args:
        batch: Its folder; made if it is new.
        manifest: What to run; it becomes the batch's current manifest.
        service: The queue.
        settings: What the run keeps to.
        selection: Which part of the manifest.
        progress: Kept up to date meanwhile.
        began: Told of the runner, so that signals can reach it.
        price_usd: What a job costs whose endpoint has no price.
        clock: Time and chance; the machine's if None.

    Raises:
        BusyError: Another process is running the batch.
        LedgerError: Its files cannot be trusted, or cannot be written.
        UsageError: It was made with another service.
    """
    clock = clock or real_clock()
    started_at = clock.now()
    batch.create(simulated=service.simulated)
    with batch.lock(), log_to(batch):
        record = batch.replay(
            download=settings.download, accept_loss=settings.on_unknown == "resubmit"
        )
        loss = batch.accept_loss(record)
        if loss is not None:
            logger.warning("requests.csv %s; the run goes on without it", loss.describe())
        check_queue(batch, record, service)
        batch.takes_stop_request()  # one that nobody was there to see
        manifest = batch.freeze(manifest, sample=selection.sample)
        manifest = batch.order(manifest, selection.redo)
        record.bill.limit_usd = settings.budget_usd
        records = batch.open_records(record, service=service, manifest=manifest)
        logger.info("run begins: %s, %s", manifest.batch, service.queue_url)
        with records.journal, records.ledger:
            run = Parts(
                batch=batch,
                records=records,
                todo=_todo(manifest, record, settings, selection, clock),
                service=service,
                settings=settings,
                progress=progress,
                course=Course(sleep=clock.sleep),
                clock=clock,
                limit=selection.limit,
                price_usd=price_usd,
                redo=selection.redo,
            )
            size = _size(manifest, selection)
            _begin_progress(progress, run, size)
            submitted = await _run(run, began)
            _draw_to_end(run.todo, size)
        tidy(batch, record)
        report = _report(run, size, started_at=started_at, submitted=submitted)
        if run.todo.is_drawn and not selection.redo:
            own = run.todo.drawn - manifest.redo.count
            batch.remember_count(jobs=own, folded=run.todo.folded)
        logger.info("run ends with %d: %s", report.exit_code, report.reason or "done")
        return report


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a run is put together from, before anything is connected.

    Attributes:
        batch: The batch's folder, locked.
        records: Both of its files, open for writing.
        todo: What is left to send.
        service: The queue.
        settings: What the run keeps to.
        progress: What is shown while it goes on.
        course: Whether it goes on.
        clock: Time and chance.
        limit: New jobs that may be sent, or None.
        price_usd: What a job costs whose endpoint has no price.
        redo: What it makes once more, if it is about nothing else.
    """

    batch: Batch
    records: Records
    todo: Todo
    service: Service
    settings: RunSettings
    progress: Progress
    course: Course
    clock: Clock
    limit: int | None
    price_usd: Decimal | None
    redo: tuple[Redo, ...] = ()


async def _run(run: Parts, began: Callable[[Runner], None]) -> int:
    """Connect to the service, run, and return how many requests it accepted."""
    service, clock = run.service, run.clock
    folder, loopback = run.batch.folder, service.is_loopback
    process = ImageProcess(folder, loopback=loopback, monotonic=clock.monotonic)
    images = ImageStore(folder, loopback=loopback, shared=shared_sync(folder), process=process)
    images.remove_leftovers()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(images)
        client = await stack.enter_async_context(QueueClient(service, now=clock.now))
        platform = None
        if service.platform_url:
            platform = await stack.enter_async_context(
                PlatformClient(service.platform_url, service.key, now=clock.now)
            )
        runner = _assemble(run, client=client, platform=platform, images=images)
        began(runner)
        await runner.run()
        return runner.dispatcher.submitted


def _assemble(
    run: Parts, *, client: QueueClient, platform: PlatformClient | None, images: ImageStore
) -> Runner:
    """Join the parts of a run."""
    settings, clock = run.settings, run.clock
    gate = _gate(run)
    worker = Worker(
        client=client,
        records=run.records,
        images=images,
        clock=clock,
        timeout_s=settings.timeout_s,
        polling=Polling(),
        reads=ReadPace(),
        contact=Contact(began_at=clock.monotonic()),
        course=run.course,
        window=gate.window,
    )
    reconciler = Reconciler(
        records=run.records,
        platform=platform,
        clock=clock,
        unknown_after=timedelta(seconds=settings.unknown_after_s),
        resubmit=settings.on_unknown == "resubmit",
    )
    delivery = Delivery(
        client=client,
        platform=platform,
        records=run.records,
        images=images,
        clock=clock,
        download=settings.download,
    )
    dispatcher = Dispatcher(
        records=run.records,
        todo=run.todo,
        retry=retry_rule(settings),
        worker=worker,
        reconciler=reconciler,
        downloads=Downloads(
            records=run.records,
            delivery=delivery,
            progress=run.progress,
            course=run.course,
            monotonic=clock.monotonic,
        ),
        gate=gate,
        guard=FailureGuard(limit=settings.max_failures),
        course=run.course,
        progress=run.progress,
        price_usd=run.price_usd,
        limit=run.limit,
    )
    recovery = Recovery(
        records=run.records,
        retry=retry_rule(settings),
        download=settings.download,
        worker=worker,
        reconciler=reconciler,
        clock=clock,
    )
    return Runner(batch=run.batch, recovery=recovery, dispatcher=dispatcher, course=run.course)


def _gate(run: Parts) -> Gate:
    settings = run.settings
    return Gate(
        window=Window(cap=settings.concurrency, grew=run.course.wake),
        rate=Spacing(per_s=settings.rate.per_s if settings.rate else None),
        folder=run.batch.folder,
        until_at=_until_at(settings, run.clock.now()),
    )


def _todo(
    manifest: Manifest,
    record: Record,
    settings: RunSettings,
    selection: Selection,
    clock: Clock,
) -> Todo:
    return Todo(
        manifest.drafts(sample=selection.sample or None),
        record=record,
        retry=retry_rule(settings),
        download=settings.download,
        monotonic=clock.monotonic,
    )


def retry_rule(settings: RunSettings) -> RetryRule:
    """Return which failures a run with these settings tries again."""
    return RetryRule(mode=settings.retry, max_attempts=settings.max_attempts)


def _until_at(settings: RunSettings, now: datetime) -> datetime | None:
    if settings.until is None:
        return None
    return next_time(settings.until, now=now.astimezone()).astimezone(UTC)


def _size(manifest: Manifest, selection: Selection) -> int:
    """Return how many jobs a run is about, before equal ones are made one, by arithmetic."""
    return manifest.count(sample=selection.sample)


def _begin_progress(progress: Progress, run: Parts, size: int) -> None:
    record = run.records.record
    standings: Iterable[Standing] = record.jobs.values()
    if run.redo:
        ordered = {number_of(line.job.job_id) for line in run.redo}
        standings = (standing for number, standing in record.jobs.items() if number in ordered)
    retry, download = retry_rule(run.settings), run.settings.download
    tally = count(standings, retry=retry, download=download)
    on_record = tally.jobs - tally.states[JobState.LEFT]
    # What --limit leaves for a later run is not waited for.
    progress.total = size if run.limit is None else min(size, on_record + run.limit)
    progress.succeeded = tally.states[JobState.SUCCEEDED]
    progress.failed = tally.states[JobState.FAILED]
    progress.unknown = tally.states[JobState.UNKNOWN]
    progress.undelivered = tally.states[JobState.UNDELIVERED]


def _draw_to_end(todo: Todo, size: int) -> None:
    """Find out which jobs the manifest has beyond those that the run has reached."""
    if not todo.is_drawn and size <= MOST_DRAWN_FOR_REPORT:
        while not todo.is_drawn:
            todo.draw(only_mark=True)


def tidy(batch: Batch, record: Record) -> None:
    """Move superseded rows out of the ledger; if that cannot be done, it means the same."""
    try:
        batch.compact(record)
    except LedgerError as error:
        logger.warning("the ledger was not tidied: %s", error)


def _report(run: Parts, size: int, *, started_at: datetime, submitted: int) -> Report:
    todo, record, settings = run.todo, run.records.record, run.settings
    former = 0
    if not run.redo:
        former = sum(1 for standing in undrawn(record) if standing.state is not None)
    if todo.is_drawn:
        standings = drawn(record)
        jobs, images = todo.drawn, todo.images
    else:
        # Nobody knows yet which of the jobs on record the manifest still has: most, as a rule.
        standings, former = record.jobs.values(), 0
        jobs = max(size - todo.folded, len(record.jobs))
        images = todo.images + (jobs - todo.drawn)
    tally = count(standings, retry=retry_rule(settings), download=settings.download)
    return Report(
        batch=run.batch.name,
        folder=run.batch.folder,
        simulated=run.service.simulated,
        jobs=jobs,
        images=max(images, tally.images_on_disk),  # some results hold more than was asked for
        tally=tally,
        bill=record.bill,
        submitted=submitted,
        stop=run.course.stopped,
        former=former,
        folded=todo.folded,
        quoted_usd=todo.quoted_usd if todo.is_drawn else None,
        dearest_usd=todo.dearest_usd if todo.is_drawn else None,
        last_at=record.last_at,
        redone=bool(run.redo),
        limit=run.limit,
        unrecorded=tuple(run.course.unrecorded),
        started_at=timestamp(started_at),
        finished_at=run.records.time(),
    )
