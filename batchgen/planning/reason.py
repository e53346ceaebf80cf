"""Why a job is in a plan as it is: what the next run does about it, in one word."""

from __future__ import annotations

from enum import StrEnum

from batchgen.standing import Standing, Step, job_state
from batchgen.state import JobState


class Reason(StrEnum):
    """What a run does about a job; together the reasons are all jobs of the manifest."""

    DONE = "done"
    UNDELIVERED = "undelivered"
    OPEN = "open"
    UNKNOWN = "unknown"
    FAILED = "failed"
    RETRY = "retry"
    NEW = "new"


def reason_of(standing: Standing, step: Step, *, sends: bool) -> Reason:
    """Return what a run does about a job.

    Args:
        standing: What is on record about it.
        step: What the next start does by the contract's table.
        sends: Whether the run sends it.
    """
    match step:
        case Step.SEND | Step.RENDER | Step.DECIDE if sends:
            return Reason.RETRY if _has_failed(standing) else Reason.NEW
        case Step.READ:
            return Reason.OPEN
        case Step.MARK_UNKNOWN | Step.RECONCILE:
            return Reason.UNKNOWN
        case Step.DOWNLOAD:
            return Reason.UNDELIVERED
        case Step.DONE if job_state(standing) is JobState.SUCCEEDED:
            return Reason.DONE
        case _:
            # Also a result that lacks an image: it is not bought again, and it is not whole.
            return Reason.FAILED


def _has_failed(standing: Standing) -> bool:
    """Whether an attempt has ended badly; one that was refused or cancelled never began."""
    if standing.state is None:
        return False
    return job_state(standing) is JobState.FAILED or bool(standing.failures)
