"""How fast a batch goes, by what its tables say: images over time, latencies, last words."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from batchgen.attempt import Entry, parse_timestamp
from batchgen.state import AttemptState

# Images are remembered for so long, in seconds.
REMEMBERED_S = 3600

# The last so many requests tell how long they take.
MOST_LATENCIES = 1000

# The rate is that of the last so many seconds: a night has slow hours.
RATE_S = 300

# Steps in which time is cut for a picture, in seconds.
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long the last requests took, from submission to result, in seconds.

    Attributes:
        median_s: Half of them took no longer.
        most_s: Nine of ten took no longer.
        longest_s: The longest.
        requests: How many there are.
    """

    median_s: float
    most_s: float
    longest_s: float
    requests: int


@dataclass(slots=True, kw_only=True)
class Flow:
    """How fast a batch goes.

    Attributes:
        errors: The last words of each kind of failure, by its name.
    """

    errors: dict[str, str] = field(default_factory=dict)
    _images: Counter[int] = field(default_factory=Counter)
    _first: int | None = None
    _latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_LATENCIES))
    _submitted: dict[str, str] = field(default_factory=dict)

    def note_entry(self, entry: Entry) -> None:
        """Take a journal row into account."""
        match entry.state:
            case AttemptState.SUBMITTED:
                self._submitted[entry.job_id] = entry.at
            case AttemptState.COMPLETED if entry.job_id in self._submitted:
                took = _moment(entry.at) - _moment(self._submitted.pop(entry.job_id))
                self._latencies_s.append(max(0.0, took))
            case _:
                self._submitted.pop(entry.job_id, None)

    def note_row(self, row: Mapping[str, str]) -> None:
        """Take a ledger row into account: column → cell."""
        if row["status"] == "succeeded" and row["file"]:
            second = int(_moment(row["finished_at"]))
            self._images[second] += 1
            self._first = second if self._first is None else min(self._first, second)
        elif row["status"] == "failed":
            self.errors[row["error_type"]] = row["error"]

    def per_minute(self, now: datetime, *, since: datetime | None = None) -> float:
        """Return how many images came in a minute, by the last five.

        Args:
            now: The time.
            since: When the run began; what was made before it does not count.
        """
        end = int(now.timestamp()) + 1
        begin = max(end - RATE_S, int(since.timestamp()) if since is not None else 0)
        if self._first is not None and since is None:
            begin = max(begin, self._first)
        images = sum(count for second, count in self._images.items() if begin <= second < end)
        return 60.0 * images / max(1, end - begin)

    def over_time(self, now: datetime, *, most: int) -> tuple[int, Sequence[int]]:
        """Return images by time, for the last hour at the most, the newest last.

        Args:
            now: The time.
            most: So many numbers at the most.

        Returns:
            The step in seconds, and how many images came in each step.
        """
        newest = int(now.timestamp())
        self._forget(newest - REMEMBERED_S)
        if not self._images:
            return STEPS_S[0], ()
        oldest = min(self._images)
        # Steps lie where the clock has them, so that a picture moves and does not flicker.
        step = next(
            (step for step in STEPS_S if newest // step - oldest // step < most), STEPS_S[-1]
        )
        found = Counter[int]()
        for second, images in self._images.items():
            found[second // step] += images
        last = newest // step
        first = max(oldest // step, last - most + 1)
        return step, [found[place] for place in range(first, last + 1)]

    @property
    def latency(self) -> Latency | None:
        """How long the last requests took; None where none has ended."""
        took = sorted(self._latencies_s)
        if not took:
            return None
        return Latency(
            median_s=took[len(took) // 2],
            most_s=took[min(len(took) - 1, len(took) * 9 // 10)],
            longest_s=took[-1],
            requests=len(took),
        )

    def _forget(self, before: int) -> None:
        for second in [second for second in self._images if second < before]:
            del self._images[second]


def _moment(at: str) -> float:
    """Return a time of our files in seconds since 1970; 0 where it is none."""
    try:
        return parse_timestamp(at).timestamp()
    except ValueError:
        return 0.0
