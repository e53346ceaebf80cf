"""Where a batch stands, told by reading alone."""

from __future__ import annotations

import asyncio
import hashlib
from decimal import Decimal
from pathlib import Path

import pytest
from support.evening import Evening, evening, manifest_of

from batchgen.batch import Batch
from batchgen.errors import LedgerError
from batchgen.job import Json
from batchgen.launch import Selection
from batchgen.manifest import load_manifest
from batchgen.overview import Overview, look

CONTRACT_KEYS = frozenset(
    {
        *("batch", "folder", "simulated", "jobs", "images", "succeeded", "failed", "undelivered"),
        *("unknown", "open", "left", "again", "submitted", "spent_usd", "reserved_usd"),
        *("failed_by_type", "exit_code", "reason"),
    }
)
PRICE = Decimal("0.06")


def counts(overview: Overview) -> dict[str, int]:
    """Return the counts that are not 0."""
    report = overview.report
    names = ("succeeded", "failed", "undelivered", "unknown", "open", "left", "former")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def files_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


async def one_of_each(one: Evening) -> None:
    """Run six animals of which each ends otherwise; a seventh is not sent."""
    one.with_platform = False
    faults = one.queue.faults
    faults.script(on="run", nth=2, do="content_policy_violation")
    faults.script(on="submit", nth=3, do="lost_reply")
    faults.script(on="run", nth=4, do="stuck")
    faults.script(on="run", nth=5, do="no_units")
    faults.script(on="image", nth="every", do="image_403")
    await one.run(
        manifest_of("fox", "owl", "cat", "dog", "hen", "cow", "ant"),
        selection=Selection(limit=5),
        concurrency=1,
        timeout_s=100.0,
    )
    faults.clear()


