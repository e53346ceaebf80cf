"""What a format can hold at the most, said before anything is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from batchgen.errors import ExportError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a format can hold.

    Attributes:
        holder: What has these limits, as people call it.
        rows: The most rows, without the header.
        units: The longest text of a cell, in units of UTF-16.
    """

    holder: str
    rows: int
    units: int

    def check_rows(self, rows: int) -> None:
        """Return if so many rows fit.

        Raises:
            ExportError: They do not.
        """
        if rows > self.rows:
            raise ExportError(
                f"{self.holder} takes {self.rows:,} rows and a header, and there are more. "
                "Nothing was written.\n"
                "  Export a part of it with --where AXIS=VALUE, or all of it with --to csv."
            )

    def check_text(self, text: str, *, row: int, column: str) -> None:
        """Return if a text fits into a cell.

        Args:
            text: The text.
            row: Its row, counted from 1.
            column: Its column.

        Raises:
            ExportError: It does not.
        """
        # Only a character in the upper planes is longer there than here.
        if len(text) * 2 > self.units and len(text.encode("utf-16-le", "replace")) > 2 * self.units:
            raise ExportError(
                f"row {row:,}: {column} has {len(text):,} characters, and a cell of {self.holder} "
                f"takes {self.units:,}. Nothing was written.\n"
                "  --to csv has no such limit."
            )


# Source: "Excel specifications and limits", support.microsoft.com.
XLSX = Limits(holder="Excel", rows=1_048_575, units=32_767)
