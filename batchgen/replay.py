"""Read what is on record about a batch: the ledger first, then the journal.

Both are streamed, and finished jobs that are alike share what is kept of them, so that a million
of them cost about a hundred bytes each.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from sys import intern

from batchgen.attempt import (
    JOURNAL_COLUMNS,
    JOURNAL_FIRST_CELL,
    Entry,
    parse_entry,
)
from batchgen.csv_file import Row, RowReader
from batchgen.errors import LedgerError
from batchgen.job import number_of
from batchgen.ledger import HEAD, LEDGER_FIRST_CELL, check_header, fixed_place
from batchgen.record import Record, apply, follows
from batchgen.standing import ImageMark, Standing
from batchgen.usual_rows import UsualJournal, UsualLedger

JOB_STATUSES = ("failed", "unknown")
IMAGE_STATUSES = ("succeeded", "undelivered", "failed")

# No image index has more digits, and no header is longer, in bytes.
MOST_DIGITS = 6
MAX_HEADER_BYTES = 1024 * 1024


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
    usual = UsualLedger(record, reader)
    names = ("status", "file", "error_type", "finished_at", "attempts")
    places = [fixed_place(name) for name in names]
    for row in reader.but(usual.takes):
        number = _number_of(path, row, cell=0)
        status, file, error_type, finished_at, attempts = (row.cells[place] for place in places)
        index = _index(path, row)
        if status not in (JOB_STATUSES if index is None else IMAGE_STATUSES):
            raise _not_ours(path, row)
        tried = int(attempts) if attempts.isdecimal() else None
        mark = ImageMark(intern(status), intern(error_type), bool(file), tried)
        record.note_row(number, index, mark, finished_at=finished_at)
    record.ledger_end = reader.end


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
    usual = UsualJournal(record, reader)
    for row in reader.but(usual.takes):
        try:
            entry = parse_entry(row.cells)
        except ValueError:
            raise _not_ours(path, row) from None
        number = _number_of(path, row, cell=1)
        usual.give_back(number)
        standing = record.own(number)
        _check_follows(path, row, standing, entry)
        apply(record, standing, entry, start=row.start)
        if record.waits(standing):
            record.set_aside(number, standing)
        else:
            record.keep(number, standing)
        usual.note_time(entry.at)
    usual.close()
    record.journal_end = reader.end


def _check_follows(path: Path, row: Row, standing: Standing, entry: Entry) -> None:
    """Refuse a row that no run writes after the job's earlier ones: a row is missing."""
    if not follows(standing, entry):
        before = f"{standing.state} of attempt {standing.attempt}" if standing.state else "nothing"
        raise LedgerError(
            f"{path}: at byte {row.start:,} job {entry.job_id} goes from {before} to {entry.state} "
            f"of attempt {entry.attempt}, which no run writes: rows were taken out or changed. "
            "Nothing was changed, nothing was sent.\n"
            "  Put the file back from a copy if there is one."
        )


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
