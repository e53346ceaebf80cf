"""Follow a batch while a run goes on: each look reads only what was appended since the last one.

Nothing is written and nothing is locked. What a run replaces as a whole (the ledger, when it is
tidied or gets a column; the manifest, when an edited one becomes current) is read anew.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from batchgen.attempt import JOURNAL_COLUMNS, JOURNAL_FIRST_CELL, parse_entry, parse_timestamp
from batchgen.batch import Batch
from batchgen.batch_state import STATE_NAME
from batchgen.budget import Budget
from batchgen.csv_file import RowReader, last_rows
from batchgen.errors import LedgerError
from batchgen.flow import Flow
from batchgen.job import number_of
from batchgen.ledger import LEDGER_FIRST_CELL
from batchgen.lock import Holder, is_locked, read_holder
from batchgen.manifest import Manifest
from batchgen.record import Record, apply, close
from batchgen.redo_file import REDO_NAME
from batchgen.retry import RetryRule
from batchgen.settings import RunSettings
from batchgen.standing import ImageMark, Standing, next_step, with_row
from batchgen.state import JobState
from batchgen.tally import Tally, count, drawn
from batchgen.window_log import MOST_TOLD, WindowChange, read_changes

# While nothing is written, it is asked so often whether the run still goes on, in seconds.
ASK_S = 2.0

# How the last line of run.log says that a run has ended.
_ENDED = re.compile(r"^\S+ \w+ run ends with (\d+): (.*)$")
_LAST_LINES_BYTES = 4096

# The log is read on from so far before where it ended: its last line may not have been whole.
_OVERLAP_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Where a batch stands at a moment, and how fast it goes.

    Attributes:
        batch: Its name.
        folder: Its folder, absolute.
        simulated: Whether its images are the simulator's.
        jobs: Jobs of the manifest, as far as they can be counted without drawing them.
        tally: Where those on record stand.
        bill: What was spent, is reserved, and may be spent by the manifest.
        estimate_usd: What all jobs cost by the price tables; None where one is not known.
        flow: How fast it goes; it goes on with the next look.
        window: How many requests could be open, and why: the latest changes of the run that goes
            on, oldest first.
        is_running: Whether a run goes on.
        holder: Who runs it, as far as that is known; None while nobody does.
        began_at: When that run began.
        last_at: When something was last recorded; None where nothing was.
        ended: How the last run ended, as run.log says it, or `""`.
    """

    batch: str
    folder: Path
    simulated: bool
    jobs: int
    tally: Tally
    bill: Budget
    estimate_usd: Decimal | None
    flow: Flow
    window: tuple[WindowChange, ...]
    is_running: bool
    holder: Holder | None
    began_at: datetime | None
    last_at: datetime | None
    ended: str

    @property
    def left(self) -> int:
        """Jobs that are still to be sent."""
        return self.tally.states[JobState.LEFT] + max(0, self.jobs - self.tally.jobs)

    @property
    def done(self) -> int:
        """Jobs that are done, one way or the other."""
        return self.tally.states[JobState.SUCCEEDED] + self.tally.states[JobState.FAILED]

    @property
    def undelivered(self) -> int:
        """Jobs that are made and paid, and whose images are not on disk."""
        states = self.tally.states
        return states[JobState.UNDELIVERED] + states[JobState.DOWNLOADING]

    @property
    def exit_code(self) -> int:
        """1 where something needs somebody, else 0, as `status` has it."""
        states = self.tally.states
        needed = states[JobState.FAILED] + states[JobState.UNKNOWN]
        return 1 if needed or (self.undelivered and not self.is_running) else 0


