"""The rows that an export begins with: read as often as needed, and the same each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from batchgen.errors import UsageError
from batchgen.exports.columns import find_column
from batchgen.exports.options import ExportOptions
from batchgen.exports.selection import Selection, parse_where
from batchgen.exports.source import Source
from batchgen.exports.splits import Grouping, take_grouping
from batchgen.manifest import Manifest
from batchgen.scalar import listed

# So many values of a column are kept, to be named where one that was asked for is not among them.
MOST_KEPT = 1_000


class Intake:
    """The rows of a ledger that are asked for.

    Attributes:
        source: The ledger.
        selection: Which of its rows are asked for.
        only_picked: Whether images were picked, so that no other is wanted.
        grouping: What stays in one split.
        rows: Rows that are exported, unless their images say otherwise; 0 until they are counted.
    """

    def __init__(self, source: Source, options: ExportOptions, manifest: Manifest) -> None:
        """Read what is asked for.

        Args:
            source: The ledger.
            options: What is wanted of it.
            manifest: The batch's, as it is now.

        Raises:
            UsageError: An option names a column that is not there.
        """
        self.source = source
        self.selection = Selection(
            statuses=options.statuses,
            where=parse_where(options.where, columns=source.columns),
            picks=options.picks,
        )
        self.only_picked = self.selection.has_picked
        self._limits = options.format.limits
        self._unmet = {
            name: dict.fromkeys(sorted(values)) for name, values in self.selection.where.items()
        }
        self.rows = 0
        self.grouping = take_grouping(source.columns, manifest)
        if options.group_by:
            self.grouping = Grouping(
                columns=tuple(
                    find_column(name, source.columns, option="--group-by")
                    for name in options.group_by
                )
            )

    def records(self) -> Iterator[dict[str, str]]:
        """Yield the rows that are asked for: column → cell."""
        for row in self.source:
            if self.selection.takes(row.record, only_picked=self.only_picked):
                yield row.record

    def count(self, watch: Callable[[int], None]) -> None:
        """Read all rows once.

        Args:
            watch: Told how many were read.

        Raises:
            UsageError: There is none.
            ExportError: They do not fit into the format.
        """
        limits = self._limits
        for row in self.source:
            record = row.record
            self.note(record)
            if not self.selection.takes(record, only_picked=self.only_picked):
                continue
            self.rows += 1
            watch(self.rows)
            if limits is not None:
                limits.check_rows(self.rows)
                for name, text in record.items():
                    limits.check_text(text, row=self.rows, column=name)
        if not self.rows:
            raise UsageError(self._nothing())

    def note(self, record: Mapping[str, str]) -> None:
        """Take note of which values that were asked for there are.

        Args:
            record: Column → cell, of a row or of an image that is missing.
        """
        for name, values in self._unmet.items():
            values.pop(record.get(name, ""), None)

    def unmet(self) -> Iterator[str]:
        """Yield what was asked for by `--where` and nothing has, as far as it was looked for."""
        for name, values in self._unmet.items():
            for value in values:
                yield f"--where {name}={value} takes nothing: no row has that"

    def _nothing(self) -> str:
        """Return why there is nothing to export."""
        for name, wanted in self.selection.where.items():
            there = self._values_of(name)
            if not wanted & there.keys():
                some = listed(value or "(empty)" for value in there)
                return f"--where {name}={min(wanted)}: no row has that.\n  There are: {some}"
        if self.only_picked:
            return "--picks: none of the picked images is among those that would be exported."
        statuses = " or ".join(sorted(self.selection.statuses))
        return f"there is nothing to export: no row that is asked for is {statuses}."

    def _values_of(self, name: str) -> dict[str, None]:
        found: dict[str, None] = {}
        for row in self.source:
            found[row.record[name]] = None
            if len(found) >= MOST_KEPT:
                break
        return found
