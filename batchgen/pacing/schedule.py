"""The best moments to look at something that ends at an unknown time.

A look costs something, and so does not having noticed that it is over. Where the distribution of
the end is known, the schedule with the least expected cost is found by dynamic programming from
the end backwards. Who has last looked in vain at the age a, and looks next at b, pays until then

    D(a, b) = ∫ (F(s) − F(a)) ds, s from a to b      for being late
    (1 − F(b)) · price                               for a look that may be in vain

and D(a, b) = A(b) − A(a) − F(a)·(b − a), with A = ∫ F. As a function of b this is a line in F(a)
plus something of a alone: the best b for every a is found on the lower hull of these lines, so
the whole table costs one pass.

Source:
    Barlow, Hunter, Proschan: Optimum checking procedures, J. SIAM 11 (1963).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When to look next, by how old it was when it was last seen unfinished.

    Attributes:
        ages_s: Ages, ascending, in seconds; the first is 0.
        next_s: The age of the next look, for each of them.
    """

    ages_s: Sequence[float]
    next_s: Sequence[float]

    def after(self, age_s: float) -> float:
        """Return the age at which to look next at something that is unfinished at this age."""
        place = bisect_right(self.ages_s, age_s) - 1
        if place < 0:
            return self.next_s[0]
        if place + 1 >= len(self.ages_s):
            return age_s * 2.0  # older than anything that is known of
        lower, upper = self.ages_s[place], self.ages_s[place + 1]
        part = (age_s - lower) / (upper - lower)
        return self.next_s[place] + part * (self.next_s[place + 1] - self.next_s[place])


def best_schedule(ages_s: Sequence[float], done: Sequence[float], *, price_s: float) -> Schedule:
    """Return the schedule with the least expected sum of delay and price of looks in vain.

    Args:
        ages_s: Ages at which may be looked, ascending, in seconds; the first is 0.
        done: The probability that it is over by each of them; the last is 1.
        price_s: The delay that a look is worth, in seconds.
    """
    area = _integral(ages_s, done)
    last = len(ages_s) - 1
    next_s = [ages_s[last]] * (last + 1)
    # Lines in F(a), the steepest first. Both a and F(a) fall from here on: what has once been
    # beaten by the next line stays beaten.
    hull = deque([(ages_s[last], area[last])])
    for place in range(last - 1, -1, -1):
        share = done[place]
        while len(hull) > 1 and _value(hull[1], share) <= _value(hull[0], share):
            hull.popleft()
        best = hull[0]
        next_s[place] = best[0]
        cost = share * ages_s[place] - area[place] + _value(best, share)
        _put(hull, (ages_s[place], area[place] + (1.0 - share) * price_s + cost))
    return Schedule(ages_s=ages_s, next_s=next_s)


def _integral(ages_s: Sequence[float], done: Sequence[float]) -> list[float]:
    area = [0.0]
    for place in range(1, len(ages_s)):
        width = ages_s[place] - ages_s[place - 1]
        area.append(area[-1] + 0.5 * width * (done[place] + done[place - 1]))
    return area


def _value(line: tuple[float, float], share: float) -> float:
    return line[1] - line[0] * share


def _put(hull: deque[tuple[float, float]], line: tuple[float, float]) -> None:
    """Put a line on the hull, and take off those that are nowhere the lowest any more."""
    while len(hull) > 1 and _crossing(hull[-2], line) >= _crossing(hull[-2], hull[-1]):
        hull.pop()
    hull.append(line)


def _crossing(upper: tuple[float, float], lower: tuple[float, float]) -> float:
    """Return where two lines meet; the first has the steeper slope."""
    return (upper[1] - lower[1]) / (upper[0] - lower[0])
