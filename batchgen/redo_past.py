"""What a batch has used and made so far, as far as making jobs once more needs to know it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from batchgen.attempt import JOURNAL_COLUMNS, JOURNAL_FIRST_CELL, job_from, parse_entry
from batchgen.batch import Batch
from batchgen.csv_file import RowReader
from batchgen.job import Job
from batchgen.ledger import LEDGER_FIRST_CELL
from batchgen.manifest import Manifest
from batchgen.record import Record
from batchgen.state import AttemptState

_JOB_ID = JOURNAL_COLUMNS.index("job_id")
_STATE = JOURNAL_COLUMNS.index("state")

# The take in the `detail` of an intent. No text in it can look like that: a quote in a text has a
# `\` before it.
_TAKE = re.compile(rb',""repeat"":(\d{1,9}),""variables"":\{')


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedTakes:
    """What a batch has used so far.

    Attributes:
        next_take: The first take, counted from 0, that it has never used.
        sent: Some of the jobs that were sent, by their ids, as the journal has them.
    """

    next_take: int
    sent: dict[str, Job]


def look_for_takes(
    batch: Batch, manifest: Manifest, *, record: Record, wanted: Collection[str]
) -> UsedTakes:
    """Return which takes a batch has used: by its manifest, its tables and what it made once more.

    Args:
        batch: The batch.
        manifest: Its current one, with what is made once more behind it.
        record: What is on record about the batch.
        wanted: Ids of jobs whose content is asked for; those that were sent are returned.

    Raises:
        LedgerError: A file of the batch is damaged.
    """
    takes = [manifest.takes - 1, *(line.job.repeat for line in manifest.redo)]
    takes.append(max(_takes_in_journal(batch.journal_path), default=-1))
    if record.without_journal():  # of all others the journal knows more
        tables = (batch.ledger_path, batch.history_path)
        takes += [max(_takes_in_ledger(path), default=-1) for path in tables]
    sent: dict[str, Job] = {}
    for cells in _intents(batch.journal_path) if wanted else ():
        if cells[_JOB_ID] in wanted:
            sent[cells[_JOB_ID]] = job_from(parse_entry(cells))
    return UsedTakes(next_take=max(takes) + 1, sent=sent)


def _takes_in_journal(path: Path) -> Iterator[int]:
    """Yield the takes that were about to be sent, without taking the rows apart."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            for match in _TAKE.finditer(line):
                yield int(match[1])


def _takes_in_ledger(path: Path) -> Iterator[int]:
    if not path.exists():
        return
    reader = RowReader(path, first_cell=LEDGER_FIRST_CELL)
    if "repeat" not in reader.columns:
        return
    place = reader.columns.index("repeat")
    for row in reader:
        if row.cells[place].isdecimal():
            yield int(row.cells[place])


def _intents(path: Path) -> Iterator[list[str]]:
    """Yield the journal's rows that say what was about to be sent."""
    if not path.exists():
        return
    for row in RowReader(path, first_cell=JOURNAL_FIRST_CELL):
        if row.cells[_STATE] == AttemptState.SUBMITTING:
            yield row.cells
