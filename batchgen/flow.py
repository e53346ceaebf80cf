"""How fast a batch goes, by what its tables say: images over time, latencies, last words."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
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
    # By the second: requests that were opened, less those that were closed.
    _opened: Counter[int] = field(default_factory=Counter)

    def note_entry(self, entry: Entry) -> None:
        """Take a journal row into account."""
        submitted_at = self._submitted.pop(entry.job_id, "")
        if entry.state is AttemptState.SUBMITTED:
            self._submitted[entry.job_id] = entry.at
            self._opened[int(_moment(entry.at))] += 1
        elif submitted_at or entry.request is not None:
            self._opened[int(_moment(entry.at))] -= 1
        if entry.state is AttemptState.COMPLETED and submitted_at:
            self._latencies_s.append(max(0.0, _moment(entry.at) - _moment(submitted_at)))

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
        self._forget(now)
        step, places = _steps(self._images, now, most=most)
        found = Counter[int]()
        for second, images in self._images.items():
            found[second // step] += images
        return step, [found[place] for place in places]

    def open_over_time(
        self, now: datetime, *, most: int, open_now: int
    ) -> tuple[int, Sequence[int]]:
        """Return how many requests were open, for the last hour at the most, the newest last.

        Args:
            now: The time.
            most: So many numbers at the most.
            open_now: How many are open now.

        Returns:
            The step in seconds, and how many were open at the end of each step.
        """
        self._forget(now)
        step, places = _steps(self._opened, now, most=most)
        found = Counter[int]()
        for second, opened in self._opened.items():
            found[second // step] += opened
        numbers = [max(0, open_now)]
        for place in reversed(places[1:]):  # from now on back, by what was opened since
            numbers.append(max(0, numbers[-1] - found[place]))
        return step, numbers[::-1] if places else ()

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

    def _forget(self, now: datetime) -> None:
        before = int(now.timestamp()) - REMEMBERED_S
        for counts in (self._images, self._opened):
            for second in [second for second in counts if second < before]:
                del counts[second]


def _steps(counts: Collection[int], now: datetime, *, most: int) -> tuple[int, range]:
    """Return in which steps some seconds are shown, up to now: how long one is, and which.

    Steps lie where the clock has them, so that a picture moves and does not flicker.
    """
    if not counts:
        return STEPS_S[0], range(0)
    newest, oldest = int(now.timestamp()), min(counts)
    step = next((step for step in STEPS_S if newest // step - oldest // step < most), STEPS_S[-1])
    last = newest // step
    return step, range(max(oldest // step, last - most + 1), last + 1)


def _moment(at: str) -> float:
    """Return a time of our files in seconds since 1970; 0 where it is none."""
    try:
        return parse_timestamp(at).timestamp()
    except ValueError:
        return 0.0
