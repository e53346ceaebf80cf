"""A run from its lock to its report: what it leaves in the folder, and what it refuses."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.night import Night, night, shots
from support.queues import KEY
from support.wire import refused_url

from batchgen.batch import Batch
from batchgen.binding import check_place, check_service
from batchgen.errors import BusyError, LedgerError, ServiceError, UsageError
from batchgen.runner import Runner
from batchgen.service import Service


@pytest.fixture
async def tonight(tmp_path: Path) -> AsyncIterator[Night]:
    async with night(tmp_path) as tonight:
        yield tonight


async def test_what_a_run_leaves_in_the_folder(tonight: Night) -> None:
    await tonight.run(shots(2))

    found = {path.name for path in tonight.folder.iterdir()}
    assert {"ledger.csv", "requests.csv", "manifest.yaml", "images", "run.log", ".lock"} <= found
    assert not any(name.endswith((".new", ".reserve", ".part")) for name in found)
    assert len(list((tonight.folder / "images").rglob("*.png"))) == 2


async def test_no_file_of_a_batch_holds_the_key(tonight: Night) -> None:
    tonight.queue.faults.script(on="submit", nth=1, do="submit_500")
    tonight.queue.faults.script(on="status", nth=1, do="status_401")

    await tonight.run(shots(4))

    for path in tonight.folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert KEY.encode() not in content
            assert KEY.partition(":")[2].encode() not in content


async def test_the_log_tells_a_person_what_happened(tonight: Night) -> None:
    tonight.queue.faults.script(on="submit", nth=1, do="lost_post")

    await tonight.run(shots(2))

    log = (tonight.folder / "run.log").read_text(encoding="utf-8")
    assert "run begins" in log
    assert "is unknown" in log
    assert "run ends with 1" in log
    assert logging.getLogger("batchgen").handlers == []


async def test_two_runs_of_one_batch_at_once_are_refused_before_anything_is_sent(
    tonight: Night,
) -> None:
    tonight.queue.faults.script(on="run", nth="every", do="slow_run")
    runners: list[Runner] = []
    running = asyncio.create_task(tonight.run(shots(2), began=runners.append))
    while not runners:
        await asyncio.sleep(0.001)

    with pytest.raises(BusyError, match=f"process {os.getpid()}"):
        await tonight.run(shots(9))

    report = await running
    assert (report.exit_code, tonight.queue.accepted) == (0, 2)


async def test_a_batch_with_open_requests_is_bound_to_its_queue(tonight: Night) -> None:
    tonight.queue.faults.script(on="run", nth=1, do="stuck")
    await tonight.run(shots(2), timeout_s=3.0)
    elsewhere = Service(queue_url=refused_url(), platform_url="", key=KEY)

    with pytest.raises(ServiceError, match=tonight.queue.url):
        await tonight.run(shots(2), service=elsewhere)

    assert tonight.states()["submitting"] == 2


async def test_a_batch_whose_requests_have_all_ended_may_go_on_at_another_queue(
    tmp_path: Path,
) -> None:
    async with night(tmp_path) as first, night(tmp_path) as second:
        await first.run(shots(2))
        second.folder = first.folder

        report = await second.run(shots(3))

        assert (report.exit_code, report.succeeded, second.queue.accepted) == (0, 3, 1)


async def test_a_simulated_batch_and_a_real_one_are_never_mixed(tonight: Night) -> None:
    await tonight.run(shots(1))
    batch = Batch(tonight.folder)

    check_service(batch, tonight.service)
    with pytest.raises(UsageError, match="is a real batch; a simulated run needs"):
        check_service(batch, replace(tonight.service, simulated=True))


def test_a_batch_that_lies_beside_the_manifest_is_not_begun_anew_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "jobs" / "night").mkdir(parents=True)
    manifest = tmp_path / "night.yaml"

    check_place(Batch(tmp_path / "jobs" / "night"), manifest)
    with pytest.raises(UsageError, match="would buy everything again"):
        check_place(Batch(tmp_path / "elsewhere" / "night"), manifest)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_cannot_be_written_is_refused(tonight: Night) -> None:
    tonight.folder.parent.mkdir(parents=True)
    tonight.folder.parent.chmod(0o500)

    with pytest.raises(UsageError, match="--jobs-dir"):
        await tonight.run(shots(1))


async def test_a_file_where_the_folder_should_be_is_refused(tonight: Night) -> None:
    tonight.folder.parent.mkdir(parents=True)
    tonight.folder.write_text("no folder")

    with pytest.raises(UsageError):
        await tonight.run(shots(1))

    assert tonight.queue.accepted == 0


@pytest.mark.parametrize("name", ["ledger.csv", "requests.csv"])
async def test_a_table_that_is_not_ours_is_refused_and_not_touched(
    tonight: Night, name: str
) -> None:
    await tonight.run(shots(2))
    (tonight.folder / name).write_bytes(b"a,b\n1,2\n")

    with pytest.raises(LedgerError):
        await tonight.run(shots(3))

    assert (tonight.folder / name).read_bytes() == b"a,b\n1,2\n"
    assert tonight.queue.accepted == 2


@pytest.mark.parametrize("name", ["ledger.csv", "requests.csv"])
async def test_a_table_that_is_missing_is_not_begun_anew(tonight: Night, name: str) -> None:
    await tonight.run(shots(2))
    (tonight.folder / name).unlink()

    with pytest.raises(LedgerError):
        await tonight.run(shots(3))

    assert tonight.queue.accepted == 2


async def test_a_torn_tail_is_cut_off_and_the_run_goes_on(tonight: Night) -> None:
    await tonight.run(shots(2))
    for name in ("ledger.csv", "requests.csv"):
        path = tonight.folder / name
        *_, last = path.read_bytes().splitlines(keepends=True)
        with path.open("ab") as file:
            file.write(last[: len(last) // 2] + b"\0\0")

    report = await tonight.run(shots(3))

    assert (report.exit_code, report.succeeded, tonight.queue.accepted) == (0, 3, 3)
    assert len(tonight.ledger) == 3


# -- the report --------------------------------------------------------------------------


async def test_every_job_is_counted_once(tonight: Night) -> None:
    faults = tonight.queue.faults
    faults.script(on="run", nth=1, do="content_policy_violation")
    faults.script(on="run", nth=2, do="stuck")
    faults.script(on="submit", nth=3, do="lost_post")
    faults.script(on="image", nth="2-", do="image_503")

    report = await tonight.run(shots(9), concurrency=1, limit=6, timeout_s=5.0)

    counts: dict[str, int] = {
        name: getattr(report, name)
        for name in ("succeeded", "failed", "undelivered", "unknown", "open", "left")
    }
    assert counts == {
        "succeeded": 1,
        "failed": 1,
        "undelivered": 2,
        "unknown": 1,
        "open": 1,
        "left": 3,
    }
    assert sum(counts.values()) == report.jobs == 9
    assert report.exit_code == 1
    assert report.again == 9 - 1 - 1
    assert report.bill.reserved_usd == 2 * report.bill.spent_usd / 4


async def test_the_report_as_json_has_the_contracts_keys(tonight: Night) -> None:
    report = await tonight.run(shots(2))

    keys = [
        "batch",
        "folder",
        "simulated",
        "jobs",
        "images",
        "succeeded",
        "failed",
        "undelivered",
        "unknown",
        "open",
        "left",
        "again",
        "submitted",
        "spent_usd",
        "reserved_usd",
        "failed_by_type",
        "exit_code",
        "reason",
    ]
    document = report.as_json()
    assert [key for key in keys if key not in document] == []
    assert (document["batch"], document["jobs"], document["spent_usd"]) == ("night", 2, 0.16)


async def test_folded_jobs_are_counted_apart(tonight: Night) -> None:
    manifest: dict[str, Any] = {
        "batch": "night",
        "prompt": "a {{ n | lower }}",
        "grid": {"n": ["Fox", "fox", "owl"]},
    }

    report = await tonight.run(manifest)

    assert (report.jobs, report.folded, report.succeeded, tonight.queue.accepted) == (2, 1, 2, 2)


async def test_a_manifest_too_large_to_draw_to_its_end_is_counted_all_the_same(
    tonight: Night,
) -> None:
    numbers: list[Any] = [list(range(600)), list(range(500))]
    manifest = {
        "batch": "night",
        "prompt": "{{ a }} {{ b }}",
        "grid": {"a": numbers[0], "b": numbers[1]},
    }

    report = await tonight.run(manifest, limit=2)

    assert (report.exit_code, report.jobs, report.images) == (0, 300_000, 300_000)
    assert (report.succeeded, report.left, report.again) == (2, 299_998, 299_998)
    assert report.quoted_usd is None


async def test_the_progress_ends_where_the_report_does(tonight: Night) -> None:
    tonight.queue.faults.script(on="run", nth=1, do="content_policy_violation")

    report = await tonight.run(shots(5))

    progress = tonight.progress
    assert (progress.total, progress.done) == (5, 5)
    assert (progress.succeeded, progress.failed) == (report.succeeded, report.failed) == (4, 1)
    assert (progress.succeeded_now, progress.failed_now) == (4, 1)


async def test_what_a_limit_leaves_for_later_is_not_waited_for(tonight: Night) -> None:
    totals = []

    for _ in range(3):
        await tonight.run(shots(8), limit=3)
        totals.append((tonight.progress.done, tonight.progress.total))

    assert totals == [(3, 3), (6, 6), (8, 8)]


async def test_a_later_run_begins_its_progress_where_the_batch_stands(tonight: Night) -> None:
    tonight.queue.faults.script(on="run", nth=1, do="content_policy_violation")
    await tonight.run(shots(5), limit=3)
    began: list[tuple[int, int]] = []

    await tonight.run(
        shots(5),
        began=lambda runner: began.append((tonight.progress.succeeded, tonight.progress.failed)),
    )

    assert began == [(2, 1)]
    assert (tonight.progress.succeeded, tonight.progress.failed) == (4, 1)