async def test_a_finished_batch(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox", "owl"))

        overview = look(one.batch)

    assert counts(overview) == {"succeeded": 2}
    assert (overview.report.jobs, overview.report.images) == (2, 2)
    assert overview.report.bill.spent_usd == 2 * PRICE
    assert (overview.billed_usd, overview.table_usd) == (2 * PRICE, 0)
    assert not overview.is_running
    assert overview.findings == {}
    assert overview.exit_code == 0


async def test_one_of_each(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one_of_each(one)

        overview = look(one.batch)

    assert counts(overview) == {
        "failed": 1,
        "undelivered": 2,
        "unknown": 1,
        "open": 1,
        "left": 2,
    }
    assert overview.report.jobs == 7
    assert overview.findings == {"failed": 1, "undelivered": 2, "unknown": 1}
    assert overview.exit_code == 1
    assert overview.report.tally.failed_by_type == {"content_policy_violation": 1}
    assert overview.report.bill.reserved_usd == 2 * PRICE
    assert [one.cost_usd for one in overview.unknowns] == [PRICE]


async def test_what_the_service_billed_stands_apart_from_what_is_estimated(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        one.queue.faults.script(on="run", nth=2, do="no_units")
        await one.run(manifest_of("fox", "owl", "cat"), concurrency=1)

        overview = look(one.batch)

    assert (overview.billed_usd, overview.table_usd) == (2 * PRICE, PRICE)
    assert overview.as_json()["foreseen_usd"] == float(2 * PRICE)


async def test_the_document_has_the_keys_of_the_contract(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one_of_each(one)

        document = look(one.batch, with_failures=True).as_json(next_command="batchgen resume zoo")

    assert set(document) >= CONTRACT_KEYS
    assert document["exit_code"] == 1
    assert document["reason"] == "1 failed, 2 undelivered, 1 unknown"
    assert document["next"] == "batchgen resume zoo"
    assert document["quoted_usd"] is None
    jobs = sum(
        int(str(document[name]))
        for name in ("succeeded", "failed", "undelivered", "unknown", "open", "left")
    )
    assert jobs == document["jobs"]


async def test_looking_changes_no_file_and_adds_none(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one_of_each(one)
        before = files_of(one.folder)

        look(one.batch, with_failures=True)

        assert files_of(one.folder) == before


async def test_a_torn_tail_is_not_seen_and_not_cut(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox", "owl"))
        whole = look(one.batch)
        for name in ("requests.csv", "ledger.csv"):
            with (one.folder / name).open("ab") as file:
                file.write(_first_half_of_a_row(one.folder / name))
        before = files_of(one.folder)

        torn = look(one.batch)

        assert counts(torn) == counts(whole)
        assert torn.report.bill == whole.report.bill
        assert files_of(one.folder) == before


def _first_half_of_a_row(path: Path) -> bytes:
    last = path.read_bytes().splitlines(keepends=True)[-1]
    return last[: len(last) // 2]


async def test_jobs_that_the_manifest_no_longer_has_are_counted_apart(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox", "owl", "cat"))
        one.queue.faults.script(on="run", nth=4, do="content_policy_violation")
        await one.run(manifest_of("fox", "hen"))

        overview = look(one.batch)

    assert counts(overview) == {"succeeded": 1, "failed": 1, "former": 2}
    assert overview.report.jobs == 2
    assert overview.report.bill.spent_usd == 4 * PRICE
    assert overview.findings == {"failed": 1}


async def test_jobs_outside_the_sample_are_not_former(tmp_path: Path) -> None:
    animals = ("fox", "owl", "cat", "dog", "hen", "cow")
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of(*animals), selection=Selection(limit=6))
        await one.run(manifest_of(*animals), selection=Selection(sample="2"))

        overview = look(one.batch)

    assert counts(overview) == {"succeeded": 2}
    assert (overview.report.jobs, overview.sample) == (2, "2")


async def test_a_run_that_goes_on_is_seen_with_who_runs_it(tmp_path: Path) -> None:
    async with evening(tmp_path) as one:
        run = asyncio.create_task(one.run(manifest_of("fox", "owl", "cat"), concurrency=2))
        while one.states().count("submitted") < 2:
            await asyncio.sleep(0.01)

        overview = look(one.batch)
        one.batch.request_stop()
        await run
        after = look(one.batch)

    assert overview.is_running
    assert overview.holder is not None
    assert counts(overview) == {"open": 2, "left": 1}
    assert overview.as_json()["running"] is not None
    assert (after.is_running, after.holder) == (False, None)


async def test_an_answer_that_nobody_waits_for_any_more_is_unknown(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox"))
        journal = one.folder / "requests.csv"
        rows = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join(rows[:2]))  # killed while the POST was out
        (one.folder / "ledger.csv").write_bytes(_header(one.folder / "ledger.csv"))

        overview = look(one.batch)
        with one.batch.lock():
            meanwhile = look(one.batch)

    assert counts(overview) == {"unknown": 1}
    assert [job.cost_usd for job in overview.unknowns] == [PRICE]
    assert counts(meanwhile) == {"open": 1}
    assert meanwhile.unknowns == ()


def _header(path: Path) -> bytes:
    return path.read_bytes().splitlines(keepends=True)[0]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="one image a job"),
        pytest.param({"parameters": {"num_images": 2}}, id="two images a job"),
        pytest.param({"key": "animal"}, id="an identity of its own"),
        pytest.param({"repeat": 2}, id="takes"),
        pytest.param({"prompt": "{% if animal != 'cat' %}a {{ animal }}{% endif %}"}, id="unfit"),
        pytest.param({"include": [{"animal": "fox"}]}, id="a job that is there twice"),
    ],
)
async def test_what_is_remembered_comes_to_the_same_as_what_is_drawn(
    tmp_path: Path, changes: dict[str, Json]
) -> None:
    manifest = manifest_of("fox", "owl", "cat", **changes)
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest, selection=Selection(limit=2))
        remembered = look(one.batch)
        state = one.batch.state
        assert state is not None

        drawn = look(one.batch, with_failures=True)

    assert state.jobs == drawn.report.jobs
    assert remembered.as_json() == {
        name: value for name, value in drawn.as_json().items() if name != "failed_jobs"
    }


async def test_failed_jobs_are_listed_in_the_manifests_order_with_their_reasons(
    tmp_path: Path,
) -> None:
    (tmp_path / "zoo.csv").write_text("animal\nfox\nowl\ncat\ndog\n", encoding="utf-8")
    (tmp_path / "zoo.yaml").write_text(
        'prompt: "=a {{ animal }}"\nrows: zoo.csv\n', encoding="utf-8"
    )
    async with evening(tmp_path, seconds=0.0) as one:
        one.queue.faults.script(on="run", nth=2, do=["hostile_error", "hostile_error_type"])
        one.queue.faults.script(on="run", nth=4, do="content_policy_violation")
        await one.run(tmp_path / "zoo.yaml", concurrency=1)

        failures = look(one.batch, with_failures=True).failures

    assert failures is not None
    assert [one.prompt for one in failures] == ["=a owl", "=a dog"]
    assert [one.line for one in failures] == ["zoo.csv:3", "zoo.csv:5"]
    assert failures[1].error_type == "content_policy_violation"
    assert failures[1].error.startswith("The content could not be processed")
    assert failures[0].error.isprintable()
    assert failures[0].error.startswith("'=")
    assert failures[0].seed.isdigit()


async def test_a_job_of_a_grid_is_found_in_the_users_own_manifest(tmp_path: Path) -> None:
    path = tmp_path / "animals.yaml"
    path.write_text('prompt: "a {{ animal }}"\ngrid: {animal: [fox]}\n', encoding="utf-8")
    async with evening(tmp_path, seconds=0.0) as one:
        one.queue.faults.script(on="run", nth=1, do="content_policy_violation")
        await one.run(path)

        failures = look(one.batch, with_failures=True).failures

    assert failures is not None
    assert [one.line.split(":")[0] for one in failures] == ["animals.yaml"]


async def test_a_refusal_whose_row_was_never_written_has_its_reason_too(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        one.queue.faults.script(on="submit", nth=1, do="submit_422")
        await one.run(manifest_of("owl"))
        ledger = one.folder / "ledger.csv"
        ledger.write_bytes(_header(ledger))

        failures = look(one.batch, with_failures=True).failures

    assert failures is not None
    assert [(one.prompt, bool(one.error)) for one in failures] == [("a owl", True)]


async def test_a_batch_that_was_never_run(tmp_path: Path) -> None:
    batch = Batch(tmp_path / "zoo")
    batch.create(simulated=False)

    overview = look(Batch(tmp_path / "zoo"))

    assert (overview.report.jobs, overview.exit_code) == (0, 0)
    assert set(overview.as_json()) >= CONTRACT_KEYS


async def test_a_journal_that_is_none_is_refused(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox"))
        (one.folder / "requests.csv").write_text("my,own,table\n1,2,3\n", encoding="utf-8")

        with pytest.raises(LedgerError, match=r"requests\.csv"):
            look(one.batch)


async def test_the_frozen_manifest_counts_not_the_edited_one(tmp_path: Path) -> None:
    path = tmp_path / "zoo.yaml"
    path.write_text('prompt: "a {{ animal }}"\ngrid: {animal: [fox, owl]}\n', encoding="utf-8")
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(path)
        path.write_text('prompt: "a {{ animal }}"\ngrid: {animal: [hen]}\n', encoding="utf-8")

        overview = look(one.batch)

    assert load_manifest(path).count() == 1
    assert counts(overview) == {"succeeded": 2}
