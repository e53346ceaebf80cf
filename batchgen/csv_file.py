"""Read the rows of a CSV file that may end in the middle of one.

A prompt may hold newlines, so the last newline proves nothing: the end of the last whole row
is found by reading from the start, quotes understood. Programs that only read stop there; a
writer cuts the rest off first. What no crash can have left is damage, and is never cut off: rows
behind it may stand for what has been paid.

Source:
    RFC 4180, https://www.rfc-editor.org/rfc/rfc4180.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from batchgen.errors import LedgerError

csv.field_size_limit(2**31 - 1)

# One write appends at most so many bytes, unless one row alone is larger.
MAX_WRITE_BYTES = 4 * 1024 * 1024

# Whoever looks at the last rows alone looks at so many bytes.
LAST_BYTES = 2 * 1024 * 1024

# A disk loses whole sectors, of at least so many bytes.
SECTOR_BYTES = 512

# Files are read in pieces of so many bytes.
_PIECE_BYTES = 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_ZEROS = re.compile(rb"\0+")

_CELL = rb'(?:"(?:[^"\0]++|"")*+"|[^",\r\n\0]*+)'
_ROW = re.compile(rb"%b(?:,%b)*+\n" % (_CELL, _CELL))
_BEGUN_ROW = re.compile(rb'(?:%b,)*+(?:"(?:[^"\0]++|"")*+"?|[^",\r\n\0]*+)' % _CELL)


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
    # Sought one by one, which takes half the time that a pattern takes.
    quoted = [
        '"' + cell.replace('"', '""') + '"'
        if "," in cell or '"' in cell or "\n" in cell or "\r" in cell
        else cell
        for cell in cells
    ]
    return ",".join(quoted) + "\n"


class RowReader:
    """The whole rows of a file, in order, from the header's end on.

    Attributes:
        columns: The header's cells; empty if the file does not begin with a whole row.
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
        self._kept: BinaryIO | None = None
        self._lock = Lock()
        with self._open() as file:
            header = next(_records(file, 0), None)
        if header is not None and (columns := _parse(header[1])) is not None:
            self.columns = columns
            self.end = len(header[1])

    def __iter__(self) -> Iterator[Row]:
        """Yield every whole row behind the header, and stop before a torn tail.

        Raises:
            LedgerError: A row is damaged in a way that no crash explains.
        """
        return self.but(lambda _line, _start: False)

    def rows_from(self, start: int) -> Iterator[Row]:
        """Yield every whole row from a place on at which one begins, in bytes, as `__iter__` does.

        Raises:
            LedgerError: A row is damaged in a way that no crash explains.
        """
        return self.but(lambda _line, _start: False, start=start)

    def but(
        self, takes: Callable[[bytes, int], bool], *, start: int | None = None
    ) -> Iterator[Row]:
        """Yield every whole row but those that somebody takes as they are, line by line.

        Args:
            takes: Told of each line that begins a row, and where it begins, in bytes. It takes
                only what is a whole row of this file beyond doubt.
            start: Where the first one begins, in bytes; None for the first behind the header.

        Raises:
            LedgerError: A row is damaged in a way that no crash explains.
        """
        with self._open(buffering=_PIECE_BYTES) as file:
            if start is None:
                start = len(next(_records(file, 0), (0, b""))[1])
            self.end = start
            file.seek(start)
            for line in file:
                if takes(line, start):
                    start += len(line)
                    continue
                record = _whole(line, file)
                cells = self.parse(record)
                if cells is None:
                    self.end = start
                    self._judge_tail(file, start, record)
                    return
                self.end = start + len(record)
                yield Row(start, self.end, cells)
                start = self.end
            self.end = start

    def read_at(self, start: int) -> list[str]:
        """Return the cells of the row that begins at `start`, in bytes.

        The file stays open from then on, until `close`. Any thread may ask.
        """
        with self._lock:
            if self._kept is None:
                self._kept = self._open()
            self._kept.seek(start)
            record = next(_records(self._kept, start), (start, b""))[1]
        cells = self.parse(record)
        if cells is None:
            raise LedgerError(f"{self.path.name}: no row begins at byte {start}")
        return cells

    def close(self) -> None:
        """Close the file, if `read_at` has opened it."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def parse(self, record: bytes) -> list[str] | None:
        """Return the cells of a record, or None if it is not one of the file's rows."""
        if self._first_cell.match(record) is None:
            return None
        cells = _parse(record)
        return cells if cells is not None and len(cells) == len(self.columns) else None

    def _open(self, *, buffering: int = -1) -> BinaryIO:
        try:
            return self.path.open("rb", buffering=buffering)
        except OSError as error:
            raise LedgerError(f"cannot read {self.path}: {error.strerror}") from error

    def _judge_tail(self, file: BinaryIO, start: int, bad: bytes) -> None:
        """Return if what begins at `start` is what a crash leaves of the last write."""
        # Without its end, the bad record was the last that there was when it was read; what
        # has come since is a writer's, at work this moment.
        file.seek(start + len(bad))
        tail = bad + (file.read() if _is_ended(bad) else b"")
        if self._is_torn(start, bad, tail):
            return
        file.seek(0)
        line = file.read(start).count(b"\n") + 1
        raise LedgerError(
            f"{self.path.name}:{line}  this is not a row of {self.path.name}, and no crash leaves "
            "such a one: something else has written to the file. Nothing was changed."
        )

    def _is_torn(self, start: int, bad: bytes, tail: bytes) -> bool:
        """Say whether a crash explains what stands behind the last whole row.

        It leaves a row without its end, or sectors of zero bytes, and no whole row behind: only
        where sectors are missing may one follow, of the same write.
        """
        if not tail.strip():
            return True
        if not self._begins_row(bad.partition(b"\0")[0]):
            return False
        if b"\0" in bad:
            return not self._has_row(tail) or _lacks_sectors(start, tail)
        return not _is_ended(bad) and not self._has_row(tail)

    def _begins_row(self, piece: bytes) -> bool:
        is_known = b"," not in piece or self._first_cell.match(piece) is not None
        return is_known and _BEGUN_ROW.fullmatch(piece) is not None

    def _has_row(self, tail: bytes) -> bool:
        """Say whether a whole row begins at a line of the tail other than its first."""
        line = tail.find(b"\n") + 1
        while 0 < line < len(tail):
            if self._first_cell.match(tail, line):
                _, record = next(_records(BytesIO(tail[line:]), 0))
                if self.parse(record) is not None:
                    return True
            line = tail.find(b"\n", line) + 1
        return False


