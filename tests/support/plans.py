"""Jobs, records and plans made by hand: what the tests of plans are written with."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from batchgen.budget import Budget
from batchgen.job import Job, Json, automatic_seed, identify, number_of
from batchgen.launch import Selection
from batchgen.planning.census import Census, Line
from batchgen.planning.changes import Left
from batchgen.planning.counting import Counting
from batchgen.planning.disk import Room
from batchgen.planning.past import Past
from batchgen.planning.plan import Plan
from batchgen.planning.reason import Reason
from batchgen.record import Record
from batchgen.report import Report
from batchgen.retry import RetryRule
from batchgen.settings import RunSettings
from batchgen.standing import ImageMark, Rows, Standing
from batchgen.state import AttemptState
from batchgen.tally import Tally

ENDPOINT = "fal-ai/nano-banana-2"
ON_DISK = Rows(images=((0, ImageMark("succeeded", "", True)),))


def make_job(name: str = "fox", **changes: Any) -> Job:
    """Return a job that draws `name`; two of the same name are the same job."""
    sent: dict[str, Json] = {"prompt": f"a {name}", **changes.pop("input", {})}
    job_id = identify(endpoint=ENDPOINT, input={**sent, "seed": "auto"}, repeat=0)
    given: dict[str, Any] = {
        "job_id": job_id,
        "endpoint": ENDPOINT,
        "input": {**sent, "seed": automatic_seed(job_id)},
        "repeat": 0,
        "variables": {"animal": name},
        "file": f"images/{job_id[:2]}/{job_id}",
        "price_usd": Decimal("0.08"),
        **changes,
    }
    return Job(**given)


def closed(error_type: str, **changes: Any) -> Standing:
    """Return the standing of a job whose failure is in the ledger."""
    rows = Rows(job_status="failed", error_type=error_type, finished_at="t")
    return Standing(
        rows=rows, state=AttemptState.FAILED, at="t", error_type=error_type, attempts=1, **changes
    )


def make_record(*pairs: tuple[Job, Standing]) -> Record:
    """Return a record on which these jobs stand like this."""
    record = Record()
    for job, standing in pairs:
        record.jobs[number_of(job.job_id)] = replace(standing)
        record.bill.reserved_usd += standing.reserved_usd
        record.bill.spent_usd += standing.charged_usd
    return record


def take_census(jobs: list[Job], record: Record | None = None, **options: Any) -> Census:
    """Count jobs as a run with these options would."""
    until_limit = options.pop("until_limit", False)
    mode, most = options.pop("retry", "transient"), options.pop("max_attempts", 3)
    counting = Counting(
        record=record or Record(),
        retry=RetryRule(mode=mode, max_attempts=most),
        download=options.pop("download", True),
        **options,
    )
    return counting.count(jobs, until_limit=until_limit)


def make_census(lines: dict[Reason, Line], **changes: Any) -> Census:
    """Return what drawing would have shown; reasons that are not named have no jobs."""
    jobs = sum(line.jobs for line in lines.values())
    given: dict[str, Any] = {
        "jobs": jobs,
        "images": jobs,
        "folded": 0,
        "second": None,
        "lines": {reason: lines.get(reason, Line()) for reason in Reason},
        "tally": Tally(jobs=jobs),
        "quoted_usd": Decimal(0),
        "first": None,
        "unfit": (),
        "unfit_jobs": 0,
        "piles": (),
        "crowded": {},
        **changes,
    }
    return Census(**given)


def make_plan_of(census: Census, **changes: Any) -> Plan:
    """Return a plan of such jobs, in a folder that nothing was ever run in."""
    report = Report(
        batch=changes.pop("batch", "animals"),
        folder=Path(changes.pop("folder", "/srv/data/jobs/animals")),
        simulated=changes.pop("simulated", False),
        jobs=census.jobs,
        images=census.images,
        tally=census.tally,
        bill=changes.pop("bill", Budget()),
        submitted=0,
        folded=census.folded,
        limit=changes.get("selection", Selection()).limit,
    )
    given: dict[str, Any] = {
        "report": report,
        "is_new": True,
        "begun_at": "",
        "manifest": Path("/srv/data/animals.yaml"),
        "shape": "",
        "whole": census.jobs + census.folded,
        "selection": Selection(),
        "settings": RunSettings(),
        "census": census,
        "fold": None,
        "changes": None,
        "former": Left(),
        "prices": (),
        "past": Past(),
        "room": Room(images=0, needed_bytes=0, image_bytes=0, is_measured=False, free_bytes=10**12),
        "neighbours": (),
        "warnings": (),
        **changes,
    }
    return Plan(**given)


def many(count: int) -> list[Job]:
    """Return so many different jobs."""
    return [make_job(f"animal {number}") for number in range(count)]


def types(**counts: int) -> Counter[str]:
    """Return error types with their counts."""
    return Counter(counts)
