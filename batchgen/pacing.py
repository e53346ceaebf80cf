"""Decide how many requests to keep open, when to send the next one and when to ask again.

Everything here is a plain object that is told the time; nothing sleeps.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from batchgen.retry import Backoff

# Results may live only six minutes, so no request is asked about less often than this.
SLOWEST_POLL_S = 60.0

# Service times that are remembered.
MEMORY = 64

# How much of the quickest requests' time is let pass before the first look, when many are known
# and while few are.
SURE = 0.8
UNSURE = 0.5
FEW = 10


@dataclass(slots=True, kw_only=True)
class Spacing:
    """At most so many events a second, evenly spaced.

    Attributes:
        per_s: Events a second; None for no limit.
    """

    per_s: float | None = None
    _next_at: float = 0.0

    def wait_s(self, now: float) -> float:
        """Return the seconds until the next event may happen."""
        return max(0.0, self._next_at - now)

    def take(self, now: float) -> None:
        """Count one event."""
        if self.per_s is not None:
            self._next_at = max(now, self._next_at) + 1.0 / self.per_s


@dataclass(slots=True, kw_only=True)
class Window:
    """How many requests may be open: the cap, less what the service has told us.

    Each time the service says "slow down" the window is halved, at most once a cool-down;
    afterwards it grows by one for each full window of accepted requests. A window that has
    carried a full round of them since the last time was hardly too large: it loses an eighth.

    Attributes:
        cap: `--concurrency`; the window never exceeds it.
        open: Requests that are open now.
        limit: The window.
        why: What made it smaller than the cap, in a word.
    """

    cap: int
    open: int = 0
    backoff: Backoff = field(default_factory=lambda: Backoff(base_s=1.0, cap_s=60.0))
    limit: int = 0
    why: str = "the service"
    _calm_at: float = 0.0
    _failures: int = 0
    _accepted: int = 0
    _in_a_row: int = 0

    def __post_init__(self) -> None:
        """Begin with the whole cap."""
        self.limit = self.cap

    @property
    def has_room(self) -> bool:
        """Whether one more request may be opened."""
        return self.open < self.limit

    @property
    def slowed(self) -> bool:
        """Whether the service has made the window smaller than the cap."""
        return self.limit < self.cap

    def wait_s(self, now: float) -> float:
        """Return the seconds until submissions may go on."""
        return max(0.0, self._calm_at - now)

    def slow_down(
        self,
        now: float,
        *,
        retry_after_s: float | None,
        jitter: float,
        why: str = "the service",
    ) -> None:
        """Take note that the service refused a request for its rate, or could not be reached.

        Args:
            now: The clock, in seconds.
            retry_after_s: What the service asked for, or None.
            jitter: A draw from [0, 1).
            why: What it said, in a word: `429`.
        """
        self.why = why
        if now >= self._calm_at:
            # Refusals that arrive together are one message, not twenty.
            self._failures += 1
            self.limit = max(1, self._smaller(min(self.limit, self.open or 1)))
            self._accepted = self._in_a_row = 0
        wait = retry_after_s
        if wait is None:
            # Half of it is certain, so that a lucky draw does not hammer the service.
            wait = 0.5 * self.backoff.wait_s(failures=self._failures, jitter=1.0 + jitter)
        self._calm_at = max(self._calm_at, now + wait)

    def accepted(self) -> None:
        """Take note that the service accepted a request."""
        self._failures = 0
        self._in_a_row += 1
        if self.limit < self.cap:
            self._accepted += 1
            if self._accepted >= self.limit:
                self._accepted = 0
                self.limit += 1

    def _smaller(self, size: int) -> int:
        has_carried_a_round = self._in_a_row >= self.limit
        return size - max(1, size // 8) if has_carried_a_round else size // 2


@dataclass(slots=True, kw_only=True)
class Polling:
    """When to ask again for a request, from what earlier requests have taken.

    Attributes:
        quickest_s: The shortest interval, in seconds.
        stretch: The interval as a part of the request's age.
    """

    quickest_s: float = 0.1
    stretch: float = 0.12
    _times_s: deque[float] = field(default_factory=lambda: deque(maxlen=MEMORY))
    _early_s: float = 0.0

    def learn(self, service_s: float) -> None:
        """Take note of how long a request took from its submission to its result, in seconds."""
        self._times_s.append(service_s)
        times = sorted(self._times_s)
        # The first few may have met a service that was still warming up.
        trust = SURE if len(times) >= FEW else UNSURE
        self._early_s = trust * times[len(times) // 10]

    def delay_s(self, *, age_s: float, ahead: int | None = None) -> float:
        """Return the seconds to wait before the next read of a request.

        Args:
            age_s: Seconds since its submission.
            ahead: Requests queued before it, where the service said so.
        """
        # Nothing is to be seen before the quickest tenth of the earlier requests was done.
        early = self._early_s - age_s
        queued = 0.0 if ahead is None else min(10.0, 0.05 * ahead)
        delay = max(early, self.stretch * age_s, queued, self.quickest_s)
        return min(delay, SLOWEST_POLL_S)


@dataclass(slots=True, kw_only=True)
class ReadPace:
    """An inner limit on reads that exists only once the service has asked for one.

    Attributes:
        per_s: Reads a second that are allowed now; None while the service never complained.
    """

    per_s: float | None = None
    _spacing: Spacing = field(default_factory=Spacing)
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=200))
    _changed_at: float = float("-inf")

    def turn_s(self, now: float) -> float:
        """Count one read and return the seconds to wait before it is made."""
        wait = self._spacing.wait_s(now)
        self._spacing.take(now)
        self._recent.append(now + wait)
        if self.per_s is not None and now - self._changed_at > 10.0:
            self._set(self.per_s * 1.1, now)
        return wait

    def slow_down(self, now: float) -> None:
        """Take note that the service refused a read for its rate: halve what is allowed."""
        if now - self._changed_at < 1.0:
            return
        self._set(max(0.5, (self.per_s or self._measured(now)) / 2.0), now)

    def _measured(self, now: float) -> float:
        recent = [moment for moment in self._recent if now - moment < 10.0]
        if len(recent) < 2:
            return 1.0
        return len(recent) / max(0.1, now - recent[0])

    def _set(self, per_s: float, now: float) -> None:
        self.per_s = per_s
        self._spacing.per_s = per_s
        self._changed_at = now


@dataclass(slots=True, kw_only=True)
class Contact:
    """Whether the service answers at all.

    Attributes:
        began_at: When this run began to try, by the clock of the caller, in seconds.
        first_s: Seconds without any answer after which a run that never had one gives up.
        later_s: The same, once there has been an answer.
    """

    began_at: float
    first_s: float = 60.0
    later_s: float = 1800.0
    _answered_at: float | None = None
    _failing_since: float | None = None

    def answered(self, now: float) -> None:
        """Take note of an answer, whatever it was."""
        self._answered_at = now
        self._failing_since = None

    def failed(self, now: float) -> None:
        """Take note of a call that got no answer."""
        if self._failing_since is None:
            self._failing_since = now

    @property
    def failing_since(self) -> float | None:
        """When the service stopped answering, or None while it answers."""
        return self._failing_since

    def is_lost(self, now: float) -> bool:
        """Say whether it is time to give up."""
        if self._failing_since is None:
            return False
        if self._answered_at is None:
            return now - self.began_at >= self.first_s
        return now - self._failing_since >= self.later_s
