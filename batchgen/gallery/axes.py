"""Which columns a page can be laid out and filtered by, and the values of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from batchgen.gallery.item import Header, Item
from batchgen.ledger import variable_column
from batchgen.manifest import Manifest

# A column with more values is text to search in, not an axis to choose from.
MOST_VALUES = 5_000

# Fixed columns that may tell items apart. The seed of every job is another one: it is searched.
FIXED = ("prompt", "endpoint", "repeat")


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A column that takes several values.

    Attributes:
        column: Its name in the ledger.
        name: What it is called on the page.
        codes: Its values, each with its number from 0, in the manifest's order.
    """

    column: str
    name: str
    codes: Mapping[str, int]

    @property
    def values(self) -> list[str]:
        """The values, in order."""
        return list(self.codes)


@dataclass(slots=True)
class Axes:
    """Finds out which values the columns take, one item after the other."""

    header: Header
    _seen: dict[str, dict[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = (*self.header.variables, *self.header.parameters, *FIXED)
        self._seen = {name: {} for name in names if name in self.header.place}

    def expect(self, manifest: Manifest) -> None:
        """Take the values of a manifest's axes first, in the order in which they are written."""
        for block in manifest.blocks:
            for axis in block.axes:
                self._expect(axis.name, axis.values)

    def add(self, item: Item) -> None:
        """Take one item's values into account."""
        for column, values in self._seen.items():
            value = item[column]
            if value not in values and len(values) <= MOST_VALUES:
                values[value] = len(values)

    def found(self) -> list[Axis]:
        """Return the columns that tell items apart, the manifest's variables first."""
        return [
            Axis(column=column, name=_shown(column), codes=values)
            for column, values in self._seen.items()
            if 1 < len(values) <= MOST_VALUES
        ]

    def constants(self) -> dict[str, str]:
        """Return the columns that have the same value everywhere, and that value."""
        return {
            _shown(column): next(iter(values))
            for column, values in self._seen.items()
            if len(values) == 1 and column in self._named and next(iter(values))
        }

    @property
    def _named(self) -> set[str]:
        return {*self.header.variables, *self.header.parameters, "endpoint"}

    def _expect(self, name: str, values: Iterable[object]) -> None:
        for column in (name, variable_column(name)):
            known = self._seen.get(column)
            if known is None:
                continue
            for value in values:
                if isinstance(value, str) and len(known) < MOST_VALUES:
                    known.setdefault(value, len(known))
            return


def _shown(column: str) -> str:
    return "take" if column == "repeat" else column.removeprefix("var.")
