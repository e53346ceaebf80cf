"""What a data set lacks: cells of the manifest that have no image, each with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from batchgen.batch_state import BatchState
from batchgen.csv_file import format_row
from batchgen.exports.examine import NOT_DOWNLOADED
from batchgen.exports.intake import Intake
from batchgen.job import Job, number_of
from batchgen.ledger import HEAD, TAIL, Columns, LedgerRow
from batchgen.manifest import Manifest
from batchgen.picks import ImageKey, Verdict
from batchgen.record import Record
from batchgen.standing import NO_ROWS, Standing, job_state
from batchgen.state import JobState
from batchgen.tally import error_type_of

# So many are named where a person reads; all are in the file.
FIRST = 20

NOT_IN_LEDGER = "not in the ledger"

# What a further run makes, or fetches.
LEFT = frozenset({"never sent", "open", "undelivered", "unknown", NOT_DOWNLOADED})

_REASONS = {
    JobState.LEFT: "never sent",
    JobState.OPEN: "open",
    JobState.DOWNLOADING: "undelivered",
    JobState.UNDELIVERED: "undelivered",
    JobState.UNKNOWN: "unknown",
    JobState.FAILED: "failed",
    JobState.SUCCEEDED: NOT_IN_LEDGER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """An image that should be there and is not.

    Attributes:
        record: What there would be of it in the ledger: column → cell.
        why: `never sent`, `open`, `unknown`, `undelivered`, `failed`, `not downloaded`,
            `file missing`, `file damaged`, `not in the ledger`.
        error_type: Why it failed, or `""`.
    """

    record: Mapping[str, str]
    why: str
    error_type: str = ""

    @property
    def label(self) -> str:
        """Why, in one or two words: `content_policy_violation`, `never sent`."""
        return self.error_type or self.why


class HoleList:
    """Writes holes to a file as they are found, and counts them.

    Attributes:
        path: The file; it is there once the first hole is.
        reasons: How many there are of each label.
        first: The first of them.
    """

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        """Open nothing yet.

        Args:
            path: Where it is written.
            columns: The ledger's.
        """
        self.path = path
        self.reasons: Counter[str] = Counter()
        self.first: list[Hole] = []
        between = tuple(name for name in columns if name not in (*HEAD, *TAIL))
        self._columns = ("job_id", "image_index", "seed", "prompt", "endpoint", "repeat", *between)

    def __enter__(self) -> Self:
        self._file = self.path.open("w", encoding="utf-8", newline="")
        header = (*self._columns[:2], "why", "error_type", *self._columns[2:])
        self._file.write(format_row(header))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._file.close()

    @property
    def count(self) -> int:
        """How many there are."""
        return self.reasons.total()

    def add(self, hole: Hole) -> None:
        """Write one down."""
        cells = [hole.record.get(name, "") for name in self._columns]
        self._file.write(format_row([*cells[:2], hole.why, hole.error_type, *cells[2:]]))
        self.reasons[hole.label] += 1
        if len(self.first) < FIRST:
            self.first.append(hole)


def job_holes(job: Job, standings: Record, columns: Columns) -> Iterator[Hole]:
    """Yield what a job of the manifest lacks.

    Args:
        job: The job.
        standings: What is on record.
        columns: The ledger's own columns.
    """
    standing = standings.find(number_of(job.job_id)) or Standing()
    marks = dict(standing.rows.images)
    if standing.rows is not NO_ROWS and _is_whole(job, standing):
        return
    for index in range(job.images):
        mark = marks.get(index)
        if mark is not None and mark.status == "succeeded" and mark.has_file:
            continue
        if mark is None:
            why, error_type = _reason(job, standing)
        elif mark.status == "succeeded":
            why, error_type = NOT_DOWNLOADED, ""
        else:
            why, error_type = mark.status, mark.error_type
        row = LedgerRow(job=job, status="", image_index=index)
        record = dict(zip(columns.header, row.cells(columns), strict=True))
        yield Hole(record=record, why=why, error_type=error_type)


def _is_whole(job: Job, standing: Standing) -> bool:
    marks = [mark for index, mark in standing.rows.images if index < job.images]
    return len(marks) == job.images and all(
        mark.status == "succeeded" and mark.has_file for mark in marks
    )


def _reason(job: Job, standing: Standing) -> tuple[str, str]:
    if job.problem:
        return "failed", "template"
    state = job_state(standing)
    return _REASONS[state], error_type_of(standing) if state is JobState.FAILED else ""


def find_holes(
    manifest: Manifest,
    state: BatchState | None,
    intake: Intake,
    holes: HoleList,
    *,
    watch: Callable[[int], None],
) -> None:
    """Find what the manifest asks for and the ledger has no image of; mark what it asks for.

    Where images were picked, only those are asked for.

    Args:
        manifest: The batch's, as it is now.
        state: What the batch keeps.
        intake: What is exported of it.
        holes: Takes what is found.
        watch: Told how many jobs were drawn.
    """
    if state is None:
        return
    standings = intake.source.standings
    for place, job in enumerate(manifest.jobs(sample=state.sample or None), start=1):
        watch(place)
        if standings.mark_drawn(number_of(job.job_id)) or intake.only_picked:
            continue
        for hole in job_holes(job, standings, state.columns):
            intake.note(hole.record)
            if intake.selection.wants_hole(hole.record):
                holes.add(hole)
    if state.sample:
        # What is outside the sample is asked for all the same, only not now.
        for job in manifest.jobs():
            if standings.find(number_of(job.job_id)) is not None:
                standings.mark_drawn(number_of(job.job_id))


def picked_holes(intake: Intake, holes: HoleList) -> None:
    """Find the picked images that cannot be exported, because no row has them."""
    picks = intake.selection.picks
    if picks is None or not intake.only_picked:
        return
    wanted = set(picks.images(Verdict.PICKED))
    for row in intake.source:
        record = row.record
        if not record["image_index"]:
            continue
        key = ImageKey(record["job_id"], int(record["image_index"]))
        if key not in wanted:
            continue
        wanted.discard(key)
        if record["status"] not in intake.selection.statuses and intake.selection.wants(record):
            why, error_type = record["status"], record["error_type"]
            holes.add(Hole(record=record, why=why, error_type=error_type))
    for key in picks.images(Verdict.PICKED):
        if key in wanted:
            known = {"job_id": key.job_id, "image_index": str(key.image_index)}
            holes.add(Hole(record=known, why=NOT_IN_LEDGER))
