"""What drawing a manifest has shown: its jobs by what a run does about them, and for how much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from batchgen.budget import ZERO
from batchgen.job import Job
from batchgen.planning.reason import Reason
from batchgen.standing import Standing, Step
from batchgen.tally import Tally


@dataclass(slots=True, kw_only=True)
class Line:
    """The jobs of one reason.

    Attributes:
        jobs: How many there are.
        sent: How many of them the run sends.
        images: Images that the run brings to disk from them.
        cost_usd: What the sent ones cost; of open and unknown ones, what is reserved; of failed
            ones, what trying them again would cost.
        unpriced: Sent ones of which nobody knows the price.
        types: Error types of failed ones, those that are sent again included.
    """

    jobs: int = 0
    sent: int = 0
    images: int = 0
    cost_usd: Decimal = ZERO
    unpriced: int = 0
    types: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True, kw_only=True)
class Pile:
    """Jobs that stand alike and cost the same.

    Attributes:
        example: One of them.
        standing: What is on record about each.
        step: What the next start does by the contract's table.
        sends: Whether a run sends them.
        jobs: How many there are.
        sent: How many of them this run sends, as far as its limit lets it.
    """

    example: Job
    standing: Standing
    step: Step
    sends: bool
    jobs: int = 0
    sent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What drawing a manifest has shown.

    Attributes:
        jobs: Distinct jobs.
        images: Images that they ask for.
        folded: Jobs that are the same as another.
        second: The first of them that was met, or None.
        lines: The jobs by reason.
        tally: Where they stand on record; what cannot be rendered counts as failed.
        quoted_usd: What all that can be rendered cost by the price tables.
        first: The first job that is sent, or None.
        unfit: The first of the jobs that cannot be rendered.
        unfit_jobs: How many of these there are.
        piles: The jobs, those that are alike together.
        crowded: Folders that get more files than tools take → how many.
    """

    jobs: int
    images: int
    folded: int
    second: Job | None
    lines: Mapping[Reason, Line]
    tally: Tally
    quoted_usd: Decimal
    first: Job | None
    unfit: tuple[Job, ...]
    unfit_jobs: int
    piles: tuple[Pile, ...]
    crowded: Mapping[str, int]

    @property
    def sent(self) -> int:
        """Jobs that the run sends."""
        return sum(line.sent for line in self.lines.values())

    @property
    def cost_usd(self) -> Decimal | None:
        """What they cost; None where nobody knows the price of one of them."""
        again, new = self.lines[Reason.RETRY], self.lines[Reason.NEW]
        return None if again.unpriced or new.unpriced else again.cost_usd + new.cost_usd


def images_to_disk(pile: Pile) -> int:
    """Return how many images a run brings to disk from a pile."""
    match pile.step:
        case Step.READ:
            return pile.jobs * pile.standing.expected
        case Step.DOWNLOAD:
            on_disk = sum(mark.has_file for _, mark in pile.standing.rows.images)
            return pile.jobs * max(0, pile.standing.expected - on_disk)
        case _:
            return pile.sent * pile.example.images
