"""Rows from a file: CSV, TSV, JSONL; and the lines of a file of values.

Rows are streamed from the disk each time, so that a million of them cost no memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

from batchgen.errors import ManifestError, Mistake
from batchgen.job import Json
from batchgen.manifest.csv_rows import Record, Report, csv_records, delimiter_of, tsv_records
from batchgen.manifest.encoding import check_utf8, read_utf8, reading
from batchgen.manifest.jsonl_rows import jsonl_objects
from batchgen.scalar import read_scalar

# So many mistakes of one file are kept; the others are counted.
MAX_MISTAKES = 1_000

_SAVE_AS = '"CSV UTF-8"'
_CSV, _TSV, _JSONL = (".csv",), (".tsv", ".tab"), (".jsonl", ".ndjson")
_TO_JSONL = '.to_json("{stem}.jsonl", orient="records", lines=True, force_ascii=False) makes one'
_OTHERS = {
    ".parquet": 'pd.read_parquet("{name}")' + _TO_JSONL,
    ".feather": 'pd.read_feather("{name}")' + _TO_JSONL,
    ".json": 'pd.read_json("{name}")' + _TO_JSONL,
    ".xlsx": 'In Excel, save it as "CSV UTF-8"',
    ".xls": 'In Excel, save it as "CSV UTF-8"',
    ".ods": "In LibreOffice, save it as Text CSV, UTF-8",
    ".txt": "Name it .csv or .tsv, with a header line; values alone, one a line, make an axis: "
    "{{file: {name}}}",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        line: The line of the file on which it begins, from 1.
        cells: Column → value, in the order of the columns: text; a number or a boolean only
            where it prints as it is written; `""` for an empty cell or a missing key. JSONL
            may hold mappings and lists.
    """

    line: int
    cells: dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of a file, checked when it was opened; each iteration reads the file anew.

    Attributes:
        path: The file.
        shown_as: The file as the user named it.
        columns: The names of its columns, in order.
    """

    path: Path
    shown_as: str
    columns: tuple[str, ...]
    _length: int
    _rows: Callable[[Report], Iterator[Row]]

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows in the order of the file.

        Raises:
            ManifestError: The file is no longer what it was when it was opened.
        """
        with reading(self.path, self.shown_as):
            yield from self._rows(self._refuse)

    def _refuse(self, line: int, text: str) -> NoReturn:
        raise ManifestError([Mistake(file=self.shown_as, line=line, text=text)])


def open_table(path: Path, *, shown_as: str) -> Table:
    """Return the table of a file, read once and found in order.

    Args:
        path: A CSV file (comma or semicolon, told by its header line), a TSV file (no
            quoting) or a JSONL file, told by its suffix.
        shown_as: The file as the user named it, for messages.

    Raises:
        ManifestError: With all mistakes of the file.
    """
    suffix = path.suffix.lower()
    if suffix not in (*_CSV, *_TSV, *_JSONL):
        raise _unknown_kind(path, suffix, shown_as)
    check_utf8(path, shown_as=shown_as, save_as=_SAVE_AS if suffix in _CSV else "UTF-8")
    mistakes = _Mistakes(shown_as)
    with reading(path, shown_as):
        if suffix in _JSONL:
            opened = _open_jsonl(path, mistakes)
        else:
            opened = _open_csv(path, mistakes, tabs=suffix in _TSV)
    mistakes.close()
    return Table(
        path=path,
        shown_as=shown_as,
        columns=opened.columns,
        _length=opened.length,
        _rows=opened.rows,
    )


def read_lines(path: Path, *, shown_as: str | None = None) -> list[tuple[int, str]]:
    """Return the lines of a file and their numbers, from 1; lines without text are left out.

    Nothing is stripped but the line's end, and the byte order mark of the file.

    Raises:
        ManifestError: The file cannot be read, or is not UTF-8.
    """
    name = path.name if shown_as is None else shown_as
    text = read_utf8(path, shown_as=name, save_as="UTF-8")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


