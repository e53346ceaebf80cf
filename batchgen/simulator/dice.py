"""Chance that can be had again: every draw is a function of the seed and of what it is for."""

from __future__ import annotations

import hashlib
import math
from statistics import NormalDist

_STANDARD = NormalDist()


def chance(*about: str | int) -> float:
    """Return a number between 0 and 1, both excluded, that depends on `about` alone.

    So a fault hits the same calls again, whatever other faults are asked for beside it.
    """
    text = "\x1f".join(map(str, about)).encode()
    number = int.from_bytes(hashlib.blake2b(text, digest_size=6).digest())
    return (number + 0.5) * 2.0**-48


def lognormal(median: float, *, spread: float, draw: float) -> float:
    """Return a positive number around `median`.

    Args:
        median: Half of the numbers are smaller; its unit is the answer's.
        spread: The standard deviation of the logarithm; 0 always gives `median`.
        draw: A number between 0 and 1, both excluded.
    """
    return median * math.exp(spread * _STANDARD.inv_cdf(draw)) if spread else median
