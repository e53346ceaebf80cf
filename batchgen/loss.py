"""Tell when the journal of a batch, or a part of it, is lost.

Each row of the ledger is written after the journal's, and each image after both were created, so
no crash leaves one of them alone: an older copy does, or a file that was taken away.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from batchgen.budget import ZERO
from batchgen.csv_file import RowReader
from batchgen.filename import FOLDER
from batchgen.job import job_id_of, number_of
from batchgen.ledger import LEDGER_FIRST_CELL, superseded_rows
from batchgen.record import Record

# Every image of ours bears the id of its job.
_JOB_ID = re.compile(r"[k-z]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What is lost of a journal.

    Attributes:
        is_whole: Whether nothing of it is left.
        alone: The numbers of jobs that the ledger has and the journal has not.
    """

    is_whole: bool
    alone: tuple[int, ...]

    def describe(self) -> str:
        """Return what is lost, for a person, without the file's name."""
        if self.is_whole:
            return "is lost, while ledger.csv has rows" if self.alone else "is lost"
        first = job_id_of(self.alone[0])
        return f"lacks {len(self.alone):,} jobs that ledger.csv has (first: {first})"


def find_loss(record: Record, *, folder: Path, journal: Path, known: int = 0) -> Loss | None:
    """Return what is lost of a journal; None if nothing is.

    Args:
        record: What is on record.
        folder: The batch's folder.
        journal: Where the journal is, or was.
        known: So many jobs were found without journal before, and a run went on all the same.
    """
    alone = tuple(record.without_journal())
    is_gone = bool(record.jobs) and not journal.exists()
    is_whole = is_gone or (not record.first_at and len(alone) > known)
    if not record.jobs and not record.first_at:
        is_whole = has_image(folder)
    return Loss(is_whole=is_whole, alone=alone) if is_whole or len(alone) > known else None


def has_image(folder: Path) -> bool:
    """Say whether an image of a batch is in its folder."""
    return any(
        _JOB_ID.search(name)
        for _, _, names in os.walk(folder / FOLDER)
        for name in names
        if not name.startswith(".")
    )


def sum_alone(record: Record, ledger: Path) -> Decimal:
    """Return what the jobs have cost that the journal has not, by the ledger, in USD."""
    alone = set(record.without_journal())
    if not alone:
        return ZERO
    reader = RowReader(ledger, first_cell=LEDGER_FIRST_CELL)
    place = reader.columns.index("cost_usd")
    superseded = superseded_rows(ledger, alone)
    return sum(
        (
            Decimal(row.cells[place] or 0)
            for row in reader
            if number_of(row.cells[0]) in alone and row.start not in superseded
        ),
        ZERO,
    )
