"""The ledger as it counts now, streamed from a copy: a run may go on writing meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batchgen.batch import Batch
from batchgen.csv_file import RowReader
from batchgen.errors import UsageError
from batchgen.ledger import LEDGER_FIRST_CELL, superseded_rows
from batchgen.record import Record
from batchgen.replay import replay


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row of the ledger that counts.

    Attributes:
        start: Where it begins in the copy, in bytes.
        record: Column → cell.
    """

    start: int
    record: dict[str, str]


class Source:
    """The rows of a ledger that no later row replaces.

    Attributes:
        columns: The ledger's columns.
        standings: What is on record about every job of the batch.
    """

    def __init__(self, batch: Batch, copy: Path) -> None:
        """Copy the ledger and read what is on record.

        Args:
            batch: The batch.
            copy: Where the copy goes; it has to stay there.

        Raises:
            UsageError: Nothing was made yet.
            LedgerError: The record cannot be trusted.
        """
        try:
            shutil.copyfile(batch.ledger_path, copy)
        except FileNotFoundError:
            raise UsageError(f"{batch.folder} has no images yet: it has never been run.") from None
        # The ledger is read before the journal, which may be ahead of it and never behind.
        self.standings: Record = replay(batch.journal_path, copy)
        self.columns = tuple(self.standings.ledger_columns)
        self._reader = RowReader(copy, first_cell=LEDGER_FIRST_CELL)
        self._replaced = (
            superseded_rows(copy, self.standings.superseded) if self.standings.superseded else set()
        )

    def __iter__(self) -> Iterator[SourceRow]:
        """Yield the rows that count, in the order in which they were written."""
        for row in self._reader:
            if row.start not in self._replaced:
                yield SourceRow(row.start, dict(zip(self.columns, row.cells, strict=True)))
