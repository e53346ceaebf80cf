"""Estimate the room that images will take, and look how much there is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from batchgen.planning.census import Pile, images_to_disk
from batchgen.room import assumed_bytes

_UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The room that a run's images take.

    Attributes:
        images: How many it brings to disk.
        needed_bytes: What they take.
        image_bytes: What one takes on average.
        is_measured: Whether that is what the images so far take, not an assumption.
        free_bytes: What the disk has.
    """

    images: int
    needed_bytes: float
    image_bytes: float
    is_measured: bool
    free_bytes: int

    @property
    def is_enough(self) -> bool:
        """Whether the images fit."""
        return self.needed_bytes <= self.free_bytes


def free_bytes(folder: Path) -> int:
    """Return the free space where a folder is, or will be, in bytes."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def estimate_room(
    piles: Iterable[Pile], *, folder: Path, image_bytes: float | None, free: Callable[[Path], int]
) -> Room:
    """Return the room that a run's images take.

    Args:
        piles: The jobs.
        folder: The batch's folder, which need not exist.
        image_bytes: What the images so far take on average; None where there are none.
        free: Tells the free space of a folder's disk, in bytes.
    """
    images, needed = 0, 0.0
    for pile in piles:
        count = images_to_disk(pile)
        images += count
        needed += count * (assumed_bytes(pile.example) if image_bytes is None else image_bytes)
    return Room(
        images=images,
        needed_bytes=needed,
        image_bytes=needed / images if images else 0.0,
        is_measured=image_bytes is not None,
        free_bytes=free(folder),
    )


def shown_size(size_bytes: float) -> str:
    """Return a number of bytes as people say it: `6.9 MB`, `14 GB`."""
    unit, factor = next((one for one in _UNITS if size_bytes >= one[1]), _UNITS[-1])
    value = size_bytes / factor
    return f"{value:,.1f} {unit}" if value < 9.95 else f"{value:,.0f} {unit}"
