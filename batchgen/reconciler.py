"""Look lost submissions up in the platform's history, and write down what became of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from batchgen.attempt import Request, job_from, parse_timestamp
from batchgen.clock import Clock
from batchgen.errors import QueueError, ReadError
from batchgen.history import HistoryEntry
from batchgen.job import Job, Json
from batchgen.outcome import Completed, Failed, StillOpen, image_urls
from batchgen.platform_client import PlatformClient
from batchgen.queue_client import Timeouts
from batchgen.reconcile import (
    CLOCK_SLACK,
    Evidence,
    Fate,
    Lost,
    Verdict,
    could_be,
    settle,
)
from batchgen.records import Records
from batchgen.standing import Standing
from batchgen.state import AttemptState
from batchgen.trace import NOT_IN_HISTORY, lost_from, trace_requests

logger = logging.getLogger(__name__)

# What was sent a moment ago by a clock that is ahead of ours belongs to the history too.
FUTURE = timedelta(hours=1)

# A POST that has not ended by itself is given up on after so long.
LONGEST_POST = timedelta(seconds=Timeouts().total_s)

# The shortest time between two looks.
SHORTEST_PAUSE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoingOn:
    """A job that goes on after its lost submission was settled.

    Attributes:
        job: The job.
        standing: Its own.
        request: Its request, if that was found; None: it is to be sent again.
    """

    job: Job
    standing: Standing
    request: Request | None = None


@dataclass(slots=True, kw_only=True)
class Reconciler:
    """Settles the unknown submissions of a batch.

    Attributes:
        records: Where they stand, and where verdicts are written.
        platform: The history; None where there is none.
        clock: Time and chance.
        unknown_after: How long the history may take to show a request.
        resubmit: Whether what was not accepted is sent again.
        unknown: The numbers of the jobs whose last attempt is unknown.
        said: Why each of them is still unknown, for a person.
    """

    records: Records
    platform: PlatformClient | None
    clock: Clock
    unknown_after: timedelta
    resubmit: bool
    unknown: set[int] = field(default_factory=set)
    said: dict[int, str] = field(default_factory=dict)
    _due_at: dict[int, datetime] = field(default_factory=dict)
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def look(self, *, only_due: bool = False) -> list[GoingOn]:
        """Look them up, record what became of them, and return those that go on.

        A look that is under way is waited for: two would settle the same submission twice.

        Args:
            only_due: Leave out what was looked up in vain a short while ago, for its age: a night
                with one lost answer must not read the whole history every minute.
        """
        async with self._one_at_a_time:
            now = self.clock.now()
            return await self._look(
                number
                for number in sorted(self.unknown)
                if not only_due or self._due_at.get(number, now) <= now
            )

    async def _look(self, numbers: Iterable[int]) -> list[GoingOn]:
        lost = [self._lost(number) for number in numbers]
        settled: list[GoingOn] = []
        for endpoint in sorted({one.endpoint for one in lost}):
            group = [one for one in lost if one.endpoint == endpoint]
            for verdict in await self._verdicts(endpoint, group):
                settled += await self._record(verdict)
        return settled

    async def find(self, job: Job, request: Request) -> Completed | Failed | StillOpen:
        """Return what the platform remembers of a request that the queue does not know."""
        if self.platform is None:
            return StillOpen(reason="the queue does not know it, and there is no history to ask")
        try:
            entry = await self.platform.find(job.endpoint, request.request_id)
        except QueueError as error:
            return StillOpen(reason=f"the queue does not know it, and the history: {error}")
        if entry is not None and entry.result is not None and any(image_urls(entry.result)):
            return Completed(output=entry.result)
        if entry is not None and entry.ended_at is None and entry.status_code is None:
            return StillOpen(reason="the queue does not know it; the history says that it runs")
        return Failed(
            error_type="lost",
            message="neither the queue nor the history has its result any more",
        )

    async def remembers(self, job: Job, request: Request) -> bool:
        """Say whether the history of this key's account shows a request."""
        if self.platform is None:
            return False
        try:
            return await self.platform.find(job.endpoint, request.request_id) is not None
        except QueueError:
            return False

    @property
    def pause_s(self) -> float:
        """Seconds from one look to the next: under `resubmit` a verdict takes that long."""
        return max(SHORTEST_PAUSE, self.unknown_after).total_seconds()

    def next_chance_s(self) -> float | None:
        """Return how long it takes until all of them are old enough to be judged, in seconds.

        None: no further look can lead to anything being sent again. What was sent in the future,
        by a clock that has been set back since, is not waited for.
        """
        if not self.resubmit or self.platform is None:
            return None
        now = self.clock.now()
        sent = [self._lost(number).shown_from for number in self.unknown]
        youngest = max((at for at in sent if at <= now), default=None)
        if youngest is None:
            return None
        return max(0.0, (youngest + self.unknown_after - now).total_seconds())

    def _lost(self, number: int) -> Lost:
        standing = self.records.record.jobs[number]
        lost = lost_from(self.records.entry_at(standing.started))
        if standing.state is not AttemptState.UNKNOWN:  # it is being settled this moment
            return lost
        # What a killed run was sending was noticed by the next one only; no POST takes that long.
        noticed_at = parse_timestamp(self.records.entry_at(standing.last).at)
        return replace(lost, ended_at=min(noticed_at, lost.at + LONGEST_POST))

    async def _verdicts(self, endpoint: str, group: list[Lost]) -> list[Verdict]:
        if self.platform is None:
            return [_unknown(lost, "there is no history to look into") for lost in group]
        start = min(lost.at for lost in group) - CLOCK_SLACK
        try:
            shown = await read_history(
                self.platform,
                endpoint,
                start=start,
                end=self.clock.now() + FUTURE,
                wanted=lambda entry: any(could_be(entry, lost) for lost in group),
            )
        except QueueError as error:
            return [_unknown(lost, f"the history cannot be read: {error}") for lost in group]
        # Looked at between the history and the journal: what was accepted before the one is on
        # record in the other, or still under way.
        under_way = self._inputs_under_way()
        group = [lost for lost in group if lost.input not in under_way]
        trace = await asyncio.to_thread(trace_requests, self.records.journal.path, shown.ids)
        evidence = Evidence(
            entries=shown.wanted,
            is_whole=shown.is_whole,
            account=self.records.service.account,
            known=trace.known,
            accounts=frozenset(trace.accounts),
            finished=frozenset(trace.finished),
            ahead=self.platform.ahead,
        )
        later = trace.last_finished.get(endpoint)
        group = [
            replace(lost, has_later_end=later is not None and later > lost.at) for lost in group
        ]
        return settle(group, evidence, now=self.clock.now(), unknown_after=self.unknown_after)

    def _inputs_under_way(self) -> list[Mapping[str, Json]]:
        """Return what is being sent this moment: its entry could be taken for another's."""
        return [
            job_from(self.records.entry_at(standing.started)).input
            for standing in self.records.record.jobs.values()
            # Before its row is durable nothing is sent.
            if standing.started >= 0 and _is_under_way(standing)
        ]

    async def _record(self, verdict: Verdict) -> list[GoingOn]:
        number = verdict.lost.number
        standing = self.records.record.jobs[number]
        if standing.state is not AttemptState.UNKNOWN:
            return []
        job = job_from(self.records.entry_at(standing.started))
        if verdict.fate is Fate.ACCEPTED and verdict.entry is not None:
            request = Request(request_id=verdict.entry.request_id)
            await self.records.submitted(job, standing, request, detail={"adopted": True})
            self._settled(number)
            return [GoingOn(job=job, standing=standing, request=request)]
        if verdict.fate is Fate.NOT_ACCEPTED and self.resubmit and standing.drawn:
            await self.records.refused(job, standing, NOT_IN_HISTORY)
            self._settled(number)
            return [GoingOn(job=job, standing=standing)]
        self.said[number] = verdict.reason or "the history does not show it; held"
        self._due_at[number] = self._next_look(verdict.lost)
        return []

    def _next_look(self, lost: Lost) -> datetime:
        """Return when to look again: as soon as a verdict is possible, then ever more rarely."""
        now = self.clock.now()
        return max(
            lost.shown_from + self.unknown_after, now + (now - lost.at), now + SHORTEST_PAUSE
        )

    def _settled(self, number: int) -> None:
        self.unknown.discard(number)
        self.said.pop(number, None)
        self._due_at.pop(number, None)


