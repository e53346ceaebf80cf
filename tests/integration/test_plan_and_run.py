"""A plan says exactly what the run that follows does."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.queues import KEY
from support.workshop import QuickTime

from batchgen.attempt import JOURNAL_FIRST_CELL, Entry, parse_entry
from batchgen.batch import Batch
from batchgen.csv_file import RowReader
from batchgen.errors import UsageError
from batchgen.launch import Selection, launch
from batchgen.manifest import Manifest, load_manifest
from batchgen.planning import Plan, Reason, make_plan
from batchgen.progress import Progress
from batchgen.report import Report
from batchgen.service import Service
from batchgen.settings import RunSettings
from batchgen.simulator import Simulator, SimulatorSettings
from batchgen.state import AttemptState

# What an evening goes through: refusals, failures that may pass and do not, lost answers,
# requests that never end, images that cannot be fetched.
BAD_NIGHT = {
    "content_policy_violation": 0.12,
    "generation_timeout": 0.2,
    "fewer_images": 0.1,
    "lost_reply": 0.1,
    "stuck": 0.1,
    "image_503": 0.85,
}

# How long a request may take, in seconds of the night, which is quick: the stuck ones stay open.
PATIENCE_S = 180.0

MANIFEST: dict[str, Any] = {
    "batch": "animals",
    "prompt": "{% if animal != 'nothing' %}a {{ animal }} in {{ home }}{% endif %}",
    "parameters": {"num_images": 2, "resolution": "0.5K"},
    "seed": "none",
    "grid": {
        "animal": ["fox", "owl", "cat", "dog", "hen", "nothing"],
        "home": ["a barn", "a wood", "a shop", "a sea", "a tin"],
    },
    "repeat": 2,
}


class Night:
    """A batch and a simulated queue that lasts as long as the test."""

    def __init__(self, folder: Path, queue: Simulator) -> None:
        self.folder = folder
        self.queue = queue
        self.time = QuickTime(speed=600.0)

    def batch(self) -> Batch:
        return Batch(self.folder, now=self.time.now)

    async def run(
        self, manifest: Manifest, *, selection: Selection | None = None, **settings: Any
    ) -> Report:
        return await launch(
            self.batch(),
            manifest,
            service=Service(queue_url=self.queue.url, platform_url="", key=KEY),
            settings=RunSettings(**settings),
            selection=selection or Selection(),
            progress=Progress(),
            began=lambda runner: None,
            clock=self.time.clock,
        )

    def plan(
        self, manifest: Manifest, *, selection: Selection | None = None, **settings: Any
    ) -> Plan:
        return make_plan(
            self.batch(),
            manifest,
            settings=RunSettings(**settings),
            selection=selection or Selection(),
        )

    def entries(self) -> list[Entry]:
        reader = RowReader(self.folder / "requests.csv", first_cell=JOURNAL_FIRST_CELL)
        return [parse_entry(row.cells) for row in reader]


@asynccontextmanager
async def after_a_bad_night(folder: Path, manifest: Manifest) -> AsyncIterator[Night]:
    """Run most of a manifest against a service that misbehaves; then it behaves again."""
    settings = SimulatorSettings(seconds=0.0, spread=0.0, image_scale=1 / 32, faults=BAD_NIGHT)
    async with Simulator(settings) as queue:
        night = Night(folder, queue)
        selection = Selection(limit=40)
        await night.run(
            manifest, selection=selection, max_attempts=1, timeout_s=PATIENCE_S, concurrency=8
        )
        queue.faults.clear()
        yield night


def sent_since(night: Night, begun: int) -> tuple[int, Decimal]:
    """Return how many POSTs were intended since a row of the journal, and what was set aside.

    Those of requests that were open at that row do not count: whether one of them fails and is
    sent again is known only when it has been read.
    """
    entries = night.entries()
    before = {entry.job_id: entry.state for entry in entries[:begun]}
    sent = [
        entry
        for entry in entries[begun:]
        if entry.state is AttemptState.SUBMITTING
        and before.get(entry.job_id) is not AttemptState.SUBMITTED
    ]
    return len(sent), sum((entry.cost_usd or Decimal(0) for entry in sent), Decimal(0))


async def test_a_bad_night_leaves_something_of_everything(tmp_path: Path) -> None:
    manifest = load_manifest(MANIFEST)
    async with after_a_bad_night(tmp_path / "animals", manifest) as night:
        plan = night.plan(manifest)

    assert {reason.value for reason, line in plan.census.lines.items() if not line.jobs} == set()
    assert [job.problem for job in plan.census.unfit] == ["prompt: it is empty."] * 2


@pytest.mark.parametrize(
    ("settings", "selection"),
    [
        pytest.param({}, Selection(), id="all"),
        pytest.param({"retry": "failed"}, Selection(), id="--retry failed"),
        pytest.param({"retry": "none"}, Selection(), id="--retry none"),
        pytest.param({"download": False}, Selection(), id="--no-download"),
        pytest.param({}, Selection(sample="50%"), id="--sample 50%"),
    ],
)
async def test_what_is_planned_is_what_is_submitted_and_paid(
    tmp_path: Path, settings: dict[str, Any], selection: Selection
) -> None:
    manifest = load_manifest(MANIFEST)
    async with after_a_bad_night(tmp_path / "animals", manifest) as night:
        begun = len(night.entries())

        plan = night.plan(manifest, selection=selection, **settings)
        report = await night.run(manifest, selection=selection, timeout_s=PATIENCE_S, **settings)

        assert sent_since(night, begun) == (plan.census.sent, plan.cost_usd)
    assert (report.jobs, report.images) == (plan.report.jobs, plan.report.images)
    lines = plan.census.lines
    assert sum(line.jobs for line in lines.values()) == plan.report.jobs
    assert report.unknown == lines[Reason.UNKNOWN].jobs
    # What is planned to be kept, fetched or sent is there afterwards; only what was fetched may
    # turn out to lack an image, and what was open may have ended one way or the other.
    ended = lines[Reason.OPEN].jobs - report.open
    fetched = lines[Reason.UNDELIVERED].jobs
    made = lines[Reason.DONE].jobs + fetched + plan.census.sent
    assert made - fetched <= report.succeeded <= made + ended
    assert report.succeeded + report.failed == made + lines[Reason.FAILED].jobs + ended


@pytest.mark.parametrize("limit", [0, 1, 7, 100])
async def test_a_limit_is_planned_as_it_is_kept(tmp_path: Path, limit: int) -> None:
    manifest, selection = load_manifest(MANIFEST), Selection(limit=limit)
    async with after_a_bad_night(tmp_path / "animals", manifest) as night:
        begun = len(night.entries())

        plan = night.plan(manifest, selection=selection, retry="failed")
        await night.run(manifest, selection=selection, timeout_s=PATIENCE_S, retry="failed")

        assert sent_since(night, begun) == (plan.census.sent, plan.cost_usd)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.7, 1.0])
@pytest.mark.parametrize("retry", ["transient", "failed"])
async def test_that_holds_wherever_a_crash_has_cut_the_record(
    tmp_path: Path, share: float, retry: str
) -> None:
    manifest = load_manifest(MANIFEST)
    async with after_a_bad_night(tmp_path / "animals", manifest) as night:
        journal, ledger = night.folder / "requests.csv", night.folder / "ledger.csv"
        reader = RowReader(journal, first_cell=JOURNAL_FIRST_CELL)
        ends = [row.end for row in reader]
        os.truncate(journal, ends[int(share * (len(ends) - 1))])
        ledger.write_bytes(ledger.read_bytes().partition(b"\n")[0] + b"\n")
        begun = len(night.entries())

        plan = night.plan(manifest, retry=retry, max_attempts=1)
        await night.run(manifest, timeout_s=PATIENCE_S, retry=retry, max_attempts=1)

        assert sent_since(night, begun) == (plan.census.sent, plan.cost_usd)


async def test_an_edited_manifest_is_planned_as_it_runs(tmp_path: Path) -> None:
    async with after_a_bad_night(tmp_path / "animals", load_manifest(MANIFEST)) as night:
        homes = ["a barn", "a wood", "a lighthouse"]
        edited = load_manifest({**MANIFEST, "grid": {**MANIFEST["grid"], "home": homes}})
        begun = len(night.entries())

        plan = night.plan(edited)
        report = await night.run(edited, timeout_s=PATIENCE_S)

        assert sent_since(night, begun) == (plan.census.sent, plan.cost_usd)
    assert plan.changes is not None
    assert plan.changes.keys == ("grid.home",)
    assert plan.changes.kept + plan.changes.former.jobs == 40
    assert report.former == plan.former.jobs == plan.changes.former.jobs > 0


async def test_planning_changes_nothing_and_needs_no_folder(tmp_path: Path) -> None:
    manifest = load_manifest(MANIFEST)
    plan = make_plan(
        Batch(tmp_path / "jobs" / "animals"),
        manifest,
        settings=RunSettings(),
        selection=Selection(),
    )
    assert plan.is_new
    assert list(tmp_path.iterdir()) == []

    async with after_a_bad_night(tmp_path / "animals", manifest) as night:
        before = {path: path.stat().st_mtime_ns for path in night.folder.rglob("*")}
        night.plan(manifest, retry="failed")
        after = {path: path.stat().st_mtime_ns for path in night.folder.rglob("*")}

    assert after == before


def test_a_folder_that_is_no_batch_is_refused_as_a_run_refuses_it(tmp_path: Path) -> None:
    (tmp_path / "ledger.csv").write_text("something else")

    with pytest.raises(UsageError, match="not a batch"):
        make_plan(
            Batch(tmp_path),
            load_manifest(MANIFEST),
            settings=RunSettings(),
            selection=Selection(),
        )
