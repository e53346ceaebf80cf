"""The runners of a service and the requests that wait for them, by any clock: nothing sleeps."""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

# Draws the kind and the service time, in seconds, of the n-th job.
Draw = Callable[[random.Random, int], tuple[Hashable, float]]


def lognormal(median_s: float, spread: float) -> Draw:
    """Return service times of one kind, spread around a median."""
    return lambda dice, number: ("", dice.lognormvariate(math.log(median_s), spread))


def least_s(seconds: Iterable[float], *, runners: int) -> float:
    """Return how long these times take, in this order, where nobody has to be waited for."""
    free_at = [0.0] * runners
    for one in seconds:
        heapq.heapreplace(free_at, free_at[0] + one)
    return max(free_at)


@dataclass(slots=True, kw_only=True)
class Request:
    """One request at the service; times are those of the service's clock.

    Attributes:
        number: Its place in the order in which they came.
        seconds: How long it runs.
        ready_at: Before this it counts as queued, even if a runner is free.
    """

    number: int
    seconds: float
    ready_at: float = 0.0
    started_at: float | None = None
    ends_at: float = math.inf


@dataclass(slots=True, kw_only=True)
class Service:
    """What the service is like.

    Attributes:
        draw: The service times.
        runners: How many it runs at a time.
        changes: From when on it runs how many instead, in order.
        most_open: It refuses what is sent beyond so many open requests.
        refuses: Says whether it refuses a submission at a time, for no reason that lies in us.
        dispatch_s: How long a request counts as queued although a runner is free.
        strangers: How many requests of others are always before ours.
        tells: Whether a status says how many are before a request.
        answers_tell: Whether the answer to a submission says so.
        has_queue: Whether a status tells queued from running.
        tells_time: Whether a status tells how long a request ran that has ended.
    """

    draw: Draw
    runners: int = 40
    changes: tuple[tuple[float, int], ...] = ()
    most_open: int | None = None
    refuses: Callable[[random.Random, float], bool] = lambda dice, now: False
    dispatch_s: float = 0.0
    strangers: int = 0
    tells: bool = True
    answers_tell: bool = False
    has_queue: bool = True
    tells_time: bool = True


@dataclass(slots=True, kw_only=True)
class Line:
    """The runners, and those who wait for them.

    Attributes:
        idle_s: Runner-seconds in which a runner had nothing to do, from `count_from` on.
        ran_s: Runner-seconds that there were.
        queued_s: Request-seconds that were waited.
    """

    service: Service
    count_from: float = 0.0
    count_until: float = math.inf
    open: int = 0
    most_open: int = 0
    idle_s: float = 0.0
    ran_s: float = 0.0
    queued_s: float = 0.0
    waiting: deque[Request] = field(default_factory=deque)
    _running: list[tuple[float, int]] = field(default_factory=list)
    _times: list[float] = field(default_factory=list)
    _at: float = 0.0

    def __post_init__(self) -> None:
        self._times = [at for at, _ in self.service.changes]

    @property
    def runners(self) -> int:
        """How many there are now."""
        now = [runners for at, runners in self.service.changes if at <= self._at]
        return now[-1] if now else self.service.runners

    @property
    def idle(self) -> float:
        """The part of the runners' time in which they had nothing to do."""
        return self.idle_s / max(self.ran_s, 1e-9)

    @property
    def queued(self) -> float:
        """How many requests waited on average, for each runner."""
        return self.queued_s / max(self.ran_s, 1e-9)

    def advance(self, now: float) -> None:
        """Let everything happen that was due by now."""
        while (due := self._next_due()) <= now:
            self._count(due)
            while self._running and self._running[0][0] <= due:
                heapq.heappop(self._running)
                self.open -= 1
            self._fill(due)
        self._count(now)

    def add(self, request: Request, now: float) -> None:
        """Let a request wait for a runner, or begin."""
        self.advance(now)
        request.ready_at = now + self.service.dispatch_s
        self.waiting.append(request)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        self._fill(now)

    def position(self, request: Request) -> int:
        """Return how many wait before it."""
        mine = bisect_left(self.waiting, request.number, key=lambda one: one.number)
        return mine + self.service.strangers

    def _next_due(self) -> float:
        due = [self._running[0][0]] if self._running else []
        due += [self.waiting[0].ready_at] if self.waiting and self._has_free() else []
        due += [at for at in self._times if at > self._at][:1]
        return max(self._at, min(due)) if due else math.inf

    def _has_free(self) -> bool:
        return len(self._running) < self.runners

    def _fill(self, now: float) -> None:
        while self.waiting and self._has_free() and self.waiting[0].ready_at <= now:
            request = self.waiting.popleft()
            request.started_at = now
            request.ends_at = now + request.seconds
            heapq.heappush(self._running, (request.ends_at, request.number))

    def _count(self, now: float) -> None:
        passed = min(now, self.count_until) - max(self._at, self.count_from)
        if passed > 0.0:
            self.idle_s += passed * max(0, self.runners - len(self._running))
            self.ran_s += passed * self.runners
            self.queued_s += passed * len(self.waiting)
        self._at = max(self._at, now)
