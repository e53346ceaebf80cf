"""`--to webdataset`: shards of images, each with its columns and its caption beside it.

::

    portraits/
    ├── README.md
    └── data/train-00000-of-00002.tar
            kzmxlwvqpronstuy-0.png
            kzmxlwvqpronstuy-0.json     the columns
            kzmxlwvqpronstuy-0.txt      the caption

Source:
    https://github.com/webdataset/webdataset#the-webdataset-format: the files of one sample share
    their name up to the first dot and follow each other.
"""

from __future__ import annotations

import json
import tarfile
from io import BytesIO
from pathlib import Path

from batchgen.exports.columns import Column, Kind
from batchgen.exports.features import DTYPES, Feature
from batchgen.exports.shards import Shards
from batchgen.exports.writer import Item, Loading, Shape

_FOLDER = "data"


class WebDataset:
    """Writes shards of images."""

    def __init__(self, shape: Shape, *, shard_images: int, shard_bytes: int) -> None:
        """Open nothing yet.

        Args:
            shape: What is written.
            shard_images: The most images in a shard.
            shard_bytes: The size at which a shard is full, in bytes.
        """
        self._shape = shape
        self._extensions: dict[str, None] = {}
        self._shards = Shards(
            shape.folder / _FOLDER,
            ending="tar",
            make=_Shard,
            most_images=shard_images,
            most_bytes=shard_bytes,
        )

    def add(self, item: Item) -> None:
        """Write an image, its columns and its caption."""
        if item.picture is None:
            return
        data = item.picture.read()
        extension = item.picture.extension
        self._extensions[extension] = None
        shard = self._shards.shard_for(item.split, adding=len(data))
        shard.add(f"{item.name}.{extension}", data)
        shard.add(f"{item.name}.json", json.dumps(item.row, ensure_ascii=False).encode())
        shard.add(f"{item.name}.txt", item.caption.encode(errors="replace"))

    def close(self) -> Loading:
        """Finish the shards, and name them by how many there are."""
        counts = self._shards.close()
        splits = [name for name in self._shape.splits if name in counts]
        return Loading(
            data_files={name: f"{_FOLDER}/{name}-*" for name in splits},
            features=(
                *((extension, "image") for extension in self._extensions),
                ("json", _struct(self._shape.columns)),
                ("txt", "string"),
                ("__key__", "string"),
                ("__url__", "string"),
            ),
        )


def _struct(columns: tuple[Column, ...]) -> list[Feature]:
    """Return the types of the columns in JSON, which knows no times."""
    return [
        (column.name, DTYPES[Kind.TEXT if column.kind is Kind.TIME else column.kind])
        for column in columns
    ]


class _Shard:
    """One tar; the same images make the same bytes."""

    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - closed by `close`

    def add(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        self._tar.addfile(member, BytesIO(data))

    def close(self) -> None:
        self._tar.close()
