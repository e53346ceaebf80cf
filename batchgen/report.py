"""What a run, or a look at a batch, comes to: counts, money, and the exit code."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from batchgen.budget import Budget
from batchgen.job import Json
from batchgen.state import JobState
from batchgen.stop import Cause, Stop
from batchgen.tally import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Where a batch stands.

    Attributes:
        batch: Its name.
        folder: Its folder, absolute.
        simulated: Whether its images are the simulator's.
        jobs: Distinct jobs of the manifest, or of the sample.
        images: Images that they ask for.
        tally: Where those of them stand that were drawn or are on record; the rest are left.
        bill: What was spent, is reserved, and may be spent.
        submitted: Requests that the service accepted, in this run or, of a mere look, ever.
        former: Jobs on record that the manifest no longer has.
        folded: Jobs of the manifest that are the same as another.
        quoted_usd: What the jobs cost by the price table; None where that was not summed up.
        dearest_usd: What the dearest of them costs; None where that is not known.
        redone: Whether the run was only about jobs that are made once more.
        limit: The jobs that the run was allowed to send, or None.
        stop: Why the run stopped before its work was done, or None.
        unrecorded: Accepted requests whose ids the disk did not take, `job_id=request_id`.
        last_at: When something happened last, by the journal: UTC, ISO 8601, as text; or `""`.
        started_at: UTC, ISO 8601, as text; `""` for a mere look.
        finished_at: UTC, ISO 8601, as text; `""` for a mere look.
    """

    batch: str
    folder: Path
    simulated: bool
    jobs: int
    images: int
    tally: Tally
    bill: Budget
    submitted: int
    former: int = 0
    folded: int = 0
    quoted_usd: Decimal | None = None
    dearest_usd: Decimal | None = None
    redone: bool = False
    limit: int | None = None
    stop: Stop | None = None
    unrecorded: tuple[str, ...] = ()
    last_at: str = ""
    started_at: str = ""
    finished_at: str = ""

    @property
    def succeeded(self) -> int:
        """Jobs whose images are all there."""
        return self.tally.states[JobState.SUCCEEDED]

    @property
    def failed(self) -> int:
        """Jobs that failed for good."""
        return self.tally.states[JobState.FAILED]

    @property
    def undelivered(self) -> int:
        """Jobs that are made and paid, and whose images are not on disk."""
        states = self.tally.states
        return states[JobState.UNDELIVERED] + states[JobState.DOWNLOADING]

    @property
    def unknown(self) -> int:
        """Jobs that may have been accepted."""
        return self.tally.states[JobState.UNKNOWN]

    @property
    def open(self) -> int:
        """Jobs whose request is open."""
        return self.tally.states[JobState.OPEN]

    @property
    def left(self) -> int:
        """Jobs that are still to be sent."""
        return self.tally.states[JobState.LEFT] + self._undrawn

    @property
    def again(self) -> int:
        """Jobs that a further run would work on."""
        return self.tally.again + self._undrawn

    @property
    def _undrawn(self) -> int:
        return max(0, self.jobs - self.tally.jobs)

    @property
    def has_work_left(self) -> bool:
        """Whether something is unfinished that the run was meant to finish."""
        return bool(self._left_of_selection or self.open or self.undelivered)

    @property
    def _left_of_selection(self) -> int:
        """What is left to send, unless `--limit` is what left it."""
        return 0 if self.limit is not None and self.stop is None else self.left

    @property
    def exit_code(self) -> int:
        """The contract's exit code: the first that applies."""
        stop = self.stop
        if stop is not None and (self.has_work_left or stop.cause is Cause.MISTAKE):
            return stop.cause.code
        unfinished = self.failed or self.undelivered or self.unknown or self.open
        return 1 if unfinished or self._left_of_selection else 0

    @property
    def reason(self) -> str:
        """Why the exit code is what it is, in a few words; `""` for 0."""
        if self.stop is not None and self.exit_code == self.stop.cause.code:
            return self.stop.text
        counts = {
            "failed": self.failed,
            "undelivered": self.undelivered,
            "unknown": self.unknown,
            "open": self.open,
            "left": self._left_of_selection,
        }
        return ", ".join(f"{number} {name}" for name, number in counts.items() if number)

    def as_json(self, *, next_command: str = "") -> dict[str, Json]:
        """Return the contract's keys, and a few beside them.

        Args:
            next_command: The command that goes on, or `""`.
        """
        limit_usd = self.bill.limit_usd
        return {
            "batch": self.batch,
            "folder": str(self.folder),
            "simulated": self.simulated,
            "jobs": self.jobs,
            "images": self.images,
            "images_on_disk": self.tally.images_on_disk,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "undelivered": self.undelivered,
            "unknown": self.unknown,
            "open": self.open,
            "left": self.left,
            "again": self.again,
            "submitted": self.submitted,
            "former": self.former,
            "folded": self.folded,
            "spent_usd": amount(self.bill.spent_usd),
            "reserved_usd": amount(self.bill.reserved_usd),
            "cost_unsettled_usd": amount(self.bill.reserved_usd),
            "quoted_usd": None if self.quoted_usd is None else amount(self.quoted_usd),
            "budget_usd": None if limit_usd is None else amount(limit_usd),
            "failed_by_type": dict(self.tally.failed_by_type.most_common()),
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "exit_code": self.exit_code,
            "reason": self.reason,
            "next": next_command,
            "unrecorded": list(self.unrecorded),
        }


def amount(usd: Decimal) -> float:
    """Return an amount as JSON has it, to the millionth of a dollar."""
    return float(round(usd, 6))
