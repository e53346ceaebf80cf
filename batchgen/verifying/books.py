"""Hold the rows of the ledger against those of the journal.

Of each row that counts a print is kept: a hash over all cells that the journal can say again.
Then the journal is read once, the same prints are made from it, and what agrees is forgotten. So
neither file is held in memory, and nothing is looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from operator import itemgetter
from pathlib import Path

from batchgen.attempt import JOURNAL_FIRST_CELL, Entry, job_from, parse_entry
from batchgen.budget import ZERO
from batchgen.csv_file import RowReader
from batchgen.job import Job, number_of
from batchgen.journal import stored_text
from batchgen.ledger import Columns, LedgerRow
from batchgen.outcome import image_urls
from batchgen.record import Record
from batchgen.standing import Standing
from batchgen.state import UNSETTLED, AttemptState

# What the journal does not know, or knows only in its own words.
_UNTOLD = frozenset(
    {
        *("job_id", "status", "file", "content_type", "width", "height", "bytes", "sha256"),
        *("cost_usd", "cost_source", "attempts", "error_type", "error"),
        *("submitted_at", "finished_at", "inference_s"),
    }
)

# What it knows of a row that speaks for the whole job.
_TOLD_OF_JOBS = frozenset({"error_type", "finished_at"})


class Books:
    """The ledger's rows that count, and what the journal says of them.

    Attributes:
        rows: How many there are.
        entries: Rows of the journal.
        changed: The numbers of jobs of which a row is not what the journal says.
    """

    def __init__(self, header: Sequence[str], own: Columns) -> None:
        """Begin with no row.

        Args:
            header: The ledger's columns.
            own: The batch's own columns, by its `batch.json`; the ledger may lack some of them.
        """
        self.rows = 0
        self.entries = 0
        self.changed: set[int] = set()
        self._columns = own
        self._cost = header.index("cost_usd")
        names = [name for name in header if name not in _UNTOLD]
        self._places = _Places(header, names)
        self._told_places = _Places(own.header, names)
        self._prints: dict[int, int] = {}
        self._spent: dict[int, Decimal] = {}
        self._amounts: dict[Decimal, Decimal] = {}

    def note(self, number: int, cells: Sequence[str]) -> None:
        """Take a row of the ledger into account.

        Args:
            number: The number of its job.
            cells: The row.
        """
        self.rows += 1
        # The rows of a job are told together: in which order they stand does not matter.
        self._prints[number] = self._prints.get(number, 0) ^ self._places.print_of(cells)
        try:
            spent = self._spent.get(number, ZERO) + Decimal(cells[self._cost] or 0)
        except InvalidOperation:
            self.changed.add(number)
        else:
            # Thousands of jobs have cost the same: they share one amount.
            self._spent[number] = self._amounts.setdefault(spent, spent)

    def compare(self, journal: Path, record: Record) -> Iterator[int]:
        """Read the journal through, and yield now and then how many of its rows were read.

        When it ends, `changed` is complete.
        """
        begun: dict[int, Job] = {}
        for row in RowReader(journal, first_cell=JOURNAL_FIRST_CELL):
            if row.start >= record.journal_end:
                break  # a run has written it meanwhile
            self.entries += 1
            entry = parse_entry(row.cells)
            number = number_of(entry.job_id)
            if entry.state is AttemptState.SUBMITTING:
                begun[number] = job_from(entry)
            elif entry.state is not AttemptState.SUBMITTED:
                self._compare(record.jobs[number], begun[number], entry, number)
            if entry.state not in UNSETTLED:
                del begun[number]
            if not self.entries % 1000:
                yield self.entries
        self.changed.update(
            number for number in self._prints if record.jobs[number].state is not None
        )

    def sums(self, record: Record) -> Iterator[tuple[int, Decimal, Decimal]]:
        """Yield what each finished job has cost: its number, by the ledger, and by the journal."""
        for number, spent in self._spent.items():
            if is_settled(record.jobs[number]):
                yield number, spent, record.jobs[number].charged_usd

    def _compare(self, standing: Standing, job: Job, entry: Entry, number: int) -> None:
        known = self._prints.get(number)
        if known is not None and known == self._print_of(standing, job, entry):
            del self._prints[number]

    def _print_of(self, standing: Standing, job: Job, entry: Entry) -> int:
        """Return what the print would be if the ledger's rows of a job told of this entry."""
        request_id = entry.request.request_id if entry.request is not None else ""
        if entry.state is not AttemptState.COMPLETED:
            error_type = str(entry.detail.get("error_type", ""))
            row = LedgerRow(
                job=job,
                status="",
                request_id=request_id,
                error_type=error_type,
                finished_at=entry.at,
            )
            return self._told(row)
        urls = image_urls(entry.detail)
        found = 0
        for index, _ in standing.rows.images:
            url = urls[index] if index < len(urls) else ""
            row = LedgerRow(job=job, status="", image_index=index, url=url, request_id=request_id)
            found ^= self._told(row)
        return found

    def _told(self, row: LedgerRow) -> int:
        cells = [stored_text(cell) for cell in row.cells(self._columns)]
        return self._told_places.print_of(cells)


class _Places:
    """Where in a row the cells stand that the journal can say again."""

    def __init__(self, header: Sequence[str], names: Sequence[str]) -> None:
        of_image = [header.index(name) for name in names]
        of_job = [header.index(name) for name in sorted(_TOLD_OF_JOBS)]
        self._of_image = itemgetter(*of_image)
        self._of_job = itemgetter(*of_image, *of_job)

    def print_of(self, cells: Sequence[str]) -> int:
        """Return the hash of these cells."""
        return hash(self._of_image(cells) if cells[1] else self._of_job(cells))


def is_settled(standing: Standing) -> bool:
    """Say whether the ledger's rows of a job tell of all that it has cost so far."""
    match standing.state:
        case AttemptState.COMPLETED:
            return all(standing.mark(index) for index in range(standing.expected))
        case AttemptState.FAILED | AttemptState.REFUSED:
            return standing.is_closed
        case AttemptState.UNKNOWN:
            return standing.rows.job_status == "unknown"
        case _:
            return False
