"""Read the two tables of a batch, and tell what keeps one of them from being read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batchgen.attempt import JOURNAL_FIRST_CELL
from batchgen.batch import Batch
from batchgen.csv_file import RowReader, is_resaved
from batchgen.errors import LedgerError
from batchgen.ledger import HEAD, TAIL, neutralised
from batchgen.loss import find_loss
from batchgen.record import Record
from batchgen.replay import replay
from batchgen.state import UNSETTLED
from batchgen.verifying.finding import Finding, Kind

# A name that no file of a batch has: replay takes it for a file that is not there.
_NOWHERE = ".nowhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """What the two tables say, as far as they can be read.

    Attributes:
        record: What is on record; without what a table says that cannot be read.
        problems: What keeps a table from being read.
    """

    record: Record
    problems: tuple[Finding, ...]


def read_tables(batch: Batch) -> Tables:
    """Read both tables, changing nothing."""
    nowhere = batch.folder / _NOWHERE
    journal, ledger = batch.journal_path, batch.ledger_path
    try:
        record = replay(journal, ledger)
    except LedgerError:
        problems = []
        if (error := _error_of(journal, nowhere)) is not None:
            problems.append(_finding(Kind.JOURNAL_BROKEN, journal, error))
            journal = nowhere
        if (error := _error_of(nowhere, ledger)) is not None:
            problems.append(_finding(_kind_of_ledger(ledger), ledger, error))
            ledger = nowhere
        if not problems:
            raise
        return Tables(record=replay(journal, ledger), problems=tuple(problems))
    problem = _lost(batch, record) or _strange_columns(batch, record)
    return Tables(record=record, problems=(problem,) if problem is not None else ())


def torn_tails(batch: Batch, record: Record) -> Iterator[Finding]:
    """Yield what a crash has left of the last write: the next writer cuts it off."""
    ends = ((batch.journal_path, record.journal_end), (batch.ledger_path, record.ledger_end))
    for path, end in ends:
        size = path.stat().st_size if end else 0
        if size > end:
            text = f"{path.name} ends in the middle of a row ({size - end:,} bytes behind the last)"
            yield Finding(kind=Kind.TORN_TAIL, text=text, file=path.name)


def _error_of(journal: Path, ledger: Path) -> LedgerError | None:
    try:
        replay(journal, ledger)
    except LedgerError as error:
        return error
    return None


def _kind_of_ledger(path: Path) -> Kind:
    if is_resaved(path):
        return Kind.LEDGER_RESAVED
    columns = RowReader(path, first_cell=JOURNAL_FIRST_CELL).columns
    is_ours = tuple(columns[: len(HEAD)]) == HEAD and tuple(columns[-len(TAIL) :]) == TAIL
    return Kind.LEDGER_BROKEN if is_ours else Kind.LEDGER_FOREIGN


def _finding(kind: Kind, path: Path, error: LedgerError) -> Finding:
    # What a person should do about it is said once, below all findings.
    text = str(error).splitlines()[0].replace(str(path), path.name)
    for end in (" Nothing was changed, nothing was sent.", " Nothing was changed."):
        text = text.removesuffix(end)
    return Finding(kind=kind, text=neutralised(text), file=path.name)


def _lost(batch: Batch, record: Record) -> Finding | None:
    """Return which of the two is gone while the other, or an image, shows that it was there."""
    if batch.is_new:
        return None
    has_ended = any(one.state not in (None, *UNSETTLED) for one in record.jobs.values())
    is_empty = has_ended and not record.ledger_columns
    if record.first_at and (is_empty or not batch.ledger_path.exists()):
        return Finding(
            kind=Kind.LEDGER_LOST,
            text="ledger.csv is lost, while requests.csv has rows",
            file=batch.ledger_path.name,
        )
    loss = find_loss(record, folder=batch.folder, journal=batch.journal_path)
    if loss is not None and loss.is_whole:
        return Finding(
            kind=Kind.JOURNAL_LOST,
            text="requests.csv is lost: what was asked of the service is not known any more",
            file=batch.journal_path.name,
        )
    return None


def _strange_columns(batch: Batch, record: Record) -> Finding | None:
    """Return columns of the ledger that no run has made: it could not be gone on with."""
    known = set(batch.state.columns.header) if batch.state is not None else set()
    strange = sorted(set(record.ledger_columns) - known)
    if not strange:
        return None
    text = f"ledger.csv has columns that no run has made: {', '.join(strange)}"
    return Finding(kind=Kind.LEDGER_BROKEN, text=text, file=batch.ledger_path.name)
