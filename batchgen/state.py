"""Where an attempt stands, where a job stands, and which moves there are.

An attempt is one intent and at most one POST; its states are the journal's words::

    SUBMITTING ─▶ SUBMITTED ─▶ COMPLETED
        │  │ │        ├─▶ FAILED        the service said so (a 5xx: twice), it is lost, or given up
        │  │ │        └─▶ CANCELLED
        │  │ └─▶ FAILED                 the answer to the POST itself: a failure that may pass
        │  └─▶ REFUSED                  proof that nothing was accepted
        └─▶ UNKNOWN ─▶ SUBMITTED        adopted from the history
                  ├─▶ REFUSED           the history shows that it never arrived
                  └─▶ FAILED            given up by hand

A job is what the user asked for. Where it stands follows from its attempts and its ledger rows
and is stored nowhere::

    LEFT ─▶ OPEN ─▶ DOWNLOADING ─▶ SUCCEEDED
     │       │           └─▶ UNDELIVERED ─▶ DOWNLOADING   by the next run, free
     │       │                         └─▶ FAILED         gone for good
     │       ├─▶ LEFT                                     refused, cancelled, or tried once more
     │       ├─▶ FAILED                                   after the last attempt that is allowed
     │       └─▶ UNKNOWN ─▶ OPEN                          adopted
     │                 ├─▶ LEFT                           it never arrived: sent again
     │                 └─▶ FAILED                         given up by hand
     └─▶ FAILED ─▶ LEFT                                   cannot be rendered; --retry
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from batchgen.errors import BatchgenError


class AttemptState(StrEnum):
    """What the journal's last row of an attempt says."""

    SUBMITTING = "submitting"
    REFUSED = "refused"
    SUBMITTED = "submitted"
    COMPLETED = "completed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


class JobState(StrEnum):
    """Where a job stands."""

    LEFT = "left"
    OPEN = "open"
    DOWNLOADING = "downloading"
    SUCCEEDED = "succeeded"
    UNDELIVERED = "undelivered"
    UNKNOWN = "unknown"
    FAILED = "failed"


NEXT_ATTEMPT_STATES: dict[AttemptState, frozenset[AttemptState]] = {
    AttemptState.SUBMITTING: frozenset(
        {
            AttemptState.SUBMITTED,
            AttemptState.REFUSED,
            AttemptState.FAILED,
            AttemptState.UNKNOWN,
        }
    ),
    AttemptState.SUBMITTED: frozenset(
        {AttemptState.COMPLETED, AttemptState.FAILED, AttemptState.CANCELLED}
    ),
    AttemptState.UNKNOWN: frozenset(
        {AttemptState.SUBMITTED, AttemptState.REFUSED, AttemptState.FAILED}
    ),
    AttemptState.REFUSED: frozenset(),
    AttemptState.COMPLETED: frozenset(),
    AttemptState.FAILED: frozenset(),
    AttemptState.CANCELLED: frozenset(),
}

NEXT_JOB_STATES: dict[JobState, frozenset[JobState]] = {
    JobState.LEFT: frozenset({JobState.OPEN, JobState.FAILED}),
    JobState.OPEN: frozenset(
        {JobState.LEFT, JobState.DOWNLOADING, JobState.UNKNOWN, JobState.FAILED}
    ),
    JobState.UNKNOWN: frozenset({JobState.OPEN, JobState.LEFT, JobState.FAILED}),
    JobState.DOWNLOADING: frozenset({JobState.SUCCEEDED, JobState.UNDELIVERED}),
    JobState.UNDELIVERED: frozenset({JobState.DOWNLOADING, JobState.FAILED}),
    JobState.FAILED: frozenset({JobState.LEFT}),
    JobState.SUCCEEDED: frozenset(),
}

# An attempt in one of these states may still become an image: it is open, or may be.
UNSETTLED = frozenset({AttemptState.SUBMITTING, AttemptState.SUBMITTED, AttemptState.UNKNOWN})


class IllegalTransitionError(BatchgenError):
    """Two states are not joined in the table; it is a mistake in batchgen itself."""


State = TypeVar("State", AttemptState, JobState)


def advance(state: State, to: State) -> State:
    """Return `to`, if an attempt (or a job) may go there from `state`.

    Raises:
        IllegalTransitionError: The two states are not joined in their table.
    """
    if isinstance(state, AttemptState):
        allowed = to in NEXT_ATTEMPT_STATES[state]
    else:
        allowed = to in NEXT_JOB_STATES[state]
    if not allowed:
        raise IllegalTransitionError(f"what is {state} cannot become {to}")
    return to
