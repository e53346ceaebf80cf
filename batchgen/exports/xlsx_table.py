"""`--to xlsx`: the table for a spreadsheet, where text stays the text that it is.

A ratio stays `16:9` and no time of day, `007` stays `007`, a prompt that begins with `=` is no
formula: such cells are text, and stay text when somebody edits them.

Source:
    https://support.microsoft.com/office/excel-specifications-and-limits-1672b34d-7043-467e-8e27-269d656771c3
"""

from __future__ import annotations

import xlsxwriter
from xlsxwriter.exceptions import XlsxFileError

from batchgen.errors import ExportError
from batchgen.exports.columns import Column, Kind, Value
from batchgen.exports.limits import XLSX
from batchgen.exports.writer import Item, Loading, Shape

NAME = "table.xlsx"
SPLIT = "split"

_WIDTHS = {"prompt": 60, "job_id": 20, "file": 30, "seed": 12}
_WIDTH = 14


class XlsxTable:
    """Writes one workbook with one sheet; rows go to the disk as they come."""

    def __init__(self, shape: Shape) -> None:
        """Create the workbook with its header."""
        self._columns = shape.columns
        if shape.is_split:
            split = Column(name=SPLIT, kind=Kind.TEXT, source=SPLIT)
            self._columns = (split, *shape.columns)
        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "tmpdir": str(shape.folder),
        }
        self._book = xlsxwriter.Workbook(str(shape.folder / NAME), options)
        self._sheet = self._book.add_worksheet("images")
        self._text = self._book.add_format({"num_format": "@", "quote_prefix": True})
        self._rows = 0
        self._begin()

    def add(self, item: Item) -> None:
        """Write one row."""
        self._rows += 1
        XLSX.check_rows(self._rows)
        row = {SPLIT: item.split, **item.row}
        for place, column in enumerate(self._columns):
            self._write(place, column, row[column.name])

    def close(self) -> Loading:
        """Write the workbook to its place."""
        last = len(self._columns) - 1
        self._sheet.autofilter(0, 0, self._rows, last)
        try:
            self._book.close()
        except XlsxFileError as error:
            raise ExportError(f"the workbook cannot be written: {error}") from (
                error.args[0] if error.args and isinstance(error.args[0], OSError) else error
            )
        return Loading(data_files={})

    def _begin(self) -> None:
        bold = self._book.add_format({"bold": True, "num_format": "@"})
        for place, column in enumerate(self._columns):
            self._sheet.set_column(place, place, _WIDTHS.get(column.name, _WIDTH))
            self._sheet.write_string(0, place, _storable(column.name), bold)
        self._sheet.freeze_panes(1, 0)
        # Digits are meant to be text here; no cell needs a green corner for that.
        self._sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})

    def _write(self, place: int, column: Column, value: Value) -> None:
        match value:
            case None | "":
                return
            case bool():
                self._sheet.write_boolean(self._rows, place, value)
            case int() | float():
                self._sheet.write_number(self._rows, place, value)
            case str():
                XLSX.check_text(value, row=self._rows, column=column.name)
                self._sheet.write_string(self._rows, place, _storable(value), self._text)


def _storable(text: str) -> str:
    """Return a text that XML can hold: half a character is none."""
    return text.encode(errors="replace").decode()
