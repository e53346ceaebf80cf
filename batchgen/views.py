"""A batch's ledger as a table for notebooks and scripts; the only module that needs pandas."""

from __future__ import annotations

import os
from contextlib import suppress
from io import BytesIO
from os import PathLike
from pathlib import Path

import pandas as pd

from batchgen.csv_file import RowReader
from batchgen.errors import LedgerError, UsageError
from batchgen.ledger import LEDGER_FIRST_CELL, check_header

INTEGERS = ("image_index", "seed", "repeat", "width", "height", "bytes", "attempts")
DECIMALS = ("cost_usd", "inference_s")
TIMES = ("submitted_at", "finished_at")


def read_ledger(path: str | PathLike[str], *, history: bool = False) -> pd.DataFrame:
    """Read a ledger as it counts now: one row per image, or per job that has none.

    Args:
        path: A `ledger.csv`, or the batch's folder.
        history: Every row that was ever written instead, in the order of writing.

    Returns:
        The ledger's columns. Text is `str`, with `""` for an empty cell; counts, sizes and the
        seed are `Int64`; money (in USD) and seconds are `Float64`; times are UTC.

    Raises:
        UsageError: There is no such file.
        LedgerError: It is not a ledger.
    """
    file = Path(path)
    if file.is_dir():
        file = file / "ledger.csv"
    current = _read(file)
    earlier = file.with_name("ledger-history.csv")
    if not history:
        return _typed(_latest(current))
    if earlier.exists():
        # A crash may have left rows in both files; they are the same rows.
        both = pd.concat([_read(earlier), current], ignore_index=True).fillna("")
        current = both.drop_duplicates(ignore_index=True)
    return _typed(current)


def _read(file: Path) -> pd.DataFrame:
    try:
        table = _parse(file)
    except FileNotFoundError:
        raise UsageError(f"there is no {file}") from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise LedgerError(f"{file} is not a ledger: {error}") from error
    check_header(file, list(table.columns))
    return table


def _parse(file: Path) -> pd.DataFrame:
    """Parse the whole rows of a file; what a crash has left behind them is ignored."""
    with file.open("rb") as source:
        source.seek(0, os.SEEK_END)
        source.seek(max(0, source.tell() - 1))
        ends_whole = source.read() == b"\n"
    if ends_whole:
        with suppress(pd.errors.ParserError):  # a quote that nothing closes: a torn tail too
            return _parse_bytes(file)
    reader = RowReader(file, first_cell=LEDGER_FIRST_CELL)
    for _ in reader:
        pass
    return _parse_bytes(BytesIO(file.read_bytes()[: reader.end]))


def _parse_bytes(source: Path | BytesIO) -> pd.DataFrame:
    return pd.read_csv(
        source,
        dtype=str,
        keep_default_na=False,
        na_filter=False,
        encoding="utf-8",
        lineterminator="\n",
    )


def _latest(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that count: what no later row of the same job replaces."""
    of_job = table["image_index"] == ""
    order = pd.Series(range(len(table)), index=table.index)
    last_job_row = order.where(of_job).groupby(table["job_id"]).transform("max").fillna(-1)
    last_row = order.groupby(table["job_id"]).transform("max")
    last_of_image = order.groupby([table["job_id"], table["image_index"]]).transform("max")
    counts = (of_job & (order == last_row)) | (
        ~of_job & (order > last_job_row) & (order == last_of_image)
    )
    return table[counts].reset_index(drop=True)


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    typed = table.copy()
    for name in INTEGERS:
        typed[name] = pd.to_numeric(typed[name].replace("", None)).astype("Int64")
    for name in DECIMALS:
        typed[name] = pd.to_numeric(typed[name].replace("", None)).astype("Float64")
    for name in TIMES:
        typed[name] = pd.to_datetime(typed[name].replace("", None), utc=True, format="ISO8601")
    return typed
