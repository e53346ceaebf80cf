"""`--to parquet`: images and their columns in one table, as Hugging Face `datasets` has them.

::

    portraits/
    ├── README.md
    └── data/train-00000-of-00002.parquet

Row groups are small, so that a loader that streams has its first images soon and holds few.
"""

from __future__ import annotations

from batchgen.exports.features import IMAGE, features_of
from batchgen.exports.parquet_table import ParquetFile, schema_of, times_of
from batchgen.exports.shards import Shards
from batchgen.exports.writer import Item, Loading, Shape

# The most images, and bytes of them, in one row group.
GROUP_IMAGES = 100
GROUP_BYTES = 32 * 1024 * 1024

_FOLDER = "data"


class ParquetImages:
    """Writes shards of rows with images."""

    def __init__(self, shape: Shape, *, shard_images: int, shard_bytes: int) -> None:
        """Open nothing yet.

        Args:
            shape: What is written.
            shard_images: The most images in a file.
            shard_bytes: The size at which a file is full, in bytes.
        """
        self._shape = shape
        self._schema = schema_of(shape.columns, with_image=True)
        self._shards = Shards(
            shape.folder / _FOLDER,
            ending="parquet",
            make=lambda path: _Shard(
                ParquetFile(path, self._schema, times=times_of(shape.columns))
            ),
            most_images=shard_images,
            most_bytes=shard_bytes,
        )

    def add(self, item: Item) -> None:
        """Write an image and its row."""
        if item.picture is None:
            return
        data = item.picture.read()
        shard = self._shards.shard_for(item.split, adding=len(data))
        shard.add(item, data)

    def close(self) -> Loading:
        """Finish the files, and name them by how many there are."""
        counts = self._shards.close()
        splits = [name for name in self._shape.splits if name in counts]
        return Loading(
            data_files={name: f"{_FOLDER}/{name}-*" for name in splits},
            features=(IMAGE, *features_of(self._shape.columns)),
        )


class _Shard:
    """One file, and how large its last row group has become."""

    def __init__(self, file: ParquetFile) -> None:
        self._file = file
        self._images = 0
        self._bytes = 0

    def add(self, item: Item, data: bytes) -> None:
        picture = item.picture
        path = f"{item.name}.{picture.extension}" if picture is not None else item.name
        self._file.add(item.row, image={"bytes": data, "path": path})
        self._images += 1
        self._bytes += len(data)
        if self._images >= GROUP_IMAGES or self._bytes >= GROUP_BYTES:
            self._file.end_group()
            self._images = self._bytes = 0

    def close(self) -> None:
        self._file.close()
