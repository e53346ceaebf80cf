"""What is left to send: new jobs, drawn lazily, and those that come back for another attempt."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

from batchgen.budget import ZERO
from batchgen.job import Draft, Job
from batchgen.record import Record
from batchgen.retry import RetryRule
from batchgen.standing import Standing, Step, next_step

# Drawing goes on for at most so long without a break, in seconds: a manifest of a million
# finished jobs must not keep answers waiting.
SLICE_S = 0.005

# What is left alone with any other step, whatever its job is.
_MAY_BE_SENT = frozenset({Step.SEND, Step.RENDER, Step.DECIDE})


@dataclass(order=True, slots=True)
class _Waiting:
    due_at: float
    order: int
    job: Job = field(compare=False)


class Todo:
    """The jobs that a run may still send, in order.

    Attributes:
        is_drawn: Whether the manifest has been drawn to its end.
        folded: Jobs of the manifest that are the same as an earlier one of it.
        drawn: Distinct jobs drawn so far.
        images: Images that they ask for.
        quoted_usd: What they cost by the price table; None once one of them has no price.
        dearest_usd: What the dearest of them costs.
    """

    def __init__(
        self,
        drafts: Iterator[Draft],
        *,
        record: Record,
        retry: RetryRule,
        download: bool,
        monotonic: Callable[[], float],
    ) -> None:
        """Take a manifest's jobs; nothing is drawn yet."""
        self.is_drawn = False
        self.folded = 0
        self.drawn = 0
        self.images = 0
        self.quoted_usd: Decimal | None = ZERO
        self.dearest_usd = ZERO
        self._drafts = drafts
        # By the shared standing's address; it stays in the record.
        self._steps: dict[int, Step] = {}
        self._record = record
        self._retry = retry
        self._download = download
        self._monotonic = monotonic
        self._waiting: list[_Waiting] = []
        self._orders = count()

    def put_back(self, job: Job, *, due_at: float) -> None:
        """Let a job have another attempt, not before the clock says `due_at`, in seconds."""
        heapq.heappush(self._waiting, _Waiting(due_at, next(self._orders), job))

    @property
    def waiting(self) -> int:
        """Jobs that have come back."""
        return len(self._waiting)

    @property
    def next_due_at(self) -> float | None:
        """When the first job that has come back may be sent, or None if there is none."""
        return self._waiting[0].due_at if self._waiting else None

    def pull_back(self) -> Job | None:
        """Return a job that came back and is due, or None."""
        if self._waiting and self._waiting[0].due_at <= self._monotonic():
            return heapq.heappop(self._waiting).job
        return None

    def draw(self, *, only_mark: bool = False) -> Job | None:
        """Draw on until a job is found that is to be sent, for a slice of time at most.

        While `is_drawn` is false, None means "call again".

        Args:
            only_mark: Look for nothing to send: only find out which jobs the manifest has.
        """
        until = self._monotonic() + SLICE_S
        for draft in self._drafts:
            job = self._job_of(draft)
            if job is not None and not only_mark:
                return job
            if self._monotonic() >= until:
                return None
        self.is_drawn = True
        return None

    def _job_of(self, draft: Draft) -> Job | None:
        """Mark a job as drawn, and return it if it is to be sent."""
        number, price_usd = draft.number, draft.price_usd
        if self._record.mark_drawn(number):
            self.folded += 1
            return None
        self.drawn += 1
        self.images += draft.images
        if price_usd is None:
            self.quoted_usd = None
        else:
            if self.quoted_usd is not None:
                self.quoted_usd += price_usd
            if price_usd > self.dearest_usd:
                self.dearest_usd = price_usd
        standing = self._record.jobs[number]
        step = self._step(standing)
        if step not in _MAY_BE_SENT or number in self._record.failed_now:
            return None
        job = draft.make()
        return job if is_to_be_sent(job, standing, step, retry=self._retry) else None

    def _step(self, standing: Standing) -> Step:
        step = self._steps.get(id(standing))
        if step is None:
            step = next_step(standing, retry=self._retry, download=self._download)
            if standing.is_shared:
                self._steps[id(standing)] = step
        return step


def is_to_be_sent(job: Job, standing: Standing, step: Step, *, retry: RetryRule) -> bool:
    """Say whether a run sends a job of the manifest; one that cannot be rendered fails instead.

    Args:
        job: The job.
        standing: What is on record about it.
        step: What the next start does about it by the contract's table.
        retry: Which failures the run takes up again.
    """
    match step:
        case Step.SEND:
            return True
        case Step.RENDER:
            return not job.problem or standing.rows.error_type != "template"
        case Step.DECIDE:
            return retry.goes_on(
                standing.error_type,
                attempts=standing.fresh,
                alike=standing.alike,
                retryable=standing.retryable,
            )
        case _:
            return False
