"""Choose some of the combinations, evenly spread, so that every value is seen if it can be.

Two steps, and no expansion:

1. *Cover.* As long as a value has not been seen, take a combination that has it and as many
   other unseen values as can be. The value in the fewest combinations goes first: with no
   exclusions that is one of the longest axis, so as many combinations as the longest axis has
   values show all values of all axes; with exclusions it is one that can only be seen in a few
   places, before others take its partners away. If there is no room for all, combinations are
   exchanged whose own values are seen elsewhere. A sample that is shorter than the longest
   axis begins with what shows most, until only the longest axis has unseen values.
2. *Fill.* The rest is taken from the ranks of all combinations in steps of the golden ratio
   (`spread`), which are even wherever they stop; what the cover took is passed over.

Axes go through their values in such steps too, so that a small sample of a long axis is
spread over its whole length. The same pools and the same number give the same sample. To find
the best cover is a hard problem (it contains three-dimensional matching); this is a heuristic,
and what it leaves out is named in `Sample.unseen`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Protocol

from batchgen.grid.combinations import Combination
from batchgen.grid.shuffle import spread


class Pool(Protocol):
    """Combinations to choose from, and what of them was used."""

    @property
    def count(self) -> int:
        """How many there are."""

    def at(self, rank: int) -> Combination:
        """Return one by its rank, `0 ≤ rank < count`."""

    def scarce(self) -> Iterator[tuple[int, int]]:
        """Yield (dimension, value) of values that were not used yet, until all are.

        First those that nothing else has shown, those in the fewest combinations first.
        """

    def best(self, fixed: Mapping[int, int]) -> Combination | None:
        """Return the combination with these values that shows most, if there is one."""

    def use(self, combination: Combination) -> None:
        """Remember that a combination was taken."""

    def unseen(self) -> Iterator[tuple[int, int]]:
        """Yield (dimension, value) of all values that nothing has shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was chosen.

    Attributes:
        parts: For each pool the combinations taken from it, sorted.
        unseen: The number of a dimension of the first pool → how many of its values there was
            no room for; only dimensions with such values.
    """

    parts: tuple[list[Combination], ...]
    unseen: Mapping[int, int]


def choose(pools: Sequence[Pool], n: int) -> Sample:
    """Choose `n` combinations, or all that there are, from some pools.

    Args:
        pools: The first is covered, then all are filled in proportion to their sizes.
        n: How many in all.
    """
    parts: list[set[Combination]] = [set() for _ in pools]
    cover = _cover(pools[0], n)
    _exchange(pools[0], cover)
    parts[0].update(cover)
    _fill(pools, parts, n)
    shown = {pair for combination in cover for pair in enumerate(combination)}
    unseen = Counter(pair[0] for pair in pools[0].unseen() if pair not in shown)
    return Sample(parts=tuple(map(sorted, parts)), unseen=unseen)


def _cover(pool: Pool, n: int) -> list[Combination]:
    lengths = Counter(dimension for dimension, _ in pool.unseen())
    cover = list(_most(pool, n)) if n < max(lengths.values(), default=0) else []
    for dimension, value in pool.scarce():
        if len(cover) == n:
            break
        combination = pool.best({dimension: value})
        if combination is None:  # never: a scarce value is in some combination
            raise LookupError(f"value {value} of dimension {dimension} is in no combination")
        pool.use(combination)
        cover.append(combination)
    return cover


def _most(pool: Pool, n: int) -> Iterator[Combination]:
    """Yield what shows most, again and again, as long as each shows several new values."""
    shown: set[tuple[int, int]] = set()
    for _ in range(n):
        combination = pool.best({})
        if combination is None or len(shown.union(enumerate(combination))) < len(shown) + 2:
            return
        shown.update(enumerate(combination))
        pool.use(combination)
        yield combination


def _exchange(pool: Pool, cover: list[Combination]) -> None:
    """Exchange combinations, in place, for those that show more values."""
    # If more are missing than were taken, there never was room for all.
    missing = list(islice(pool.unseen(), len(cover) + 1))
    if not missing or len(missing) > len(cover):
        return
    times = Counter(pair for combination in cover for pair in enumerate(combination))
    for dimension, value in missing:
        if not times[dimension, value]:
            _make_room(pool, cover, times, dimension=dimension, value=value)


def _make_room(
    pool: Pool,
    cover: list[Combination],
    times: Counter[tuple[int, int]],
    *,
    dimension: int,
    value: int,
) -> None:
    """Exchange one combination of a cover, without losing a value, for one with this value."""
    for place, old in enumerate(cover):
        alone = {n: shown for n, shown in enumerate(old) if times[n, shown] == 1}
        if dimension in alone:
            continue
        new = pool.best({**alone, dimension: value})
        if new is not None and new not in cover:
            times.subtract(enumerate(old))
            times.update(enumerate(new))
            cover[place] = new
            return


def _fill(pools: Sequence[Pool], parts: Sequence[set[Combination]], n: int) -> None:
    """Take more, evenly over the ranks of all pools one behind the other, until `n` are taken."""
    ends = list(accumulate(pool.count for pool in pools))
    taken = sum(map(len, parts))
    for place in range(ends[-1]):
        if taken >= n:
            return
        rank = spread(ends[-1], place=place)
        number = bisect_right(ends, rank)
        combination = pools[number].at(rank - (ends[number - 1] if number else 0))
        taken += combination not in parts[number]
        parts[number].add(combination)