def last_rows(path: Path, *, first_cell: re.Pattern[bytes], width: int) -> Iterator[list[str]]:
    """Yield the cells of a file's last rows, of a few thousand at the most.

    They are found by what they begin with, so what a prompt holds may rarely be taken for one: they
    are good for estimates.

    Args:
        path: The file; a torn tail is ignored.
        first_cell: What the first cell of every row looks like.
        width: How many cells a row has.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - LAST_BYTES))
        tail = file.read()
    begins = re.compile(rb"^" + first_cell.pattern, re.MULTILINE)
    starts = [match.start() for match in begins.finditer(tail)]
    for start, end in pairwise([*starts, len(tail)]):
        cells = _cells(tail[start:end])
        if len(cells) == width:
            yield cells


def _cells(record: bytes) -> list[str]:
    """Return the cells of a row; none where it is torn."""
    with suppress(csv.Error):
        if record.endswith(b"\n"):
            return next(csv.reader([record.decode(errors="replace")], strict=True), [])
    return []


def is_piece(content: bytes, header: str) -> bool:
    """Say whether a file is empty, or holds what a crash has left of writing its header."""
    whole = header.encode()
    piece = content.rstrip(b"\0")
    return len(content) <= len(whole) and piece != whole and whole.startswith(piece)


def is_resaved(path: Path) -> bool:
    """Say whether the first line shows that another program, a spreadsheet, has saved the file."""
    with path.open("rb") as file:
        line = file.readline()
    has_other_separator = b"," not in line and (b";" in line or b"\t" in line)
    return line.startswith(_BOM) or line.endswith(b"\r\n") or has_other_separator


def _records(file: BinaryIO, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield where each record begins and its bytes; the last one may lack its end."""
    for line in file:
        record = _whole(line, file)
        yield start, record
        start += len(record)


def _whole(line: bytes, file: BinaryIO) -> bytes:
    """Return the record that a line begins; it may lack its end."""
    quotes = line.count(b'"')
    if quotes % 2 == 0:
        return line
    lines = [line]
    for more in file:
        lines.append(more)
        quotes += more.count(b'"')
        if quotes % 2 == 0:
            break
    return b"".join(lines)


def _is_ended(record: bytes) -> bool:
    return record.endswith(b"\n") and record.count(b'"') % 2 == 0


def _lacks_sectors(start: int, tail: bytes) -> bool:
    """Say whether zero bytes in a last write are sectors of it that never reached the disk."""
    return len(tail) <= MAX_WRITE_BYTES and all(
        _begins_sector(start + gap.start(), tail, gap.start())
        and (gap.end() == len(tail) or (start + gap.end()) % SECTOR_BYTES == 0)
        for gap in _ZEROS.finditer(tail)
    )


def _begins_sector(place: int, tail: bytes, offset: int) -> bool:
    # The write's first sector may hold older rows: then what is missing begins behind them.
    return place % SECTOR_BYTES == 0 or tail[:offset].endswith(b"\n") or offset == 0


def _parse(record: bytes) -> list[str] | None:
    """Return the cells of one record, or None if it is not a whole one."""
    try:
        if b'"' not in record:
            is_whole = record.endswith(b"\n") and b"\r" not in record and b"\0" not in record
            return record[:-1].decode().split(",") if is_whole else None
        if _ROW.fullmatch(record) is None:
            return None
        return next(csv.reader([record.decode()], strict=True))
    except UnicodeDecodeError:
        return None
