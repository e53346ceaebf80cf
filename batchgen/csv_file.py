"""Read the rows of a CSV file that may end in the middle of one.

A prompt may hold newlines, so the last newline proves nothing: the end of the last whole row
is found by reading from the start, quotes understood. Programs that only read stop there; a
writer cuts the rest off first.

Source:
    RFC 4180, https://www.rfc-editor.org/rfc/rfc4180.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from batchgen.errors import LedgerError

csv.field_size_limit(2**31 - 1)

_SPECIAL = re.compile(r'[",\r\n]')
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a CSV file.

    Attributes:
        start: Where it begins in the file, in bytes.
        end: Where the next one begins, in bytes.
        cells: Its cells, as text.
    """

    start: int
    end: int
    cells: list[str]


def format_row(cells: Sequence[str]) -> str:
    r"""Write one row, its newline included.

    The standard library leaves a lone `\r` unquoted, which other readers take for a line's end.
    """
    return ",".join(map(_format_cell, cells)) + "\n"


def _format_cell(cell: str) -> str:
    if _SPECIAL.search(cell) is None:
        return cell
    return '"' + cell.replace('"', '""') + '"'


class RowReader:
    """The whole rows of a file, in order, from the header's end on.

    Attributes:
        columns: The header's cells; empty if the file holds no whole header.
        end: Where the last whole row that was read ends, in bytes.
    """

    def __init__(self, path: Path, *, first_cell: re.Pattern[bytes]) -> None:
        """Read the header.

        Args:
            path: The file.
            first_cell: What the first cell of every row looks like; it tells a row that a
                crash left unfinished from one in which a stray quote has swallowed others.

        Raises:
            LedgerError: The file cannot be read.
        """
        self.path = path
        self.columns: list[str] = []
        self.end = 0
        self._first_cell = first_cell
        with self._open() as file:
            header = next(_records(file, 0), None)
        if header is not None and header[1].endswith(b"\n"):
            self.columns = _parse(header[1]) or []
            self.end = len(header[1])

    def __iter__(self) -> Iterator[Row]:
        """Yield every whole row behind the header, and stop before a torn tail.

        Raises:
            LedgerError: A row is damaged in a way that no crash explains.
        """
        with self._open() as file:
            start = len(next(_records(file, 0), (0, b""))[1])
            self.end = start
            file.seek(start)
            for begin, record in _records(file, start):
                cells = _parse(record) if record.endswith(b"\n") else None
                if cells is None or len(cells) != len(self.columns):
                    self._judge_tail(file, begin, record)
                    return
                self.end = begin + len(record)
                yield Row(begin, self.end, cells)

    def read_at(self, start: int) -> list[str]:
        """Return the cells of the row that begins at `start`, in bytes."""
        with self._open() as file:
            file.seek(start)
            record = next(_records(file, start), (start, b""))[1]
        cells = _parse(record)
        if cells is None or len(cells) != len(self.columns):
            raise LedgerError(f"{self.path.name}: no row begins at byte {start}")
        return cells

    def _open(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise LedgerError(f"cannot read {self.path}: {error.strerror}") from error

    def _judge_tail(self, file: BinaryIO, start: int, bad: bytes) -> None:
        """Return if what begins at `start` is what a crash leaves of the last write.

        A crash leaves a row without its end, or pages of zero bytes. Whole rows behind a bad
        one were not left by a crash: cutting them off would forget what has been paid.
        """
        file.seek(start)
        tail = file.read()
        if b"\0" in tail or not tail.strip():
            return
        is_unfinished = not bad.endswith(b"\n") or bad.count(b'"') % 2 == 1
        if is_unfinished and not any(map(self._is_row, bad.split(b"\n")[1:-1])):
            return
        file.seek(0)
        line = file.read(start).count(b"\n") + 1
        raise LedgerError(
            f"{self.path.name}:{line}  this is not a row of {self.path.name}, and no crash leaves "
            "such a one: something else has written to the file. Nothing was changed."
        )

    def _is_row(self, line: bytes) -> bool:
        cells = _parse(line) if self._first_cell.match(line) else None
        return cells is not None and len(cells) == len(self.columns)


def has_bom(path: Path) -> bool:
    """Say whether a file begins with a byte order mark, as spreadsheets write it."""
    with path.open("rb") as file:
        return file.read(len(_BOM)) == _BOM


def _records(file: BinaryIO, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield where each record begins and its bytes; the last one may lack its end."""
    pending: list[bytes] = []
    quotes = 0
    for line in file:
        quotes += line.count(b'"')
        if quotes % 2 == 0 and not pending:
            yield start, line
            start += len(line)
            quotes = 0
        elif quotes % 2 == 0:
            pending.append(line)
            record = b"".join(pending)
            yield start, record
            start += len(record)
            pending.clear()
            quotes = 0
        else:
            pending.append(line)
    if pending:
        yield start, b"".join(pending)


def _parse(record: bytes) -> list[str] | None:
    """Return the cells of one record, or None if it is not one."""
    if b"\0" in record:
        return None
    try:
        text = record.decode()
        return next(csv.reader([text], strict=True), None)
    except (UnicodeDecodeError, csv.Error):
        return None
