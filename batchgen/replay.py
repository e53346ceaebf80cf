"""Read what is on record about a batch: the ledger first, then the journal.

Both are streamed, and finished jobs that are alike share what is kept of them, so that a million
of them cost about a hundred bytes each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from sys import intern

from batchgen.attempt import (
    ANSWER,
    FRESH,
    JOURNAL_COLUMNS,
    JOURNAL_FIRST_CELL,
    Entry,
    judges_input,
    parse_entry,
)
from batchgen.budget import ZERO, Budget
from batchgen.csv_file import Row, RowReader
from batchgen.errors import LedgerError
from batchgen.job import number_of
from batchgen.ledger import HEAD, LEDGER_FIRST_CELL, check_header
from batchgen.outcome import image_urls
from batchgen.standing import NO_ROWS, ImageMark, Rows, Standing, with_row
from batchgen.state import NEXT_ATTEMPT_STATES, UNSETTLED, AttemptState

JOB_STATUSES = ("failed", "unknown")
IMAGE_STATUSES = ("succeeded", "undelivered", "failed")

# No image index has more digits, and no header is longer, in bytes.
MOST_DIGITS = 6
MAX_HEADER_BYTES = 1024 * 1024

# Where every job of a manifest stands that nothing is on record about.
_NEVER_SENT = Standing(drawn=True, is_shared=True)


@dataclass(slots=True, kw_only=True)
class Record:
    """All that the two files say.

    Attributes:
        jobs: Each job's standing, by the number of its id; finished jobs that are alike share one.
        bill: The charges of all attempts that have ended, the reservations of all that have not.
        billed_usd: The part of what was spent that the service itself reported.
        submitted: Requests that the service accepted.
        journal_end: Where the journal's last whole row ends, in bytes; 0 if there is none.
        ledger_end: The same of the ledger.
        ledger_columns: The ledger's header; empty if there is none.
        superseded: Jobs whose ledger rows are partly replaced by later ones.
        failed_now: Jobs that this run has given up before it drew them from the manifest: what a
            run has closed it does not take up again, or a crash would give new attempts.
        first_at: The time of the first journal row, as text.
        last_at: The time of the last journal row, as text.
        download: Whether an image that was not downloaded leaves a job unfinished.
    """

    jobs: dict[int, Standing] = field(default_factory=dict)
    bill: Budget = field(default_factory=Budget)
    billed_usd: Decimal = ZERO
    submitted: int = 0
    journal_end: int = 0
    ledger_end: int = 0
    ledger_columns: list[str] = field(default_factory=list)
    superseded: set[int] = field(default_factory=set)
    failed_now: set[int] = field(default_factory=set)
    first_at: str = ""
    last_at: str = ""
    download: bool = True
    _shapes: dict[Standing, Standing] = field(default_factory=dict)

    def find(self, number: int) -> Standing | None:
        """Return a job's standing, which may be shared; None if nothing is on record."""
        return self.jobs.get(number)

    def own(self, number: int) -> Standing:
        """Return the job's own standing, which may be changed."""
        found = self.jobs.get(number)
        if found is None:
            found = self.jobs[number] = Standing()
        elif found.is_shared:
            found = self.jobs[number] = replace(found, is_shared=False)
        return found

    def keep(self, number: int, standing: Standing) -> None:
        """Store a standing; of a job that has ended, only what such jobs have in common."""
        self.jobs[number] = self._shared(standing) if self._has_ended(standing) else standing

    def mark_drawn(self, number: int) -> bool:
        """Note that the manifest has this job, and return whether it had it before."""
        found = self.jobs.get(number)
        if found is None:
            self.jobs[number] = _NEVER_SENT
            return False
        if found.drawn:
            return True
        if found.is_shared:
            self.jobs[number] = self._intern(replace(found, drawn=True))
        else:
            found.drawn = True
        return False

    def keep_rows(self, number: int, rows: Rows) -> None:
        """Store what the ledger says of a job, before the journal has spoken of it."""
        if rows.job_status and rows.error_type != "template":
            self.jobs[number] = Standing(rows=rows)  # few are alike: its time closes a journal row
        else:
            self.jobs[number] = self._intern(Standing(rows=_timeless(rows), is_shared=True))

    def forget_unknown(self, number: int) -> None:
        """Leave a job to do that the ledger calls unknown, and the journal does not know."""
        found = self.jobs[number]
        if found.lacks_journal and found.rows.job_status == "unknown":
            self.jobs[number] = Standing(drawn=found.drawn)
            self.superseded.add(number)

    def _has_ended(self, standing: Standing) -> bool:
        if standing.state is AttemptState.COMPLETED:
            return not standing.lacks_rows and not (self.download and standing.lacks_files)
        return standing.is_closed and (standing.judged or standing.state is AttemptState.FAILED)

    def _shared(self, standing: Standing) -> Standing:
        # Without their times a `failed` row and the journal row that it closes still agree.
        return self._intern(
            Standing(
                rows=_timeless(standing.rows),
                state=standing.state,
                attempt=standing.attempt,
                attempts=standing.attempts,
                judged=standing.judged,
                charged_usd=standing.charged_usd,
                billed=standing.billed,
                expected=standing.expected,
                drawn=standing.drawn,
                is_shared=True,
            )
        )

    def _intern(self, standing: Standing) -> Standing:
        return self._shapes.setdefault(standing, standing)


