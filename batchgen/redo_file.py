"""`redo.csv`: which jobs are made once more, each line a job of its own.

A line holds all that its job needs, so that it means the same whatever becomes of the manifest.
The file is replaced as a whole: after a crash all lines of an order are there, or none. So a file
that ends in the middle of a line, or holds one that nobody ordered, was changed by something else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path, PurePosixPath

from batchgen.attempt import JOURNAL_FIRST_CELL, write_json
from batchgen.budget import ZERO
from batchgen.csv_file import Row, RowReader, format_row, is_resaved
from batchgen.endpoint import load_endpoint
from batchgen.errors import LedgerError
from batchgen.job import AUTO_SEED, Job, Json, automatic_seed, identify
from batchgen.journal import replace_file, stored_text

REDO_NAME = "redo.csv"
REDO_COLUMNS = (
    "at",
    "job_id",
    "redo_of",
    "repeat",
    "endpoint",
    "input",
    "variables",
    "file",
)

# The key under which a redone job's identity names the job that it is a redo of. A manifest's own
# key is a list, so no job of a manifest, whatever becomes of it, has such an identity.
REDO_KEY = "redo"

# A number that stands alone: not the end of a longer one, nor a part of a word.
_ALONE = r"(?<![0-9A-Za-z]){}(?![0-9A-Za-z])"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redo:
    """One line: a job that is made once more.

    Attributes:
        job: The job of this line: what is sent is the same but for the seed.
        redo_of: The id of the job that it is a redo of.
        at: When it was ordered: UTC, ISO 8601, as text.
    """

    job: Job
    redo_of: str
    at: str

    def cells(self) -> list[str]:
        """Return the line as `redo.csv` has it."""
        job = self.job
        return [
            self.at,
            job.job_id,
            self.redo_of,
            str(job.repeat),
            job.endpoint,
            write_json(job.input),
            write_json(job.variables),
            job.file,
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class RedoLines:
    """Lines that stand behind a manifest's own jobs.

    Attributes:
        source: Yields them, in order, as often as it is called.
        count: How many there are.
        price_usd: What they cost by the price tables; None where an endpoint has none.
    """

    source: Callable[[], Iterator[Redo]] = lambda: iter(())
    count: int = 0
    price_usd: Decimal | None = ZERO

    def __iter__(self) -> Iterator[Redo]:
        return self.source()

    def jobs(self) -> Iterator[Job]:
        """Yield their jobs."""
        return (line.job for line in self)


NO_LINES = RedoLines()


def make_redo(
    job: Job, *, redo_of: str, repeat: int, at: str, name: Callable[[Job], str] | None = None
) -> Redo:
    """Return the line that makes a job once more: the same but for its take and its seed.

    Args:
        job: What was made.
        redo_of: The id of the job that it is a redo of.
        repeat: A take that the batch has never used.
        at: The time: UTC, ISO 8601, as text.
        name: Renders the file of the new job; None where only the old name is known.
    """
    sent = {name: value for name, value in job.input.items() if name != "seed"}
    # An endpoint that nobody has described may know no seed, unless one was sent to it before.
    gets_seed = "seed" in job.input or load_endpoint(job.endpoint).sets_seed
    if gets_seed:
        sent["seed"] = AUTO_SEED
    job_id = _redo_id(endpoint=job.endpoint, input=sent, repeat=repeat, redo_of=redo_of)
    if gets_seed:
        sent["seed"] = automatic_seed(job_id)
    again = replace(job, job_id=job_id, input=sent, repeat=repeat, problem="", line=REDO_NAME)
    file = renamed(job, again) if name is None else name(again)
    return Redo(job=replace(again, file=file), redo_of=redo_of, at=at)


def renamed(job: Job, again: Job) -> str:
    """Return the file of a redone job, made from that of the job: its id, and its seed, changed."""
    file = job.file.replace(job.job_id[:2] + "/" + job.job_id, again.job_id[:2] + "/" + job.job_id)
    file = file.replace(job.job_id, again.job_id)
    if job.seed is None or again.seed is None or job.seed < 1000:
        return file  # a small number in a name may be anything
    return re.sub(_ALONE.format(job.seed), str(again.seed), file)


def read_redo(path: Path) -> RedoLines:
    """Return the lines of `redo.csv`, all of them checked; none where there is no file.

    Raises:
        LedgerError: It is not as batchgen writes it.
    """
    if not path.exists():
        return NO_LINES
    count, price_usd = 0, ZERO
    is_priced = True
    for line in _lines(path):
        count += 1
        is_priced = is_priced and line.job.price_usd is not None
        price_usd += line.job.price_usd or ZERO
    return RedoLines(
        source=lambda: _lines(path), count=count, price_usd=price_usd if is_priced else None
    )


def lines_of(lines: Iterable[Redo]) -> RedoLines:
    """Return lines that are held in memory."""
    kept = tuple(lines)
    prices = [line.job.price_usd for line in kept]
    known = [price for price in prices if price is not None]
    return RedoLines(
        source=lambda: iter(kept),
        count=len(kept),
        price_usd=sum(known, ZERO) if len(known) == len(kept) else None,
    )


def add_lines(path: Path, lines: Iterable[Redo]) -> None:
    """Put lines behind those of `redo.csv`, all or none: durable when this returns.

    Raises:
        LedgerError: The file is not as batchgen writes it, or cannot be written.
    """
    new = "".join(stored_text(format_row(line.cells())) for line in lines)
    if not new:
        return
    read_redo(path)
    try:
        before = path.read_bytes() if path.exists() else format_row(REDO_COLUMNS).encode()
        replace_file(path, before + new.encode())
    except OSError as error:
        raise LedgerError(f"cannot write {path}: {error.strerror or error}") from error


def _lines(path: Path) -> Iterator[Redo]:
    """Yield the lines of the file, each checked."""
    # Before it is read: what is put behind it meanwhile must not look like a torn line.
    size = path.stat().st_size
    reader = RowReader(path, first_cell=JOURNAL_FIRST_CELL)
    if tuple(reader.columns) != REDO_COLUMNS:
        raise _foreign(path)
    for row in reader:
        yield _parse(path, row)
    if reader.end < size:
        raise LedgerError(
            f"{path} ends in the middle of a line, and batchgen writes it whole or not at all: "
            f"something else has changed it. {_PUT_BACK}"
        )


_PUT_BACK = (
    "Nothing was changed, nothing was sent.\n"
    "  Put the file back from a copy if there is one. If you move it elsewhere instead, the "
    "images\n  that were made by it stay, and what it ordered and was not made yet is forgotten."
)


def _foreign(path: Path) -> LedgerError:
    if is_resaved(path):
        how = "another program has saved this file in its own way (a spreadsheet, it seems)"
    else:
        how = f"its columns would be {', '.join(REDO_COLUMNS)}, separated by commas"
    return LedgerError(f"{path}: this is not redo.csv as batchgen writes it: {how}. {_PUT_BACK}")


def _parse(path: Path, row: Row) -> Redo:
    at, job_id, redo_of, repeat, endpoint, input_, variables, file = row.cells
    sent, known = _mapping(input_), _mapping(variables)
    if sent is None or known is None or not repeat.isdecimal() or not _is_inside(file, job_id):
        raise _changed(path, row)
    found = load_endpoint(endpoint)
    identified = {**sent, "seed": AUTO_SEED} if "seed" in sent else sent
    if job_id != _redo_id(
        endpoint=endpoint, input=identified, repeat=int(repeat), redo_of=redo_of
    ) or sent.get("seed", automatic_seed(job_id)) != automatic_seed(job_id):
        raise _changed(path, row)
    job = Job(
        job_id=job_id,
        endpoint=endpoint,
        input=sent,
        repeat=int(repeat),
        variables=known,
        file=file,
        images=found.images(sent),
        price_usd=found.price_usd(sent),
        line=REDO_NAME,
    )
    return Redo(job=job, redo_of=redo_of, at=at)


def _redo_id(*, endpoint: str, input: Mapping[str, Json], repeat: int, redo_of: str) -> str:
    """Return the id of a redone job, which no job of any manifest has."""
    return identify(
        endpoint=endpoint,
        input=load_endpoint(endpoint).without_defaults(input),
        repeat=repeat,
        key={REDO_KEY: redo_of},
    )


def _is_inside(file: str, job_id: str) -> bool:
    """Say whether a file is one of this job, below the folder of images."""
    parts = PurePosixPath(file).parts
    return parts[:1] == ("images",) and ".." not in parts and job_id in parts[-1]


def _mapping(text: str) -> dict[str, Json] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _changed(path: Path, row: Row) -> LedgerError:
    return LedgerError(
        f"{path}: the line of job {row.cells[1][:40]!r} is not as batchgen has written it: its id "
        f"does not fit what it orders. {_PUT_BACK}"
    )
