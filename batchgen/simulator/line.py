"""The line before the runners: who waits, who runs, what happens when.

Nothing ticks. Whoever looks says what time it is, and everything that was due by then happens in
its order, so a manual clock makes any night pass at once.
"""

from __future__ import annotations

import bisect
import heapq
from enum import IntEnum

from batchgen.simulator.request import Ending, Phase, Request
from batchgen.simulator.run_faults import STEP_BACK, STUCK, STUCK_IN_QUEUE


class _Event(IntEnum):
    END = 0
    READY = 1
    LATE = 2


class Line:
    """First come, first served, by a bounded number of runners.

    Attributes:
        running: How many requests hold a runner.
        open: How many requests were accepted and have not ended.
        most_running: The highest `running` so far.
        most_open: The highest `open` so far.
    """

    def __init__(self, *, concurrency: int, queued_s: float) -> None:
        """Open an empty line.

        Args:
            concurrency: How many requests run at a time.
            queued_s: How long each waits although a runner is free, in seconds.
        """
        self.running = 0
        self.open = 0
        self.most_running = 0
        self.most_open = 0
        self._concurrency = concurrency
        self._queued_s = queued_s
        self._last_ticket = 0
        self._tickets: list[int] = []  # of those who wait, in order
        self._waiting: dict[int, Request] = {}  # by ticket
        self._stuck: dict[Request, None] = {}  # in the order in which they got stuck
        self._events: list[tuple[float, int, int, Request]] = []
        self._ties = 0

    @property
    def waiting(self) -> int:
        """How many requests wait in line."""
        return len(self._tickets)

    def add(self, request: Request, *, at: float) -> list[Request]:
        """Let a request wait; returns those that have ended by now."""
        ended = self.advance(at)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        if STUCK_IN_QUEUE in request.marks:
            self._stuck[request] = None
        else:
            self._queue(request, ready_at=at + self._queued_s)
        if request.start_within_s is not None:
            self._at(request.sent_at + request.start_within_s, _Event.LATE, request)
        self._fill(at)
        return ended + self.advance(at)

    def advance(self, now: float) -> list[Request]:
        """Let everything happen that was due by `now`; returns the requests that ended."""
        ended: list[Request] = []
        while self._events and self._events[0][0] <= now:
            at, what, _, request = heapq.heappop(self._events)
            if what == _Event.END and request.due_at == at and request.phase is Phase.IN_PROGRESS:
                self._finish(request, at=at, ended=ended)
            elif what == _Event.LATE and request.phase is Phase.IN_QUEUE:
                self._leave(request)
                self._end(request, at=at, ending=Ending.LATE)
                ended.append(request)
            self._fill(at)
        return ended

    def position(self, request: Request) -> int:
        """Return how many requests are ahead of one that waits; 0 for one that does not."""
        if request.ticket not in self._waiting:
            return 0
        return bisect.bisect_left(self._tickets, request.ticket)

    def cancel(self, request: Request, *, at: float, even_running: bool) -> bool:
        """End a request as cancelled, if it has not started; returns whether it has ended so.

        Args:
            request: One that is open.
            at: The time.
            even_running: Whether one that has started is stopped as well.
        """
        holds_runner = request.phase is Phase.IN_PROGRESS and request not in self._stuck
        if holds_runner and not even_running:
            return False
        if holds_runner:
            self.running -= 1
        self._leave(request)
        self._end(request, at=at, ending=Ending.CANCELLED)
        self._fill(at)
        return True

    def release(self, *, at: float) -> int:
        """Let the stuck requests go on as if nothing had been; returns how many there were."""
        stuck = list(self._stuck)
        self._stuck.clear()
        for request in stuck:
            request.marks -= {STUCK, STUCK_IN_QUEUE}
            request.step_back()
            self._queue(request, ready_at=at)
        self._fill(at)
        return len(stuck)

    def _queue(self, request: Request, *, ready_at: float) -> None:
        self._last_ticket += 1
        request.ticket = self._last_ticket
        request.ready_at = ready_at
        self._tickets.append(request.ticket)
        self._waiting[request.ticket] = request
        self._at(ready_at, _Event.READY, request)

    def _fill(self, at: float) -> None:
        while self.running < self._concurrency and self._tickets:
            request = self._waiting[self._tickets[0]]
            if request.ready_at > at:
                return
            self._leave(request)
            self._start(request, at=at)

    def _start(self, request: Request, *, at: float) -> None:
        if STUCK in request.marks:
            self._stuck[request] = None
            request.start(at=at, due_at=None)
            return
        steps_back = STEP_BACK in request.marks and not request.attempts
        due_at = at + (request.seconds / 2 if steps_back else request.seconds)
        request.start(at=at, due_at=due_at)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self._at(due_at, _Event.END, request)

    def _finish(self, request: Request, *, at: float, ended: list[Request]) -> None:
        self.running -= 1
        if STEP_BACK in request.marks and request.attempts == 1:
            request.step_back()
            self._queue(request, ready_at=at + self._queued_s)
            return
        self._end(request, at=at, ending=Ending.DONE)
        ended.append(request)

    def _end(self, request: Request, *, at: float, ending: Ending) -> None:
        request.end(at=at, ending=ending)
        self.open -= 1

    def _leave(self, request: Request) -> None:
        self._stuck.pop(request, None)
        if self._waiting.pop(request.ticket, None) is not None:
            del self._tickets[bisect.bisect_left(self._tickets, request.ticket)]

    def _at(self, time: float, event: _Event, request: Request) -> None:
        self._ties += 1
        heapq.heappush(self._events, (time, event, self._ties, request))
