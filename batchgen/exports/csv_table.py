"""`--to csv`: the table alone, every cell as the ledger has it."""

from __future__ import annotations

from batchgen.exports.table_text import CsvFile
from batchgen.exports.writer import Item, Loading, Shape

NAME = "table.csv"
SPLIT = "split"


class CsvTable:
    """Writes one CSV file."""

    def __init__(self, shape: Shape) -> None:
        """Create the file."""
        self._is_split = shape.is_split
        own = (SPLIT,) if shape.is_split else ()
        names = (*own, *(column.name for column in shape.columns))
        self._file = CsvFile(shape.folder / NAME, names)

    def add(self, item: Item) -> None:
        """Write one row."""
        self._file.add({SPLIT: item.split, **item.row} if self._is_split else item.row)

    def close(self) -> Loading:
        """Close the file."""
        self._file.close()
        return Loading(data_files={"train": NAME})
