"""`--to files` and `--to captions`: the images by their names, each with its text beside it."""

from __future__ import annotations

from batchgen.exports.table_text import CsvFile
from batchgen.exports.writer import Item, Loading, Shape

TABLE = "table.csv"
FILE_NAME = "file_name"


class ImageFiles:
    """Writes images, and a table that says what each one is."""

    def __init__(self, shape: Shape, *, has_captions: bool) -> None:
        """Create the table.

        Args:
            shape: What is written.
            has_captions: Whether each image gets a text file of its own name beside it.
        """
        self._shape = shape
        self._has_captions = has_captions
        names = (FILE_NAME, *(column.name for column in shape.columns))
        self._table = CsvFile(shape.folder / TABLE, names)

    def add(self, item: Item) -> None:
        """Write an image, its text and its row."""
        if item.picture is None:
            return
        file = f"{item.split}/{item.file}" if self._shape.is_split else item.file
        target = self._shape.folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        item.picture.place(target, is_linked=self._shape.is_linked)
        if self._has_captions:
            text = target.with_name(f"{target.name.removesuffix(target.suffix)}.txt")
            text.write_text(item.caption, encoding="utf-8", errors="replace", newline="")
        self._table.add({FILE_NAME: file, **item.row})

    def close(self) -> Loading:
        """Close the table."""
        self._table.close()
        return Loading(data_files={})
