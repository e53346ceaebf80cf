"""`picks.csv`: which images somebody has picked, and which rejected.

The page that shows a batch writes such a file; people open it in a spreadsheet and save it again.
So it is read as spreadsheets leave it: with a byte order mark, other line ends, semicolons or tabs,
columns in another order or beside ours, and empty lines. What cannot be told is a mistake with its
line, all of them at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from batchgen.errors import ManifestError, Mistake
from batchgen.manifest.csv_rows import Record, csv_records, delimiter_of
from batchgen.manifest.encoding import read_utf8

PICKS_COLUMNS = ("job_id", "image_index", "verdict")

_SAVE_AS = '"CSV UTF-8"'
_JOB_ID = re.compile(r"[k-z]{16}")
_INDEX = re.compile(r"[0-9]{1,6}")


class Verdict(StrEnum):
    """What somebody thinks of an image."""

    PICKED = "picked"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class ImageKey:
    """One image of one job.

    Attributes:
        job_id: The job.
        image_index: Counted from 0.
    """

    job_id: str
    image_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Picks:
    """What somebody thinks of some images; of all others nothing is known.

    Attributes:
        path: The file.
        verdicts: By image, in the order of the file.
        lines: Where each of them stands in the file, counted from 1.
    """

    path: Path
    verdicts: Mapping[ImageKey, Verdict] = field(default_factory=dict)
    lines: Mapping[ImageKey, int] = field(default_factory=dict)

    def verdict(self, job_id: str, image_index: int) -> Verdict | None:
        """Return what is thought of an image, or None where nothing is."""
        return self.verdicts.get(ImageKey(job_id, image_index))

    def images(self, verdict: Verdict) -> Iterator[ImageKey]:
        """Yield the images with this verdict, in the order of the file."""
        return (image for image, found in self.verdicts.items() if found is verdict)


def read_picks(path: Path) -> Picks:
    """Return what a file of picks says; a verdict that is left empty is none.

    Args:
        path: CSV with the columns `job_id`, `image_index` (from 0) and `verdict` (`picked` or
            `rejected`), as it was downloaded or as a spreadsheet has saved it.

    Raises:
        ManifestError: With every line that cannot be read.
    """
    text = read_utf8(path, shown_as=str(path), save_as=_SAVE_AS)
    reader = _Reader(path=path)
    first = next(iter(text.splitlines()), "")
    delimiter = "\t" if "\t" in first else delimiter_of(first)
    records = csv_records(path, delimiter=delimiter, report=reader.note)
    reader.read(records)
    if reader.mistakes:
        raise ManifestError(sorted(reader.mistakes, key=lambda one: one.line or 0))
    return Picks(path=path, verdicts=reader.verdicts, lines=reader.lines)


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Reads records one by one, and keeps what is wrong with them."""

    path: Path
    mistakes: list[Mistake] = field(default_factory=list)
    verdicts: dict[ImageKey, Verdict] = field(default_factory=dict)
    lines: dict[ImageKey, int] = field(default_factory=dict)

    def note(self, line: int, text: str) -> None:
        self.mistakes.append(Mistake(file=str(self.path), line=line, text=text))

    def read(self, records: Iterator[Record]) -> None:
        header = next(records, None)
        if self.mistakes:
            return  # what would be taken for the header is another line
        places = self._places(header)
        if places is None:
            return
        for record in records:
            cells = [_bare(record.cells, place) for place in places]
            if any(cells):
                self._take(record.line, *cells)

    def _places(self, header: Record | None) -> Sequence[int] | None:
        """Return where our columns stand, or None where one is missing, which is noted."""
        names = [name.strip().casefold() for name in header.cells] if header is not None else []
        lacking = [name for name in PICKS_COLUMNS if name not in names]
        if not lacking:
            return [names.index(name) for name in PICKS_COLUMNS]
        there = f"there are {', '.join(names)}" if any(names) else "it is empty"
        self.note(
            header.line if header is not None else 1,
            f"there is no column {' and no column '.join(lacking)} ({there}). Picks have the "
            f"columns {', '.join(PICKS_COLUMNS)}.",
        )
        return None

    def _take(self, line: int, job_id: str, index: str, verdict: str) -> None:
        """Take one line into account."""
        faults = [*_faults(job_id, index, verdict)]
        for fault in faults:
            self.note(line, fault)
        if faults or not verdict:
            return
        image, found = ImageKey(job_id, int(index)), Verdict(verdict.casefold())
        known = self.verdicts.setdefault(image, found)
        before = self.lines.setdefault(image, line)
        if known is not found:
            self.note(
                line,
                f"image {image.image_index} of {job_id} is {found} here and {known} in line "
                f"{before}: take one of the two lines out.",
            )


def _bare(cells: Sequence[str], place: int) -> str:
    """Return a cell without blanks around it; a spreadsheet drops empty cells at a line's end."""
    return cells[place].strip() if place < len(cells) else ""


def _faults(job_id: str, index: str, verdict: str) -> Iterator[str]:
    if _JOB_ID.fullmatch(job_id) is None:
        yield f"job_id is '{job_id}'. It is 16 letters k to z, as in ledger.csv."
    if _INDEX.fullmatch(index) is None:
        yield f"image_index is '{index}'. It counts a job's images from 0, as in ledger.csv."
    if verdict and verdict.casefold() not in tuple(Verdict):
        yield f"verdict is '{verdict}'. It is picked or rejected; leave it empty for neither."
