"""Axes, their product, and the holes in it, without ever laying it out.

A grid knows nothing of values: a dimension has so many of them, counted from 0, and a
combination is one number for each dimension. Holes are exclusions, and each is a box: some of
the values in some of the dimensions. Values of a dimension that leave the same exclusions
possible are of one kind, and kinds are all that counting has to look at::

    style    0 1 2 3 | 4        4 is ukiyo-e, which an exclusion names
    ratio    0 2 3 | 1          1 is 16:9, which it names too

    (4 + 1) styles × (3 + 1) ratios − 1 × 1 = 19

So a grid is a small graph: a node for each depth and each set of exclusions that are still
possible there, a branch for each kind. Counting sums over the graph, and finding the n-th
combination walks down one path of it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, product
from typing import TypeAlias

Combination: TypeAlias = tuple[int, ...]

# Four bytes a value at least, on every system.
_NUMBERS = "L"


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One axis as a grid sees it.

    Attributes:
        members: For each kind its values, counted from 0 in the axis, ascending.
        meets: For each kind the exclusions that its values leave possible, as a bit set;
            -1 for all of them.
    """

    members: tuple[Sequence[int], ...]
    meets: tuple[int, ...] = (-1,)

    @classmethod
    def of_size(cls, size: int) -> Dimension:
        """Return a dimension that no exclusion names."""
        return cls(members=(range(size),))

    @classmethod
    def of(cls, meets: Iterable[int]) -> Dimension:
        """Return a dimension from the exclusions that each of its values leaves possible."""
        members: dict[int, array[int]] = {}
        for value, mask in enumerate(meets):
            members.setdefault(mask, array(_NUMBERS)).append(value)
        if len(members) == 1:
            [(mask, values)] = members.items()
            return cls(members=(range(len(values)),), meets=(mask,))
        return cls(members=tuple(members.values()), meets=tuple(members))

    @cached_property
    def size(self) -> int:
        """How many values it has."""
        return sum(map(len, self.members))

    @cached_property
    def ordered(self) -> Sequence[int]:
        """All its values, ascending."""
        if len(self.members) == 1:
            return self.members[0]
        return array(_NUMBERS, sorted(value for values in self.members for value in values))

    def kind(self, value: int) -> int:
        """Return the kind of one of its values."""
        return self._kinds[value] if len(self.members) > 1 else 0

    def only(self, keep: Container[int]) -> Dimension:
        """Return the dimension with some of its values, which keep their numbers."""
        pairs = [
            (array(_NUMBERS, (value for value in values if value in keep)), mask)
            for values, mask in zip(self.members, self.meets, strict=True)
        ]
        kept = [(values, mask) for values, mask in pairs if values]
        return Dimension(
            members=tuple(values for values, _ in kept), meets=tuple(mask for _, mask in kept)
        )

    @cached_property
    def _kinds(self) -> Sequence[int]:
        last = max((values[-1] for values in self.members), default=-1)
        kinds = array(_NUMBERS, bytes(array(_NUMBERS).itemsize * (last + 1)))
        for kind, values in enumerate(self.members):
            for value in values:
                kinds[value] = kind
        return kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Where a walk through a grid stands: a depth, and the exclusions that are still possible.

    Attributes:
        branches: For each kind of value, the kind's number in its dimension, the values, and
            the node below; kinds below which nothing is left are not among them.
        ends: How many combinations there are up to the end of each branch.
    """

    branches: tuple[tuple[int, Sequence[int], Node | None], ...]
    ends: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many combinations there are below."""
        return self.ends[-1] if self.ends else 0


