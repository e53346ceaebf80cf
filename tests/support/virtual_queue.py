"""A service and its client in virtual time: a night of requests passes in a moment.

The service has runners and an unbounded line before them. The client keeps so many requests open
and looks at each when `Polling` says so. Nothing waits, no socket is opened.
"""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from batchgen.pacing import Polling, Watch

# Draws the kind and the service time, in seconds, of the n-th job.
Draw = Callable[[random.Random, int], tuple[Hashable, float]]


def lognormal(median_s: float, spread: float) -> Draw:
    """Return service times of one kind, spread around a median."""
    return lambda dice, number: ("", dice.lognormvariate(math.log(median_s), spread))


@dataclass(slots=True, kw_only=True)
class Request:
    """One request at the service; times are those of the virtual clock."""

    number: int
    kind: Hashable
    seconds: float
    sent_at: float
    started_at: float | None = None
    ends_at: float = math.inf
    looks: int = 0
    watch: Watch


@dataclass(slots=True, kw_only=True)
class Line:
    """The runners, and those who wait for them."""

    runners: int
    waiting: deque[Request] = field(default_factory=deque)
    running: list[tuple[float, int]] = field(default_factory=list)
    idle_s: float = 0.0
    queued_s: float = 0.0
    _at: float = 0.0

    def advance(self, now: float) -> None:
        """Let everything happen that was due by now."""
        while self.running and self.running[0][0] <= now:
            ended, _ = heapq.heappop(self.running)
            self._count(ended)
            self._fill(ended)
        self._count(now)

    def add(self, request: Request, now: float) -> None:
        """Let a request wait for a runner, or begin."""
        self.advance(now)
        self.waiting.append(request)
        self._fill(now)

    def position(self, request: Request) -> int:
        """Return how many wait before it."""
        return bisect_left(self.waiting, request.number, key=lambda one: one.number)

    def _fill(self, now: float) -> None:
        while self.waiting and len(self.running) < self.runners:
            request = self.waiting.popleft()
            request.started_at = now
            request.ends_at = now + request.seconds
            heapq.heappush(self.running, (request.ends_at, request.number))

    def _count(self, now: float) -> None:
        passed = max(0.0, now - self._at)
        self.idle_s += passed * max(0, self.runners - len(self.running))
        self.queued_s += passed * len(self.waiting)
        self._at = max(self._at, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """One request that has ended: what it cost to find that out."""

    number: int
    looks: int
    delay_s: float


@dataclass(slots=True, kw_only=True)
class VirtualNight:
    """One run against the virtual service.

    Attributes:
        draw: The service times.
        jobs: How many jobs.
        open: How many requests are kept open.
        runners: How many the service runs at a time.
        seed: Of the service times.
        polling: What decides when to look.
    """

    draw: Draw
    jobs: int = 400
    open: int = 40
    runners: int = 40
    seed: int = 0
    polling: Polling = field(default_factory=Polling)
    noticed: list[Noticed] = field(default_factory=list)
    took_s: float = 0.0
    work_s: float = 0.0
    _sent: int = 0
    _ties: int = 0
    _events: list[tuple[float, int, Request]] = field(default_factory=list)

    def run(self) -> VirtualNight:
        """Let the night pass."""
        dice, line = random.Random(self.seed), Line(runners=self.runners)
        for _ in range(min(self.open, self.jobs)):
            self._send(dice, line, now=0.0)
        while self._events:
            now, _, request = heapq.heappop(self._events)
            line.advance(now)
            age = now - request.sent_at
            delay = request.watch.delay_s(age)
            if delay > 1e-9:
                self._later(now + min(delay, request.watch.patience_s(age)), request)
            elif request.ends_at <= now:
                self._end(request, now)
                if self._sent < self.jobs:
                    self._send(dice, line, now=now)
            else:
                request.looks += 1
                queued = request.started_at is None
                ahead = line.position(request) if queued else None
                request.watch.saw(age, is_queued=queued, ahead=ahead)
                self._later(now, request)
            self.took_s = now
        return self

    @property
    def looks(self) -> float:
        """Reads in vain a job."""
        return sum(one.looks for one in self.noticed) / len(self.noticed)

    @property
    def delay_s(self) -> float:
        """The mean time until it was noticed that a request had ended, in seconds."""
        return sum(one.delay_s for one in self.noticed) / len(self.noticed)

    def _send(self, dice: random.Random, line: Line, *, now: float) -> None:
        kind, seconds = self.draw(dice, self._sent)
        watch = self.polling.watch(kind)
        request = Request(number=self._sent, kind=kind, seconds=seconds, sent_at=now, watch=watch)
        self._sent += 1
        self.work_s += seconds
        line.add(request, now)
        self._later(now, request)

    def _end(self, request: Request, now: float) -> None:
        request.watch.done(now - request.sent_at)
        request.watch.close()
        self.noticed.append(
            Noticed(number=request.number, looks=request.looks, delay_s=now - request.ends_at)
        )

    def _later(self, at: float, request: Request) -> None:
        self._ties += 1
        heapq.heappush(self._events, (at, self._ties, request))
