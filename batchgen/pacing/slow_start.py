"""How many requests may be open before it is known how many the service runs at a time."""

from __future__ import annotations

from dataclasses import dataclass

# So many may be open before anything was seen, and then so many times as many as were at work;
# a change by less than this factor is none.
FIRST = 8
FACTOR = 2
GROWS = 1.25

# When so many times as many as may be open have ended, and nobody could tell how many are enough,
# the start is over.
PATIENCE = 2


@dataclass(slots=True, kw_only=True)
class SlowStart:
    """How many requests may be open at first: twice as many as the service was seen to run.

    What is queued there beyond its runners is money at stake if the account is locked, and a
    runner without work is time lost: the first is kept small, the second short.

    Attributes:
        limit: How many may be open.
        is_over: Whether that counts no longer.
    """

    limit: int = FIRST
    is_over: bool = False
    _ended: int = 0

    def saw_at_work(self, at_work: int) -> bool:
        """Take note that so many were at work; return whether more may be open now than before."""
        wanted = FACTOR * at_work
        if self.is_over or wanted < GROWS * self.limit:
            return False
        self.limit = wanted
        self._ended = 0
        return True

    def saw_end(self) -> None:
        """Take note that one has ended, and that nothing was seen of the queue meanwhile."""
        self._ended += 1
        self.is_over = self.is_over or self._ended >= PATIENCE * self.limit
