"""A service and its client in virtual time: a night of requests passes in a moment.

The service has runners and an unbounded line before them. The client keeps as many requests open
as `Window` allows and looks at each when `Polling` says so. Nothing waits, no socket is opened.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field

from support.line import Line, Request, Service, least_s

from batchgen.pacing import Polling, Watch, Window


@dataclass(slots=True, kw_only=True)
class Followed:
    """A request as its client sees it.

    Attributes:
        request: What the service knows of it.
        sent_at: When it was sent, by the virtual clock.
        watch: When to look at it.
        looks: Looks in vain so far.
    """

    request: Request
    sent_at: float
    watch: Watch
    looks: int = 0

    @property
    def name(self) -> str:
        return str(self.request.number)


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
        least_s: The least that it could have taken.
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
    least_s: float = 0.0
    _jobs: deque[tuple[Hashable, float]] = field(default_factory=deque)
    _sent: int = 0
    _ties: int = 0
    _events: list[tuple[float, int, Followed | None]] = field(default_factory=list)
    _dice: random.Random = field(default_factory=random.Random)

    def run(self) -> VirtualNight:
        """Let the night pass."""
        self.window = Window(cap=self.cap)
        self.window.backlog.start.is_over = self.is_fixed
        self.line = Line(service=self.service, count_from=self.settle_s)
        self._dice.seed(self.seed)
        self._jobs.extend(self.service.draw(self._dice, number) for number in range(self.jobs))
        times = [seconds for _, seconds in self._jobs]
        self.work_s = sum(times)
        self.least_s = least_s(times, runners=self.service.runners)
        self._send_all(0.0)
        while self._events:
            now, _, followed = heapq.heappop(self._events)
            self.line.advance(now)
            if followed is not None:
                self._look(followed, now)
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
        return self.line.idle

    @property
    def queued(self) -> float:
        """How many requests waited on average, for each runner."""
        return self.line.queued

    def _look(self, followed: Followed, now: float) -> None:
        age = now - followed.sent_at
        name, watch, request = followed.name, followed.watch, followed.request
        delay = watch.delay_s(age)
        if delay > 1e-9:
            self._later(now + min(delay, watch.patience_s(age)), followed)
        elif request.ends_at <= now:
            told = request.seconds if self.service.tells_time else None
            watch.done(age, inference_s=told)
            watch.close()
            self.window.saw(name, is_queued=False, ahead=None)
            self.window.closed(name)
            self.window.open -= 1
            late = now - request.ends_at
            self.noticed.append(Noticed(number=request.number, looks=followed.looks, delay_s=late))
        else:
            followed.looks += 1
            queued = request.started_at is None and self.service.has_queue
            ahead = self.line.position(request) if queued and self.service.tells else None
            watch.saw(age, is_queued=queued, ahead=ahead)
            if not self.is_fixed:
                self.window.saw(name, is_queued=queued, ahead=ahead)
            self._later(now, followed)

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
        request = Request(number=self._sent, seconds=seconds)
        followed = Followed(request=request, sent_at=now, watch=self.polling.watch(kind))
        self._sent += 1
        self.line.add(request, now)
        ahead = self.line.position(request) if request.started_at is None else 0
        told = ahead if self.service.answers_tell and not self.is_fixed else 0
        self.window.accepted(followed.name, ahead=told)
        followed.watch.is_probe = self.window.wants_probe(told)
        self._later(now, followed)

    def _later(self, at: float, followed: Followed | None) -> None:
        self._ties += 1
        heapq.heappush(self._events, (at, self._ties, followed))