class _Mistakes:
    """The mistakes of one file, in order, however many."""

    def __init__(self, shown_as: str) -> None:
        self.shown_as = shown_as
        self.found: list[Mistake] = []
        self.more = 0

    def report(self, line: int | None, text: str) -> None:
        """Note a mistake."""
        if len(self.found) < MAX_MISTAKES:
            self.found.append(Mistake(file=self.shown_as, line=line, text=text))
        else:
            self.more += 1

    def none_of(self, length: int, *, begun: bool) -> None:
        """Report a file without rows, if nothing else is wrong with it."""
        if not length and not self.found:
            what = "has a header line and no rows." if begun else "is empty."
            self.report(None, what)

    def close(self) -> None:
        """Raise what was found, if anything was."""
        if self.more:
            text = f"and {self.more:,} more mistakes in this file."
            self.found.append(Mistake(file=self.shown_as, text=text, count=self.more))
        if self.found:
            raise ManifestError(self.found)


def _unknown_kind(path: Path, suffix: str, shown_as: str) -> ManifestError:
    hint = _OTHERS.get(suffix, "").format(name=path.name, stem=path.stem)
    text = "rows can be CSV, TSV, JSONL" + (
        f". {hint}." if hint else ", told by the file's suffix."
    )
    return ManifestError([Mistake(file=shown_as, text=text)])


class _Opened(NamedTuple):
    columns: tuple[str, ...]
    length: int
    rows: Callable[[Report], Iterator[Row]]


def _open_csv(path: Path, mistakes: _Mistakes, *, tabs: bool) -> _Opened:
    header = _first_line(path)
    delimiter = "\t" if tabs else delimiter_of(header)
    columns: tuple[str, ...] = ()
    length = 0

    def records(report: Report) -> Iterator[Record]:
        if tabs:
            return tsv_records(path)
        return csv_records(path, delimiter=delimiter, report=report)

    def rows(report: Report) -> Iterator[Row]:
        again = records(report)
        next(again, None)
        for line, cells in again:
            _check_width(line, len(cells), len(columns), delimiter, report)
            yield Row(line, dict(zip(columns, map(read_scalar, cells), strict=True)))

    for record in records(mistakes.report):
        if columns:
            length += 1
            _check_width(record.line, len(record.cells), len(columns), delimiter, mistakes.report)
            continue
        _check_header(record, header, delimiter, mistakes.report)
        columns = tuple(record.cells)
        if mistakes.found:
            # What follows would be measured by a header that is wrong.
            break
    mistakes.none_of(length, begun=bool(columns))
    return _Opened(columns, length, rows)


def _open_jsonl(path: Path, mistakes: _Mistakes) -> _Opened:
    columns: dict[str, None] = {}
    length = 0

    def rows(report: Report) -> Iterator[Row]:
        for line, values in jsonl_objects(path, report=report):
            yield Row(line, {column: values.get(column, "") for column in columns})

    for record in jsonl_objects(path, report=mistakes.report):
        length += 1
        columns.update(dict.fromkeys(record.values))
        if "" in record.values:
            mistakes.report(record.line, "a key has no name.")
    mistakes.none_of(length, begun=False)
    return _Opened(tuple(columns), length, rows)


def _first_line(path: Path) -> str:
    """Return the first line that is not empty, its end included."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next((line for line in file if line.strip("\r\n")), "")


def _check_header(record: Record, header: str, delimiter: str, report: Report) -> None:
    if header.lower().startswith("sep="):
        report(record.line, "Excel's 'sep=' line is no header: delete it.")
        return
    if delimiter != "\t" and "\t" in header and not {",", ";"} & set(header):
        report(record.line, "its header line has tabs and no commas: name the file .tsv.")
        return
    first_of: dict[str, int] = {}
    for number, name in enumerate(record.cells, start=1):
        if not name.strip():
            report(record.line, f"column {number} has no name.")
        elif name in first_of:
            report(record.line, f"columns {first_of[name]} and {number} are both called '{name}'.")
        first_of.setdefault(name, number)


def _check_width(line: int, cells: int, columns: int, delimiter: str, report: Report) -> None:
    if cells == columns:
        return
    text = f"{_count(cells, 'cell')} where the header has {_count(columns, 'column')}"
    if delimiter == "\t":
        report(line, f"{text}: one tab stands between two cells.")
    elif cells > columns:
        mark = "comma" if delimiter == "," else "semicolon"
        report(line, f"{text}: a cell that holds a {mark} stands in quotes.")
    else:
        report(line, f"{text}: an empty cell needs its '{delimiter}' too.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
