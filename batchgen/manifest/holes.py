"""The holes in a block's grid: what exclusions remove, and what uneven cells lack.

A block's dimensions are its rows, one for each parameter of which a cell means several values,
and its axes. A hole is a box in them: some values of some dimensions. An exclusion that names
a column whose cells mean several values is a box for each place in a cell: the first value of
these rows, the second of those. Rows whose cells mean fewer values than others have holes
behind their last value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import product
from operator import and_, or_
from typing import TypeAlias

from batchgen.grid import Dimension
from batchgen.job import Json
from batchgen.manifest.axes import Axis
from batchgen.manifest.reading import Spot
from batchgen.manifest.rows import Rows
from batchgen.manifest.tables import Row
from batchgen.scalar import print_scalar

# A name, and the keys below it: `("animal", "name")`.
Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One name of an exclusion and the values that it means, as they print."""

    path: Path
    wanted: frozenset[str]
    spot: Spot


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """An entry of `exclude:` and its boxes, as a bit set."""

    spot: Spot
    terms: Sequence[Term]
    boxes: int


@dataclass(slots=True)
class _Side:
    """The boxes that name a thing, and which of them a value of it, as it prints, is in."""

    named: int = 0
    inside: dict[str, int] = field(default_factory=dict)

    def add(self, box: int, wanted: frozenset[str]) -> None:
        self.named |= box
        for shown in wanted:
            self.inside[shown] = self.inside.get(shown, 0) | box

    def meets(self, shown: str | None) -> int:
        """Return the boxes that a value may be in, as a bit set."""
        return ~self.named | (0 if shown is None else self.inside.get(shown, 0))


class Holes:
    """The holes in a block's grid, and the dimensions that know of them.

    Attributes:
        count: How many boxes there are.
        uneven: How many of these, the first, stand for what uneven cells lack.
        exclusions: The entries that were added.
    """

    def __init__(self, *, rows: Rows | None, axes: Sequence[Axis]) -> None:
        """Make the holes that uneven cells have."""
        self.count = 0
        self.exclusions: list[Exclusion] = []
        self._rows = rows
        self._axes = axes
        self._sides: dict[Path, _Side] = {}
        # For each parameter with several values in a cell, a side for each place in it.
        self._places = {n: [_Side() for _ in range(most)] for n, most in self._several}
        # … and how many values a row has → the box behind them.
        self._behind = {
            n: {length: self._box() for length in range(1, len(places))}
            for n, places in self._places.items()
        }
        self.uneven = self.count

    def exclude(self, spot: Spot, terms: Sequence[Term]) -> None:
        """Remove what agrees with all terms."""
        numbers = {term: number for term in terms if (number := self._number(term)) is not None}
        before = self.count
        for places in product(*(range(len(self._places[n])) for n in numbers.values())):
            box = self._box()
            chosen = dict(zip(numbers, places, strict=True))
            for term in terms:
                if term in chosen:
                    self._places[numbers[term]][chosen[term]].add(box, term.wanted)
                else:
                    self._sides.setdefault(term.path, _Side()).add(box, term.wanted)
        boxes = (1 << self.count) - (1 << before)
        self.exclusions.append(Exclusion(spot=spot, terms=terms, boxes=boxes))

    def dimensions(self) -> list[Dimension]:
        """Return rows, places in cells, and axes, as a grid needs them."""
        places = [
            Dimension.of(self._place_meets(number, place) for place in range(len(sides)))
            for number, sides in self._places.items()
        ]
        axes = [Dimension.of(self._axis_meets(axis)) for axis in self._axes]
        return [*self._row_dimension(), *places, *axes]

    def idle(self, dimensions: Sequence[Dimension]) -> list[Exclusion]:
        """Return the exclusions that remove nothing."""
        possible = reduce(and_, (reduce(or_, found.meets, 0) for found in dimensions), -1)
        return [entry for entry in self.exclusions if not entry.boxes & possible]

    @property
    def _several(self) -> Iterator[tuple[int, int]]:
        """Yield the parameters of which a cell means several values: the number, and how many."""
        if self._rows:
            yield from ((number, self._rows.most[number]) for number in self._rows.several)

    def _box(self) -> int:
        self.count += 1
        return 1 << (self.count - 1)

    def _number(self, term: Term) -> int | None:
        """Return which of the parameters with several values in a cell a term names, if any."""
        for number, _ in self._several:
            if self._rows and self._rows.parameters[number].path == term.path:
                return number
        return None

    def _row_dimension(self) -> Iterator[Dimension]:
        if self._rows is None:
            return
        axes = {axis.name for axis in self._axes}
        sides = [(path, side) for path, side in self._sides.items() if path[0] not in axes]
        if sides or self._places:
            yield Dimension.of(self._row_meets(row, sides) for row in self._rows)
        else:
            yield Dimension.of_size(len(self._rows))

    def _row_meets(self, row: Row, sides: Sequence[tuple[Path, _Side]]) -> int:
        meets = -1
        for path, side in sides:
            meets &= side.meets(printed(value_at(path, row.cells)))
        for number, places in self._places.items():
            shown = self._shown(number, row)
            inside = (side.inside.get(text, 0) for side, text in zip(places, shown, strict=False))
            named = sum(side.named for side in places)
            meets &= ~named | reduce(or_, inside, 0)
            behind = self._behind[number]
            meets &= ~sum(behind.values()) | behind.get(len(shown), 0)
        return meets

    def _shown(self, number: int, row: Row) -> list[str]:
        """Return the values that a cell means, as they print; an empty cell is one of them."""
        column = self._rows.parameters[number] if self._rows else None
        options = column.options(column.cell(row.cells)) if column else ()
        return [printed(option.written) or "" for option in options] or [""]

    def _place_meets(self, number: int, place: int) -> int:
        places = self._places[number]
        elsewhere = sum(side.named for side in places) & ~places[place].named
        behind = self._behind[number]
        within = sum(box for length, box in behind.items() if place < length)
        return ~elsewhere & ~within

    def _axis_meets(self, axis: Axis) -> Iterator[int]:
        sides = [(path, side) for path, side in self._sides.items() if path[0] == axis.name]
        for value in axis.values:
            shown = (
                side.meets(printed(value_at(path, {axis.name: value}))) for path, side in sides
            )
            yield reduce(and_, shown, -1)


def value_at(path: Path, named: Mapping[str, Json]) -> Json:
    """Return the value at a path, or None if there is none."""
    value: Json = dict(named)
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return None
        value = value[step]
    return value


def printed(value: Json) -> str | None:
    """Return a value as exclusions compare it: as it prints; None for none."""
    if value is None:
        return None
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return print_scalar(value)
