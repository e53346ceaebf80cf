"""Whether the service answers at all."""

from __future__ import annotations

from dataclasses import dataclass


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
