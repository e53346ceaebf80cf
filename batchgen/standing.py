"""Where one job stands on record, and what the next start does about it.

What to do is a pure function of a job's last journal row and its ledger rows: `next_step`, the
contract's table.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from batchgen.budget import ZERO
from batchgen.retry import RetryRule
from batchgen.state import AttemptState, JobState


class Step(StrEnum):
    """What the next start does about a job."""

    SEND = "send"
    RENDER = "render"
    MARK_UNKNOWN = "mark unknown"
    RECONCILE = "reconcile"
    RECORD_FAILED = "record failed"
    READ = "read"
    DECIDE = "decide"
    DOWNLOAD = "download"
    LEAVE = "leave"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class ImageMark:
    """What the ledger's current row of one image says.

    Attributes:
        status: `succeeded`, `undelivered` or `failed`.
        error_type: Why it failed.
        has_file: Whether its file is named.
        attempts: The job's attempts when it was written; None where that does not matter.
    """

    status: str
    error_type: str
    has_file: bool
    attempts: int | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """What the ledger's current rows of one job say.

    Attributes:
        job_status: `failed` or `unknown` where one row speaks for the whole job, else `""`.
        error_type: Of that row.
        finished_at: Of that row, as text: it closes the journal row of the same time.
        images: The image rows, by index.
    """

    job_status: str = ""
    error_type: str = ""
    finished_at: str = ""
    images: tuple[tuple[int, ImageMark], ...] = ()

    @property
    def is_failed(self) -> bool:
        """Whether a row says that the whole job failed."""
        return self.job_status == "failed"


NO_ROWS = Rows()


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class Standing:
    """Where one job stands, from all that is on record about it.

    Attributes:
        rows: What the ledger says.
        state: The last journal row's state; None if there is no journal row.
        at: The last journal row's time, as text.
        attempt: The number of the last attempt.
        attempts: Attempts, refused ones not counted.
        fresh: The same, since the job's last `failed` row in the ledger.
        failures: How those of the fresh ones ended that failed, in order.
        error_type: How the last failed attempt ended.
        retryable: What the service's headers said of that failure.
        judged: Whether the last row refuses the input for good.
        charged_usd: The charges of the attempts that have ended.
        billed: Whether the service reported each of these charges.
        reserved_usd: The reservation of the last attempt, while it is unsettled.
        started: Where the `submitting` row of the last attempt begins, in bytes.
        last: Where the last row begins, in bytes.
        expected: Images that the recorded result should have, missing ones included.
        submitted_at: The time of the last `submitted` row, as text.
        account: The digest of the key that the last attempt was sent with.
        drawn: Whether the current manifest has this job.
        is_shared: Whether many jobs share this standing; then nothing may change it.
    """

    rows: Rows = NO_ROWS
    state: AttemptState | None = None
    at: str = ""
    attempt: int = 0
    attempts: int = 0
    fresh: int = 0
    failures: tuple[str, ...] = ()
    error_type: str = ""
    retryable: bool | None = None
    judged: bool = False
    charged_usd: Decimal = ZERO
    billed: bool = True
    reserved_usd: Decimal = ZERO
    started: int = 0
    last: int = 0
    expected: int = 1
    submitted_at: str = ""
    account: str = ""
    drawn: bool = False
    is_shared: bool = False

    @property
    def alike(self) -> int:
        """How many of the fresh attempts ended with `error_type`."""
        return self.failures.count(self.error_type)

    @property
    def next_fresh(self) -> int:
        """What `fresh` is once another attempt begins."""
        # A result's images are asked for again only after their own `failed` rows: expired.
        return 1 if self.state is AttemptState.COMPLETED else self.fresh + 1

    @property
    def is_closed(self) -> bool:
        """Whether the ledger's job-level `failed` row belongs to the last journal row."""
        has_failed = self.state is not None and self.rows.is_failed
        return has_failed and self.rows.finished_at == self.at

    @property
    def lacks_journal(self) -> bool:
        """Whether the ledger speaks of an attempt that the journal knows nothing of."""
        was_sent = bool(self.rows.images or self.rows.job_status)
        return self.state is None and was_sent and self.rows.error_type != "template"

    @property
    def has_image(self) -> bool:
        """Whether the ledger has an image of the job, on disk or still to be fetched."""
        return any(mark.status in ("succeeded", "undelivered") for _, mark in self.rows.images)

    @property
    def lacks_rows(self) -> bool:
        """Whether an image of the recorded result has no row yet, or is undelivered."""
        for index in range(self.expected):
            mark = self.mark(index)
            if mark is None or mark.status == "undelivered":
                return True
        return False

    def mark(self, index: int) -> ImageMark | None:
        """Return what the ledger says of an image of the recorded result; None if nothing.

        A failure that was written before the last attempt says nothing of its result: images
        that have expired were asked for again.
        """
        for known, mark in self.rows.images:
            if known == index:
                is_old = mark.attempts is not None and mark.attempts < self.attempts
                return None if is_old and mark.status == "failed" else mark
        return None

    @property
    def lacks_files(self) -> bool:
        """Whether an image was made and its address recorded, but not downloaded."""
        return any(mark.status == "succeeded" and not mark.has_file for _, mark in self.rows.images)

    @property
    def has_only_expired(self) -> bool:
        """Whether no image is on disk or merely not downloaded, and one has expired."""
        return all(mark.status != "succeeded" for _, mark in self.rows.images) and any(
            mark.error_type == "expired" for _, mark in self.rows.images
        )

    @property
    def missing_type(self) -> str:
        """The error type of the first image that failed, or `""`."""
        return next(
            (mark.error_type for _, mark in self.rows.images if mark.status == "failed"), ""
        )


