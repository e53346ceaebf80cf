"""Tell which jobs have failed, and why, as the service said it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from batchgen.attempt import job_from
from batchgen.batch import Batch
from batchgen.csv_file import RowReader
from batchgen.job import Json, job_id_of
from batchgen.ledger import LEDGER_FIRST_CELL, neutralised
from batchgen.record import Record
from batchgen.standing import Standing
from batchgen.tally import error_type_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedJob:
    """A job that has failed.

    Attributes:
        job_id: Its id.
        line: Where the manifest or its rows speak of it, as `products.csv:17`, or `""`.
        prompt: What was sent, byte for byte.
        seed: The seed that was sent, as text; `""` for none.
        error_type: The service's word for the failure, or ours.
        error: The service's text, or ours; neutralised.
    """

    job_id: str
    line: str
    prompt: str
    seed: str
    error_type: str
    error: str

    def as_json(self) -> dict[str, Json]:
        """Return it as `--json` has it."""
        return {
            "job_id": self.job_id,
            "line": self.line,
            "prompt": self.prompt,
            "seed": int(self.seed) if self.seed else None,
            "error_type": self.error_type,
            "error": self.error,
        }


def list_failures(batch: Batch, record: Record, lines: Mapping[int, str]) -> list[FailedJob]:
    """Return some failed jobs with their reasons, in the order of `lines`.

    Args:
        batch: Their batch.
        record: What is on record about it.
        lines: The numbers of the failed jobs → where the manifest speaks of each, or `""`.

    Raises:
        LedgerError: The ledger is damaged.
    """
    found = _read_rows(batch, {job_id_of(number) for number in lines})
    return [
        found.get(job_id_of(number), _Rows()).failed(job_id_of(number), line)
        or _from_journal(batch, record.jobs[number], number, line)
        for number, line in lines.items()
    ]


@dataclass(slots=True)
class _Rows:
    """The current ledger rows of one job: column → cell, by the text of their image index."""

    by_index: dict[str, dict[str, str]]

    def __init__(self) -> None:
        self.by_index = {}

    def add(self, row: dict[str, str]) -> None:
        index = row["image_index"]
        if not index:
            self.by_index.clear()
        self.by_index.pop("", None)
        self.by_index[index] = row

    def failed(self, job_id: str, line: str) -> FailedJob | None:
        """Return why the job failed, if a row says so: the first of several images speaks."""
        row = next((row for row in self.by_index.values() if row["status"] == "failed"), None)
        if row is None:
            return None
        return FailedJob(
            job_id=job_id,
            line=line,
            prompt=row["prompt"],
            seed=row["seed"],
            error_type=row["error_type"],
            error=row["error"],
        )


def _read_rows(batch: Batch, job_ids: Collection[str]) -> dict[str, _Rows]:
    found: dict[str, _Rows] = {}
    if not job_ids or not batch.ledger_path.exists():
        return found
    reader = RowReader(batch.ledger_path, first_cell=LEDGER_FIRST_CELL)
    for row in reader:
        if row.cells[0] in job_ids:
            rows = found.setdefault(row.cells[0], _Rows())
            rows.add(dict(zip(reader.columns, row.cells, strict=True)))
    return found


def _from_journal(batch: Batch, standing: Standing, number: int, line: str) -> FailedJob:
    """Return why a job failed whose ledger row was never written: the journal is ahead of it."""
    prompt, seed, error = "", "", ""
    if standing.state is not None and not standing.is_shared:
        job = job_from(batch.entry_at(standing.started))
        detail = batch.entry_at(standing.last).detail
        prompt = job.prompt
        seed = "" if job.seed is None else str(job.seed)
        error = str(detail.get("error") or detail.get("reason") or "")
    return FailedJob(
        job_id=job_id_of(number),
        line=line,
        prompt=prompt,
        seed=seed,
        error_type=neutralised(error_type_of(standing)),
        error=neutralised(error),
    )
