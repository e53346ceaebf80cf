"""What the doctor finds in the records of a batch."""

from __future__ import annotations

from pathlib import Path

from support.evening import Evening, evening, manifest_of

from batchgen.doctor.finding import Finding, Grade
from batchgen.doctor.history import (
    check_lock,
    check_manifest,
    check_open_requests,
    check_record,
)


def open_requests_of(one: Evening) -> Finding:
    record, _ = check_record(one.batch)
    assert record is not None
    return check_open_requests(one.batch, record, one.service)


async def test_a_batch_that_can_go_on(tmp_path: Path) -> None:
    async with evening(tmp_path) as one:
        await one.leave_open("fox", "owl")

        _, record = check_record(one.batch)
        endpoints, manifest = check_manifest(one.batch)
        requests = open_requests_of(one)

    assert (record.grade, record.text) == (
        Grade.OK,
        "2 jobs on record, $0.00 spent, $0.12 reserved",
    )
    assert endpoints == ("fal-ai/nano-banana-2",)
    assert (manifest.grade, manifest.text) == (Grade.OK, "kept in the folder: 2 jobs")
    assert (requests.grade, requests.text) == (Grade.OK, "2 open")


async def test_requests_at_another_queue_stop_a_run(tmp_path: Path) -> None:
    async with evening(tmp_path) as one:
        await one.leave_open("fox")
    async with evening(tmp_path) as other:
        finding = open_requests_of(other)

    assert finding.stops_run
    assert one.queue.url in finding.text
    assert f"BATCHGEN_QUEUE_URL={one.queue.url}" in finding.mend


async def test_requests_of_another_key_are_a_warning(tmp_path: Path) -> None:
    async with evening(tmp_path) as one:
        await one.leave_open("fox")
        one.key = "another:key"

        finding = open_requests_of(one)

    assert finding.grade is Grade.WARNING
    assert "1 of 1 open requests were sent with another key" in finding.text


async def test_whether_a_run_is_going_on(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox"))

        with one.batch.lock():
            running = check_lock(one.batch)
        idle = check_lock(one.batch)

    assert running.text.startswith("process ")
    assert idle.text == "no run is going on"


async def test_a_damaged_journal_stops_a_run(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox"))
        (one.folder / "requests.csv").write_text("my,own,table\n", encoding="utf-8")

        record, finding = check_record(one.batch)

    assert record is None
    assert finding.stops_run


async def test_a_damaged_copy_of_the_manifest_is_wrong_and_a_run_can_go(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox"))
        [kept] = (one.folder / "manifests" / "1").iterdir()
        kept.write_text("prompt: [", encoding="utf-8")

        endpoints, finding = check_manifest(one.batch)

    assert endpoints == ()
    assert finding.grade is Grade.WRONG
    assert not finding.stops_run