def _timeless(rows: Rows) -> Rows:
    return replace(rows, finished_at="") if rows.finished_at else rows


def replay(journal: Path, ledger: Path, *, download: bool = True) -> Record:
    """Read both files, as far as their rows are whole; neither is changed.

    Args:
        journal: `requests.csv`.
        ledger: `ledger.csv`.
        download: Whether an image that was not downloaded leaves a job unfinished.

    Raises:
        LedgerError: A file is not ours, or is damaged in a way that no crash explains.
    """
    record = Record(download=download)
    if ledger.exists() and ledger.stat().st_size:
        _replay_ledger(record, ledger)
    if journal.exists() and journal.stat().st_size:
        _replay_journal(record, journal)
    return record


def _replay_ledger(record: Record, path: Path) -> None:
    reader = RowReader(path, first_cell=LEDGER_FIRST_CELL)
    if not reader.columns and is_unwritten(path, HEAD):
        return
    check_header(path, reader.columns)
    record.ledger_columns = reader.columns
    where = {name: place for place, name in enumerate(reader.columns)}
    names = ("status", "file", "error_type", "finished_at", "attempts")
    places = [where[name] for name in names]
    for row in reader:
        number = _number_of(path, row, cell=0)
        status, file, error_type, finished_at, attempts = (row.cells[place] for place in places)
        index = _index(path, row)
        if status not in (JOB_STATUSES if index is None else IMAGE_STATUSES):
            raise _not_ours(path, row)
        known = record.find(number)
        before = NO_ROWS if known is None else known.rows
        tried = int(attempts) if attempts.isdecimal() else None
        mark = ImageMark(intern(status), intern(error_type), bool(file), tried)
        rows = with_row(before, index, mark, finished_at=finished_at)
        if before is not NO_ROWS and not _only_adds(before, rows):
            record.superseded.add(number)
        record.keep_rows(number, rows)
    record.ledger_end = reader.end


def _only_adds(before: Rows, after: Rows) -> bool:
    return not before.job_status and len(after.images) > len(before.images)


def _replay_journal(record: Record, path: Path) -> None:
    reader = RowReader(path, first_cell=JOURNAL_FIRST_CELL)
    if not reader.columns and is_unwritten(path, JOURNAL_COLUMNS):
        return
    if tuple(reader.columns) != JOURNAL_COLUMNS:
        raise LedgerError(
            f"{path}: this is not a journal as batchgen writes it; its columns would be "
            f"{', '.join(JOURNAL_COLUMNS)}, separated by commas. Nothing was changed, nothing was "
            "sent."
        )
    for row in reader:
        try:
            entry = parse_entry(row.cells)
        except ValueError:
            raise _not_ours(path, row) from None
        number = _number_of(path, row, cell=1)
        standing = record.own(number)
        _check_follows(path, row, standing, entry)
        apply(record, standing, entry, start=row.start)
        record.keep(number, standing)
        record.first_at = record.first_at or entry.at
        record.last_at = entry.at
    record.journal_end = reader.end


def _check_follows(path: Path, row: Row, standing: Standing, entry: Entry) -> None:
    """Refuse a row that no run writes after the job's earlier ones: a row is missing."""
    if entry.state is AttemptState.SUBMITTING:
        follows = standing.state not in UNSETTLED and entry.attempt == standing.attempt + 1
    else:
        follows = (
            standing.state is not None
            and entry.attempt == standing.attempt
            and entry.state in NEXT_ATTEMPT_STATES[standing.state]
        )
    if not follows:
        before = f"{standing.state} of attempt {standing.attempt}" if standing.state else "nothing"
        raise LedgerError(
            f"{path}: at byte {row.start:,} job {entry.job_id} goes from {before} to {entry.state} "
            f"of attempt {entry.attempt}, which no run writes: rows were taken out or changed. "
            "Nothing was changed, nothing was sent.\n"
            "  Put the file back from a copy if there is one."
        )


