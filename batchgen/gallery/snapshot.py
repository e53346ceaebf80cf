"""The ledger as it counts now, row by row, while a run may go on writing it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from batchgen.batch import Batch
from batchgen.csv_file import RowReader
from batchgen.errors import LedgerError
from batchgen.ledger import HEAD, LEDGER_FIRST_CELL, TAIL, Columns, superseded_rows, variable_column
from batchgen.record import Record
from batchgen.replay import replay


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A copy of a ledger, and what is on record beside it.

    Attributes:
        record: Where every job on record stands.
        columns: The ledger's header.
        parameters: Which of its columns are parameters, prompt and seed aside.
        variables: Which of its columns are variables of the manifest.
    """

    record: Record
    columns: tuple[str, ...]
    parameters: tuple[str, ...]
    variables: tuple[str, ...]
    _copy: Path

    def rows(self) -> Iterator[list[str]]:
        """Yield the rows that no later row of the same job replaces, in order of writing."""
        if not self.record.ledger_columns:
            return
        superseded: set[int] = set()
        if self.record.superseded:
            superseded = superseded_rows(self._copy, self.record.superseded)
        for row in RowReader(self._copy, first_cell=LEDGER_FIRST_CELL):
            if row.start not in superseded:
                yield row.cells


@contextmanager
def take_snapshot(batch: Batch) -> Iterator[Snapshot]:
    """Copy a batch's ledger, for as long as the context lasts; its files are only read.

    A run that ends meanwhile puts a new ledger in the place of the old one: places in the file
    mean something in one copy alone.

    Raises:
        LedgerError: The record cannot be trusted, or there is no room for the copy.
    """
    with TemporaryDirectory(prefix="batchgen-gallery-") as folder:
        copy = Path(folder) / "ledger.csv"
        if batch.ledger_path.exists():
            try:
                shutil.copyfile(batch.ledger_path, copy)
            except OSError as error:
                raise LedgerError(f"cannot copy {batch.ledger_path}: {error.strerror}") from error
        record = replay(batch.journal_path, copy)
        own = batch.state.columns if batch.state else Columns()
        header = tuple(record.ledger_columns) or own.header
        between = header[len(HEAD) : len(header) - len(TAIL)]
        known = set(map(variable_column, own.variables))
        yield Snapshot(
            record=record,
            columns=header,
            parameters=tuple(name for name in between if name not in known),
            variables=tuple(name for name in between if name in known),
            _copy=copy,
        )
