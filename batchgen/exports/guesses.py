"""What loaders make of text that has no types: a CSV is guessed at, and so is JSON, a little.

`datasets` reads `metadata.csv` as pandas does, and `metadata.jsonl` as Arrow does; both look at the
values. Then `007` is 7, `NA` is nothing, and a column that is empty in one split has another type
there, which `load_dataset` refuses.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from batchgen.exports.columns import Column, Kind, Row, Value
from batchgen.exports.table_text import cell
from batchgen.scalar import listed

# What pandas takes for a missing value. Source: pandas.read_csv, `na_values`.
_MISSING = frozenset({
    " ", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
})  # fmt: skip
_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*")
_DECIMAL = re.compile(
    r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*|\s*[+-]?inf(inity)?\s*", re.IGNORECASE
)
_SWITCH = frozenset({"True", "TRUE", "true", "False", "FALSE", "false"})
# What Arrow's JSON reader takes for a time.
_TIME = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d(:?\d\d(:?\d\d)?)?)?Z?")


class Guesses:
    """Watches the rows of a table without types, and says what a loader will get wrong."""

    def __init__(self, columns: Sequence[Column], *, is_json: bool) -> None:
        """Know nothing yet.

        Args:
            columns: The columns.
            is_json: Whether the table is JSON Lines, and not CSV.
        """
        self._columns = columns
        self._sort = _sort_of_json if is_json else _sort_of_cell
        self._join = _type_in_json if is_json else _type_in_csv
        self._sorts: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))

    def note(self, split: str, row: Row) -> None:
        """Take note of a row."""
        sorts = self._sorts[split]
        for column in self._columns:
            sorts[column.name].add(self._sort(row[column.name]))

    def warnings(self) -> tuple[str, ...]:
        """Return what a loader will take otherwise than it is meant."""
        found = []
        guessed = [column.name for column in self._columns if self._is_guessed(column)]
        if guessed:
            found.append(
                f"loaders guess types: text in {listed(guessed)} is read as numbers, times or "
                "nothing at all; --metadata parquet keeps it"
            )
        torn = [column.name for column in self._columns if len(self._types(column)) > 1]
        if torn:
            found.append(
                f"load_dataset will refuse it: {listed(torn)} would have one type in one split and "
                "another in another; --metadata parquet has types of its own"
            )
        return tuple(found)

    def _is_guessed(self, column: Column) -> bool:
        if column.kind is not Kind.TEXT:
            return False
        sorts = set[str]().union(*(split[column.name] for split in self._sorts.values()))
        is_lost = bool(sorts & {"missing"})
        return is_lost or bool(self._types(column) - {"text", "empty"})

    def _types(self, column: Column) -> set[str]:
        return {self._join(split[column.name]) for split in self._sorts.values()}


def _sort_of_cell(value: Value) -> str:
    text = cell(value)
    if not text:
        return "empty"
    if text in _MISSING:
        return "missing"
    if text in _SWITCH:
        return "switch"
    if _INTEGER.fullmatch(text):
        return "integer"
    return "decimal" if _DECIMAL.fullmatch(text) else "text"


def _type_in_csv(sorts: set[str]) -> str:
    """Return what pandas makes of a column with cells of these sorts."""
    filled = sorts - {"empty", "missing"}
    if not filled:
        return "empty"
    if filled == {"integer"} and filled == sorts:
        return "integer"
    if filled <= {"integer", "decimal"}:
        return "decimal"
    return "switch" if sorts == {"switch"} else "text"


def _sort_of_json(value: Value) -> str:
    match value:
        case None:
            return "null"
        case str():
            return "time" if _TIME.fullmatch(value) else "text"
        case _:
            return type(value).__name__


def _type_in_json(sorts: set[str]) -> str:
    """Return what Arrow makes of values of these sorts, in the first rows that it looks at."""
    filled = sorts - {"null"}
    if not filled:
        return "null"
    return "text" if "text" in filled else next(iter(filled))
