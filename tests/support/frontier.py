"""What the best schedule of looks achieves where the distribution of the times is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

# Ages at which may be looked, and how far they go in usual times.
STEPS = 3000
FAR = 15.0

# The prices of a look for which the frontier is worked out, as parts of the usual time.
PRICES = [0.0004 * 1.22**step for step in range(36)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One schedule: reads in vain a job, and the mean delay in seconds."""

    looks: float
    delay_s: float


def frontier(done: Callable[[float], float], *, usual_s: float) -> list[Point]:
    """Return the best schedules, from many looks to few.

    The dynamic programme is written plainly here, as a second reading of `best_schedule`.

    Args:
        done: The probability that a request has ended by an age.
        usual_s: About how long requests take, in seconds.
    """
    ages = [FAR * usual_s * step / STEPS for step in range(STEPS + 1)]
    share = [done(age) for age in ages]
    share[-1] = 1.0
    area = [0.0]
    for step in range(STEPS):
        area.append(area[-1] + (ages[step + 1] - ages[step]) * (share[step + 1] + share[step]) / 2)
    return [_best(ages, share, area, price_s=price * usual_s) for price in PRICES]


def delay_at(points: Sequence[Point], looks: float) -> float:
    """Return the delay on the frontier at so many reads in vain, in seconds."""
    ordered = sorted(points, key=lambda point: point.looks)
    for fewer, more in pairwise(ordered):
        if fewer.looks <= looks <= more.looks:
            part = math.log(looks / fewer.looks) / math.log(more.looks / fewer.looks)
            return float(fewer.delay_s ** (1.0 - part) * more.delay_s**part)
    raise ValueError(f"the frontier does not reach {looks} looks")


def _best(
    ages: Sequence[float], share: Sequence[float], area: Sequence[float], *, price_s: float
) -> Point:
    """Find the best next look from every age, from the last one backwards."""
    last = len(ages) - 1
    cost = [0.0] * (last + 1)
    following = [last] * (last + 1)
    for here in range(last - 1, -1, -1):

        def paid(there: int, here: int = here) -> float:
            late = area[there] - area[here] - share[here] * (ages[there] - ages[here])
            return late + (1.0 - share[there]) * price_s + cost[there]

        # The best look moves with the age, and the cost falls before it and rises behind it.
        there = following[here + 1] if here + 1 < last else last
        while there > here + 1 and paid(there - 1) <= paid(there):
            there -= 1
        following[here], cost[here] = there, paid(there)
    looks = delay = 0.0
    here = 0
    while here < last:
        there = following[here]
        delay += area[there] - area[here] - share[here] * (ages[there] - ages[here])
        looks += 1.0 - share[there]
        here = there
    return Point(looks=looks, delay_s=delay)
