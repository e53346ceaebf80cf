"""How many requests may be open."""

from __future__ import annotations

from dataclasses import dataclass, field

from batchgen.retry import Backoff


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
