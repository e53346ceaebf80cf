"""A run as it happens: the numbers that are shown while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from batchgen.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstFailure:
    """The first failure of its kind in a run.

    Attributes:
        error_type: The kind.
        job: The job.
        message: The service's text, or ours.
    """

    error_type: str
    job: Job
    message: str


@dataclass(slots=True, kw_only=True)
class Progress:
    """Where a run stands.

    Attributes:
        total: Jobs of the manifest, as far as they can be counted without drawing them.
        succeeded: Jobs whose images are all there, of this run and of earlier ones.
        failed: Jobs that have failed for good, of this run and of earlier ones.
        undelivered: Jobs whose images could not be fetched so far.
        unknown: Jobs that may have been accepted.
        open: Requests that are open.
        queued: Those of them that the service has not begun.
        succeeded_now: Jobs that succeeded in this run.
        failed_now: Jobs that failed for good in this run.
        ahead: Requests before ours at the service while none of ours runs; None else, or where
            it does not say.
        reason: Why nothing is sent at the moment, or `""`.
        notice: What stands above that: why the run as a whole does not go on, or `""`.
        tell: Told of the first failure of each kind, if anybody listens.
    """

    total: int = 0
    succeeded: int = 0
    failed: int = 0
    undelivered: int = 0
    unknown: int = 0
    open: int = 0
    queued: int = 0
    succeeded_now: int = 0
    failed_now: int = 0
    ahead: int | None = None
    reason: str = ""
    notice: str = ""
    tell: Callable[[FirstFailure], None] | None = None
    _kinds: set[str] = field(default_factory=set)

    @property
    def ended(self) -> int:
        """Jobs that ended in this run."""
        return self.succeeded_now + self.failed_now

    @property
    def done(self) -> int:
        """Jobs that are done, one way or the other."""
        return self.succeeded + self.failed

    def succeed(self) -> None:
        """Count a job whose images are all there."""
        self.succeeded += 1
        self.succeeded_now += 1

    def fail(self, error_type: str, *, job: Job | None = None, message: str = "") -> None:
        """Count a job that failed for good; the first of each kind is told."""
        self.failed += 1
        self.failed_now += 1
        if job is not None and self.tell is not None and error_type not in self._kinds:
            self._kinds.add(error_type)
            self.tell(FirstFailure(error_type=error_type, job=job, message=message))
