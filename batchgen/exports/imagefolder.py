"""`--to imagefolder`: images in folders, and a table of them, as Hugging Face `datasets` loads it.

::

    portraits/
    ├── README.md               the card: where the splits are, and what is in them
    └── train/
        ├── metadata.jsonl      one row an image, `file_name` first
        └── 00000/              at most 5,000 images

Source:
    https://huggingface.co/docs/datasets/image_dataset#imagefolder
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from batchgen.exports.columns import Column, Kind, Row
from batchgen.exports.features import IMAGE, features_of
from batchgen.exports.guesses import Guesses
from batchgen.exports.table_text import CsvFile, JsonLinesFile
from batchgen.exports.writer import Item, Loading, Shape

# The hub takes no folder of more than 10,000 files.
MOST_IN_FOLDER = 5_000

FILE_NAME = "file_name"


class MetadataFile(Protocol):
    """A table of the images of one split."""

    def add(self, row: Row) -> None:
        """Write one row."""

    def close(self) -> None:
        """Finish the file."""


MakeFile = Callable[[Path, tuple[Column, ...]], MetadataFile]


def make_csv(path: Path, columns: tuple[Column, ...]) -> MetadataFile:
    """Create a table in CSV."""
    return CsvFile(path, tuple(column.name for column in columns))


def make_jsonl(path: Path, columns: tuple[Column, ...]) -> MetadataFile:
    """Create a table in JSON Lines."""
    return JsonLinesFile(path, tuple(column.name for column in columns))


class ImageFolder:
    """Writes folders of images with their metadata."""

    def __init__(self, shape: Shape, *, ending: str, make: MakeFile) -> None:
        """Write nothing yet: a split that gets no image has no folder.

        Args:
            shape: What is written.
            ending: Of the metadata: `csv`, `jsonl` or `parquet`.
            make: Creates such a file.
        """
        self._shape = shape
        self._ending = ending
        self._make = make
        file_name = Column(name=FILE_NAME, kind=Kind.TEXT, source=FILE_NAME)
        self._columns = (file_name, *shape.columns)
        self._files: dict[str, MetadataFile] = {}
        self._counts: Counter[str] = Counter()
        self._guesses = Guesses(shape.columns, is_json=ending == "jsonl")

    def add(self, item: Item) -> None:
        """Write an image and its row."""
        if item.picture is None:
            return
        folder = f"{self._counts[item.split] // MOST_IN_FOLDER:05}"
        file = f"{folder}/{item.name}.{item.picture.extension}"
        target = self._shape.folder / item.split / file
        if self._counts[item.split] % MOST_IN_FOLDER == 0:
            target.parent.mkdir(parents=True)
        item.picture.place(target, is_linked=self._shape.is_linked)
        self._file_of(item.split).add({FILE_NAME: file, **item.row})
        self._counts[item.split] += 1
        if self._ending != "parquet":
            self._guesses.note(item.split, item.row)

    def close(self) -> Loading:
        """Finish the tables."""
        for file in self._files.values():
            file.close()
        splits = [name for name in self._shape.splits if name in self._files]
        return Loading(
            data_files={name: f"{name}/**" for name in splits},
            features=(IMAGE, *features_of(self._shape.columns))
            if self._ending == "parquet"
            else (),
            warnings=self._guesses.warnings(),
        )

    def _file_of(self, split: str) -> MetadataFile:
        if split not in self._files:
            path = self._shape.folder / split / f"metadata.{self._ending}"
            self._files[split] = self._make(path, self._columns)
        return self._files[split]
