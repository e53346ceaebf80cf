"""Find out what a run would do and what it would cost, by reading alone."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from batchgen.batch import Batch
from batchgen.errors import UsageError
from batchgen.launch import Selection
from batchgen.manifest import Manifest
from batchgen.planning.census import Census
from batchgen.planning.changes import (
    Changes,
    Left,
    changed_keys,
    is_edited,
    sum_up,
    was_sent,
)
from batchgen.planning.counting import Counting
from batchgen.planning.disk import estimate_room, free_bytes
from batchgen.planning.folding import Fold, find_fold
from batchgen.planning.neighbours import Neighbour, find_neighbours
from batchgen.planning.past import look_back
from batchgen.planning.plan import Plan
from batchgen.planning.prices import list_prices
from batchgen.planning.reason import Reason
from batchgen.planning.warning import Findings, warn
from batchgen.record import Record
from batchgen.report import Report
from batchgen.retry import RetryRule
from batchgen.settings import RunSettings


def make_plan(
    batch: Batch,
    manifest: Manifest,
    *,
    settings: RunSettings,
    selection: Selection,
    simulated: bool = False,
    price_usd: Decimal | None = None,
    free: Callable[[Path], int] = free_bytes,
    watch: Callable[[int], None] | None = None,
) -> Plan:
    """Return what a run would do: all jobs are drawn once, nothing is written, nobody is asked.

    Args:
        batch: Its folder, which need not exist.
        manifest: What would run; what the batch makes once more comes behind it.
        settings: What the run would keep to.
        selection: Which part of the manifest.
        simulated: Whether it would run against the simulator.
        price_usd: What a job costs whose endpoint has no price.
        free: Tells the free space of a folder's disk, in bytes.
        watch: Told now and then how many jobs were drawn.

    Raises:
        LedgerError: The batch's record cannot be trusted.
        UsageError: The folder holds something else than a batch.
    """
    check_folder(batch)
    if not selection.redo:
        manifest = manifest.with_redo(batch.redo_lines())
    record = batch.replay(download=settings.download, accept_loss=settings.on_unknown == "resubmit")
    record.bill.limit_usd = settings.budget_usd
    counting = Counting(
        record=record,
        retry=RetryRule(mode=settings.retry, max_attempts=settings.max_attempts),
        download=settings.download,
        limit=selection.limit,
        price_usd=price_usd,
        watch=watch,
    )
    census = counting.count(manifest.jobs(sample=selection.sample or None))
    neighbours = () if simulated or not census.sent else _neighbours(batch, record)
    kept = sum_up(record, drawn=True).jobs
    former = Left() if selection.redo else sum_up_former(record, manifest, selection)
    past = look_back(batch.ledger_path, columns=record.ledger_columns)
    room = estimate_room(census.piles, folder=batch.folder, image_bytes=past.image_bytes, free=free)
    is_part = bool(selection.sample) and not selection.redo
    note = manifest.sample_note(selection.sample) if is_part else ""
    findings = Findings(
        census=census,
        bill=record.bill,
        settings=settings,
        neighbours=neighbours,
        room=room,
        notes=(*((note,) if note else ()), *manifest.warnings),
    )
    return Plan(
        report=_report(batch, record, census, former, selection, simulated=simulated),
        is_new=batch.is_new,
        begun_at="" if batch.is_new or batch.state is None else batch.state.created_at,
        manifest=manifest.path,
        shape=manifest.shape,
        whole=manifest.count() - manifest.redo.count,
        redone=manifest.redo.count,
        selection=selection,
        settings=settings,
        census=census,
        fold=_fold(manifest, selection, census),
        changes=_changes(batch, manifest, census, kept, former),
        former=former,
        prices=list_prices(manifest.endpoints, census.piles),
        past=past,
        room=room,
        neighbours=neighbours,
        warnings=warn(findings),
    )


def check_folder(batch: Batch) -> None:
    """Refuse a folder that holds a ledger or a journal and is no batch.

    Raises:
        UsageError: It does; a run would refuse it too.
    """
    if batch.state is None and (batch.journal_path.exists() or batch.ledger_path.exists()):
        raise UsageError(
            f"{batch.folder} holds a ledger or a journal and is not a batch that can go on. Put "
            "the folder elsewhere, or give the batch another name."
        )


def sum_up_former(record: Record, manifest: Manifest, selection: Selection) -> Left:
    """Return what is on record and no longer in the manifest, whatever part of it is selected.

    Args:
        record: What is on record; the selected jobs are marked in it, the others are now.
        manifest: The manifest; drawn once more only where a sample may have left jobs out.
        selection: The part that was drawn.
    """
    if selection.sample and sum_up(record, drawn=False).jobs:
        numbers = record.jobs
        for draft in manifest.drafts():
            if draft.number in numbers:
                record.mark_drawn(draft.number)
    return sum_up(record, drawn=False)


def _neighbours(batch: Batch, record: Record) -> tuple[Neighbour, ...]:
    def is_bought(number: int) -> bool:
        standing = record.find(number)
        return standing is not None and not was_sent(standing)

    return find_neighbours(batch.folder, wanted=is_bought)


def _fold(manifest: Manifest, selection: Selection, census: Census) -> Fold | None:
    if census.second is None:
        return None
    return find_fold(manifest.jobs(sample=selection.sample or None), census.second)


def _changes(
    batch: Batch, manifest: Manifest, census: Census, kept: int, former: Left
) -> Changes | None:
    if batch.state is None or batch.state.frozen is None or not is_edited(batch, manifest):
        return None
    return Changes(
        since=batch.state.frozen.at,
        keys=changed_keys(batch.load_frozen(), manifest),
        kept=kept,
        new=census.lines[Reason.NEW].jobs,
        former=former,
    )


def _report(
    batch: Batch,
    record: Record,
    census: Census,
    former: Left,
    selection: Selection,
    *,
    simulated: bool,
) -> Report:
    return Report(
        batch=batch.name,
        folder=batch.folder,
        simulated=simulated,
        jobs=census.jobs,
        images=census.images,
        tally=census.tally,
        bill=record.bill,
        submitted=0,
        former=former.jobs,
        folded=census.folded,
        quoted_usd=census.quoted_usd,
        limit=selection.limit,
    )