@dataclass(slots=True, kw_only=True)
class Shown:
    """What the history of an endpoint shows.

    Attributes:
        ids: Of all its requests.
        wanted: The entries that were asked for.
        is_whole: Whether every page could be read.
    """

    ids: set[str] = field(default_factory=set)
    wanted: list[HistoryEntry] = field(default_factory=list)
    is_whole: bool = True


async def read_history(
    platform: PlatformClient,
    endpoint: str,
    *,
    start: datetime,
    end: datetime,
    wanted: Callable[[HistoryEntry], bool],
) -> Shown:
    """Return what the history shows of an endpoint.

    Entries carry all that was sent and made; only those are kept that are wanted.

    Raises:
        AccountError: The key may not read it.
    """
    shown = Shown()
    try:
        async for entry in platform.history(endpoint, start=start, end=end):
            shown.ids.add(entry.request_id)
            if wanted(entry):
                shown.wanted.append(entry)
    except ReadError as error:
        logger.warning("the history could not be read whole: %s", error)
        shown.is_whole = False  # what came before the error counts too
    return shown


def _is_under_way(standing: Standing) -> bool:
    """Say whether an attempt has no request id yet, or one that the journal does not show yet."""
    if standing.state is AttemptState.SUBMITTED:
        return standing.last < 0
    return standing.state is AttemptState.SUBMITTING


def _unknown(lost: Lost, reason: str) -> Verdict:
    return Verdict(lost=lost, fate=Fate.UNKNOWN, reason=reason)
