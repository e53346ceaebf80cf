"""How often something may happen: submissions by `--rate`, reads where the service complains."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


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
