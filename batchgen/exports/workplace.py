"""Where an export is made: a hidden folder beside its place, until it is whole.

::

    datasets/
    ├── portraits/              the export, whole; renamed to here when all of it is written
    │   └── .batchgen-export.json   what tells it from a folder of somebody else's
    └── .portraits.exporting/   what is being written; a killed one is cleared away by the next
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import portalocker

from batchgen.errors import BusyError, ExportError, UsageError
from batchgen.job import Json
from batchgen.journal import sync_folder

MARK_NAME = ".batchgen-export.json"
_LOCK_NAME = "lock"

SYNC_THREADS = 8


class Workplace:
    """Where one export is made.

    Attributes:
        target: The export's place, absolute.
        hidden: The folder beside it; for what is needed only meanwhile.
        new: The export while it is being written.
    """

    def __init__(self, target: Path) -> None:
        """Name the place; nothing is touched.

        Raises:
            UsageError: It is the root of a disk, which has nothing beside it.
        """
        self.target = Path(os.path.normpath(target.absolute()))
        if not self.target.name:
            raise UsageError(
                f"--out is {target}, which no export can be renamed to. Name a folder in it."
            )
        self.hidden = self.target.with_name(f".{self.target.name}.exporting")
        self.new = self.hidden / "new"

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the place; whatever is not finished when the context ends is cleared away.

        Raises:
            UsageError: Something else is at the place, or it cannot be written to.
            BusyError: Another process is exporting to it.
        """
        self._refuse_strangers()
        try:
            self.hidden.mkdir(parents=True, exist_ok=True)
            lock = (self.hidden / _LOCK_NAME).open("a", encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"cannot write in {self.target.parent}: {error.strerror or error}. Name another "
                "place with --out DIR."
            ) from error
        with lock:
            self._take(lock)
            try:
                self._clear()
                self.new.mkdir()
                yield
            finally:
                self._clear()
                # Under the lock: whoever waits for none meanwhile would lose what it has begun.
                with suppress(OSError):
                    (self.hidden / _LOCK_NAME).unlink()
                    self.hidden.rmdir()

    def finish(self, facts: Mapping[str, Json]) -> None:
        """Put the export at its place, whole: what was there before is gone then.

        Args:
            facts: What is written down of it.
        """
        written = _listing(self.new)
        mark = {**facts, "files": written.files, "listing": written.digest}
        text = json.dumps(mark, ensure_ascii=False, indent=1)
        (self.new / MARK_NAME).write_text(f"{text}\n", encoding="utf-8")
        _make_durable(self.new)
        old = self.hidden / "old"
        if self.target.exists():
            self._refuse_strangers()
            self.target.rename(old)
        try:
            self.new.rename(self.target)
        except OSError:
            if old.exists():
                old.rename(self.target)
            raise
        sync_folder(self.target.parent)

    def _take(self, lock: IO[str]) -> None:
        try:
            portalocker.lock(
                lock,
                portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING,
            )
        except portalocker.LockException as error:
            raise BusyError(
                f"another process is exporting to {self.target}. Wait for it, or name another "
                "place with --out DIR."
            ) from error

    def _clear(self) -> None:
        """Remove all but the lock."""
        with suppress(FileNotFoundError):
            for path in self.hidden.iterdir():
                if path.name == _LOCK_NAME:
                    continue
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def _refuse_strangers(self) -> None:
        """Refuse a place that holds what an export would not give back."""
        if not self.target.exists() and not self.target.is_symlink():
            return
        advice = "Name another place with --out DIR, or move it away."
        if self.target.is_symlink() or not self.target.is_dir():
            raise UsageError(f"{self.target} is there and is not a folder. {advice}")
        if not any(self.target.iterdir()):
            return
        known = _read_mark(self.target)
        if known is None:
            raise UsageError(
                f"{self.target} is there and is no export of batchgen: it would be replaced. "
                f"{advice}"
            )
        now = _listing(self.target)
        if (now.files, now.digest) != known:
            raise UsageError(
                f"{self.target} is an export, but files were added to it or taken out since "
                f"({known[0]:,} then, {now.files:,} now): they would be lost. {advice}"
            )


def _make_durable(folder: Path) -> None:
    """Return when what is in a folder survives a power cut."""
    places = list(os.walk(folder))
    with ThreadPoolExecutor(SYNC_THREADS, thread_name_prefix="sync") as threads:
        for place, _, names in places:
            # Together they take a fraction of the time: the disk commits many at once.
            deque(threads.map(_sync_file, (Path(place, name) for name in names)), maxlen=0)
    for place, _, _ in places:
        sync_folder(Path(place))


def _sync_file(path: Path) -> None:
    # Windows syncs only what is open for writing.
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _Listing:
    """Which files a folder holds, whatever is in them."""

    def __init__(self) -> None:
        self.files = 0
        self._sum = 0

    def add(self, name: str) -> None:
        self.files += 1
        digest = hashlib.sha256(name.encode(errors="surrogateescape")).digest()
        self._sum ^= int.from_bytes(digest[:16])

    @property
    def digest(self) -> str:
        return f"{self._sum:032x}"


def _listing(folder: Path) -> _Listing:
    listing = _Listing()
    for place, _, names in os.walk(folder):
        for name in names:
            file = Path(place, name).relative_to(folder).as_posix()
            if file != MARK_NAME:
                listing.add(file)
    return listing


def _read_mark(folder: Path) -> tuple[int, str] | None:
    """Return how many files an export had when it was finished, and which; None for no export."""
    try:
        found = json.loads((folder / MARK_NAME).read_text(encoding="utf-8"))
        return int(found["files"]), str(found["listing"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Say where writing failed, and that nothing is left of it.

    Raises:
        ExportError: The disk refused something.
    """
    try:
        yield
    except OSError as error:
        raise ExportError(f"cannot export to {folder}: {error}. Nothing of it is left.") from error
