"""How many open requests are enough to keep the service's runners busy.

Nobody says how many requests the service runs for us at a time. But its queue is served in order:
where a request stands with so many before it, all that were sent after it wait as well, and what
is open beside these is at work, or has ended and nobody has noticed. That number, and a few more
so that the next one is always there, is enough. What is open beyond that only waits, and is money
at stake if the account is locked.

Places are read, not trusted. Others may stand in the same queue, or a request may be called queued
although a runner is free. So a smaller window has to show that as much is at work as before: where
it is less, the window grows until it is not, or until growing has not helped either.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from statistics import fmean, pstdev

# Sights of the queue that make one look at the whole, and that say that it is empty.
SIGHTS = 12
EMPTY = 4

# Queued beyond what is at work: this part of it, or so many times what that varies by.
SPARE = 0.16
SPREADS = 2.0

# More, or less, at work than before: by this part, and one.
RISE = 0.03
FALL = 0.08

# How much more is tried where it is less, and how often in vain; and how much of that has to be at
# work for it to have helped. What was tried is taken back bit by bit while nothing changes.
MORE = 0.2
LESS = 0.85
TRIES = 2
HELPS = 0.25

# Where more open requests have meant more at work so often in a row, places do not tell what they
# seem to: nothing is concluded from so many sights.
HELPED = 3
UNCLEAR = 512

# A queue that turns out to be empty: so many times as much.
GROWTH = 1.5

# After one sight of others in the queue, nothing is concluded from so many.
STRANGERS = 64

# One new request of so many is looked at early, where that is the only way to see the queue; and
# one of so many of those that the answer says nobody is before.
ONE_PROBE_IN = 6
ONE_DOUBT_IN = 3


@dataclass(slots=True, kw_only=True)
class Backlog:
    """Our requests at the service, in the order in which they were sent.

    Attributes:
        enough: How many open requests are enough; None: nobody can tell.
        is_visible: Whether the service has ever said of one how many are before it.
        answers_tell: Whether its answers to submissions say so, too.
    """

    enough: int | None = None
    is_visible: bool = False
    answers_tell: bool = False
    _numbers: dict[str, int] = field(default_factory=dict)
    _order: list[int] = field(default_factory=list)
    _sent: int = 0
    _round: int = 0
    _sights: list[float] = field(default_factory=list)
    _queued_sights: int = 0
    _recent: deque[bool] = field(default_factory=lambda: deque(maxlen=EMPTY))
    _distrusted: int = 0
    _at_work: float = 0.0
    _is_known: bool = False
    _more: float = 0.0
    _tries: int = 0
    _tried_with: float = 0.0
    _helped: int = 0

    def wants_probe(self, ahead: int | None) -> bool:
        """Say whether the last request should be looked at early, to see the queue.

        Args:
            ahead: What the answer to its submission has said. 0 may mean anything.
        """
        if self.answers_tell:
            return ahead == 0 and self._sent % ONE_DOUBT_IN == 0
        return self.is_visible and self._sent % ONE_PROBE_IN == 0

    def opened(self, request_id: str, *, ahead: int | None, open_: int) -> None:
        """Take note of a request that the service has accepted.

        Args:
            request_id: The request.
            ahead: How many wait before it, if the answer says so. Many answers say 0 whatever is.
            open_: How many requests are open, those whose answers are on their way included.
        """
        self._sent += 1
        self._numbers[request_id] = self._sent
        self._order.append(self._sent)
        if ahead:
            self.answers_tell = True
            self._note(request_id, queued=ahead + 1, ahead=ahead, open_=open_)

    def saw(self, request_id: str, *, is_queued: bool, ahead: int | None, open_: int) -> None:
        """Take note of where a request stands."""
        if is_queued and ahead is not None and ahead >= 0:
            self.is_visible = True
            self._note(request_id, queued=ahead + 1, ahead=ahead, open_=open_)
        elif not is_queued and self._younger(request_id) <= max(1, open_ // 10):
            # Nearly the last one that was sent, and it does not wait: nothing does.
            self._note(request_id, queued=0, ahead=0, open_=open_)

    def closed(self, request_id: str) -> None:
        """Take note that a request is open no longer."""
        number = self._numbers.pop(request_id, None)
        if number is None:
            return
        del self._order[bisect_left(self._order, number)]
        if number > self._round and len(self._sights) >= SIGHTS:
            if self._queued_sights * 2 >= len(self._sights) or self.enough is not None:
                self._conclude()
            else:
                self._begin_round()

    def _younger(self, request_id: str) -> int:
        number = self._numbers.get(request_id)
        if number is None:
            return len(self._order)
        return len(self._order) - 1 - bisect_left(self._order, number)

    def _note(self, request_id: str, *, queued: int, ahead: int, open_: int) -> None:
        if ahead >= open_:
            self._distrust(STRANGERS)
        if self._distrusted:
            self._distrusted -= 1
            return
        younger = self._younger(request_id)
        self._sights.append(max(0.0, open_ - younger - queued))
        self._recent.append(queued == 0)
        self._queued_sights += queued > 0
        if self.enough is not None and sum(self._recent) == EMPTY:
            # Whatever was concluded: more are at work than are open, as far as anybody sees.
            self._recent.clear()
            self._begin_round()
            self._more, self._tries = 0.0, 0
            self._is_known = False
            self.enough = max(self.enough, math.ceil(GROWTH * open_))

    def _conclude(self) -> None:
        """After a round in which requests were sent and have ended, say how many are enough."""
        at_work, spread = fmean(self._sights), pstdev(self._sights)
        self._begin_round()
        if not self._is_plausible(at_work):
            self._distrust(UNCLEAR)
            return
        spare = max(1.0, SPREADS * spread, SPARE * self._at_work)
        self.enough = max(1, math.floor(self._at_work + spare + self._more + 0.5))

    def _is_plausible(self, at_work: float) -> bool:
        """Compare with what was at work before; where it is less, try what more requests do."""
        change = at_work - self._at_work
        if not self._is_known:
            self._at_work, self._is_known = at_work, True
        elif change > 1.0 + RISE * self._at_work:
            self._at_work = at_work
            self._tries = 0
            self._helped += 1
        elif change > -1.0 - FALL * self._at_work:
            self._at_work += 0.5 * change
            self._more *= LESS
            self._tries = self._helped = 0
        elif self._tries and at_work >= self._tried_with + HELPS * MORE * self._at_work:
            self._helped += 1
            self._try(at_work)
        elif self._tries < TRIES:
            self._tries += 1
            self._try(at_work)
        else:
            # The service runs fewer than it did.
            self._at_work, self._more, self._tries = at_work, 0.0, 0
        return self._helped < HELPED

    def _try(self, at_work: float) -> None:
        self._tried_with = at_work
        self._more += MORE * self._at_work

    def _begin_round(self) -> None:
        self._sights.clear()
        self._queued_sights = 0
        self._round = self._sent

    def _distrust(self, sights: int) -> None:
        """Conclude nothing from so many sights."""
        self._distrusted = sights
        self.enough = None
        self._is_known = False
        self._begin_round()
        self._recent.clear()
        self._more, self._tries, self._helped = 0.0, 0, 0
