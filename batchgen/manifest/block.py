"""One block of a manifest, without sweeps the whole: rows × axes, entries, takes → jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import islice

from batchgen.grid import Combination, Draw
from batchgen.job import Draft, Job
from batchgen.manifest.axes import Axis
from batchgen.manifest.job_maker import JobMaker
from batchgen.manifest.region import Region, Values
from batchgen.manifest.rows import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawRule:
    """`draw:`, in combinations.

    Attributes:
        combinations: How many are wanted.
        seed: Another seed, other combinations.
        weights: The number of a dimension → the weight of each of its values.
    """

    combinations: int
    seed: int | str
    weights: Mapping[int, Sequence[Decimal]]


@dataclass(frozen=True, slots=True)
class Made:
    """A job, and what is needed to make it once more.

    Attributes:
        job: The job.
        name: Names the images of a job that is sent the same but for its take and its seed.
    """

    job: Job
    name: Callable[[Job], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block.

    Attributes:
        name: What `{{ sweep }}` is, or `""`.
        maker: Makes its jobs.
        rows: Its rows, or None.
        axes: Its axes; the last one varies fastest.
        main: Rows × axes.
        included: Rows × included entries, or None.
        draw: Which of the main combinations are drawn; None for all.
    """

    name: str
    maker: JobMaker
    rows: Rows | None
    axes: tuple[Axis, ...]
    main: Region
    included: Region | None = None
    draw: DrawRule | None = None

    @property
    def takes(self) -> int:
        """The most takes that a combination has."""
        return self.main.most_takes

    @property
    def drawn(self) -> int | None:
        """How many combinations are drawn, no more than there are; None if all are taken."""
        return None if self.draw is None else min(self.draw.combinations, self.main.grid.count)

    def count(self) -> int:
        """Return how many jobs there are before folding, by arithmetic."""
        main = self.main.count() if self.drawn is None else self.drawn * self.main.repeat
        return main + (self.included.count() if self.included else 0)

    def jobs(self, take: int) -> Iterator[Job]:
        """Yield the jobs of one take, in order: rows, axes, included entries.

        Drawn ones come in the order drawn, so that a night cut short has a fair part of them.
        """
        for draft in self.drafts(take):
            yield draft.make()

    def drafts(self, take: int) -> Iterator[Draft]:
        """Yield the jobs of one take as `jobs` does, made as far as their identities need it."""
        draft = self.maker.draft
        for values in self._values(take):
            yield draft(values, take)

    def made(self, take: int) -> Iterator[Made]:
        """Yield the jobs of one take as `jobs` does, each with what names it once more."""
        for values in self._values(take):
            yield Made(self.maker.make(values, take), partial(self.maker.name, values))

    def combinations(self) -> Iterator[Combination]:
        """Yield what is drawn, in the order drawn."""
        if self.draw is not None:
            draw = Draw(self.main.grid, weights=self.draw.weights, seed=self.draw.seed)
            yield from islice(draw, self.drawn)

    def _values(self, take: int) -> Iterator[Values]:
        if self.draw is None:
            yield from self.main.walk(take)
        elif take < self.main.repeat:
            yield from map(self.main.at, self.combinations())
        if self.included:
            yield from self.included.walk(take)
