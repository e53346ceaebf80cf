"""Look a batch through: its two tables, its files, and what they say of each other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from batchgen.attempt import job_from
from batchgen.batch import Batch
from batchgen.budget import dollars
from batchgen.csv_file import RowReader, format_row
from batchgen.errors import LedgerError
from batchgen.images import ImageStore
from batchgen.job import job_id_of, number_of
from batchgen.ledger import LEDGER_FIRST_CELL, check_header, neutralised, superseded_rows
from batchgen.record import Record
from batchgen.recovery import goes_on
from batchgen.retry import RetryRule
from batchgen.standing import Standing
from batchgen.state import UNSETTLED, AttemptState
from batchgen.verifying.books import Books
from batchgen.verifying.files import (
    Fault,
    NamedFile,
    Names,
    find_leftovers,
    find_orphans,
    look_at_files,
)
from batchgen.verifying.finding import Finding, Kind, Verification
from batchgen.verifying.tables import read_tables, torn_tails

# Whoever watches is told what is being done, how much of it is done, and of how much.
Watch = Callable[[str, int, int], None]

# Of a job all rows are to be written again.
WHOLE = frozenset({-1})


@dataclass(slots=True, kw_only=True)
class Inspection:
    """A batch while it is looked through.

    Attributes:
        batch: Its folder.
        found: What was found so far.
        watch: Told how far it is.
        is_quick: Take no hashes: only look whether files are there, and as long as they should be.
        young_from: While a run has the batch, files that are younger than this are its business,
            in seconds since 1970; None while there is none.
        record: What is on record.
        to_mend: Jobs whose rows are to be written again: the number of each → the indices of its
            images, or `WHOLE`.
        damaged: Files that are damaged, relative to the batch's folder.
    """

    batch: Batch
    found: Verification
    watch: Watch
    is_quick: bool = False
    young_from: float | None = None
    record: Record = field(default_factory=Record)
    to_mend: dict[int, frozenset[int]] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    _names: Names = field(default_factory=Names)

    def run(self) -> None:
        """Look at everything."""
        tables = read_tables(self.batch)
        self.record = tables.record
        for problem in tables.problems:
            self.found.add(problem)
        if not self.found.is_running:
            for finding in torn_tails(self.batch, self.record):
                self.found.add(finding)
        if self.record.ledger_columns:
            self._look_at_ledger()
        if self.found.has_books:
            self._look_at_jobs()
            self._look_at_strangers()
        self._look_at_redo()
        if not self.found.is_running:
            for path in find_leftovers(self.batch.folder):
                self._add(Kind.LEFT_OVER, file=path.relative_to(self.batch.folder).as_posix())

    def _look_at_redo(self) -> None:
        """See whether what was ordered can be read: no run goes on without it."""
        try:
            self.batch.redo_lines()
        except LedgerError as error:
            path = self.batch.redo_path
            text = str(error).splitlines()[0].replace(str(path), path.name)
            self._add(Kind.REDO_BROKEN, text=neutralised(text), file=path.name)

    # -- the ledger ----------------------------------------------------------------------

    def _look_at_ledger(self) -> None:
        """Read the rows that count, each with its file, and hold them against the journal."""
        columns = self.record.ledger_columns
        own = self.batch.state.columns if self.batch.state is not None else None
        if own is None or not set(columns) <= set(own.header):
            return  # found already: no run has made them
        if tuple(columns) != own.header:
            lacking = ", ".join(sorted(set(own.header) - set(columns)))
            self._add(Kind.COLUMNS, text=lacking or "their order")
        books = Books(columns, own)
        store = ImageStore(self.batch.folder, loopback=False)
        total = sum(
            mark.has_file for one in self.record.jobs.values() for _, mark in one.rows.images
        )
        for file, fault in look_at_files(
            self._read_rows(books), store=store, is_quick=self.is_quick
        ):
            self.found.images += 1
            self.found.image_bytes += int(file.bytes) if file.bytes.isdecimal() else 0
            if fault is not None:
                self._note_fault(file, fault)
            self.watch("images", self.found.images, total)
        self.found.rows = books.rows
        if self.found.has_books:
            self._compare(books)

    def _read_rows(self, books: Books) -> Iterator[NamedFile]:
        """Yield the files that the rows name, in order; take note of each row on the way."""
        moved = self._read_history()
        path = self.batch.ledger_path
        superseded = superseded_rows(path, self.record.superseded)
        where = {name: place for place, name in enumerate(self.record.ledger_columns)}
        file, size, sha256 = where["file"], where["bytes"], where["sha256"]
        for row in RowReader(path, first_cell=LEDGER_FIRST_CELL):
            if row.start >= self.record.ledger_end:
                return  # a run has written it meanwhile
            cells = row.cells
            if cells[file]:
                self._names.add(cells[file])
            if row.start in superseded:
                if not self.found.is_running:
                    self._add(Kind.SUPERSEDED_ROW, job_id=cells[0])
                continue
            number = number_of(cells[0])
            books.note(number, cells)
            if moved and _digest(cells) in moved:
                self._add(Kind.DUPLICATE_ROW, job_id=cells[0])
            if cells[file]:
                yield NamedFile(number, int(cells[1] or 0), cells[file], cells[size], cells[sha256])

    def _read_history(self) -> set[bytes]:
        """Return the digests of the rows that were superseded; their files are no orphans."""
        path = self.batch.history_path
        if not path.exists():
            return set()
        digests = set()
        try:
            reader = RowReader(path, first_cell=LEDGER_FIRST_CELL)
            check_header(path, reader.columns)
            file = reader.columns.index("file")
            for row in reader:
                digests.add(_digest(row.cells))
                if row.cells[file]:
                    self._names.add(row.cells[file])
        except LedgerError as error:
            self._add(Kind.HISTORY_BROKEN, text=str(error).splitlines()[0], file=path.name)
        return digests

    def _note_fault(self, file: NamedFile, fault: Fault) -> None:
        has_result = self.record.jobs[file.number].state is AttemptState.COMPLETED
        self._add(
            fault.kind if has_result else Kind.LOST_FILE,
            text=f"{neutralised(file.file)}: {neutralised(fault.text)}",
            job_id=job_id_of(file.number),
            file=file.file,
        )
        if not has_result:
            return
        is_changed = fault.kind is Kind.CHANGED_ROW
        self._mend(file.number, WHOLE if is_changed else frozenset({file.index}))
        if fault.kind is Kind.DAMAGED_FILE:
            self.damaged.append(file.file)

    def _compare(self, books: Books) -> None:
        total = self.batch.journal_path.stat().st_size
        for done in books.compare(self.batch.journal_path, self.record):
            self.watch("requests.csv", done, total)
        self.found.entries = books.entries
        for number in sorted(books.changed):
            if self.record.jobs[number].state is None:
                continue
            text = f"{job_id_of(number)}: a row of it is not what requests.csv says"
            self._add(Kind.CHANGED_ROW, text=text, job_id=job_id_of(number))
            self._mend(number, WHOLE)
        for number, by_ledger, by_journal in books.sums(self.record):
            self.found.ledger_usd += by_ledger
            self.found.journal_usd += by_journal
            if by_ledger != by_journal and number not in books.changed:
                text = (
                    f"{job_id_of(number)}: ${dollars(by_ledger)} in ledger.csv, "
                    f"${dollars(by_journal)} in requests.csv"
                )
                self._add(Kind.COST, text=text, job_id=job_id_of(number))
                self._mend(number, WHOLE)

    # -- what is on record ---------------------------------------------------------------

    def _look_at_jobs(self) -> None:
        """Find jobs that one of the tables lacks, and what is still to be fetched."""
        is_known = self.batch.find_loss(self.record) is None
        for number, standing in self.record.jobs.items():
            if standing.lacks_journal:
                kind = Kind.UNJOURNALLED if is_known else Kind.NO_JOURNAL
                self._add(kind, job_id=job_id_of(number))
            elif not self.found.is_running:
                self._look_at_job(number, standing)
            has_ended = standing.is_shared and number not in self.record.places
            if not has_ended and (standing.state in UNSETTLED or standing.lacks_rows):
                self._expect(self.record.peek(number))

    def _look_at_job(self, number: int, standing: Standing) -> None:
        job_id = job_id_of(number)
        if standing.state is AttemptState.COMPLETED:
            self._look_at_result(number, standing)
        elif is_unwritten(standing):
            text = f"{job_id}: it has failed ({neutralised(standing.error_type)})"
            self._add(Kind.NOT_IN_LEDGER, text=text, job_id=job_id)
            self._mend(number, WHOLE)
        elif standing.state is AttemptState.UNKNOWN and not standing.rows.job_status:
            text = f"{job_id}: it may have been accepted; nobody can tell yet"
            self._add(Kind.NOT_IN_LEDGER, text=text, job_id=job_id)
            self._mend(number, WHOLE)

    def _look_at_result(self, number: int, standing: Standing) -> None:
        marks = [standing.mark(index) for index in range(standing.expected)]
        lacking = frozenset(index for index, mark in enumerate(marks) if mark is None)
        job_id = job_id_of(number)
        if lacking:
            text = f"{job_id}: made and paid; {len(lacking):,} of {len(marks):,} images have no row"
            self._add(Kind.NOT_IN_LEDGER, text=text, job_id=job_id)
            self._mend(number, lacking)
        for mark in marks:
            if mark is not None and mark.status == "undelivered":
                self._add(Kind.UNDELIVERED, job_id=job_id)

    def _expect(self, standing: Standing) -> None:
        """Take note of files that may be there before their rows are."""
        if standing.state is not None:
            job = job_from(self.batch.entry_at(standing.started))
            self._names.expect(job, max(standing.expected, job.images))

    def _look_at_strangers(self) -> None:
        for file in find_orphans(self.batch.folder, self._names, until=self.young_from):
            self._add(Kind.ORPHAN_FILE, text=neutralised(file), file=file)

    def _mend(self, number: int, indices: frozenset[int]) -> None:
        self.to_mend[number] = self.to_mend.get(number, frozenset()) | indices

    def _add(self, kind: Kind, *, text: str = "", job_id: str = "", file: str = "") -> None:
        shown = text or job_id or neutralised(file)
        self.found.add(Finding(kind=kind, text=shown, job_id=job_id, file=file))


def is_unwritten(standing: Standing) -> bool:
    """Say whether a job has failed for good, and the ledger does not say so."""
    match standing.state:
        case AttemptState.REFUSED:
            return standing.judged and not standing.is_closed
        case AttemptState.FAILED:
            return not standing.is_closed and not goes_on(standing, RetryRule())
        case _:
            return False


def _digest(cells: Sequence[str]) -> bytes:
    return hashlib.blake2b(format_row(cells).encode(errors="replace"), digest_size=16).digest()
