"""How many open requests are enough to keep the service's runners busy, by what is seen of them.

Nobody says how many requests the service runs for us at a time. But its queue is served in order:
where a request stands with so many before it, all that were sent after it wait as well, and what
is open beside these is at work, or has ended and nobody has noticed. From that number it is
concluded, round by round, how many are enough (`Enough`); before the first round there are few
(`SlowStart`). What is open beyond that only waits, and is money at stake if the account is locked.

Places are read, not trusted: others may stand in the same queue.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from statistics import fmean, pstdev

from batchgen.pacing.enough import Enough
from batchgen.pacing.slow_start import SlowStart

# Sights of the queue that make one look at the whole, and that say that it is empty.
SIGHTS = 12
EMPTY = 4

# What is nearly the last request that was sent, and nearly as many as may be open: this part.
NEARLY = 0.1

# A queue that turns out to be empty: so many times as much.
GROWTH = 1.5

# After one sight of others in the queue, nothing is concluded from so many.
STRANGERS = 64

# One new request of so many is looked at early, where that is the only way to see the queue; one
# of so many where none was ever seen; one of so many of those that the answer says nobody is
# before; and one of so many while it matters at the start.
ONE_PROBE_IN = 6
ONE_BLIND_IN = 24
ONE_DOUBT_IN = 3
ONE_FIRST_IN = 4


@dataclass(slots=True, kw_only=True)
class Backlog:
    """Our requests at the service, in the order in which they were sent.

    Attributes:
        cap: The most that may be open in any case.
        start: How many may be open at first.
        is_visible: Whether the service has ever said of one how many are before it.
        answers_tell: Whether its answers to submissions say so, too.
    """

    cap: int
    start: SlowStart = field(default_factory=SlowStart)
    is_visible: bool = False
    answers_tell: bool = False
    _found: int | None = None
    _search: Enough | None = None
    _numbers: dict[str, int] = field(default_factory=dict)
    _order: list[int] = field(default_factory=list)
    _sent: int = 0
    _round_from: int = 0
    _is_settled: bool = False
    _sights: list[float] = field(default_factory=list)
    _queued_sights: int = 0
    _recent: deque[bool] = field(default_factory=lambda: deque(maxlen=EMPTY))
    _distrusted: int = 0

    @property
    def enough(self) -> int | None:
        """How many open requests are enough, as far as is known; None: nobody can tell."""
        return self.start.limit if self.is_starting else self._found

    @property
    def is_starting(self) -> bool:
        """Whether it was not concluded yet how many are enough."""
        return not self.start.is_over

    def wants_probe(self, ahead: int | None) -> bool:
        """Say whether the last request should be looked at early, to see the queue.

        Args:
            ahead: What the answer to its submission has said. 0 may mean anything.
        """
        if self.answers_tell:
            return ahead == 0 and self._sent % ONE_DOUBT_IN == 0
        if self.is_starting and self.start.limit < self.cap:
            return self._sent % ONE_FIRST_IN == 0
        return self._sent % (ONE_PROBE_IN if self.is_visible else ONE_BLIND_IN) == 0

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
        elif not is_queued:
            if self._younger(request_id) <= max(1, NEARLY * open_):
                # Nearly the last one that was sent, and it does not wait: nothing does.
                self._note(request_id, queued=0, ahead=0, open_=open_)
            self._see_start(request_id, queued=0)

    def closed(self, request_id: str) -> None:
        """Take note that a request is open no longer."""
        number = self._numbers.pop(request_id, None)
        if number is None:
            return
        del self._order[bisect_left(self._order, number)]
        if not self._sights:
            self.start.saw_end()
        if number > self._round_from and not self._is_settled:
            # One that was sent since the last change has ended: from now on it shows.
            self._is_settled = True
            self._begin_round()
        elif number > self._round_from and len(self._sights) >= SIGHTS:
            if self._queued_sights * 2 >= len(self._sights) or self._found is not None:
                self._conclude()
            self._begin_round()

    @property
    def _size(self) -> int:
        return self.cap if self.enough is None else min(self.cap, self.enough)

    def _younger(self, request_id: str) -> int:
        number = self._numbers.get(request_id)
        if number is None:
            return len(self._order)
        return len(self._order) - 1 - bisect_left(self._order, number)

    def _is_full(self, open_: int) -> bool:
        """Say whether about as many are open as may be: else it says nothing of this size."""
        size = self._size
        return size - max(1, NEARLY * size) <= open_ <= size + 1

    def _note(self, request_id: str, *, queued: int, ahead: int, open_: int) -> None:
        if ahead >= open_:
            self._distrust(STRANGERS)
        if self._distrusted:
            self._distrusted -= 1
            return
        if queued:
            self._see_start(request_id, queued=queued)
        if not self._is_full(open_):
            return
        self._recent.append(queued == 0)
        if self._is_settled:
            self._sights.append(max(0.0, open_ - self._younger(request_id) - queued))
            self._queued_sights += queued > 0
        if self._found is not None and sum(self._recent) == EMPTY:
            # Whatever was concluded: more are at work than are open, as far as anybody sees.
            self._search = None
            self._found = max(self._found, math.ceil(GROWTH * open_))
            self._change()

    def _see_start(self, request_id: str, *, queued: int) -> None:
        """At the start, whatever was sent before a request that does not wait is at work."""
        if self.is_starting and not self._is_settled:
            at_work = len(self._order) - self._younger(request_id) - queued
            if self.start.saw_at_work(at_work):
                self._change()

    def _conclude(self) -> None:
        """After a round in which requests were sent and have ended, say how many are enough."""
        before = self._size
        if self._search is None:
            self._search = Enough(most=self.cap, size=before)
        self._found = self._search.after_round(fmean(self._sights), spread=pstdev(self._sights))
        self.start.is_over = True
        if abs(before - self._found) > 1:
            self._change()

    def _change(self) -> None:
        """What is seen counts again when one has ended that was sent from now on."""
        self._is_settled = False
        self._recent.clear()
        self._begin_round()

    def _begin_round(self) -> None:
        self._sights.clear()
        self._queued_sights = 0
        self._round_from = self._sent

    def _distrust(self, sights: int) -> None:
        """Conclude nothing from so many sights."""
        self._distrusted = sights
        self.start.is_over = True
        self._found = self._search = None
        self._change()
