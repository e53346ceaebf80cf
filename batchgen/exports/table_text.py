"""Rows as CSV and as JSON Lines."""

from __future__ import annotations

import json
from pathlib import Path

from batchgen.csv_file import format_row
from batchgen.exports.columns import Row, Value


def cell(value: Value) -> str:
    """Return a value as a cell: text as it is, numbers as they print, nothing for None."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value)  # `1.0`: a column of amounts holds no whole numbers
        case _:
            return str(value)


class CsvFile:
    """Rows as CSV: RFC 4180, UTF-8, one header line."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        """Create the file with its header."""
        self._columns = columns
        self._file = path.open("w", encoding="utf-8", newline="", errors="replace")
        self._file.write(format_row(columns))

    def add(self, row: Row) -> None:
        """Write one row."""
        self._file.write(format_row([cell(row[name]) for name in self._columns]))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class JsonLinesFile:
    """Rows as JSON Lines: UTF-8, one object a line."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        """Create the file."""
        self._columns = columns
        self._file = path.open("w", encoding="utf-8", newline="", errors="replace")

    def add(self, row: Row) -> None:
        """Write one row."""
        line = json.dumps({name: row[name] for name in self._columns}, ensure_ascii=False)
        self._file.write(f"{line}\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
