"""What every format of an export is: something that images are added to, one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from batchgen.exports.columns import Column, Row
from batchgen.exports.features import Feature
from batchgen.exports.picture import Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One row of the ledger on its way into an export.

    Attributes:
        row: The export's columns → values.
        name: What the image is called, where that is free: without folders and extension, the
            same for no two images, and of no characters that a loader could stumble over.
        file: Where the batch, or `--name`, has it: a path with folders and extension.
        split: The split that it is in.
        caption: What it shows, for a trainer.
        picture: The image; None in a table, and of a row that has none.
    """

    row: Row
    name: str
    file: str
    split: str
    caption: str
    picture: Picture | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a writer needs to know before the first image.

    Attributes:
        folder: Where it writes; it is there and empty.
        columns: The columns of every row.
        splits: The names of the splits; one where it is not split.
        is_split: Whether a split was asked for.
        is_linked: Whether files are links to the batch's.
    """

    folder: Path
    columns: tuple[Column, ...]
    splits: tuple[str, ...]
    is_split: bool
    is_linked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How `datasets.load_dataset` finds its way in an export.

    Attributes:
        data_files: Split → pattern of its files; empty where it is not made to be loaded.
        features: Column → its type, in order; empty where the loader finds out by itself.
        warnings: What a loader will take otherwise than it is meant.
    """

    data_files: Mapping[str, str]
    features: Sequence[Feature] = ()
    warnings: tuple[str, ...] = ()


class Writer(Protocol):
    """One format."""

    def add(self, item: Item) -> None:
        """Write one image, or one row of a table."""

    def close(self) -> Loading:
        """Finish all files; nothing is added after that."""
