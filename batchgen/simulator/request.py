"""One accepted request and where it stands.

::

    IN_QUEUE ─▶ IN_PROGRESS ─▶ COMPLETED
       │ ▲           │             ▲
       │ └───────────┘             │     an attempt of the service failed; it goes to the end
       └───────────────────────────┘     cancelled, or not started in time
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from batchgen.simulator.answer import Json


class Phase(StrEnum):
    """Where a request stands, in the service's own words."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"


class Ending(StrEnum):
    """Why a request ended."""

    DONE = "done"
    CANCELLED = "cancelled"
    LATE = "late"  # not started within its X-Fal-Request-Timeout


@dataclass(slots=True, kw_only=True, eq=False)
class Request:
    """One accepted request. Times are seconds since 1970.

    Attributes:
        request_id: Its id.
        application: `owner/alias`, behind its namespace if there is one; reads live there.
        path: The path below the application, without slashes at its ends, or `""`.
        account: The first 8 hex digits of the SHA-256 of the key that sent it.
        input: What was sent.
        sent_at: When it was accepted.
        seconds: How long it runs.
        marks: The names of the faults that decide what becomes of it.
        start_within_s: It must start so soon after it was accepted; None: whenever.
        stored: Whether its input and output are kept in the history.
        phase: Where it stands.
        attempts: How often it was started.
        ready_at: It does not start before.
        ticket: Its place in the line, counted from 1.
        started_at: When it was started last, or None.
        due_at: When the attempt that is running ends, or None.
        ended_at: When it ended, or None.
        ending: Why it ended, or None.
        result_reads: How often its result was read with success.
        forgotten: Whether the service denies that it ever was.
    """

    request_id: str
    application: str
    path: str
    account: str
    input: dict[str, Json]
    sent_at: float
    seconds: float
    marks: frozenset[str] = frozenset()
    start_within_s: float | None = None
    stored: bool = True
    phase: Phase = field(default=Phase.IN_QUEUE)
    attempts: int = 0
    ready_at: float = 0.0
    ticket: int = 0
    started_at: float | None = None
    due_at: float | None = None
    ended_at: float | None = None
    ending: Ending | None = None
    result_reads: int = 0
    forgotten: bool = False

    @property
    def endpoint(self) -> str:
        """The endpoint's full id, sub-path included."""
        return f"{self.application}/{self.path}" if self.path else self.application

    @property
    def images(self) -> int:
        """How many images it asks for."""
        count = self.input.get("num_images")
        return count if isinstance(count, int) and not isinstance(count, bool) else 1

    def start(self, *, at: float, due_at: float | None) -> None:
        """Note that a runner has begun; `due_at` is None if it will never end by itself."""
        self.phase = Phase.IN_PROGRESS
        self.attempts += 1
        self.started_at = at
        self.due_at = due_at

    def step_back(self) -> None:
        """Note that the attempt failed and that the request waits again."""
        self.phase = Phase.IN_QUEUE
        self.due_at = None

    def end(self, *, at: float, ending: Ending) -> None:
        """Note that it has ended."""
        self.phase = Phase.COMPLETED
        self.due_at = None
        self.ended_at = at
        self.ending = ending
