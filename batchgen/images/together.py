"""Put several files into the batch's folder together: whole or not at all, with two syncs for all.

::

    write each ──▶ one sync ──▶ name each ──▶ one sync

As where a file is put by itself, what is under a final name is whole, and it is durable when all
is done. A file that fails leaves the others alone; a sync that fails fails them all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from batchgen.errors import ImageError, StorageError
from batchgen.images.parts import PARTS_FOLDER, Parts, disk_errors
from batchgen.images.shared_sync import SharedSync


class _File(NamedTuple):
    """One of them: which, what it holds, and what it is called until it is done, and then."""

    number: int
    part: Path
    data: bytes
    name: str


def put_together(
    files: Sequence[tuple[bytes, str]], parts: Parts, *, shared: SharedSync
) -> list[ImageError | None]:
    """Write whole files under their final names: when this returns, they survive a power cut.

    Args:
        files: The bytes of each, and its name, as `Parts.put` has it.
        parts: Where they are written.
        shared: Makes everything durable that lies on their file system.

    Returns:
        For each why it could not be written, or None.

    Raises:
        StorageError: The disk takes no files at all.
    """
    group = _Group(files, parts)
    # Opened before anything is written: what goes wrong from then on is told to its syncs.
    with parts.opened() as folder:
        if os.fstat(folder).st_dev != shared.device:  # behind a link
            group.each(lambda file: parts.put(file.data, file.name))
            return group.came
        group.each(lambda file: parts.begin(file.part, file.data))
        group.all_at_once(lambda: shared(folder))
        group.each(lambda file: parts.name(file.part, file.name))
        group.all_at_once(lambda: shared(folder))
    return group.came


class _Group:
    """Files that go through the same steps, as far as each of them gets.

    Attributes:
        came: For each why it got no further, or None.
    """

    def __init__(self, files: Sequence[tuple[bytes, str]], parts: Parts) -> None:
        self.came: list[ImageError | None] = [None] * len(files)
        self._parts = parts
        self._left = [_File(number, parts.new(), *file) for number, file in enumerate(files)]

    def each(self, step: Callable[[_File], None]) -> None:
        """Take a step with each that is left."""
        for file in list(self._left):
            try:
                step(file)
            except ImageError as error:
                self._drop(file, error)

    def all_at_once(self, step: Callable[[], None]) -> None:
        """Take a step that counts for all that are left."""
        try:
            with disk_errors(Path(PARTS_FOLDER)):
                step()
        except StorageError as error:
            for file in list(self._left):
                self._drop(file, error)

    def _drop(self, file: _File, error: ImageError) -> None:
        self.came[file.number] = error
        self._left.remove(file)
        self._parts.discard(file.part)