@dataclass(slots=True, kw_only=True)
class Follower:
    """Follows one batch.

    Attributes:
        batch: Its folder.
        monotonic: A clock, in seconds.
        is_busy: Says whether a process has the lock of a folder.
    """

    batch: Batch
    monotonic: Callable[[], float]
    is_busy: Callable[[Path], bool] = is_locked
    _read: _Reading | None = None
    _is_running: bool = False
    _holder: Holder | None = None
    _asked_at: float | None = None

    def look(self) -> Figures:
        """Return where the batch stands now.

        Raises:
            LedgerError: Its record cannot be trusted.
            ManifestError: The frozen manifest was damaged.
            UsageError: It is no batch any more.
        """
        version = _version_of(self.batch.folder)
        read = self._read
        has_news: bool | None = None
        if read is not None and read.version == version and not read.has_shrunk:
            has_news = self._go_on(read)
        if read is None or has_news is None:
            read = self._read = _read_anew(self.batch.folder, _version_of(self.batch.folder))
        self._see_who_runs(has_news=has_news is not False)
        return self._figures(read)

    def _go_on(self, read: _Reading) -> bool | None:
        """Read on, and return whether there was anything; None if a file was just replaced."""
        try:
            return read.go_on()
        except LedgerError:
            if _version_of(self.batch.folder) == read.version and not read.has_shrunk:
                raise
            return None

    def _see_who_runs(self, *, has_news: bool) -> None:
        """Find out whether a run goes on: one that writes does, else its lock tells."""
        holder, now = read_holder(self.batch.folder), self.monotonic()
        is_another = holder != self._holder
        is_due = self._asked_at is None or now - self._asked_at >= ASK_S
        if is_another or (is_due and not (has_news and self._is_running)):
            self._holder, self._asked_at = holder, now
            self._is_running = self.is_busy(self.batch.folder)

    def _figures(self, read: _Reading) -> Figures:
        began = None
        if self._is_running and self._holder is not None:
            began = parse_timestamp(self._holder.started_at)
        state, last_at = read.batch.state, read.record.last_at
        return Figures(
            batch=read.batch.name,
            folder=read.batch.folder,
            simulated=state is not None and state.simulated,
            jobs=read.jobs,
            tally=_copied(read.tally),
            bill=replace(read.record.bill),
            estimate_usd=read.estimate_usd,
            flow=read.flow,
            window=tuple(one for one in read.window if _is_of(one, began)),
            is_running=self._is_running,
            holder=self._holder if self._is_running else None,
            began_at=began,
            last_at=parse_timestamp(last_at) if last_at else None,
            ended="" if self._is_running else how_it_ended(read.batch.log_path),
        )


@dataclass(slots=True, kw_only=True)
class _Reading:
    """What was read of a batch so far.

    Attributes:
        version: What would have to be read anew if it changed.
        batch: Its folder.
        record: What is on record.
        retry: Which failures a further run takes up again.
        jobs: Jobs of the manifest.
        by_drawing: Whether these are marked in the record; if not, all on record are among them.
        estimate_usd: What they cost by the price tables.
        tally: Where those on record stand.
        flow: How fast they go.
    """

    version: tuple[object, ...]
    batch: Batch
    record: Record
    retry: RetryRule
    jobs: int
    by_drawing: bool
    estimate_usd: Decimal | None
    tally: Tally
    flow: Flow = field(default_factory=Flow)
    window: tuple[WindowChange, ...] = ()
    _log_end: int = 0

    @property
    def has_shrunk(self) -> bool:
        """Whether rows that were read are gone: a torn tail was cut off, or the file replaced."""
        ends = (
            (self.batch.ledger_path, self.record.ledger_end),
            (self.batch.journal_path, self.record.journal_end),
        )
        return any(_size(path) < end for path, end in ends)

    def go_on(self) -> bool:
        """Read what was appended since; return whether there was anything."""
        # The ledger first, as whoever reads both from the start: the journal is ahead of it then.
        before = self.record.ledger_end, self.record.journal_end
        self._read_ledger()
        self._read_journal()
        self.read_log()
        return before != (self.record.ledger_end, self.record.journal_end)

    def _read_ledger(self) -> None:
        path = self.batch.ledger_path
        if _size(path) <= self.record.ledger_end:
            return
        reader = RowReader(path, first_cell=LEDGER_FIRST_CELL)
        for row in reader.rows_from(self.record.ledger_end or reader.end):
            cells = dict(zip(reader.columns, row.cells, strict=True))
            self._take_row(cells)
            self.flow.note_row(cells)
        self.record.ledger_end = reader.end

    def read_log(self) -> None:
        """Read what run.log tells of the window since."""
        log = self.batch.log_path
        size = _size(log)
        if size != self._log_end:
            changes = read_changes(log, start=max(0, min(size, self._log_end) - _OVERLAP_BYTES))
            self.window = tuple(dict.fromkeys((*self.window, *changes)))[-MOST_TOLD:]
            self._log_end = size

    def _take_row(self, cells: dict[str, str]) -> None:
        tried = int(cells["attempts"]) if cells["attempts"].isdecimal() else None
        mark = ImageMark(cells["status"], cells["error_type"], bool(cells["file"]), tried)
        index = int(cells["image_index"]) if cells["image_index"] else None

        def take(standing: Standing) -> None:
            finished_at = cells["finished_at"]
            standing.rows = with_row(standing.rows, index, mark, finished_at=finished_at)
            if standing.is_closed:
                close(standing)

        self._change(number_of(cells["job_id"]), take)

    def _read_journal(self) -> None:
        path = self.batch.journal_path
        if _size(path) <= self.record.journal_end:
            return
        reader = RowReader(path, first_cell=JOURNAL_FIRST_CELL)
        for row in reader.rows_from(self.record.journal_end or reader.end):
            entry, start = parse_entry(row.cells), row.start
            self._change(
                number_of(entry.job_id),
                lambda standing, entry=entry, start=start: apply(  # type: ignore[misc]  # bound now
                    self.record, standing, entry, start=start
                ),
            )
            self.flow.note_entry(entry)
            self.record.last_at = entry.at
        self.record.journal_end = reader.end

    def _change(self, number: int, change: Callable[[Standing], None]) -> None:
        """Change where one job stands, and count it anew."""
        record = self.record
        known = record.find(number)
        if known is not None:
            self._count(known, times=-1)
        standing = record.own(number)
        change(standing)
        if record.waits(standing):
            record.set_aside(number, standing)
        else:
            record.keep(number, standing)
        self._count(standing, times=1)

    def _count(self, standing: Standing, *, times: int) -> None:
        if standing.drawn or not self.by_drawing:
            step = next_step(standing, retry=self.retry, download=self.record.download)
            self.tally.add(standing, step, times=times)


