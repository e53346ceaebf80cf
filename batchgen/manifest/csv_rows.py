"""The records of a CSV or TSV file, and every line that is not as RFC 4180 has it.

Source:
    RFC 4180, https://www.rfc-editor.org/rfc/rfc4180. TSV has no quoting: a quote is a character.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

# Called with a line, from 1, and what is wrong there.
Report: TypeAlias = Callable[[int, str], None]

# A cell may hold a whole image as a data URI; the standard library stops at 131,072.
csv.field_size_limit(2**31 - 1)

_QUOTED_CELL = re.compile(r'"(?:[^"]|"")*+"')


class Record(NamedTuple):
    """One record: the line on which it begins, from 1, and its cells as text."""

    line: int
    cells: list[str]


def tsv_records(path: Path) -> Iterator[Record]:
    """Yield the records of a TSV file, wholly empty lines left out."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for line, text in enumerate(file, start=1):
            if cells := text.rstrip("\r\n"):
                yield Record(line, cells.split("\t"))


def csv_records(path: Path, *, delimiter: str, report: Report) -> Iterator[Record]:
    """Yield the records of a CSV file, wholly empty lines left out.

    A record that is not well formed is reported and left out; reading goes on behind it.
    """
    blank_then_quote = re.compile(rf'(?:^|{delimiter}) +"', re.MULTILINE)
    with path.open(encoding="utf-8-sig", newline="") as file:
        record: list[str] = []
        reader = csv.reader(_remembered(file, record), delimiter=delimiter, strict=True)
        while True:
            record.clear()
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                report(*_malformed(error, line, reader.line_num, "".join(record), delimiter))
                continue
            if any(cell.startswith(" ") and cell.lstrip(" ")[:1] == '"' for cell in cells) and (
                blank_then_quote.search("".join(record))
            ):
                report(
                    line,
                    "there is a blank before an opening quote: remove it, or double the quote.",
                )
            if cells:
                yield Record(line, cells)


def delimiter_of(header: str) -> str:
    """Return what separates the cells of a CSV file, told by its header line."""
    bare = _QUOTED_CELL.sub("", header)
    return ";" if bare.count(";") > bare.count(",") else ","


def _remembered(lines: Iterator[str], record: list[str]) -> Iterator[str]:
    for line in lines:
        record.append(line)
        yield line


def _malformed(
    error: csv.Error, begins: int, ends: int, record: str, delimiter: str
) -> tuple[int, str]:
    """Return the line at which a record is not well formed, and what is wrong there."""
    if "expected after" in str(error):
        return ends, (
            'there is text behind a closing quote. A quote inside a cell is written twice (""), '
            "and the whole cell stands in quotes."
        )
    if "end of data" in str(error):
        at = _opened_at(record, delimiter)
        return begins + record[:at].count("\n"), (
            'a quote is opened here and never closed. A quote inside a cell is written twice (""), '
            "and the whole cell stands in quotes."
        )
    return begins, f"this is no CSV: {error}."


def _opened_at(record: str, delimiter: str) -> int:
    """Return where in a record the quote stands that is never closed."""
    at = 0
    while at < len(record):
        if record[at] == '"':
            closed = _QUOTED_CELL.match(record, at)
            if closed is None:
                return at
            at = closed.end()
        following = record.find(delimiter, at)
        if following < 0:
            break
        at = following + 1
    return 0