def apply(record: Record, standing: Standing, entry: Entry, *, start: int) -> None:
    """Take one journal row into account: of the job, and of the bill.

    Args:
        record: The sums.
        standing: The job's own.
        entry: The row.
        start: Where it begins in the file, in bytes.
    """
    standing.state = entry.state
    standing.at = entry.at
    standing.attempt = entry.attempt
    standing.last = start
    standing.judged = judges_input(entry)
    if entry.state is AttemptState.SUBMITTING:
        _begin_attempt(record, standing, entry, start)
    elif entry.state is AttemptState.SUBMITTED:
        standing.submitted_at = entry.at
        record.submitted += 1
    elif entry.state not in UNSETTLED:
        _end_attempt(record, standing, entry)


def _begin_attempt(record: Record, standing: Standing, entry: Entry, start: int) -> None:
    standing.started = start
    standing.attempts += 1
    fresh = entry.detail.get(FRESH)
    standing.fresh = fresh if isinstance(fresh, int) else standing.fresh + 1
    if standing.fresh == 1:
        standing.failures = ()
    standing.reserved_usd = entry.cost_usd or ZERO
    record.bill.reserve(standing.reserved_usd)
    account = entry.detail.get("account")
    standing.account = account if isinstance(account, str) else ""
    images = entry.detail.get("images")
    standing.expected = images if isinstance(images, int) else 1


def _end_attempt(record: Record, standing: Standing, entry: Entry) -> None:
    charge = entry.cost_usd or ZERO
    record.bill.settle(reserved_usd=standing.reserved_usd, charged_usd=charge)
    standing.reserved_usd = ZERO
    standing.charged_usd += charge
    if charge:
        answer = entry.detail.get(ANSWER, entry.detail)
        source = answer.get("cost_source") if isinstance(answer, Mapping) else None
        standing.billed = standing.billed and source == "billed"
        record.billed_usd += charge if source == "billed" else ZERO
    if entry.state is AttemptState.REFUSED:
        standing.attempts -= 1
        standing.fresh -= 1
    elif entry.state is AttemptState.COMPLETED:
        standing.expected = max(standing.expected, len(image_urls(entry.detail)))
    if entry.state is AttemptState.FAILED or standing.judged:
        _note_failure(standing, entry)


def _note_failure(standing: Standing, entry: Entry) -> None:
    standing.error_type = intern(str(entry.detail.get("error_type", "")))
    standing.failures += (standing.error_type,)
    retryable = entry.detail.get("retryable")
    standing.retryable = retryable if isinstance(retryable, bool) else None
    if standing.is_closed:
        close(standing)


def close(standing: Standing) -> None:
    """Begin to count a job's attempts anew: its failure is in the ledger."""
    standing.fresh = 0
    standing.failures = ()


def _number_of(path: Path, row: Row, *, cell: int) -> int:
    job_id = row.cells[cell]
    if len(job_id) != 16 or job_id.strip("klmnopqrstuvwxyz"):
        raise _not_ours(path, row)
    return number_of(job_id)


def _index(path: Path, row: Row) -> int | None:
    index = row.cells[1]
    if not index:
        return None
    if not (index.isascii() and index.isdigit() and len(index) <= MOST_DIGITS):
        raise _not_ours(path, row)
    return int(index)


def _not_ours(path: Path, row: Row) -> LedgerError:
    return LedgerError(
        f"{path}: the row at byte {row.start:,} was not written by batchgen "
        f"(it begins with {row.cells[0][:40]!r}). Nothing was changed, nothing was sent."
    )


def is_unwritten(path: Path, columns: Sequence[str]) -> bool:
    """Say whether a file is empty, or holds a piece of our header, which a crash has left.

    Args:
        path: The file.
        columns: What the header begins with.
    """
    with path.open("rb") as file:
        content = file.read(MAX_HEADER_BYTES + 1)
    piece = content.rstrip(b"\0")
    begin = ",".join(columns).encode()
    is_ours = begin.startswith(piece) or piece.startswith(begin)
    return is_ours and b"\n" not in piece and len(content) <= MAX_HEADER_BYTES
