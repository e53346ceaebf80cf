"""Axes → combinations: lazy, countable, readable at any place, drawn or sampled."""

from batchgen.grid.combinations import Combination, Dimension, Grid
from batchgen.grid.draw import Draw, TooManyWeightsError
from batchgen.grid.pools import GridPool, ListPool
from batchgen.grid.sample import Pool, Sample, choose

__all__ = [
    "Combination",
    "Dimension",
    "Draw",
    "Grid",
    "GridPool",
    "ListPool",
    "Pool",
    "Sample",
    "TooManyWeightsError",
    "choose",
]
