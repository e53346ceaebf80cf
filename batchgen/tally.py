"""Count where the jobs of a batch stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from batchgen.record import Record
from batchgen.retry import RetryRule
from batchgen.standing import Standing, Step, job_state, next_step
from batchgen.state import AttemptState, JobState

# What a further run would do something about, by itself.
WORK = frozenset(
    {
        Step.SEND,
        Step.MARK_UNKNOWN,
        Step.RECONCILE,
        Step.RECORD_FAILED,
        Step.READ,
        Step.DECIDE,
        Step.DOWNLOAD,
    }
)


@dataclass(slots=True, kw_only=True)
class Tally:
    """How many jobs stand where; together the states are `jobs`.

    Attributes:
        jobs: Jobs counted.
        states: How many stand where.
        steps: What a further run would do about how many.
        failed_by_type: Failed jobs by their error type.
        images_on_disk: Images whose file is named in the ledger.
        images: Images asked for, missing ones included, as far as the records tell.
    """

    jobs: int = 0
    states: Counter[JobState] = field(default_factory=Counter)
    steps: Counter[Step] = field(default_factory=Counter)
    failed_by_type: Counter[str] = field(default_factory=Counter)
    images_on_disk: int = 0
    images: int = 0

    def add(self, standing: Standing, step: Step, *, times: int = 1) -> None:
        """Count one job, or several that stand alike."""
        state = job_state(standing)
        self.jobs += times
        self.states[state] += times
        self.steps[step] += times
        self.images += times * standing.expected
        self.images_on_disk += times * sum(mark.has_file for _, mark in standing.rows.images)
        if state is JobState.FAILED:
            self.failed_by_type[error_type_of(standing)] += times

    @property
    def again(self) -> int:
        """Jobs that a further run would work on."""
        return sum(count for step, count in self.steps.items() if step in WORK)


def count(standings: Iterable[Standing], *, retry: RetryRule, download: bool) -> Tally:
    """Return where so many jobs stand.

    Args:
        standings: One a job.
        retry: Which closed failures a further run would take up again.
        download: Whether a further run would download.
    """
    tally = Tally()
    counted = list(standings)
    times = Counter(map(id, counted))
    # Most are shared by many jobs: each of them is looked at once.
    for key, standing in {id(standing): standing for standing in counted}.items():
        step = next_step(standing, retry=retry, download=download)
        tally.add(standing, step, times=times[key])
    return tally


def drawn(record: Record) -> Iterable[Standing]:
    """Return the standings of the jobs that the current manifest has."""
    return (standing for standing in record.jobs.values() if standing.drawn)


def undrawn(record: Record) -> Iterable[Standing]:
    """Return the standings of the jobs that only an earlier manifest had."""
    return (standing for standing in record.jobs.values() if not standing.drawn)


def error_type_of(standing: Standing) -> str:
    """Return why a failed job failed."""
    if standing.state is AttemptState.COMPLETED:
        return standing.missing_type
    if standing.state is None or standing.is_closed:
        return standing.rows.error_type
    return standing.error_type
