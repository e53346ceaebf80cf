"""What a few observations say of how long requests take, where the service is like most.

Times of one kind of work are about lognormal. While few are known, that says far more than the
few by themselves: a table of lognormal distributions is weighed by how well each explains what was
seen, requests included that are open still and older than so much.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

from batchgen.pacing.cells import CELLS, STEP, cell_of

# Medians: every 22 %, over what is thought possible, in seconds.
QUICK_S = 0.002
SLOW_S = 300.0
MEDIANS = range(cell_of(QUICK_S), cell_of(SLOW_S), 4)

# Spreads (σ of the logarithm), and how likely each is before anything is seen.
SPREADS: dict[float, float] = {0.1: 0.15, 0.22: 0.2, 0.4: 0.35, 0.7: 0.2, 1.1: 0.1}

# Medians that are likely before anything is seen: between these, in seconds.
USUAL_QUICK_S = 0.2
USUAL_SLOW_S = 60.0

# Ages of what is open still are taken together, so many cells at a time.
COARSE = 2

# How much less likely a median beyond these is, for each time e that it is farther.
UNUSUAL = 0.7

# What was seen fades by this factor with each further observation.
FADING = 0.985

# No distribution explains nothing: a slip of the clock, one request that hung.
SLIP = 1e-4

# A part that is as good as none.
NOTHING = 1e-6

# Distributions that are less likely than the best by more than this do not count (logarithm).
NEGLIGIBLE = 5.0


def _below(spread: float) -> list[float]:
    """Return the part of a lognormal distribution below the end of each cell, from the median."""
    width = spread * math.sqrt(2.0) / STEP
    return [0.5 * math.erfc(-offset / width) for offset in range(-CELLS, CELLS + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _LogNormal:
    """One distribution of the table.

    Attributes:
        below: Its part below the end of each cell.
        log_prior: The logarithm of how likely it is before anything is seen.
    """

    below: Sequence[float]
    log_prior: float


@cache
def _table() -> tuple[_LogNormal, ...]:
    parts = {spread: _below(spread) for spread in SPREADS}
    usual = (cell_of(USUAL_QUICK_S), cell_of(USUAL_SLOW_S))
    table = []
    for median in MEDIANS:
        off = STEP * max(0, usual[0] - median, median - usual[1])
        for spread, chance in SPREADS.items():
            below = parts[spread][CELLS - median :][:CELLS]
            table.append(_LogNormal(below=below, log_prior=math.log(chance) - UNUSUAL * off))
    return tuple(table)


@dataclass(slots=True, kw_only=True)
class Guess:
    """Lognormal distributions, weighed by what was seen."""

    _log_weights: list[float] = field(default_factory=lambda: [0.0] * len(_table()))

    def saw(self, after: int, by: int) -> None:
        """Take note of a time that lay behind the cell `after` (−1: none) and not behind `by`."""
        low = max(after - 1, -1)
        for place, one in enumerate(_table()):
            chance = one.below[by] - (one.below[low] if low >= 0 else 0.0)
            seen = math.log(SLIP + max(0.0, chance))
            self._log_weights[place] = FADING * self._log_weights[place] + seen

    def shares(self, open_after: Iterable[int] = ()) -> list[float]:
        """Return the probability of each cell.

        Args:
            open_after: Cells of the ages of requests that are open still.
        """
        counted = Counter(cell - cell % COARSE for cell in open_after)
        logs = [
            one.log_prior + weight + _log_open(one, counted)
            for one, weight in zip(_table(), self._log_weights, strict=True)
        ]
        best = max(logs)
        below = [0.0] * CELLS
        total = 0.0
        for one, log in zip(_table(), logs, strict=True):
            if log < best - NEGLIGIBLE:
                continue
            weight = math.exp(log - best)
            total += weight
            below = [sum_ + weight * part for sum_, part in zip(below, one.below, strict=True)]
        below[-1] = total
        return [(later - earlier) / total for earlier, later in pairwise([0.0, *below])]


def _log_open(one: _LogNormal, counted: Mapping[int, int]) -> float:
    """Return how likely it is, as a logarithm, that what is open still is open still."""
    log = 0.0
    for cell, count in counted.items():
        below = one.below[cell]
        if below > NOTHING:
            log += count * math.log(SLIP + 1.0 - below)
    return log
