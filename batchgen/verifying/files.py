"""Look at the images on disk: are they there, are they whole, does a row name them?"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from batchgen.errors import ImageError
from batchgen.filename import FOLDER
from batchgen.images import ImageStore
from batchgen.images.inspection import measure_file
from batchgen.images.parts import PARTS_FOLDER
from batchgen.job import Job
from batchgen.verifying.finding import Kind

# Hashing needs a core, reading waits for the disk.
THREADS = min(8, (os.cpu_count() or 1) + 2)

# So many files are on their way through the threads at most.
UNDER_WAY = 4 * THREADS

_SHA256 = re.compile(r"[0-9a-f]{64}")

# What systems put into folders that somebody looks at.
_OF_THE_SYSTEM = frozenset({"Thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that a row of the ledger names.

    Attributes:
        number: The number of its job.
        index: Which of the job's images it is, counted from 0.
        file: Its name, relative to the batch's folder.
        bytes: How long it is, as the row has it.
        sha256: The hash of its bytes, as the row has it.
    """

    number: int
    index: int
    file: str
    bytes: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a file is not what its row says.

    Attributes:
        kind: `MISSING_FILE` or `DAMAGED_FILE`; `CHANGED_ROW` where the row is at fault.
        text: Why, for a person.
    """

    kind: Kind
    text: str


def look_at_files(
    files: Iterable[NamedFile], *, store: ImageStore, is_quick: bool
) -> Iterator[tuple[NamedFile, Fault | None]]:
    """Yield each file with what is wrong with it, in order; hashes are taken in threads.

    Args:
        files: Drawn as the threads get on.
        store: Where they lie.
        is_quick: Only look whether they are there, and as long as they should be.
    """
    under_way: deque[tuple[NamedFile, Future[Fault | None]]] = deque()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="verify") as threads:
        try:
            for file in files:
                under_way.append(
                    (file, threads.submit(find_fault, file, store=store, is_quick=is_quick))
                )
                if len(under_way) >= UNDER_WAY:
                    done, fault = under_way.popleft()
                    yield done, fault.result()
            while under_way:
                done, fault = under_way.popleft()
                yield done, fault.result()
        finally:
            for _, fault in under_way:
                fault.cancel()


def find_fault(file: NamedFile, *, store: ImageStore, is_quick: bool = False) -> Fault | None:
    """Return what is wrong with a file; None if it is what its row says.

    Args:
        file: The file.
        store: Where it lies.
        is_quick: Only look whether it is there, and as long as it should be.
    """
    try:
        path = store.path_of(file.file)
    except ImageError as error:
        return Fault(kind=Kind.CHANGED_ROW, text=str(error))
    if not file.file.startswith(f"{FOLDER}/"):
        return Fault(kind=Kind.CHANGED_ROW, text=f"no image has this name, outside {FOLDER}/")
    try:
        if not path.is_file():
            return Fault(kind=Kind.MISSING_FILE, text="it is not there")
        return _compare(path, file, is_quick=is_quick)
    except (OSError, ImageError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return Fault(kind=Kind.DAMAGED_FILE, text=f"it cannot be read: {reason}")


def _compare(path: Path, file: NamedFile, *, is_quick: bool) -> Fault | None:
    if not file.bytes.isdecimal() or _SHA256.fullmatch(file.sha256) is None:
        return Fault(kind=Kind.CHANGED_ROW, text="its row does not say what it was like")
    size = path.stat().st_size
    if size != int(file.bytes):
        text = f"it is {size:,} bytes long and was {int(file.bytes):,}"
        return Fault(kind=Kind.DAMAGED_FILE, text=f"{text}{_what_it_is(path)}")
    if is_quick:
        return None
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest == file.sha256:
        return None
    text = f"its bytes are not those that were saved{_what_it_is(path)}"
    return Fault(kind=Kind.DAMAGED_FILE, text=text)


def _what_it_is(path: Path) -> str:
    """Return what the file is now, where that says more than its hash."""
    try:
        measures = measure_file(path)
    except ImageError as error:
        return f": {error}"
    return f": another image of {measures.width} × {measures.height} pixels"


class Names:
    """The names of files that something stands for: as hashes, so that a million fit."""

    def __init__(self) -> None:
        self._files: set[int] = set()
        self._stems: set[int] = set()

    def add(self, file: str) -> None:
        """Take note of a file that a row names."""
        self._files.add(_hash(file))

    def expect(self, job: Job, images: int) -> None:
        """Take note of a job whose files may be there before its rows are."""
        for index in range(images):
            self._stems.add(_hash(f"{job.file}-{index}"))
        self._stems.add(_hash(job.file))

    def has(self, file: str) -> bool:
        """Say whether something stands for a file."""
        stem = str(PurePosixPath(file).with_suffix(""))
        return _hash(file) in self._files or _hash(stem) in self._stems


def find_orphans(folder: Path, names: Names, *, until: float | None = None) -> Iterator[str]:
    """Yield the files in `images/` that nothing stands for, relative to the batch's folder.

    Args:
        folder: The batch's folder.
        names: What something stands for.
        until: Files that are younger than this are left out, in seconds since 1970: a run is
            writing them. None: there is none.
    """
    parts = folder / PARTS_FOLDER
    for place, folders, found in os.walk(folder / FOLDER):
        folders[:] = sorted(name for name in folders if Path(place, name) != parts)
        for name in sorted(found):
            path = Path(place, name)
            file = path.relative_to(folder).as_posix()
            if names.has(file) or name.startswith(".") or name in _OF_THE_SYSTEM:
                continue
            if until is None or path.stat().st_mtime < until:
                yield file


def find_leftovers(folder: Path) -> Iterator[Path]:
    """Yield what a crash has left of files that were being written."""
    yield from sorted(path for path in folder.glob(".*.new") if path.is_file())
    yield from sorted((folder / PARTS_FOLDER).glob("*"))


def set_aside(path: Path, aside: Path) -> Path:
    """Move a file to a name that nothing has yet, and return that.

    Args:
        path: The file.
        aside: The name that it would have; where it is taken, a number is added.
    """
    aside.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    free = aside
    while free.exists():
        number += 1
        free = aside.with_name(f"{aside.stem}-{number}{aside.suffix}")
    path.rename(free)
    return free


def _hash(file: str) -> int:
    # Some systems give names back in another form of the same text.
    return hash(unicodedata.normalize("NFC", file))