def how_it_ended(log: Path) -> str:
    """Return what the last line of run.log says of how a run has ended, or `""`."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_LINES_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    found = _ENDED.match(lines[-1]) if lines else None
    return found[2] if found is not None else ""


def _read_anew(folder: Path, version: tuple[object, ...]) -> _Reading:
    """Read everything that is on record."""
    batch = Batch(folder)
    state = batch.state
    if state is None or state.frozen is None:
        return _nothing(batch, version)
    manifest = batch.load_frozen()
    settings = RunSettings.merged(manifest.run)
    try:
        record = batch.replay(download=settings.download)
    except LedgerError:
        # The run may have put a new file in the place of the one that was being read.
        record = batch.replay(download=settings.download)
    record.bill.limit_usd = settings.budget_usd
    retry = RetryRule(mode=settings.retry, max_attempts=settings.max_attempts)
    by_drawing = state.frozen.number > 1 or bool(state.sample)
    jobs = manifest.count(sample=state.sample)
    if by_drawing:
        jobs = _mark(record, manifest, state.sample)
    elif state.jobs is not None:
        jobs = state.jobs + manifest.redo.count
    standings = drawn(record) if by_drawing else record.jobs.values()
    reading = _Reading(
        version=version,
        batch=batch,
        record=record,
        retry=retry,
        jobs=jobs,
        by_drawing=by_drawing,
        estimate_usd=manifest.price_bound_usd(),
        tally=count(standings, retry=retry, download=settings.download),
    )
    _look_back(reading)
    reading.read_log()
    return reading


def _nothing(batch: Batch, version: tuple[object, ...]) -> _Reading:
    return _Reading(
        version=version,
        batch=batch,
        record=Record(),
        retry=RetryRule(),
        jobs=0,
        by_drawing=False,
        estimate_usd=None,
        tally=Tally(),
    )


def _mark(record: Record, manifest: Manifest, sample: str) -> int:
    """Mark the jobs of a manifest in the record, and return how many there are."""
    return sum(
        not record.mark_drawn(number_of(job.job_id)) for job in manifest.jobs(sample=sample or None)
    )


def _look_back(reading: _Reading) -> None:
    """Take note of how fast it went before it was looked at, by the last rows alone."""
    batch, flow = reading.batch, reading.flow
    columns = reading.record.ledger_columns
    if columns:
        rows = last_rows(batch.ledger_path, first_cell=LEDGER_FIRST_CELL, width=len(columns))
        for cells in rows:
            flow.note_row(dict(zip(columns, cells, strict=True)))
    if reading.record.journal_end:
        width = len(JOURNAL_COLUMNS)
        for cells in last_rows(batch.journal_path, first_cell=JOURNAL_FIRST_CELL, width=width):
            try:
                flow.note_entry(parse_entry(cells))
            except ValueError:
                continue


def _is_of(change: WindowChange, began_at: datetime | None) -> bool:
    """Say whether a change of the window belongs to a run that began then."""
    try:
        # The log tells seconds, and the run's beginning is told to the millisecond.
        return began_at is not None and datetime.fromisoformat(change.at) >= began_at.replace(
            microsecond=0
        )
    except ValueError:
        return False


def _copied(tally: Tally) -> Tally:
    return replace(
        tally,
        states=Counter(tally.states),
        steps=Counter(tally.steps),
        failed_by_type=Counter(tally.failed_by_type),
    )


def _version_of(folder: Path) -> tuple[object, ...]:
    """Return what changes when a file was replaced by another one."""
    replaced = (_stamp(folder / name) for name in (STATE_NAME, REDO_NAME))
    appended = (_stamp(folder / name)[:1] for name in ("ledger.csv", "requests.csv"))
    return (*replaced, *appended)


def _stamp(path: Path) -> tuple[int, ...]:
    """Return which file it is, and when it was written; nothing where there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns


def _size(path: Path) -> int:
    """Return a file's length in bytes; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
