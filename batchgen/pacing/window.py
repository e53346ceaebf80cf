"""How many requests may be open: the cap, less what the service has told us."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from batchgen.pacing.backlog import Backlog
from batchgen.retry import Backoff

# How much one answer counts in the share of those that were refused, and the share up to which
# refusals are taken for bad luck, where not even so many come in a row: a service that limits us
# refuses most of what is too much. After a cut the share begins anew.
NEWEST = 0.02
BAD_LUCK = 0.25
AFTER_A_CUT = 0.15
IN_A_ROW = 3

# The more is refused, the longer rests what was: so many times as long where all is.
RESTS = 4.0

# So many full windows of accepted requests at most, before the window grows to where it was too
# large before.
MOST_ROUNDS = 16


@dataclass(slots=True, kw_only=True)
class Window:
    """How many requests may be open: the cap, less what the service has told us.

    A refusal now and then is bad luck: whatever was refused keeps its slot until it may be sent
    again, and nothing else waits for it. Where many are refused, the service limits us: the window
    is halved, at most once a cool-down, and nothing is sent meanwhile; one that has carried a full
    round since the last time was hardly too large and loses an eighth. It grows again by one for
    each accepted request up to where it was too large, and by one for each full window of them
    beyond: of several of them, where it was too large there more than once.

    Attributes:
        cap: `--concurrency`; the window never exceeds it.
        open: Requests that are open now.
        allowed: The cap, less what refusals have taken off it.
        why: What made it smaller than the cap, in a word.
        grew: Called where more may be open than before, by what was seen of those that are: whoever
            waits for room looks again.
        backlog: What is known of the service's queue.
    """

    cap: int
    open: int = 0
    backoff: Backoff = field(default_factory=lambda: Backoff(base_s=1.0, cap_s=60.0))
    allowed: int = 0
    why: str = "the service"
    grew: Callable[[], None] = lambda: None
    backlog: Backlog = field(init=False)
    _calm_at: float = 0.0
    _failures: int = 0
    _accepted: int = 0
    _refused_share: float = BAD_LUCK
    _refused_in_a_row: int = 0
    _since_cut: int = 0
    _too_much: int = 0
    _rounds: int = 1
    _resting: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with the whole cap allowed."""
        self.allowed = self.cap
        self.backlog = Backlog(cap=self.cap)

    @property
    def limit(self) -> int:
        """How many requests may be open."""
        enough = self.backlog.enough
        return self.allowed if enough is None else min(self.allowed, enough)

    @property
    def slowed(self) -> bool:
        """Whether refusals have made the window smaller than the cap."""
        return self.allowed < self.cap

    @property
    def reason(self) -> str:
        """What decides how large the window is, in a few words."""
        if self.limit == self.cap:
            return "the cap"
        if self.limit == self.allowed:
            return f"slowed by {self.why}"
        return "a slow start" if self.backlog.is_starting else "enough for the service"

    def has_room(self, now: float) -> bool:
        """Say whether one more request may be opened."""
        while self._resting and self._resting[0] <= now:
            heapq.heappop(self._resting)
        return self.open + len(self._resting) < self.limit

    def room_in_s(self, now: float) -> float:
        """Return the seconds until a slot is free by itself, at most a minute."""
        return min(60.0, max(0.0, self._resting[0] - now)) if self._resting else 60.0

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
    ) -> float:
        """Take note that the service refused a request for its rate, or could not be reached.

        Args:
            now: The clock, in seconds.
            retry_after_s: What the service asked for, or None.
            jitter: A draw from [0, 1).
            why: What it said, in a word: `429`.

        Returns:
            The seconds after which this request may be sent again.
        """
        # "At once" is no time to wait: the service would be asked without a pause.
        retry_after_s = retry_after_s or None
        self._refused_share += NEWEST * (1.0 - self._refused_share)
        self._refused_in_a_row += 1
        in_a_row = max(IN_A_ROW, self.allowed)
        if self._refused_share <= BAD_LUCK and self._refused_in_a_row <= in_a_row:
            return self._rest(now, retry_after_s=retry_after_s, jitter=jitter)
        self.why = why
        if now >= self._calm_at:
            # Refusals that arrive together are one message, not twenty.
            self._failures += 1
            self._cut(min(self.allowed, self.open or 1))
        wait = retry_after_s
        if wait is None:
            # Half of it is certain, so that a lucky draw does not hammer the service.
            wait = 0.5 * self.backoff.wait_s(failures=self._failures, jitter=1.0 + jitter)
        self._calm_at = max(self._calm_at, now + wait)
        return self.wait_s(now)

    def accepted(self, request_id: str, *, ahead: int | None) -> None:
        """Take note that the service accepted a request.

        Args:
            request_id: The request.
            ahead: How many wait before it, if the answer says so.
        """
        before = self.limit
        self.backlog.opened(request_id, ahead=ahead, open_=self.open)
        self._grow()
        self._tell(before)

    def reopened(self, request_id: str) -> None:
        """Take note of a request that an earlier run has left open."""
        self.backlog.opened(request_id, ahead=None, open_=self.open)

    def wants_probe(self, ahead: int | None) -> bool:
        """Say whether the request that was accepted last should be looked at soon."""
        return self.backlog.wants_probe(ahead)

    def saw(self, request_id: str, *, is_queued: bool, ahead: int | None) -> None:
        """Take note of where an open request stands."""
        before = self.limit
        self.backlog.saw(request_id, is_queued=is_queued, ahead=ahead, open_=self.open)
        self._tell(before)

    def closed(self, request_id: str) -> None:
        """Take note that a request has ended, or is not watched any more."""
        before = self.limit
        self.backlog.closed(request_id)
        self._tell(before)

    def _tell(self, before: int) -> None:
        if self.limit > before:
            self.grew()

    def _grow(self) -> None:
        self._failures = self._refused_in_a_row = 0
        self._refused_share -= NEWEST * self._refused_share
        if self.allowed >= self.cap:
            self._since_cut += 1
            return
        self._accepted += 1
        self._since_cut += 1
        if self.allowed < self._too_much - 1:
            self.allowed += 1
        elif self._accepted >= self.allowed * self._rounds:
            self._accepted = 0
            self.allowed += 1

    def _cut(self, size: int) -> None:
        """Make the window smaller than what was open."""
        has_carried_a_round = self._since_cut >= self.allowed
        self.allowed = max(1, size - max(1, size // 8) if has_carried_a_round else size // 2)
        if self._since_cut or not self._too_much:
            # Else nothing is accepted, however little is sent: that says nothing of the size.
            is_known = size <= self._too_much + 1
            self._rounds = min(2 * self._rounds, MOST_ROUNDS) if is_known else 1
            self._too_much = size
        self._accepted = self._since_cut = self._refused_in_a_row = 0
        self._refused_share = AFTER_A_CUT

    def _rest(self, now: float, *, retry_after_s: float | None, jitter: float) -> float:
        """Let one slot rest; all of them, where the service has said how long."""
        if retry_after_s is not None:
            self._calm_at = max(self._calm_at, now + retry_after_s)
            return retry_after_s
        wait = 0.5 * self.backoff.wait_s(failures=1, jitter=1.0 + jitter)
        wait *= 1.0 + RESTS * self._refused_share
        heapq.heappush(self._resting, now + wait)
        return wait
