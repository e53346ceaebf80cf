"""Put a file into the batch's folder whole or not at all.

::

    images/.part/4711-0   written, checked, synced   ──rename──▶   images/kz/kzmx….png

What is under its final name is whole, whenever the machine stops. A part that a crash leaves is
removed by the next writer; no view takes it for an image, because its folder is hidden.
"""

from __future__ import annotations

import errno
import itertools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PureWindowsPath

from batchgen.errors import ImageError, StorageError

PARTS_FOLDER = "images/.part"

# What parts are called, by process and number. No image is called so: images have extensions.
_PART_NAME = re.compile(r"[0-9]+-[0-9]+")

# Of so many folders it is remembered that their names are durable, so that a batch with a
# folder for each job does not fill the memory.
_REMEMBERED_FOLDERS = 10_000

# What some network file systems answer who keep their names durable in their own way.
_NOT_SYNCED = frozenset({errno.EINVAL, errno.ENOTSUP})

# A process has one sequence, however many stores it opens.
_numbers = itertools.count()


class Parts:
    """Files of a batch that are being written, and how they get their names.

    Every method blocks on the disk, and any thread may call it.
    """

    def __init__(self, folder: Path, *, sync: Callable[[int], None] = os.fsync) -> None:
        """Keep what is needed to write.

        Args:
            folder: The batch's folder; it exists.
            sync: Makes a file descriptor durable; passed in so that tests can let it fail.
        """
        self._folder = folder
        self._sync = sync
        self._durable: set[Path] = set()

    def new(self) -> Path:
        """Return where a file may be written until it is whole; nothing is there yet."""
        return self._folder / PARTS_FOLDER / f"{os.getpid()}-{next(_numbers)}"

    def put(self, data: bytes, file: str) -> None:
        """Write a whole file under its final name: when this returns, it survives a power cut.

        Args:
            data: The file.
            file: The name, as for `place`.

        Raises:
            ImageError: The name leads out of the batch's folder.
            StorageError: The disk refused it.
        """
        part, final = self.new(), self.path_of(file)
        try:
            with _disk_errors(part):
                self._write_synced(part, data)
            with _disk_errors(final):
                self._name(part, final)
        except BaseException:
            self.discard(part)
            raise

    def begin(self, part: Path, block: bytes) -> None:
        """Write the first bytes of a file.

        Raises:
            StorageError: The disk refused them.
        """
        # What a crash has left may have this name; it is of no use to anybody.
        flags = os.O_CREAT | os.O_TRUNC
        with _disk_errors(part):
            try:
                _write(part, block, flags)
            except FileNotFoundError:
                part.parent.mkdir(parents=True, exist_ok=True)
                _write(part, block, flags)

    def append(self, part: Path, block: bytes) -> None:
        """Write more bytes behind those that are there.

        Raises:
            StorageError: The disk refused them.
        """
        with _disk_errors(part):
            _write(part, block, os.O_APPEND)

    def place(self, part: Path, file: str) -> None:
        """Give a part its final name: when this returns, the file survives a power cut.

        Args:
            part: A file that was written to its last byte.
            file: The name, relative to the batch's folder, with `/`. A file that has it already
                is replaced.

        Raises:
            ImageError: The name leads out of the batch's folder.
            StorageError: The disk refused it.
        """
        final = self.path_of(file)
        with _disk_errors(final):
            self._sync_file(part)
            self._name(part, final)

    def name(self, part: Path, file: str) -> None:
        """Give a part its final name, as `place` does, and leave all syncs to the caller.

        Raises:
            ImageError: The name leads out of the batch's folder.
            StorageError: The disk refused it.
        """
        final = self.path_of(file)
        with _disk_errors(final):
            _move(part, final)

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Give a descriptor of the parts' folder for as long as the context lasts.

        Raises:
            StorageError: The disk refused it.
        """
        folder = self._folder / PARTS_FOLDER
        with _disk_errors(folder):
            try:
                handle = _open(folder, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:
                folder.mkdir(parents=True, exist_ok=True)
                handle = _open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield handle
        finally:
            os.close(handle)

    def discard(self, part: Path) -> None:
        """Remove a part, if it is still there. What cannot be removed is left to the next run."""
        with suppress(OSError):
            part.unlink()

    def remove_leftovers(self) -> int:
        """Remove what crashes have left and return how many files that were.

        Only the batch's one writer may do this, before it saves anything.
        """
        parts = self._folder / PARTS_FOLDER
        with _disk_errors(parts):
            found = list(parts.iterdir()) if parts.is_dir() else []
            left = [path for path in found if _PART_NAME.fullmatch(path.name)]
            for path in left:
                path.unlink()
        self.remove_folder()
        return len(left)

    def remove_parts_of(self, process: int) -> None:
        """Remove what a process has left that has ended; what cannot be is left to the next run."""
        for part in (self._folder / PARTS_FOLDER).glob(f"{process}-*"):
            self.discard(part)

    def remove_folder(self) -> None:
        """Remove the parts' folder, if it is there and empty."""
        with suppress(OSError):
            (self._folder / PARTS_FOLDER).rmdir()

    def path_of(self, file: str) -> Path:
        """Return where a file of the batch lies.

        Raises:
            ImageError: The name leads out of the batch's folder.
        """
        # Windows knows more ways out of a folder; what is not safe there is not safe anywhere.
        name = PureWindowsPath(file)
        if not name.parts or name.anchor or ".." in name.parts or "\\" in file:
            raise ImageError(f"{file!r} is not a file of this batch")
        return self._folder / file

    def _write_synced(self, part: Path, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        try:
            handle = _open(part, flags)
        except FileNotFoundError:
            part.parent.mkdir(parents=True, exist_ok=True)
            handle = _open(part, flags)
        try:
            _write_all(handle, data)
            self._sync(handle)
        finally:
            os.close(handle)

    def _name(self, part: Path, final: Path) -> None:
        """Give a durable part its name, and make that durable."""
        _move(part, final)
        self._sync_folder(final.parent)
        self._make_durable(final.parent)

    def _sync_file(self, part: Path) -> None:
        handle = _open(part, os.O_RDWR)
        try:
            self._sync(handle)
        finally:
            os.close(handle)

    def _sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable, where the system knows such a thing."""
        if os.name == "nt":
            return
        handle = _open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._sync(handle)
        except OSError as error:
            if error.errno not in _NOT_SYNCED:
                raise
        finally:
            os.close(handle)

    def _make_durable(self, folder: Path) -> None:
        """Sync the parents of a folder, once: the run that made it may not have come so far."""
        new: list[Path] = []
        while folder != self._folder and folder not in self._durable:
            new.append(folder)
            folder = folder.parent
        for made in new:
            self._sync_folder(made.parent)
        if len(self._durable) + len(new) > _REMEMBERED_FOLDERS:
            self._durable.clear()
        self._durable.update(new)


def _open(path: Path, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0), 0o666)


def _move(part: Path, final: Path) -> None:
    try:
        part.replace(final)
    except FileNotFoundError:  # its folder is not there yet, as a rule
        final.parent.mkdir(parents=True, exist_ok=True)
        part.replace(final)


def _write(path: Path, block: bytes, flags: int) -> None:
    handle = _open(path, os.O_WRONLY | flags)
    try:
        _write_all(handle, block)
    finally:
        os.close(handle)


def _write_all(handle: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(handle, rest) :]


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Turn what the system raises into our own word for it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"cannot write {path}: {reason}", errno=error.errno) from error
