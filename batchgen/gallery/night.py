"""How the work went, over time: what the page's pictures are drawn from."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from batchgen.attempt import parse_timestamp
from batchgen.gallery.item import Item, Status

# Statuses of images that were made.
_MADE = (Status.SUCCEEDED, Status.MISSING, Status.UNDELIVERED)

# Time is counted in ticks of so many seconds.
TICK_S = 5

# What was done in runs that lie further apart, in ticks, is drawn beside each other.
PAUSE = 20 * 60 // TICK_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One class of failures.

    Attributes:
        error_type: The service's word for it, or ours.
        count: Images, or jobs without one, that failed so.
        prompt: Of the first.
        error: The service's text, of the first.
        position: The place of the first among the items, from 0.
    """

    error_type: str
    count: int
    prompt: str
    error: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Ticks without a long pause.

    Attributes:
        first: Ticks since 1970, UTC.
        last: The same; of the last tick in which something ended.
    """

    first: int
    last: int

    @property
    def ticks(self) -> int:
        """How many ticks it has, the first and the last included."""
        return self.last - self.first + 1


@dataclass(slots=True, kw_only=True)
class Night:
    """What came of a batch over time; it grows with the time, and by 4 bytes an image.

    Attributes:
        made: Images by the tick in which they were there; ticks since 1970, UTC.
        spent_usd: Charges by the tick in which they came up.
        waits_s: From submission to image, of each image, in seconds.
        limits: How many requests could be open from a tick on, as far as the log tells.
        open_steps: By how many more requests were open on average than in the tick before.
        statuses: Items by status.
    """

    made: Counter[int] = field(default_factory=Counter)
    spent_usd: dict[int, float] = field(default_factory=dict)
    waits_s: array[float] = field(default_factory=lambda: array("f"))
    open_steps: dict[int, float] = field(default_factory=dict)
    statuses: Counter[Status] = field(default_factory=Counter)
    limits: list[tuple[int, int]] = field(default_factory=list)
    _ticks: set[int] = field(default_factory=set)
    _failures: dict[str, Failure] = field(default_factory=dict)
    _failed: Counter[str] = field(default_factory=Counter)

    def add(self, item: Item, position: int) -> None:
        """Take one item into account; `position` is its place among them, from 0."""
        self.statuses[item.status] += 1
        ended = _moment(item["finished_at"])
        if item.status is Status.FAILED:
            self._add_failure(item, position)
        if ended is None:
            return
        tick = int(ended.timestamp() // TICK_S)
        began = _moment(item["submitted_at"])
        if began is not None and item["image_index"] in ("", "0"):
            self._step(began.timestamp(), 1)
            self._step(ended.timestamp(), -1)
        self._ticks.add(tick)
        if cost := float(item["cost_usd"] or 0):
            self.spent_usd[tick] = self.spent_usd.get(tick, 0.0) + cost
        if item.status in _MADE:
            self.made[tick] += 1
            if began is not None:
                self.waits_s.append(max(0.0, (ended - began).total_seconds()))

    def add_limit(self, at: str, limit: int) -> None:
        """Take into account how many requests could be open from a time on."""
        moment = _moment(at)
        if moment is not None:
            self.limits.append((int(moment.timestamp() // TICK_S), limit))

    @property
    def failures(self) -> list[Failure]:
        """The classes of failures, the most frequent first."""
        return [
            Failure(
                error_type=first.error_type,
                count=self._failed[error_type],
                prompt=first.prompt,
                error=first.error,
                position=first.position,
            )
            for error_type, first in sorted(
                self._failures.items(), key=lambda pair: -self._failed[pair[0]]
            )
        ]

    @property
    def stretches(self) -> list[Stretch]:
        """When something went on, in order of time, without the long pauses."""
        return stretches(self._ticks)

    def open_on_average(self, stretch: Stretch) -> list[float]:
        """Return how many requests were open on average, in each tick of a stretch.

        From a submission until its image is on disk; the latest attempt of each job is known.
        """
        now = sum(step for tick, step in self.open_steps.items() if tick < stretch.first)
        counts = []
        for tick in range(stretch.first, stretch.last + 1):
            now += self.open_steps.get(tick, 0.0)
            counts.append(max(0.0, now))
        return counts

    def _step(self, moment_s: float, step: int) -> None:
        # What begins half-way through a tick is there for half of it, and from then on.
        tick, late = int(moment_s // TICK_S), moment_s % TICK_S / TICK_S
        self._ticks.add(tick)
        self.open_steps[tick] = self.open_steps.get(tick, 0.0) + step * (1 - late)
        if late:
            self.open_steps[tick + 1] = self.open_steps.get(tick + 1, 0.0) + step * late

    def _add_failure(self, item: Item, position: int) -> None:
        error_type = item["error_type"]
        self._failed[error_type] += 1
        if error_type not in self._failures:
            self._failures[error_type] = Failure(
                error_type=error_type,
                count=1,
                prompt=item["prompt"],
                error=item["error"],
                position=position,
            )


def stretches(ticks: Iterable[int]) -> list[Stretch]:
    """Return ticks as stretches that have no long pause in them."""
    found: list[Stretch] = []
    for tick in sorted(ticks):
        if found and tick - found[-1].last <= PAUSE:
            found[-1] = Stretch(first=found[-1].first, last=tick)
        else:
            found.append(Stretch(first=tick, last=tick))
    return found


def _moment(text: str) -> datetime | None:
    try:
        return parse_timestamp(text) if text else None
    except ValueError:
        return None