class Grid:
    """The combinations of some dimensions, without those that an exclusion removes."""

    def __init__(self, dimensions: Sequence[Dimension], *, exclusions: int = 0) -> None:
        """Make a grid.

        Args:
            dimensions: The axes; the last one varies fastest.
            exclusions: How many there are. An exclusion removes a combination if every one
                of its values leaves it possible.
        """
        self.dimensions = tuple(dimensions)
        self._all = (1 << exclusions) - 1
        self._nodes: dict[tuple[int, int], Node] = {}

    def __repr__(self) -> str:
        sizes = " × ".join(map(str, self.lengths))
        return f"<Grid {sizes or 'of one'}, {self.count} combinations>"

    def __iter__(self) -> Iterator[Combination]:
        """Yield every combination in order; the last dimension varies fastest."""
        return self._walk(0, self._all, ())

    def __contains__(self, combination: Combination) -> bool:
        possible = self._all
        for dimension, value in zip(self.dimensions, combination, strict=True):
            possible &= dimension.meets[dimension.kind(value)]
        return not possible

    @property
    def count(self) -> int:
        """How many combinations there are. By arithmetic; nothing is expanded."""
        return self._count(0, self._all)

    @property
    def lengths(self) -> tuple[int, ...]:
        """How many values each dimension has."""
        return tuple(dimension.size for dimension in self.dimensions)

    @property
    def root(self) -> Node:
        """The node above the first dimension; a grid without dimensions has none."""
        return self._node(0, self._all)

    def within(self, first: int) -> Iterator[Combination]:
        """Yield, in order, what stands beside a value of the first dimension."""
        dimension = self.dimensions[0]
        return self._walk(1, self._all & dimension.meets[dimension.kind(first)], ())

    def at(self, rank: int) -> Combination:
        """Return one combination by its rank, `0 ≤ rank < count`.

        Each has one rank. Ranks go by kinds, so they are in order only where no exclusion
        names a dimension.
        """
        if not 0 <= rank < self.count:
            raise IndexError(f"rank {rank} of {self.count}")
        values = []
        node = self.root if self.dimensions else None
        while node is not None:
            branch = bisect_right(node.ends, rank)
            rank -= node.ends[branch - 1] if branch else 0
            _, members, below = node.branches[branch]
            place, rank = divmod(rank, below.count if below else 1)
            values.append(members[place])
            node = below
        return tuple(values)

    def restricted(self, keep: Mapping[int, Container[int]]) -> Grid:
        """Return the grid with only some of the values of some dimensions.

        Args:
            keep: The number of a dimension → those of its values that stay.
        """
        grid = Grid([d.only(keep[n]) if n in keep else d for n, d in enumerate(self.dimensions)])
        grid._all = self._all
        return grid

    def _count(self, depth: int, possible: int) -> int:
        if depth == len(self.dimensions):
            return 0 if possible else 1
        return self._node(depth, possible).count

    def _node(self, depth: int, possible: int) -> Node:
        node = self._nodes.get((depth, possible))
        if node is None:
            node = self._nodes[depth, possible] = self._make_node(depth, possible)
        return node

    def _make_node(self, depth: int, possible: int) -> Node:
        dimension = self.dimensions[depth]
        last = depth + 1 == len(self.dimensions)
        branches = []
        counts = []
        for kind, (members, mask) in enumerate(
            zip(dimension.members, dimension.meets, strict=True)
        ):
            if count := self._count(depth + 1, possible & mask) * len(members):
                below = None if last else self._node(depth + 1, possible & mask)
                branches.append((kind, members, below))
                counts.append(count)
        return Node(branches=tuple(branches), ends=tuple(accumulate(counts)))

    def _walk(self, depth: int, possible: int, before: Combination) -> Iterator[Combination]:
        if depth == len(self.dimensions):
            if not possible:
                yield before
            return
        dimension = self.dimensions[depth]
        if not possible:
            # The first of them by hand: product() would lay it out, and it may be long.
            inner = [below.ordered for below in self.dimensions[depth + 1 :]]
            for value in dimension.ordered:
                head = (*before, value)
                for rest in product(*inner):
                    yield head + rest
            return
        for value in dimension.ordered:
            below = possible & dimension.meets[dimension.kind(value)]
            if self._count(depth + 1, below):
                yield from self._walk(depth + 1, below, (*before, value))
