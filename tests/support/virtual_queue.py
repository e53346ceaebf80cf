"""A service and its client in virtual time: a night of requests passes in a moment.

The service has runners and an unbounded line before them. The client keeps as many requests open
as `Window` allows and looks at each when `Polling` says so. Nothing waits, no socket is opened.
"""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from batchgen.pacing import Polling, Watch, Window

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
    ready_at: float = 0.0
    looks: int = 0
    watch: Watch


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
        service: What the service is like.
        jobs: How many jobs.
        cap: The most requests that may be open.
        seed: Of everything that is drawn.
        settle_s: When idle runners and waiting requests begin to be counted.
        polling: What decides when to look.
        window: What decides how many are open.
        is_fixed: Whether the whole cap is used, whatever the window says.
        noticed: The requests that have ended, in the order in which that was noticed.
        refused: When submissions were refused.
        limits: What the window was, after each event.
        took_s: How long it took.
        work_s: All service times together.
    """

    service: Service
    jobs: int = 400
    cap: int = 40
    seed: int = 0
    settle_s: float = 0.0
    polling: Polling = field(default_factory=Polling)
    is_fixed: bool = False
    window: Window = field(init=False)
    line: Line = field(init=False)
    noticed: list[Noticed] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    limits: list[tuple[float, int]] = field(default_factory=list)
    took_s: float = 0.0
    work_s: float = 0.0
    _jobs: deque[tuple[Hashable, float]] = field(default_factory=deque)
    _sent: int = 0
    _ties: int = 0
    _events: list[tuple[float, int, Request | None]] = field(default_factory=list)
    _dice: random.Random = field(default_factory=random.Random)

    def run(self) -> VirtualNight:
        """Let the night pass."""
        self.window = Window(cap=self.cap)
        self.line = Line(service=self.service, count_from=self.settle_s)
        self._dice.seed(self.seed)
        self._jobs.extend(self.service.draw(self._dice, number) for number in range(self.jobs))
        self.work_s = sum(seconds for _, seconds in self._jobs)
        self._send_all(0.0)
        while self._events:
            now, _, request = heapq.heappop(self._events)
            self.line.advance(now)
            if request is not None:
                self._look(request, now)
            self._send_all(now)
            if not self._jobs:
                # What is idle when nothing is left to send does not count.
                self.line.count_until = min(self.line.count_until, now)
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

    @property
    def idle(self) -> float:
        """The part of the runners' time in which they had nothing to do."""
        return self.line.idle_s / max(self.line.ran_s, 1e-9)

    @property
    def queued(self) -> float:
        """How many requests waited on average, for each runner."""
        return self.line.queued_s / max(self.line.ran_s, 1e-9)

    def _look(self, request: Request, now: float) -> None:
        age = now - request.sent_at
        name, watch = str(request.number), request.watch
        delay = watch.delay_s(age)
        if delay > 1e-9:
            self._later(now + min(delay, watch.patience_s(age)), request)
        elif request.ends_at <= now:
            watch.done(age)
            watch.close()
            self.window.saw(name, is_queued=False, ahead=None)
            self.window.closed(name)
            self.window.open -= 1
            late = now - request.ends_at
            self.noticed.append(Noticed(number=request.number, looks=request.looks, delay_s=late))
        else:
            request.looks += 1
            queued = request.started_at is None and self.service.has_queue
            ahead = self.line.position(request) if queued and self.service.tells else None
            watch.saw(age, is_queued=queued, ahead=ahead)
            if not self.is_fixed:
                self.window.saw(name, is_queued=queued, ahead=ahead)
            self._later(now, request)

    def _send_all(self, now: float) -> None:
        while self._jobs and self.window.has_room(now) and not self.window.wait_s(now):
            self._send(now)
        self.limits.append((now, self.window.limit))
        if self._jobs and (self.window.wait_s(now) or not self.window.has_room(now)):
            wait = self.window.wait_s(now) or self.window.room_in_s(now)
            if wait < 60.0:
                self._later(now + max(wait, 1e-6), None)

    def _send(self, now: float) -> None:
        self.line.advance(now)
        is_full = self.service.most_open is not None and self.line.open >= self.service.most_open
        if is_full or self.service.refuses(self._dice, now):
            self.refused.append(now)
            self.window.open += 1
            self.window.slow_down(now, retry_after_s=None, jitter=self._dice.random())
            self.window.open -= 1
            return
        kind, seconds = self._jobs.popleft()
        self.window.open += 1
        request = Request(
            number=self._sent,
            kind=kind,
            seconds=seconds,
            sent_at=now,
            watch=self.polling.watch(kind),
        )
        self._sent += 1
        self.line.add(request, now)
        ahead = self.line.position(request) if request.started_at is None else 0
        told = ahead if self.service.answers_tell and not self.is_fixed else 0
        self.window.accepted(str(request.number), ahead=told)
        request.watch.is_probe = self.window.wants_probe(told)
        self._later(now, request)

    def _later(self, at: float, request: Request | None) -> None:
        self._ties += 1
        heapq.heappush(self._events, (at, self._ties, request))