def next_step(standing: Standing, *, retry: RetryRule, download: bool) -> Step:
    """Return what the next start does about a job: the contract's table, section 5, rule 2.

    Args:
        standing: What is on record about it.
        retry: Which closed failures the run takes up again.
        download: Whether the run downloads images.
    """
    match standing.state:
        case None:
            return _step_without_journal(standing.rows, retry=retry)
        case AttemptState.SUBMITTING:
            return Step.MARK_UNKNOWN
        case AttemptState.SUBMITTED:
            return Step.READ
        case AttemptState.UNKNOWN:
            return Step.RECONCILE
        case AttemptState.CANCELLED:
            return Step.SEND
        case AttemptState.REFUSED if not standing.judged:
            return Step.SEND
        case AttemptState.REFUSED | AttemptState.FAILED:
            if standing.is_closed:
                return Step.SEND if retry.takes_up(standing.rows.error_type) else Step.LEAVE
            return Step.RECORD_FAILED if standing.judged else Step.DECIDE
        case AttemptState.COMPLETED:
            return _step_of_result(standing, retry=retry, download=download)


def _step_without_journal(rows: Rows, *, retry: RetryRule) -> Step:
    if rows.is_failed and rows.error_type == "template":
        return Step.RENDER
    if rows.is_failed:
        return Step.SEND if retry.takes_up(rows.error_type) else Step.LEAVE
    if rows.job_status:  # unknown: only its journal row could tell what was sent
        return Step.LEAVE
    if any(mark.status == "undelivered" for _, mark in rows.images):
        return Step.LEAVE  # the result that it would be fetched from is lost with the journal
    return Step.DONE if rows.images else Step.SEND


def _step_of_result(standing: Standing, *, retry: RetryRule, download: bool) -> Step:
    if standing.lacks_rows or (download and standing.lacks_files):
        return Step.DOWNLOAD
    if standing.has_only_expired:
        return Step.SEND if retry.mode == "failed" else Step.LEAVE
    return Step.DONE


def with_row(before: Rows, index: int | None, mark: ImageMark, *, finished_at: str) -> Rows:
    """Return a job's current rows after one more was written.

    Args:
        before: Its current rows so far.
        index: The image; None where the row speaks for the whole job, and replaces the others.
        mark: What the row says.
        finished_at: The row's time, as text.
    """
    if index is None:
        return Rows(job_status=mark.status, error_type=mark.error_type, finished_at=finished_at)
    others = tuple(pair for pair in before.images if pair[0] != index)
    return Rows(images=(*others, (index, mark)))


def job_state(standing: Standing) -> JobState:
    """Return where a job stands, as far as its records tell."""
    match standing.state:
        case None:
            return _state_without_journal(standing)
        case AttemptState.SUBMITTING | AttemptState.SUBMITTED:
            return JobState.OPEN
        case AttemptState.UNKNOWN:
            return JobState.UNKNOWN
        case AttemptState.REFUSED if not standing.judged:
            return JobState.LEFT
        case AttemptState.CANCELLED:
            return JobState.LEFT
        case AttemptState.REFUSED | AttemptState.FAILED:
            return JobState.FAILED if standing.is_closed or standing.judged else JobState.LEFT
        case AttemptState.COMPLETED:
            return _state_of_result(standing)


def _state_without_journal(standing: Standing) -> JobState:
    rows = standing.rows
    if rows.job_status:
        return JobState.FAILED if rows.is_failed else JobState.UNKNOWN
    if not rows.images:
        return JobState.LEFT
    if any(mark.status == "undelivered" for _, mark in rows.images):
        return JobState.UNDELIVERED
    return JobState.FAILED if standing.missing_type else JobState.SUCCEEDED


def _state_of_result(standing: Standing) -> JobState:
    if standing.lacks_rows:
        return JobState.UNDELIVERED
    return JobState.FAILED if standing.missing_type else JobState.SUCCEEDED
