"""What a run would do and what it would cost, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from batchgen.job import Job, Json
from batchgen.launch import Selection
from batchgen.planning.census import Census
from batchgen.planning.changes import Changes, Left
from batchgen.planning.disk import Room
from batchgen.planning.folding import Fold
from batchgen.planning.neighbours import Neighbour
from batchgen.planning.past import Past
from batchgen.planning.prices import PriceList
from batchgen.planning.reason import Reason
from batchgen.report import Report, amount
from batchgen.settings import RunSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run would do and what it would cost.

    Attributes:
        report: Where the batch stands now.
        is_new: Whether nothing was ever run in its folder.
        begun_at: When it was begun: UTC, ISO 8601, as text; `""` where it is new.
        manifest: The manifest's file, or None for one in memory.
        shape: What it is made of, as in `1,250 rows × 4 scene`.
        whole: Its own jobs, before any sample and before equal ones are made one.
        redone: Jobs that are made once more, by redo.csv.
        selection: Which part of it the run is about.
        settings: What the run keeps to.
        census: Its jobs by what the run does about them.
        fold: An example of two jobs that are one, or None.
        changes: What the edited manifest keeps; None where it was not edited.
        former: What is on record and no longer in the manifest.
        prices: What it is reckoned with.
        past: What the runs so far show.
        room: The room that its images take.
        neighbours: Other batches that have paid for the same jobs.
        warnings: What is not wrong and probably not meant.
    """

    report: Report
    is_new: bool
    begun_at: str
    manifest: Path | None
    shape: str
    whole: int
    redone: int = 0
    selection: Selection
    settings: RunSettings
    census: Census
    fold: Fold | None
    changes: Changes | None
    former: Left
    prices: tuple[PriceList, ...]
    past: Past
    room: Room
    neighbours: tuple[Neighbour, ...]
    warnings: tuple[str, ...]

    @property
    def cost_usd(self) -> Decimal | None:
        """What all that the run sends costs; None where nobody knows the price of some of it."""
        return self.census.cost_usd

    @property
    def works_on(self) -> int:
        """Jobs of the manifest that this run works on."""
        lines = self.census.lines
        read = sum(lines[it].jobs for it in (Reason.UNDELIVERED, Reason.OPEN, Reason.UNKNOWN))
        return read + self.census.sent

    @property
    def images_made(self) -> int:
        """Images that the service makes in this run."""
        lines = self.census.lines
        return sum(lines[it].images for it in (Reason.OPEN, Reason.RETRY, Reason.NEW))

    @property
    def minutes(self) -> float | None:
        """How long the run takes, in minutes, if it is as fast as the last one; None if unknown."""
        if self.past.per_minute is None or not self.images_made:
            return None
        return self.images_made / self.past.per_minute

    @property
    def least_minutes(self) -> float | None:
        """How long it takes at least, in minutes, to submit all; None where there is no limit."""
        rate = self.settings.rate
        return None if rate is None else self.census.sent / rate.per_s / 60

    def as_json(self, *, next_command: str = "") -> dict[str, Json]:
        """Return the contract's keys, and a few beside them.

        Args:
            next_command: The command that runs what is planned, or `""`.
        """
        cost = self.cost_usd
        return {
            **self.report.as_json(next_command=next_command),
            "exit_code": 0,
            "reason": "",
            "is_new": self.is_new,
            "manifest": "" if self.manifest is None else str(self.manifest),
            "sample": self.selection.sample,
            "limit": self.selection.limit,
            "redo": self.redone,
            "cost_usd": None if cost is None else amount(cost),
            "sends": self.census.sent,
            "reasons": {reason.value: line.jobs for reason, line in self.census.lines.items()},
            "warnings": list(self.warnings),
            "fold": None if self.fold is None else _fold_json(self.fold),
            "template": [_unfit_json(job) for job in self.census.unfit],
            "changed": None if self.changes is None else _changes_json(self.changes),
            "neighbours": {str(one.folder): one.jobs for one in self.neighbours},
            "prices": {
                one.endpoint: {
                    "date": one.date,
                    "usd": {name: amount(usd) for name, usd in one.lines},
                }
                for one in self.prices
            },
            "first": None if self.census.first is None else _job_json(self.census.first),
            "disk_bytes": round(self.room.needed_bytes),
            "free_bytes": self.room.free_bytes,
            "minutes": None if self.minutes is None else round(self.minutes, 1),
        }


def _fold_json(fold: Fold) -> Json:
    return {
        "job_id": fold.first.job_id,
        "first": fold.first.line,
        "second": fold.second.line,
        "differing": list(fold.differing),
    }


def _unfit_json(job: Job) -> Json:
    return {"job_id": job.job_id, "line": job.line, "error": job.problem}


def _changes_json(changes: Changes) -> Json:
    return {
        "since": changes.since,
        "keys": list(changes.keys),
        "kept": changes.kept,
        "new": changes.new,
        "former": changes.former.jobs,
    }


def _job_json(job: Job) -> Json:
    return {
        "job_id": job.job_id,
        "endpoint": job.endpoint,
        "input": job.input,
        "file": job.file,
        "line": job.line,
    }
