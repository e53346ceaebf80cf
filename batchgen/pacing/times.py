"""How long requests take, learned from looking at them now and then.

Nobody sees a request end. What is seen is an interval: unfinished at one look, over at the next;
or, of one that is open still, that it takes longer than its age. The distribution behind such
observations is found by expectation and maximisation, smoothed in each round, over cells that
are equally wide in the logarithm of the time: 5 % each, from 1 ms to more than an hour.

Source:
    B. W. Turnbull: The empirical distribution function with arbitrarily grouped, censored and
    truncated data, J. R. Statist. Soc. B 38 (1976); Silverman, Jones, Wilson, Nychka: A smoothed
    EM approach to indirect estimation problems, J. R. Statist. Soc. B 52 (1990).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate

from batchgen.pacing.cells import CELLS, cell_of
from batchgen.pacing.guess import Guess

# Requests that are remembered. Of older ones nobody knows whether the service is still like that.
MEMORY = 160

# While fewer are known than this, a guess stands beside them: it counts as many requests as
# `GUESSED`, and later, when it says nothing but that everything is possible, `POSSIBLE`.
MANY = 48
GUESSED = 20.0
POSSIBLE = 0.5

# As many requests as this count what all others take, where one kind is little known.
OTHERS = 3.0


# Rounds of expectation and maximisation at each look at new observations: they go on where the
# last ones ended.
ROUNDS = 3


@dataclass(slots=True, kw_only=True)
class ServiceTimes:
    """The distribution of the time that one kind of requests takes.

    Attributes:
        shares: The probability of each cell, by the observations of the last `refresh`.
    """

    shares: Sequence[float] = ()
    _guess: Guess | None = field(default_factory=Guess)
    _seen: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=MEMORY))

    @property
    def weight(self) -> int:
        """Requests that the shares rest on."""
        return len(self._seen)

    def saw(self, *, after_s: float, by_s: float) -> None:
        """Take note of a request that was unfinished at one age and over at another, in seconds."""
        after = cell_of(after_s) if after_s > 0.0 else -1
        by = max(cell_of(by_s), after)
        self._seen.append((after, by))
        if self._guess is not None:
            self._guess.saw(after, by)
            if len(self._seen) >= MANY:
                self._guess = None

    def refresh(
        self, *, open_s: Iterable[float] = (), others: Sequence[float] | None = None
    ) -> None:
        """Work out the shares anew.

        Args:
            open_s: The ages of requests that are open still, in seconds.
            others: What is known of all kinds together, where there are several.
        """
        open_after = [cell_of(age) for age in open_s]
        seen = [*self._seen, *((cell, CELLS - 1) for cell in open_after)]
        assumed = self._assumed(open_after, others)
        doubt = POSSIBLE if self._guess is None else GUESSED
        shares = (self.shares if self._guess is None else ()) or assumed
        for _ in range(ROUNDS if self._seen else 0):
            shares = _improved(shares, seen, assumed=assumed, doubt=doubt)
        self.shares = shares if self._seen else assumed

    def _assumed(
        self, open_after: Sequence[int], others: Sequence[float] | None
    ) -> Sequence[float]:
        """Return what is assumed of each cell beside what was observed."""
        if self._guess is None:
            return _anything()
        guessed = self._guess.shares(open_after)
        if others is None:
            return guessed
        part = OTHERS / (OTHERS + self.weight)
        return [
            part * other + (1.0 - part) * one for other, one in zip(others, guessed, strict=True)
        ]


@cache
def _anything() -> tuple[float, ...]:
    return tuple(Guess().shares())


def _improved(
    shares: Sequence[float],
    seen: Sequence[tuple[int, int]],
    *,
    assumed: Sequence[float],
    doubt: float,
) -> list[float]:
    """Share each observation out over its cells by what was believed of them, and smooth that."""
    below = [0.0, *accumulate(shares)]
    change = [0.0] * (CELLS + 1)
    for after, by in seen:
        # The cell of the last look in vain may hold the end as well.
        first = max(after, 0)
        chance = below[by + 1] - below[first]
        if chance <= 1e-12:
            first, chance = by, max(shares[by], 1e-12)
        change[first] += 1.0 / chance
        change[by + 1] -= 1.0 / chance
    counts = [share * covered for share, covered in zip(shares, accumulate(change), strict=False)]
    counts = _smoothed(counts, _bandwidth(counts, len(seen)))
    total = sum(counts) + doubt
    return [(count + doubt * one) / total for count, one in zip(counts, assumed, strict=True)]


def _bandwidth(counts: Sequence[float], seen: int) -> int:
    """Return over how many cells to each side observations are spread, by their own spread."""
    if not seen:
        return 0
    below = list(accumulate(counts))
    total = below[-1]
    quarter = next((cell for cell, sum_ in enumerate(below) if sum_ >= 0.25 * total), 0)
    three = next((cell for cell, sum_ in enumerate(below) if sum_ >= 0.75 * total), 0)
    return int(0.5 + 0.67 * (three - quarter) / seen**0.2)


def _smoothed(counts: Sequence[float], bandwidth: int) -> list[float]:
    """Return the counts, each spread over its neighbours by three passes of a moving mean.

    Args:
        counts: One for each cell.
        bandwidth: The standard deviation of what each is spread over, in cells.
    """
    result = list(counts)
    reach = round(bandwidth * 0.8)  # three means of 2·reach + 1 cells: σ² = reach·(reach + 1)
    if reach < 1:
        return result
    width = 2 * reach + 1
    for _ in range(3):
        padded = [0.0] * (reach + 1) + result + [0.0] * reach
        below = list(accumulate(padded))
        result = [(below[cell + width] - below[cell]) / width for cell in range(len(result))]
    return result
