"""Look where a batch stands: its counts, its bill, its failures. Nothing is changed.

A run may be writing meanwhile: rows that are not whole yet are not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from batchgen.batch import Batch
from batchgen.batch_state import BatchState
from batchgen.budget import ZERO, Budget
from batchgen.errors import LedgerError
from batchgen.failures import FailedJob, list_failures
from batchgen.job import Json, job_id_of
from batchgen.launch import Selection
from batchgen.lock import Holder, is_locked, read_holder
from batchgen.manifest import Manifest
from batchgen.planning.changes import Left
from batchgen.planning.making import sum_up_former
from batchgen.record import Record
from batchgen.report import Report, amount
from batchgen.retry import RetryRule
from batchgen.settings import RunSettings
from batchgen.standing import job_state
from batchgen.state import AttemptState, JobState
from batchgen.tally import Tally, count, drawn
from batchgen.window_log import WindowChange, read_changes

# Somebody who watches is told every so many jobs.
TOLD_EVERY = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownJob:
    """A submission that may have been accepted.

    Attributes:
        job_id: Its job.
        sent_at: When its intent was recorded: UTC, ISO 8601, as text.
        cost_usd: What is reserved for it.
    """

    job_id: str
    sent_at: str
    cost_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Where a batch stands at this moment.

    Attributes:
        report: The counts and the bill.
        billed_usd: The part of what was spent that the service itself reported; the rest is
            reckoned by the price table.
        foreseen_usd: What the price table had said of what the service reported.
        is_running: Whether a process has the batch's lock.
        holder: Who has it, as far as that is known; None where nobody has.
        sample: The part of the manifest that it was last run with, or `""`.
        redone: Jobs that are made once more, by redo.csv; the counts hold them too.
        former: Jobs on record that the manifest no longer has.
        unknowns: Submissions whose fate is unknown, former ones included, oldest first.
        failures: The failed jobs; None where they were not asked for.
        begun_at: When the batch was begun: UTC, ISO 8601, as text.
        last_at: When something was last recorded; `""` where nothing was.
        window: How many requests could be open, and why: the latest changes, oldest first.
    """

    report: Report
    billed_usd: Decimal
    foreseen_usd: Decimal
    is_running: bool
    holder: Holder | None
    sample: str
    redone: int = 0
    former: Left
    unknowns: tuple[UnknownJob, ...]
    failures: tuple[FailedJob, ...] | None
    begun_at: str
    last_at: str
    window: tuple[WindowChange, ...] = ()

    @property
    def findings(self) -> dict[str, int]:
        """What needs somebody, by its name: `failed`, `undelivered`, `unknown`.

        What a run has just made is not undelivered yet while that run goes on.
        """
        undelivered = 0 if self.is_running else self.report.undelivered + self.former.undelivered
        found = {
            "failed": self.report.failed,
            "undelivered": undelivered,
            "unknown": len(self.unknowns),
        }
        return {name: number for name, number in found.items() if number}

    @property
    def exit_code(self) -> int:
        """1 where something needs somebody, else 0."""
        return 1 if self.findings else 0

    @property
    def table_usd(self) -> Decimal:
        """The part of what was spent that is reckoned by the price table."""
        return self.report.bill.spent_usd - self.billed_usd

    def as_json(self, *, next_command: str = "") -> dict[str, Json]:
        """Return the contract's keys, and those of `status` beside them.

        Args:
            next_command: The command that goes on, or `""`.
        """
        document = self.report.as_json(next_command=next_command)
        document |= {
            "exit_code": self.exit_code,
            "reason": ", ".join(f"{number} {name}" for name, number in self.findings.items()),
            "billed_usd": amount(self.billed_usd),
            "foreseen_usd": amount(self.foreseen_usd),
            "estimated_usd": amount(self.table_usd),
            "sample": self.sample,
            "redo": self.redone,
            "running": self._running(),
            "begun_at": self.begun_at,
            "last_at": self.last_at,
            "window": [one.as_json() for one in self.window],
            "former_open": self.former.open,
            "former_undelivered": self.former.undelivered,
            "former_unknown": self.former.unknown,
            "unknown_jobs": [
                {"job_id": one.job_id, "sent_at": one.sent_at, "cost_usd": amount(one.cost_usd)}
                for one in self.unknowns
            ],
        }
        if self.failures is not None:
            document["failed_jobs"] = [one.as_json() for one in self.failures]
        return document

    def _running(self) -> dict[str, Json] | None:
        if not self.is_running:
            return None
        if self.holder is None:
            return {}
        return {
            "host": self.holder.host,
            "pid": self.holder.pid,
            "started_at": self.holder.started_at,
        }


