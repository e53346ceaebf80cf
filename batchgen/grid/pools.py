"""What a sample is chosen from: a whole grid, or the combinations that were drawn from one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from heapq import heappush, heapreplace
from typing import TypeAlias

from batchgen.grid.combinations import Combination, Grid, Node
from batchgen.grid.shuffle import place_in_spread, spread

# What a value adds to a combination: one that nothing has shown is worth more than any number
# of values that are only new to this pool, and such a one more than any balance.
_UNSEEN = 1_000_000
_UNUSED = 1_000

# Of a long list of combinations so many are compared for each that is taken.
_LOOKED_AT = 1_000

# The values from one depth down to the last.
_Path: TypeAlias = "tuple[int, _Path] | None"


class GridPool:
    """All combinations of a grid; values are found by kind, without expansion."""

    def __init__(self, grid: Grid, *, seen: Mapping[int, Collection[int]] | None = None) -> None:
        """Make a pool.

        Args:
            grid: What there is.
            seen: The number of a dimension → values that were shown elsewhere.
        """
        self.grid = grid
        seen = seen or {}
        self._in_how_many = _in_how_many(grid)
        self._supplies = {
            (depth, kind): _Supply(grid.dimensions[depth].members[kind], seen.get(depth, ()))
            for depth, kind in self._in_how_many
        }

    @property
    def count(self) -> int:
        """How many combinations there are."""
        return self.grid.count

    def at(self, rank: int) -> Combination:
        """Return one by its rank."""
        return self.grid.at(rank)

    def scarce(self) -> Iterator[tuple[int, int]]:
        """Yield values that were not used yet, until all are; see `Pool`."""
        order = sorted(self._in_how_many, key=lambda key: (self._in_how_many[key], key))
        for least in (_UNSEEN, _UNUSED):
            for depth, kind in order:
                supply = self._supplies[depth, kind]
                while supply.worth >= least:
                    yield depth, supply.head

    def best(self, fixed: Mapping[int, int]) -> Combination | None:
        """Return the combination with these values that shows most; see `Pool`."""
        if not self.grid.count or not self.grid.dimensions:
            return None
        found = self._best(self.grid.root, 0, fixed, {})
        values = []
        path = found[1] if found else None
        while path is not None:
            values.append(path[0])
            path = path[1]
        return tuple(values) if values else None

    def use(self, combination: Combination) -> None:
        """Remember that a combination of `best` was taken."""
        for depth, value in enumerate(combination):
            self._supplies[depth, self.grid.dimensions[depth].kind(value)].use(value)

    def unseen(self) -> Iterator[tuple[int, int]]:
        """Yield all values that nothing has shown; see `Pool`."""
        for (depth, _), supply in self._supplies.items():
            yield from ((depth, value) for value in supply.unseen())

    def _best(
        self,
        node: Node,
        depth: int,
        fixed: Mapping[int, int],
        known: dict[int, tuple[int, _Path] | None],
    ) -> tuple[int, _Path] | None:
        """Return what the best way down from a node is worth, and its values."""
        if id(node) in known:
            return known[id(node)]
        best: tuple[int, _Path] | None = None
        value = fixed.get(depth)
        wanted = None if value is None else self.grid.dimensions[depth].kind(value)
        for kind, _, below in node.branches:
            if wanted is not None and kind != wanted:
                continue
            supply = self._supplies[depth, kind]
            rest = self._best(below, depth + 1, fixed, known) if below else (0, None)
            if rest is not None and (best is None or best[0] < supply.worth + rest[0]):
                chosen = supply.head if value is None else value
                best = supply.worth + rest[0], (chosen, rest[1])
        known[id(node)] = best
        return best


class ListPool:
    """Combinations that were drawn from a grid, in the order drawn."""

    def __init__(
        self,
        combinations: Sequence[Combination],
        *,
        seen: Mapping[int, Collection[int]] | None = None,
    ) -> None:
        """Make a pool.

        Args:
            combinations: What there is, each once.
            seen: The number of a dimension → values that were shown elsewhere.
        """
        self._combinations = combinations
        self._seen = {n: frozenset(values) for n, values in (seen or {}).items()}
        self._times: Counter[tuple[int, int]] = Counter()
        self._places: dict[tuple[int, int], list[int]] = {}
        for place, combination in enumerate(combinations):
            for shown in enumerate(combination):
                self._places.setdefault(shown, []).append(place)

    @property
    def count(self) -> int:
        """How many combinations there are."""
        return len(self._combinations)

    def at(self, rank: int) -> Combination:
        """Return one by its rank."""
        return self._combinations[rank]

    def scarce(self) -> Iterator[tuple[int, int]]:
        """Yield values that were not used yet, until all are; see `Pool`."""
        sizes: dict[int, int] = {}
        for dimension, value in self._places:
            sizes[dimension] = max(sizes.get(dimension, 0), value + 1)

        def rank(shown: tuple[int, int]) -> tuple[int, int, int]:
            dimension, value = shown
            place = place_in_spread(sizes[dimension], number=value)
            return len(self._places[shown]), dimension, place

        order = sorted(self._places, key=rank)
        for least in (_UNSEEN, _UNUSED):
            for shown in order:
                if self._worth(shown) >= least:
                    yield shown

    def best(self, fixed: Mapping[int, int]) -> Combination | None:
        """Return the combination with these values that shows most; see `Pool`."""
        if not fixed:
            return self._best_of_all()
        places = min((self._places.get(pair, []) for pair in fixed.items()), key=len)
        candidates = (self._combinations[place] for place in places)
        return max(
            (c for c in candidates if all(c[n] == value for n, value in fixed.items())),
            key=self._worth_of,
            default=None,
        )

    def _best_of_all(self) -> Combination | None:
        """Return what shows most of all, or of the first thousand that show something new."""
        best: Combination | None = None
        most = -_UNSEEN
        for number, combination in enumerate(self._combinations):
            worth = self._worth_of(combination)
            if worth > most:
                best, most = combination, worth
            if most >= _UNSEEN and number >= _LOOKED_AT:
                break
        return best

    def _worth_of(self, combination: Combination) -> int:
        return sum(map(self._worth, enumerate(combination)))

    def use(self, combination: Combination) -> None:
        """Remember that a combination was taken."""
        self._times.update(enumerate(combination))

    def unseen(self) -> Iterator[tuple[int, int]]:
        """Yield all values that nothing has shown; see `Pool`."""
        return (shown for shown in self._places if self._worth(shown) >= _UNSEEN)

    def _worth(self, shown: tuple[int, int]) -> int:
        if times := self._times[shown]:
            return -times
        return _UNUSED if shown[1] in self._seen.get(shown[0], ()) else _UNSEEN


class _Supply:
    """The values of one kind: those that nothing has shown first, then those used least."""

    def __init__(self, values: Sequence[int], seen: Collection[int]) -> None:
        self._values = values
        self._seen = frozenset(seen)
        self._rest = self._not_used()
        self._used: list[tuple[int, int, int]] = []
        self._uses = 0
        self.worth, self.head = next(self._rest)

    def use(self, value: int) -> None:
        """Move on from the head, which was taken."""
        if value != self.head:
            raise ValueError(f"value {value} was used out of turn")
        self._uses += 1
        if self.worth > 0:
            heappush(self._used, (1, self._uses, value))
        else:
            heapreplace(self._used, (self._used[0][0] + 1, self._uses, value))
        times, _, least_used = self._used[0]
        self.worth, self.head = next(self._rest, (-times, least_used))

    def unseen(self) -> Iterator[int]:
        used = {value for _, _, value in self._used}
        return (value for value in self._values if value not in used and value not in self._seen)

    def _not_used(self) -> Iterator[tuple[int, int]]:
        size = len(self._values)
        for worth, seen in ((_UNSEEN, False), (_UNUSED, True)):
            if seen and not self._seen:
                return
            for place in range(size):
                value = self._values[spread(size, place=place)]
                if (value in self._seen) is seen:
                    yield worth, value


def _in_how_many(grid: Grid) -> dict[tuple[int, int], int]:
    """Return (dimension, kind) → how many combinations have a certain value of that kind."""
    found: Counter[tuple[int, int]] = Counter()
    # Each node of a depth with the number of ways that lead to it.
    nodes = {id(grid.root): (grid.root, 1)} if grid.dimensions else {}
    depth = 0
    while nodes:
        below: dict[int, tuple[Node, int]] = {}
        for node, ways in nodes.values():
            for kind, members, child in node.branches:
                found[depth, kind] += ways * (child.count if child else 1)
                if child:
                    more = below.get(id(child), (child, 0))[1] + ways * len(members)
                    below[id(child)] = (child, more)
        nodes = below
        depth += 1
    return dict(found)
