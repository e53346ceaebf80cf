"""What came of each job: the rows of `ledger.csv`, its columns, and its tidying."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from batchgen.attempt import write_json
from batchgen.budget import dollars
from batchgen.csv_file import RowReader, format_row, is_resaved
from batchgen.errors import LedgerError
from batchgen.job import Job, Json, number_of
from batchgen.journal import sync_folder

HEAD = (
    "job_id",
    "image_index",
    "status",
    "url",
    "file",
    "seed",
    "prompt",
    "endpoint",
    "repeat",
)
TAIL = (
    "request_id",
    "content_type",
    "width",
    "height",
    "bytes",
    "sha256",
    "cost_usd",
    "cost_source",
    "attempts",
    "error_type",
    "error",
    "submitted_at",
    "finished_at",
    "inference_s",
)
FIXED = frozenset(HEAD + TAIL)

# What the first cell of a ledger row looks like: a job id.
LEDGER_FIRST_CELL = re.compile(rb"[k-z]{16},")

_FORMULA = ("=", "+", "-", "@", "\t")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of a ledger between the fixed ones.

    Attributes:
        parameters: What the batch sets besides prompt and seed, in the endpoint's order.
        variables: The manifest's variables, in order of first appearance.
    """

    parameters: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()

    @property
    def header(self) -> tuple[str, ...]:
        """All columns, in order."""
        return (*HEAD, *self.parameters, *map(variable_column, self.variables), *TAIL)

    def grown_by(self, other: Columns, *, order: Sequence[str] = ()) -> Columns:
        """Return these columns and those of `other` that they lack; none is ever dropped.

        Args:
            other: What a newer manifest brings.
            order: The endpoint's parameters, in the order of its description.
        """
        parameters = list(dict.fromkeys((*self.parameters, *other.parameters)))
        known = {name: place for place, name in enumerate(order)}
        parameters.sort(key=lambda name: known.get(name, len(known)))
        variables = dict.fromkeys((*self.variables, *other.variables))
        taken = set(parameters)
        return Columns(
            parameters=tuple(parameters),
            variables=tuple(name for name in variables if name not in taken),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One row of the ledger: an image, or a job that has none.

    Attributes:
        job: The job.
        image_index: Counted from 0; None where the row speaks for the whole job.
        status: `succeeded`, `undelivered`, `failed` or `unknown`.
        cost_usd: This row's share of the job's charges.
        cost_source: `billed` or `table`.
        attempts: The job's attempts, refused ones not counted.
        error: The service's text; neutralised when it is written.
    """

    job: Job
    status: str
    image_index: int | None = None
    url: str = ""
    file: str = ""
    request_id: str = ""
    content_type: str = ""
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    sha256: str = ""
    cost_usd: Decimal = Decimal(0)
    cost_source: str = ""
    attempts: int = 0
    error_type: str = ""
    error: str = ""
    submitted_at: str = ""
    finished_at: str = ""
    inference_s: float | None = None

    def cells(self, columns: Columns) -> list[str]:
        """Return the row as `ledger.csv` has it, with these columns."""
        job = self.job
        return [
            job.job_id,
            _number(self.image_index),
            self.status,
            neutralised(self.url),
            self.file,
            _number(job.seed),
            job.prompt,
            job.endpoint,
            str(job.repeat),
            *(_written(job.input.get(name)) for name in columns.parameters),
            *(_written(job.variables.get(name)) for name in columns.variables),
            neutralised(self.request_id),
            self.content_type,
            _number(self.width),
            _number(self.height),
            _number(self.bytes),
            self.sha256,
            dollars(self.cost_usd),
            self.cost_source,
            str(self.attempts),
            neutralised(self.error_type),
            neutralised(self.error),
            self.submitted_at,
            self.finished_at,
            "" if self.inference_s is None else f"{self.inference_s:g}",
        ]


def variable_column(name: str) -> str:
    """Return the ledger's column of a variable."""
    return f"var.{name}" if name in FIXED else name


def fixed_place(name: str) -> int:
    """Return where a row has the cell of a fixed column: from the row's end, if negative."""
    return HEAD.index(name) if name in HEAD else TAIL.index(name) - len(TAIL)


def neutralised(text: str) -> str:
    """Return a text from outside as a cell that no spreadsheet runs and no terminal obeys."""
    line = text
    if not text.isprintable():
        line = "".join(letter if letter.isprintable() else " " for letter in text)
    return f"'{line}" if line.startswith(_FORMULA) or text.startswith("\t") else line


def check_header(path: Path, header: Sequence[str]) -> None:
    """Refuse a file that is not a ledger of ours.

    Raises:
        LedgerError: It does not begin and end with the fixed columns.
    """
    if tuple(header[: len(HEAD)]) == HEAD and tuple(header[-len(TAIL) :]) == TAIL:
        return
    if is_resaved(path):
        raise LedgerError(
            f"{path}: another program has saved this file in its own way (a spreadsheet, it seems: "
            "a byte order mark, other line ends, or no commas). Nothing was changed, nothing was "
            "sent.\n"
            "  Keep your copy under another name, then:  batchgen verify BATCH --repair\n"
            "  which writes ledger.csv again from requests.csv, without paying."
        )
    raise LedgerError(
        f"{path}: this is not a ledger of batchgen; its columns would begin with "
        f"{', '.join(HEAD[:3])} … and end with {TAIL[-1]}. Nothing was changed, nothing was sent."
    )


def grow(path: Path, columns: Columns) -> None:
    """Give a ledger these columns: a new file, synced, renamed over the old one.

    Raises:
        LedgerError: A column of the file would be lost; the file is damaged, or cannot be
            written.
    """
    reader = RowReader(path, first_cell=LEDGER_FIRST_CELL)
    _rewrite(path, columns.header, _aligned(reader, columns.header))


def compact(path: Path, history: Path, *, jobs: set[int]) -> int:
    """Move the superseded rows of some jobs to the history and return how many moved.

    The history is durable before the ledger loses a row; a crash between the two leaves rows
    in both, which means the same.

    Args:
        path: The ledger.
        history: Where superseded rows go; the same columns, in a file of its own.
        jobs: The numbers of the jobs that have superseded rows.

    Raises:
        LedgerError: The file is damaged, or cannot be written.
    """
    reader = RowReader(path, first_cell=LEDGER_FIRST_CELL)
    check_header(path, reader.columns)
    superseded = superseded_rows(path, jobs)
    if not superseded:
        return 0
    _rewrite(history, reader.columns, _history(history, reader, superseded))
    kept = (row.cells for row in reader if row.start not in superseded)
    _rewrite(path, reader.columns, kept)
    return len(superseded)


def superseded_rows(path: Path, jobs: set[int]) -> set[int]:
    """Return where the rows begin, in bytes, that a later row of the same job replaces.

    Args:
        path: The ledger.
        jobs: The numbers of the jobs that are looked at.
    """
    current: dict[int, dict[str, int]] = {}
    superseded: set[int] = set()
    for row in RowReader(path, first_cell=LEDGER_FIRST_CELL):
        number = number_of(row.cells[0])
        if number not in jobs:
            continue
        rows = current.setdefault(number, {})
        index = row.cells[1]
        # A row for the whole job replaces its other rows, and any later row replaces it.
        replaced = list(rows) if index == "" else [name for name in ("", index) if name in rows]
        superseded.update(rows.pop(name) for name in replaced)
        rows[index] = row.start
    return superseded


def _history(history: Path, reader: RowReader, superseded: set[int]) -> Iterator[Sequence[str]]:
    """Yield what the history has, and the rows that move there, each once."""
    moving = {_digest(row.cells) for row in reader if row.start in superseded}
    if history.exists():
        old = RowReader(history, first_cell=LEDGER_FIRST_CELL)
        check_header(history, old.columns)
        for cells in _aligned(old, reader.columns):
            moving.discard(_digest(cells))  # moved before, by a command that was killed then
            yield cells
    for row in reader:
        if row.start in superseded and _digest(row.cells) in moving:
            yield row.cells


def _digest(cells: Sequence[str]) -> bytes:
    """Return what tells a row from others in a twentieth of its memory."""
    return hashlib.blake2b(format_row(cells).encode(), digest_size=16).digest()


def _aligned(reader: RowReader, columns: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the rows of a file with other columns; a column that a row lacks is empty."""
    lost = set(reader.columns) - set(columns)
    if lost:
        raise LedgerError(
            f"{reader.path}: no run has made its columns {', '.join(sorted(lost))}. Take them out, "
            "or put the file back as it was. Nothing was changed, nothing was sent."
        )
    where = {name: place for place, name in enumerate(reader.columns)}
    order = [where.get(name) for name in columns]
    for row in reader:
        yield ["" if place is None else row.cells[place] for place in order]


def _rewrite(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("w", encoding="utf-8", newline="") as file:
            file.write(format_row(header))
            file.writelines(map(format_row, rows))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        sync_folder(path.parent)
    except (LedgerError, OSError) as error:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        if isinstance(error, LedgerError):
            raise
        raise LedgerError(f"cannot write {path}: {error.strerror or error}") from error


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _written(value: Json) -> str:
    """Return a parameter or a variable as a cell: text as it is, lists and mappings as JSON."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float():
            return str(value)
        case _:
            return write_json(value)
