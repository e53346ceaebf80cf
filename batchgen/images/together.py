"""Put several files into the batch's folder together: whole or not at all, with two syncs for all.

::

    write each ──▶ one sync ──▶ name each ──▶ one sync

As where a file is put by itself, what is under a final name is whole, and it is durable when all
is done. A file that fails leaves the others alone. What goes wrong with a sync may be the fault of
others' files: then each of ours is put by itself, which tells.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from batchgen.errors import ImageError
from batchgen.images.parts import Parts
from batchgen.images.shared_sync import SharedSync

logger = logging.getLogger(__name__)


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
    group = _Files(files, parts)
    # Opened before anything is written: what goes wrong from then on is told to its syncs.
    with parts.opened() as folder:
        is_served = os.fstat(folder).st_dev == shared.device  # unless it is behind a link
        if not is_served or not _put_at_once(group, parts, lambda: shared(folder)):
            group.each(lambda file: parts.put(file.data, file.name))
    return group.came


def _put_at_once(group: _Files, parts: Parts, sync: Callable[[], None]) -> bool:
    """Put a group with two syncs, and return whether these went well."""
    try:
        group.each(lambda file: parts.begin(file.part, file.data))
        sync()
        group.each(lambda file: parts.name(file.part, file.name))
        sync()
    except OSError as error:
        logger.warning("images are stored one by one for a while: %s", error)
        group.each(lambda file: parts.discard(file.part))
        return False
    return True


class _Files:
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
                self.came[file.number] = error
                self._left.remove(file)
                self._parts.discard(file.part)
