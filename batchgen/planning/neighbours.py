"""Find the same jobs in other batches: they may have been paid for under another name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from batchgen.batch_state import STATE_NAME
from batchgen.job import number_of

# Only what a row begins with is read. A line inside of a prompt does not look like this.
_LEDGER_ROW = re.compile(rb"([k-z]{16}),\d*,(?:succeeded|undelivered),")
_JOURNAL_ROW = re.compile(rb"\d{4}-[\d:T.-]+Z,([k-z]{16}),\d+,(?:submitted|completed),")


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Another batch that has paid for some of the same jobs.

    Attributes:
        folder: Its folder.
        jobs: How many of them.
    """

    folder: Path
    jobs: int


def find_neighbours(folder: Path, *, wanted: Callable[[int], bool]) -> tuple[Neighbour, ...]:
    """Return the batches beside a folder that have paid for jobs that are wanted.

    What is no batch, cannot be read, or is simulated is passed over.

    Args:
        folder: The batch's own folder.
        wanted: Says of the number of a job whether it is about to be bought.
    """
    found = []
    for state in sorted(folder.parent.glob(f"*/{STATE_NAME}")):
        if state.parent == folder or not _is_real(state):
            continue
        paid = {
            number
            for name, row in (("ledger.csv", _LEDGER_ROW), ("requests.csv", _JOURNAL_ROW))
            for number in _numbers(state.parent / name, row)
            if wanted(number)
        }
        if paid:
            found.append(Neighbour(folder=state.parent, jobs=len(paid)))
    return tuple(sorted(found, key=lambda one: -one.jobs))


def _is_real(state: Path) -> bool:
    try:
        found = json.loads(state.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and not found.get("simulated")


def _numbers(path: Path, row: re.Pattern[bytes]) -> Iterator[int]:
    """Yield the numbers of the jobs of those rows of a file that begin like this."""
    with suppress(OSError), path.open("rb") as file:
        for match in map(row.match, file):
            if match is not None:
                yield number_of(match[1].decode())
