"""Times in cells that are equally wide in their logarithm: 5 % each, from 1 ms to two hours."""

from __future__ import annotations

import math

# The end of the first cell in seconds, how much longer each is than the one before, and how many
# there are.
SHORTEST_S = 0.001
STEP = math.log(1.05)
CELLS = 325


def cell_of(seconds: float) -> int:
    """Return the number of the cell in which a time lies."""
    if seconds <= SHORTEST_S:
        return 0
    return min(CELLS - 1, 1 + int(math.log(seconds / SHORTEST_S) / STEP))


def end_of(cell: int) -> float:
    """Return the time at which a cell ends, in seconds."""
    return SHORTEST_S * math.exp(STEP * cell)
