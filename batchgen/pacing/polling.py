"""When to ask for a request again, from what earlier requests have taken.

Times are learned apart for each kind of request (a 4K image takes longer than a 1K image), and
apart from the wait in the service's queue. From them a schedule is made that balances reads that
see nothing against results that nobody has noticed.

While next to nothing is known, a few requests are scouts: they are asked about often, the others
wait for what the scouts find out.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import accumulate

from batchgen.pacing.cells import CELLS, end_of
from batchgen.pacing.schedule import Schedule, best_schedule
from batchgen.pacing.times import MANY, ServiceTimes

# Results may live only six minutes, so no request is asked about less often than this.
SLOWEST_POLL_S = 60.0

# A read in vain is worth a delay of so much of the time that half of the requests take; but not
# less than a read takes this machine, nor more than anybody wants to wait, in seconds. Where the
# logarithm of that time has a spread of 0.4, it comes to about three reads in vain a request.
PRICE = 0.02
LEAST_PRICE_S = 0.0005
MOST_PRICE_S = 1.0

# More kinds than this are one.
MOST_KINDS = 32

# While fewer requests than this are known, one request of so many is a scout, and reads in vain
# count as news, so many at a time.
FEW = 8
ONE_SCOUT_IN = 4
LOOKS = 8

# Once so many are known that no guess stands beside them, another schedule is made only after
# requests have taken so long together, in seconds: making it takes a millisecond, and where a
# request takes a few of them as well, hundreds end in a second.
WORTH_S = 10.0

# Who knows next to nothing rather takes the usual time for too short: where n are known, it is
# that by which half of (n + this) / (n + 4) of the requests have ended.
SCOUT_DARES = 0.6
OTHER_DARES = 2.5

# While little is known, whoever waits looks up this often: every so many seconds, and by this
# part of the request's age.
LOOK_UP_S = 0.04
LOOK_UP = 0.06

# What happens less often than this is not waited for.
NEVER = 1e-4

# Before it is known how fast the queue moves: seconds a place, and the longest wait.
PLACE_S = 0.05
LONGEST_GUESS_S = 10.0

# A request far behind is looked at again when so much of its wait should be over: the queue may
# move faster than it did.
PART_OF_WAIT = 0.7

# Who wants to see whether a request waits looks at this part of the time after which it would be
# looked at else.
PROBED_AT = 0.05

# What is known of the queue's pace fades by this factor with each further sight of it.
FADING = 0.9


@dataclass(slots=True, kw_only=True)
class _Kind:
    """What is known of one kind of requests, and the schedules that follow from it.

    Attributes:
        times: How long they take.
        schedule: When to look at one of them; None: to be made.
        scouting: When to look at one of the scouts.
        open: Those that are open.
        watched: How many there were.
        news: Requests that have ended since the schedule was made.
        taken_s: How long these took together, in seconds.
        looks: Reads in vain since then.
    """

    times: ServiceTimes = field(default_factory=ServiceTimes)
    schedule: Schedule | None = None
    scouting: Schedule | None = None
    open: dict[int, Watch] = field(default_factory=dict)
    watched: int = 0
    news: int = 0
    taken_s: float = 0.0
    looks: int = 0

    @property
    def is_little_known(self) -> bool:
        """Whether every look at one of them is news."""
        return self.times.weight < FEW

    @property
    def is_due(self) -> bool:
        """Whether enough has happened since the schedule was made to make another."""
        if self.schedule is None or (self.is_little_known and self.looks >= LOOKS):
            return True
        is_worth_it = self.times.weight < MANY or self.taken_s >= WORTH_S
        return is_worth_it and self.news > min(self.times.weight // 8, 16)

    def note(self, *, after_s: float, by_s: float) -> None:
        """Take note of how long a request took."""
        self.times.saw(after_s=after_s, by_s=by_s)
        self.news += 1
        self.taken_s += by_s


@dataclass(slots=True, kw_only=True)
class Watch:
    """One open request: what was seen of it, and when to look again.

    Attributes:
        polling: What is known of all.
        kind: What is known of its like.
        is_new: Whether this run has sent it: how long another took is not known.
        is_scout: Whether it is looked at often while little is known.
        is_probe: Whether it is looked at soon after it was sent, to see whether it waits, and
            again and again where little is known.
        ahead: Requests before it in the queue when it was last seen there; None: not said.
        seen_s: Its age when it was last seen unfinished, in seconds.
        queued_s: Its age when it was last seen in the queue; None: never.
        running_s: Its age when it was first seen running; None: never.
        began_s: The age at which it began to run, or will, as far as is known.
    """

    polling: Polling = field(repr=False)
    kind: _Kind = field(repr=False)
    is_new: bool
    is_scout: bool
    is_probe: bool = False
    ahead: int | None = None
    seen_s: float = 0.0
    queued_s: float | None = None
    running_s: float | None = None
    began_s: float = 0.0

    def delay_s(self, age_s: float) -> float:
        """Return the seconds until it should be looked at; 0: now.

        Args:
            age_s: Seconds since its submission.
        """
        schedule = self.polling.schedule_of(self.kind, scouting=self.is_scout)
        due = self.began_s + schedule.after(max(0.0, self.seen_s - self.began_s))
        wait = self.began_s - self.seen_s
        if self.is_probe and not self.seen_s:
            due *= PROBED_AT
        elif self.is_probe and self.running_s is None and self.kind.is_little_known:
            due = min(due, 2.0 * self.seen_s)
        if wait > 0.0:
            due = min(due, self.seen_s + max(PART_OF_WAIT * wait, schedule.after(0.0)))
        return max(0.0, min(due, self.seen_s + SLOWEST_POLL_S) - age_s)

    def patience_s(self, age_s: float) -> float:
        """Return the seconds after which its delay should be asked for again: it may be shorter.

        Args:
            age_s: Seconds since its submission.
        """
        return LOOK_UP_S + LOOK_UP * age_s if self.kind.is_little_known else SLOWEST_POLL_S

    def saw(self, age_s: float, *, is_queued: bool = False, ahead: int | None = None) -> None:
        """Take note that it was unfinished at this age, and whether it still waited."""
        if is_queued:
            self._saw_queued(age_s, ahead)
        elif self.running_s is None:
            self._saw_begun(age_s)
            self.running_s = age_s
            self.began_s = min(self.began_s, age_s)  # the queue may have moved faster
        self.seen_s = age_s
        self.kind.looks += 1

    def done(self, age_s: float, *, inference_s: float | None = None) -> None:
        """Take note that it was over at this age.

        Args:
            age_s: Seconds since its submission.
            inference_s: How long it ran, where the service says so.
        """
        if self.running_s is None:
            self._saw_begun(age_s - (inference_s or 0.0))
        if not self.is_new:
            return
        after, by = self.seen_s, age_s
        if self.queued_s is not None:
            # It began between two looks.
            after = 0.0 if self.running_s is None else self.seen_s - self.running_s
            by = age_s - self.queued_s
            if inference_s is not None:
                after = by = inference_s
        self.kind.note(after_s=after, by_s=by)
        self.polling.note(after_s=after, by_s=by)

    def close(self) -> None:
        """Watch it no longer."""
        self.kind.open.pop(id(self), None)

    def _saw_begun(self, by_s: float) -> None:
        """Take note that it had begun by this age: whatever was before it has gone ahead."""
        if self.ahead is not None and self.queued_s is not None:
            self.polling.queue_went(places=self.ahead + 1, within_s=max(0.0, by_s - self.queued_s))

    def _saw_queued(self, age_s: float, ahead: int | None) -> None:
        if ahead is not None and self.ahead is not None and self.queued_s is not None:
            self.polling.queue_moved(places=self.ahead - ahead, in_s=age_s - self.queued_s)
        self.ahead = ahead
        self.queued_s = age_s
        self.running_s = None
        self.began_s = age_s + self.polling.wait_s(ahead)


@dataclass(slots=True, kw_only=True)
class Polling:
    """What is known of how long requests take, and of how fast the service's queue moves.

    Attributes:
        price: What a read in vain is worth: this part of the time that half of them take.
    """

    price: float = PRICE
    _all: ServiceTimes = field(default_factory=ServiceTimes)
    _kinds: dict[Hashable, _Kind] = field(default_factory=dict)
    _places: float = 0.0
    _moving_s: float = 0.0

    def watch(
        self,
        kind: Hashable = "",
        *,
        ahead: int | None = None,
        is_new: bool = True,
        is_probe: bool = False,
    ) -> Watch:
        """Begin to watch a request.

        Args:
            kind: Requests of one kind take about the same time.
            ahead: Requests before it in the queue, where the service said so.
            is_new: Whether it was sent just now.
            is_probe: Whether it is of interest soon whether it waits.
        """
        if kind not in self._kinds and len(self._kinds) >= MOST_KINDS:
            kind = next(iter(self._kinds))
        known = self._kinds.get(kind)
        if known is None:
            known = self._kinds[kind] = _Kind()
        watch = Watch(
            polling=self,
            kind=known,
            is_new=is_new,
            is_scout=known.watched % ONE_SCOUT_IN == 0,
            is_probe=is_probe,
        )
        known.watched += 1
        known.open[id(watch)] = watch
        if ahead:
            watch.saw(0.0, is_queued=True, ahead=ahead)
        return watch

    def note(self, *, after_s: float, by_s: float) -> None:
        """Take note of how long a request of any kind took."""
        self._all.saw(after_s=after_s, by_s=by_s)

    def queue_moved(self, *, places: int, in_s: float) -> None:
        """Take note of by how many places a request came forward in so many seconds."""
        self._places = FADING * self._places + max(0, places)
        self._moving_s = FADING * self._moving_s + in_s

    def queue_went(self, *, places: int, within_s: float) -> None:
        """Take note that a request came forward by so many places in so many seconds, or fewer.

        That is news only where it should have taken longer. Else a queue that was slow once, and
        is looked at so much less often for it, would be taken for slow for ever.
        """
        if self.wait_s(places - 1) > within_s:
            self.queue_moved(places=places, in_s=within_s)

    def wait_s(self, ahead: int | None) -> float:
        """Return how long a request should still wait with so many before it, in seconds."""
        if ahead is None or ahead < 0:
            return 0.0
        if self._places >= 1.0:
            return (ahead + 1) * self._moving_s / self._places
        return min(LONGEST_GUESS_S, ahead * PLACE_S)

    def schedule_of(self, kind: _Kind, *, scouting: bool) -> Schedule:
        """Return when requests of a kind should be looked at."""
        if kind.schedule is None or kind.is_due:
            self._refresh(kind)
            kind.schedule = self._best(kind.times, dares=OTHER_DARES)
            kind.scouting = None
            if kind.is_little_known:
                kind.scouting = self._best(kind.times, dares=SCOUT_DARES)
            kind.news = kind.looks = 0
            kind.taken_s = 0.0
        return (kind.scouting if scouting else None) or kind.schedule

    def _refresh(self, kind: _Kind) -> None:
        """Learn from what has ended and from what is open still."""
        open_s = [one.seen_s - one.began_s for one in kind.open.values() if one.is_new]
        others = None
        if len(self._kinds) > 1:
            self._all.refresh()
            others = self._all.shares
        kind.times.refresh(open_s=[age for age in open_s if age > 0.0], others=others)

    def _best(self, times: ServiceTimes, *, dares: float) -> Schedule:
        """Return the best schedule for one who dares so much to take the usual time for known."""
        part = 0.5 * (times.weight + dares) / (times.weight + 4.0)
        below = [*accumulate(times.shares)]
        first = next(cell for cell in range(CELLS) if below[cell] > NEVER)
        usual_s = end_of(next(cell for cell in range(CELLS) if below[cell] >= part))
        price_s = min(max(self.price * usual_s, LEAST_PRICE_S), MOST_PRICE_S)
        ages = [0.0, *(end_of(cell) for cell in range(first, CELLS))]
        return best_schedule(ages, [0.0, *below[first : CELLS - 1], 1.0], price_s=price_s)
