"""Draw some of a grid's combinations at random, each at most once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from math import prod

from batchgen.grid.combinations import Combination, Grid
from batchgen.grid.shuffle import Dice, Shuffle

# Three axes with 27 different weights each. Each class is a small grid of its own.
MAX_CLASSES = 20_000


class TooManyWeightsError(ValueError):
    """The weighted axes have too many different weights to be drawn from exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Class:
    """The combinations that are equally likely, and their order."""

    grid: Grid
    order: Shuffle
    weight: int


class Draw:
    """All combinations of a grid in the order in which they are drawn.

    Drawing without replacement, each time with the weights of what is left: what comes first
    is what a person would draw from an urn that holds every combination as many times as the
    product of its weights, taking all its copies out at once. There is no rejection, so it
    ends however much is asked for, and there is no set of what was drawn: combinations of
    equal weight are exchangeable, so they form a class, each class has a shuffled order of its
    own (`Shuffle`), and all that changes is how many of each class are left.

    Drawing more keeps what came before, because how many will be drawn enters nowhere.
    """

    def __init__(
        self, grid: Grid, *, weights: Mapping[int, Sequence[Decimal]], seed: int | str
    ) -> None:
        """Prepare a draw.

        Args:
            grid: What is drawn from.
            weights: The number of a dimension → the weight of each of its values, above 0.
            seed: Another seed, another order.

        Raises:
            TooManyWeightsError: There are more than 20,000 products of weights.
        """
        self.grid = grid
        self._seed = seed
        self._classes = [cls for cls in self._make_classes(weights) if cls.grid.count]

    def __len__(self) -> int:
        return self.grid.count

    def __iter__(self) -> Iterator[Combination]:
        """Yield every combination, in the order drawn; the same at every call."""
        left = _Masses([cls.weight * cls.grid.count for cls in self._classes])
        taken = [0] * len(self._classes)
        dice = Dice(f"class:{self._seed}")
        for n in range(self.grid.count):
            number = left.find(dice.throw(n, below=left.total)) if taken[1:] else 0
            chosen = self._classes[number]
            yield chosen.grid.at(chosen.order[taken[number]])
            taken[number] += 1
            left.add(number, -chosen.weight)

    def _make_classes(self, weights: Mapping[int, Sequence[Decimal]]) -> Iterator[_Class]:
        values = [_by_weight(of_axis) for of_axis in weights.values()]
        if prod(map(len, values)) > MAX_CLASSES:
            raise TooManyWeightsError(
                f"the weights have {prod(map(len, values)):,} different products, "
                f"and more than {MAX_CLASSES:,} cannot be drawn from"
            )
        for number, chosen in enumerate(product(*(of_axis.items() for of_axis in values))):
            keep = dict(zip(weights, (members for _, members in chosen), strict=True))
            grid = self.grid.restricted(keep) if keep else self.grid
            yield _Class(
                grid=grid,
                order=Shuffle(grid.count, key=f"{self._seed}:{number}"),
                weight=prod(weight for weight, _ in chosen),
            )


class _Masses:
    """What is left of each class, found by a number below their sum in logarithmic time.

    Source:
        Fenwick, A New Data Structure for Cumulative Frequency Tables (1994).
    """

    def __init__(self, masses: Sequence[int]) -> None:
        self.total = 0
        self._sums = [0] * (len(masses) + 1)
        for number, mass in enumerate(masses):
            self.add(number, mass)

    def add(self, number: int, mass: int) -> None:
        self.total += mass
        place = number + 1
        while place < len(self._sums):
            self._sums[place] += mass
            place += place & -place

    def find(self, mass: int) -> int:
        """Return the class in which the sum of all masses up to it first exceeds `mass`."""
        place = 0
        step = 1 << len(self._sums).bit_length()
        while step := step >> 1:
            if place + step < len(self._sums) and self._sums[place + step] <= mass:
                place += step
                mass -= self._sums[place]
        return place


def _by_weight(weights: Sequence[Decimal]) -> dict[int, frozenset[int]]:
    """Return the values of each weight; weights are made whole numbers in proportion."""
    places = max((-int(weight.as_tuple().exponent) for weight in weights), default=0)
    scale = Decimal(10) ** max(places, 0)
    values: dict[int, list[int]] = {}
    for value, weight in enumerate(weights):
        values.setdefault(int(weight * scale), []).append(value)
    return {weight: frozenset(members) for weight, members in values.items()}
