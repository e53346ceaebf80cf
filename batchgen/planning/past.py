"""What the runs so far show: how large images are, and how many come in a minute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from batchgen.attempt import parse_timestamp
from batchgen.csv_file import last_rows
from batchgen.ledger import LEDGER_FIRST_CELL

# A longer silence than this ends one run and begins another.
SILENCE = timedelta(minutes=10)

# Fewer images than this say nothing about the next thousand.
LEAST_IMAGES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the last images of a batch show.

    Attributes:
        image_bytes: Their average size; None where there are none.
        per_minute: How many came in a minute in the last run; None where too few did.
    """

    image_bytes: float | None = None
    per_minute: float | None = None


def look_back(ledger: Path, *, columns: Sequence[str]) -> Past:
    """Return what the last rows of a ledger show; nothing where it has none.

    Args:
        ledger: The file; a torn tail is ignored.
        columns: Its columns; empty if there is none.
    """
    if not columns:
        return Past()
    last = last_rows(ledger, first_cell=LEDGER_FIRST_CELL, width=len(columns))
    rows = [dict(zip(columns, cells, strict=True)) for cells in last]
    saved = [row for row in rows if row["status"] == "succeeded" and row["bytes"].isdigit()]
    if not saved:
        return Past()
    return Past(
        image_bytes=sum(int(row["bytes"]) for row in saved) / len(saved),
        per_minute=_per_minute([row["finished_at"] for row in saved]),
    )


def _per_minute(times: Sequence[str]) -> float | None:
    moments = sorted(moment for moment in map(_moment, times) if moment is not None)
    last_run = moments[-1:]
    for moment in reversed(moments[:-1]):
        if last_run[-1] - moment > SILENCE:
            break
        last_run.append(moment)
    took = last_run[0] - last_run[-1] if last_run else timedelta(0)
    if len(last_run) < LEAST_IMAGES or not took:
        return None
    return (len(last_run) - 1) / (took / timedelta(minutes=1))


def _moment(time: str) -> datetime | None:
    """Return a time of the ledger; None where somebody has written something else there."""
    try:
        moment = parse_timestamp(time)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
