"""Combinations of rows with something else: with the values of axes, or with included entries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol, TypeAlias

from batchgen.grid import Combination, Grid
from batchgen.manifest.rows import Rows
from batchgen.manifest.tables import Row
from batchgen.manifest.values import Value

# One job's values: of the row, if there are rows, then of each axis.
Values: TypeAlias = tuple[Value, ...]


class AxisLike(Protocol):
    """An axis, or included entries: what a value adds to a job, by its number."""

    def __len__(self) -> int: ...

    def value(self, number: int) -> Value: ...  # noqa: D102 - said above


@dataclass(frozen=True, slots=True)
class Entries:
    """Included entries, of which each stands for a value of every axis."""

    values: Sequence[Value]

    def __len__(self) -> int:
        return len(self.values)

    def value(self, number: int) -> Value:
        """Return what one entry adds to a job, by its number from 0."""
        return self.values[number]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Combinations of rows with something else, each with some takes.

    Attributes:
        rows: The rows, or None.
        axes: What they are combined with; the last one varies fastest.
        grid: Rows, places in cells, axes; without what is excluded.
        repeat: How many takes each combination has, where its row does not say.
    """

    rows: Rows | None
    axes: Sequence[AxisLike]
    grid: Grid
    repeat: int

    @property
    def most_takes(self) -> int:
        """The most takes that a combination has."""
        return max(self._takes, default=self.repeat)

    def count(self) -> int:
        """Return how many jobs there are, by arithmetic."""
        if not self._takes:
            return self.grid.count * self.repeat
        return sum(
            self.grid.restricted({0: _RowsWith(self._takes, takes, takes)}).count * takes
            for takes in set(self._takes)
        )

    def in_take(self, take: int) -> Grid:
        """Return the combinations that have a take of that number, from 0."""
        if self._takes and take >= min(self._takes):
            return self.grid.restricted({0: _RowsWith(self._takes, take + 1, self.most_takes)})
        return self.grid if self._takes or take < self.repeat else Grid([], exclusions=1)

    def walk(self, take: int) -> Iterator[Values]:
        """Yield the values of every job of a take, in order."""
        if self.rows is None:
            if take < self.repeat:
                yield from map(self.at, self.grid)
            return
        for number, row in enumerate(self.rows):
            if take < (self._takes[number] if self._takes else self.repeat):
                yield from self._beside(row, self.grid.within(number))

    def pick(self, combinations: Iterable[Combination]) -> Iterator[Values]:
        """Yield the values of some combinations, which are in order; rows are streamed."""
        if self.rows is None:
            yield from map(self.at, combinations)
            return
        rows = enumerate(self.rows)
        for wanted, group in groupby(combinations, key=lambda combination: combination[0]):
            row = next(row for number, row in rows if number == wanted)
            yield from self._beside(row, (combination[1:] for combination in group))

    def at(self, combination: Combination) -> Values:
        """Return the values of any combination."""
        if self.rows is None:
            return self._of_axes(combination)
        row = self.rows.at(combination[0])
        return next(self._beside(row, [combination[1:]]))

    @property
    def _takes(self) -> Sequence[int]:
        return self.rows.takes if self.rows else ()

    def _beside(self, row: Row, rests: Iterable[Combination]) -> Iterator[Values]:
        """Yield the values of a row with what stands beside it."""
        rows = self.rows
        if rows is None:  # never: the callers have rows
            return
        places = len(rows.several)
        for chosen, group in groupby(rests, key=lambda rest: rest[:places]):
            value = rows.value(row, chosen)
            for rest in group:
                yield (value, *self._of_axes(rest[places:]))

    def _of_axes(self, numbers: Combination) -> Values:
        return tuple([axis.value(n) for axis, n in zip(self.axes, numbers, strict=True)])


@dataclass(frozen=True, slots=True)
class _RowsWith:
    """The rows that have between `least` and `most` takes, by number."""

    takes: Sequence[int]
    least: int
    most: int

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.least <= self.takes[number] <= self.most