def look(
    batch: Batch, *, with_failures: bool = False, watch: Callable[[int], None] | None = None
) -> Overview:
    """Return where a batch stands; its files are only read.

    Args:
        batch: Its folder.
        with_failures: List the failed jobs too.
        watch: Told now and then how many jobs of the manifest were drawn.

    Raises:
        LedgerError: The record cannot be trusted.
        ManifestError: The frozen manifest was damaged.
    """
    state = batch.state
    if state is None or state.frozen is None:
        return _never_run(batch)
    manifest = batch.load_frozen()
    settings = RunSettings.merged(manifest.run)
    was_running = _is_running(batch)
    record = _read(batch, download=settings.download, is_running=was_running)
    is_running = was_running or _is_running(batch)
    if not is_running:
        _call_lost_what_is_lost(record)
    retry = RetryRule(mode=settings.retry, max_attempts=settings.max_attempts)
    selected = _select(state, manifest, record, by_drawing=with_failures, watch=watch)
    standings = drawn(record) if selected.was_drawn else record.jobs.values()
    tally = count(standings, retry=retry, download=settings.download)
    former = Left()
    if selected.was_drawn:
        former = sum_up_former(record, manifest, Selection(sample=state.sample))
    record.bill.limit_usd = settings.budget_usd
    lines = {number: _as_written(line, batch, state) for number, line in selected.lines.items()}
    failures = list_failures(batch, record, lines) if with_failures else None
    return Overview(
        report=_report(batch, selected, tally, record, former),
        billed_usd=record.billed_usd,
        foreseen_usd=record.foreseen_usd,
        is_running=is_running,
        holder=read_holder(batch.folder) if is_running else None,
        sample=state.sample,
        redone=manifest.redo.count,
        former=former,
        unknowns=tuple(_unknowns(batch, record)),
        failures=None if failures is None else tuple(failures),
        begun_at=state.created_at,
        last_at=record.last_at,
        window=read_changes(batch.log_path),
    )


@dataclass(slots=True, kw_only=True)
class _Selected:
    """The jobs that the frozen manifest, or the recorded part of it, has.

    Attributes:
        jobs: Distinct jobs.
        images: Images that they ask for.
        folded: Jobs that are the same as another.
        was_drawn: Whether they are marked in the record; if not, all on record are among them.
        lines: The numbers of those that failed → where the manifest speaks of each.
    """

    jobs: int
    images: int
    folded: int
    was_drawn: bool
    lines: dict[int, str]


def _select(
    state: BatchState,
    manifest: Manifest,
    record: Record,
    *,
    by_drawing: bool,
    watch: Callable[[int], None] | None,
) -> _Selected:
    """Return which jobs count, from memory where that comes to the same as drawing them.

    It does where the whole of the only manifest that ever ran was counted, and every job of it
    asks for one image: then all that is on record is in it, and what is not is left.
    """
    is_only = state.frozen is not None and state.frozen.number == 1 and not state.sample
    has_one_image = "num_images" not in manifest.parameters
    if is_only and has_one_image and state.jobs is not None and not by_drawing:
        jobs = state.jobs + manifest.redo.count
        return _Selected(jobs=jobs, images=jobs, folded=state.folded, was_drawn=False, lines={})
    selected = _Selected(jobs=0, images=0, folded=0, was_drawn=True, lines={})
    jobs_of, mark_drawn = record.jobs, record.mark_drawn
    for place, draft in enumerate(manifest.drafts(sample=state.sample or None), start=1):
        if not place % TOLD_EVERY and watch is not None:
            watch(place)
        number = draft.number
        if mark_drawn(number):
            selected.folded += 1
            continue
        selected.jobs += 1
        selected.images += draft.images
        if by_drawing and job_state(jobs_of[number]) is JobState.FAILED:
            selected.lines[number] = draft.make().line
    return selected


def _as_written(line: str, batch: Batch, state: BatchState) -> str:
    """Return a place in the frozen manifest as one in the user's own: `shots.yaml:3`."""
    frozen = state.frozen
    if frozen is None:
        return line
    kept = str(batch.folder / "manifests" / str(frozen.number) / frozen.file)
    own = Path(frozen.source).name or frozen.file
    return f"{own}{line[len(kept) :]}" if line.startswith(kept) else line


def _read(batch: Batch, *, download: bool, is_running: bool) -> Record:
    try:
        return batch.replay(download=download)
    except LedgerError:
        if not is_running:
            raise
        # The run may have put a new file in the place of the one that was being read.
        return batch.replay(download=download)


def _is_running(batch: Batch) -> bool:
    try:
        return is_locked(batch.folder)
    except OSError:
        return False  # the folder can only be read here, so nobody can be writing from here


def _call_lost_what_is_lost(record: Record) -> None:
    """Count submissions without an answer as unknown: nobody is waiting for it any more."""
    for standing in record.jobs.values():
        if standing.state is AttemptState.SUBMITTING:
            standing.state = AttemptState.UNKNOWN


def _unknowns(batch: Batch, record: Record) -> list[UnknownJob]:
    found = [
        UnknownJob(
            job_id=job_id_of(number),
            sent_at=batch.entry_at(standing.started).at,
            cost_usd=standing.reserved_usd,
        )
        for number, standing in record.jobs.items()
        if standing.state is AttemptState.UNKNOWN
    ]
    return sorted(found, key=lambda one: one.sent_at)


def _report(
    batch: Batch, selected: _Selected, tally: Tally, record: Record, former: Left
) -> Report:
    return Report(
        batch=batch.name,
        folder=batch.folder,
        simulated=batch.state is not None and batch.state.simulated,
        jobs=selected.jobs,
        images=selected.images,
        tally=tally,
        bill=record.bill,
        submitted=record.submitted,
        former=former.jobs,
        folded=selected.folded,
    )


def _never_run(batch: Batch) -> Overview:
    nothing = _Selected(jobs=0, images=0, folded=0, was_drawn=True, lines={})
    return Overview(
        report=_report(batch, nothing, Tally(), Record(bill=Budget()), Left()),
        billed_usd=ZERO,
        foreseen_usd=ZERO,
        is_running=_is_running(batch),
        holder=None,
        sample="",
        redone=0,
        former=Left(),
        unknowns=(),
        failures=None,
        begun_at=batch.state.created_at if batch.state else "",
        last_at="",
    )
