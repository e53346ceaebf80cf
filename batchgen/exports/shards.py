"""Files of many images each, one after the other, for every split."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from batchgen.errors import UsageError

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_SIZE = re.compile(r"([0-9]+) ?([KMG]?B?)")


def parse_size(text: str) -> int:
    """Return a size in bytes, as `200MB` or `1GB`.

    Raises:
        UsageError: It is none.
    """
    match = _SIZE.fullmatch(text.strip().upper())
    if match is None or not int(match[1]):
        raise UsageError(f"--shard-bytes is {text!r}. It takes a size, as in 200MB or 1GB")
    unit = match[2]
    return int(match[1]) * _UNITS[unit if not unit or unit.endswith("B") else f"{unit}B"]


class Closable(Protocol):
    """A file that can be finished."""

    def close(self) -> None:
        """Finish it."""


S = TypeVar("S", bound=Closable)


@dataclass(slots=True)
class _Row(Generic[S]):
    """The shards of one split."""

    paths: list[Path]
    current: S
    images: int = 0
    bytes: int = 0


class Shards(Generic[S]):
    """Shards of every split, each bounded by its images and its bytes.

    How many there are is part of their names, so they get them at the end:
    `train-00000-of-00002.tar`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        ending: str,
        make: Callable[[Path], S],
        most_images: int,
        most_bytes: int,
    ) -> None:
        """Open nothing yet.

        Args:
            folder: Where they go.
            ending: Of their names.
            make: Opens one.
            most_images: The most images in one.
            most_bytes: The most bytes of images in one, unless one image alone is larger.
        """
        self._folder = folder
        self._ending = ending
        self._make = make
        self._most_images = most_images
        self._most_bytes = most_bytes
        self._rows: dict[str, _Row[S]] = {}

    def shard_for(self, split: str, *, adding: int) -> S:
        """Return the shard that the next image of a split goes to.

        Args:
            split: The split.
            adding: What the image comes to, in bytes.
        """
        row = self._rows.get(split)
        if row is None:
            self._folder.mkdir(exist_ok=True)
            path = self._path(split, 0)
            row = self._rows[split] = _Row([path], self._make(path))
        elif row.images >= self._most_images or row.bytes + adding > self._most_bytes:
            row.current.close()
            path = self._path(split, len(row.paths))
            row.paths.append(path)
            row.current = self._make(path)
            row.images = row.bytes = 0
        row.images += 1
        row.bytes += adding
        return row.current

    def close(self) -> Mapping[str, int]:
        """Finish them, give them their names, and return how many each split has."""
        for row in self._rows.values():
            row.current.close()
        for split, row in self._rows.items():
            for number, path in enumerate(row.paths):
                name = f"{split}-{number:05}-of-{len(row.paths):05}.{self._ending}"
                path.rename(self._folder / name)
        return {split: len(row.paths) for split, row in self._rows.items()}

    def _path(self, split: str, number: int) -> Path:
        return self._folder / f"{split}-{number:05}.{self._ending}"
