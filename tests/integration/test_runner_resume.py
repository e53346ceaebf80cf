"""A later run goes on where the last one ended: the contract's table, in whole runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.night import Night, night, shots
from support.wire import Wire, http

from batchgen.runner import Runner
from batchgen.simulator import Kind


@pytest.fixture
async def tonight(tmp_path: Path) -> AsyncIterator[Night]:
    async with night(tmp_path) as tonight:
        yield tonight
        tonight.check_books()


async def leave_open(tonight: Night, manifest: dict[str, Any], count: int) -> None:
    """Run so that so many requests stay open, and let the service end them afterwards."""
    first = tonight.queue.accepted + 1
    tonight.queue.faults.script(on="run", nth=f"{first}-{first + count - 1}", do="stuck")
    report = await tonight.run(manifest, timeout_s=5.0, limit=count)
    assert (report.exit_code, report.open) == (1, count)
    tonight.queue.release()


# -- open requests -----------------------------------------------------------------------


async def test_a_request_that_passed_its_deadline_is_read_by_the_next_run(
    tonight: Night,
) -> None:
    await leave_open(tonight, shots(3), 3)

    report = await tonight.run(shots(3))

    assert (report.exit_code, report.succeeded) == (0, 3)
    assert tonight.queue.accepted == 3


async def test_a_job_whose_request_is_open_is_not_sent_again(tonight: Night) -> None:
    tonight.queue.faults.script(on="run", nth="every", do="stuck")

    for _ in range(3):
        report = await tonight.run(shots(2), timeout_s=3.0)

    assert (report.exit_code, report.open, report.again) == (1, 2, 2)
    assert tonight.queue.accepted == 2
    assert report.bill.reserved_usd == Decimal("0.16")


async def test_open_requests_are_all_read_first_whatever_the_cap(tonight: Night) -> None:
    await leave_open(tonight, shots(12), 6)
    runners: list[Runner] = []
    opened: list[int] = []

    def watch(runner: Runner) -> None:
        runners.append(runner)
        window = runner.dispatcher.gate.window
        submit = runner.dispatcher.worker.client.submit

        async def noted(endpoint: str, body: bytes) -> Any:
            opened.append(window.open)
            return await submit(endpoint, body)

        runner.dispatcher.worker.client.submit = noted  # type: ignore[method-assign]  # to listen

    report = await tonight.run(shots(12), concurrency=2, began=watch)

    assert (report.exit_code, report.succeeded) == (0, 12)
    assert tonight.queue.accepted == 12
    assert max(opened) <= 2, "new work takes only the slots that are left"


async def test_the_oldest_open_request_is_read_first(tonight: Night) -> None:
    await leave_open(tonight, shots(5), 5)
    oldest_first = [request.request_id for request in tonight.queue.requests]
    read: list[str] = []

    def watch(runner: Runner) -> None:
        status = runner.dispatcher.worker.client.status

        async def noted(endpoint: str, request: Any) -> Any:
            read.append(request.request_id)
            return await status(endpoint, request)

        runner.dispatcher.worker.client.status = noted  # type: ignore[method-assign]  # to listen

    await tonight.run(shots(5), began=watch)

    assert read[:5] == oldest_first


async def test_a_row_that_names_another_host_sends_nothing_there(tonight: Night) -> None:
    await leave_open(tonight, shots(3), 2)
    journal = tonight.folder / "requests.csv"
    async with Wire([http(500)]) as other:
        before = f",{tonight.service.queue_url}/"
        content = journal.read_text(encoding="utf-8")
        assert content.count(before) == 6, "three addresses for each of two requests"
        journal.write_text(content.replace(before, f",{other.url}/"), encoding="utf-8")

        report = await tonight.run(shots(3))

        assert (report.exit_code, report.succeeded) == (0, 3)
        assert other.connections == 0


async def test_a_result_that_the_queue_has_forgotten_is_asked_of_the_history(
    tmp_path: Path,
) -> None:
    async with night(tmp_path) as tonight:
        tonight.queue.faults.script(on="run", nth=1, do="lost_result")

        report = await tonight.run(shots(2))

        assert (report.exit_code, report.succeeded) == (0, 2)
        assert tonight.queue.accepted == 2


async def test_what_neither_queue_nor_history_has_is_lost_and_paid(tmp_path: Path) -> None:
    async with night(tmp_path) as tonight:
        tonight.queue.faults.script(on="run", nth=1, do=["lost_result", "unlisted"])

        first = await tonight.run(shots(1))
        second = await tonight.run(shots(1))

        [row] = tonight.ledger
        assert (first.exit_code, second.exit_code) == (1, 1)
        assert (row["status"], row["error_type"], row["cost_usd"]) == ("failed", "lost", "0.08")
        assert tonight.queue.accepted == 1
        third = await tonight.run(shots(1), retry="failed")
        assert (third.exit_code, tonight.queue.accepted) == (0, 2)


async def test_without_a_history_what_the_queue_has_forgotten_stays_open(tmp_path: Path) -> None:
    async with night(tmp_path, platform=False) as tonight:
        tonight.queue.faults.script(on="run", nth=1, do="forgotten")

        report = await tonight.run(shots(1))

        assert (report.exit_code, report.open) == (1, 1)
        assert tonight.queue.accepted == 1


# -- lost answers ------------------------------------------------------------------------

LOST_ACCEPTED = ["lost_reply", "reset_reply", "accepted_500", "accepted_504", "no_request_id"]
LOST_REFUSED = ["lost_post", "reset_post", "submit_408", "submit_500", "submit_503_nginx"]


@pytest.mark.parametrize("fault", LOST_ACCEPTED)
async def test_a_lost_answer_is_found_in_the_history_and_nothing_is_sent_twice(
    tonight: Night, fault: str
) -> None:
    tonight.queue.faults.script(on="submit", nth=[2, 5], do=fault)

    report = await tonight.run(shots(8), concurrency=4)
    if report.unknown:  # the history shows what has begun, and not what still waits
        report = await tonight.run(shots(8))

    assert (report.exit_code, report.succeeded, report.unknown) == (0, 8, 0)
    assert tonight.queue.accepted == 8
    assert tonight.accepted_most == 1
    assert {row["attempts"] for row in tonight.ledger} == {"1"}


@pytest.mark.parametrize("fault", LOST_REFUSED)
async def test_a_lost_answer_that_the_history_does_not_show_is_held(
    tonight: Night, fault: str
) -> None:
    tonight.queue.faults.script(on="submit", nth=2, do=fault)

    for _ in range(3):
        report = await tonight.run(shots(4))

    assert (report.exit_code, report.succeeded, report.unknown) == (1, 3, 1)
    assert tonight.queue.accepted == 3
    assert tonight.statuses() == {"succeeded": 3, "unknown": 1}


@pytest.mark.parametrize("fault", LOST_REFUSED)
async def test_with_resubmit_it_is_sent_again_once_that_is_certain(
    tonight: Night, fault: str
) -> None:
    tonight.queue.faults.script(on="submit", nth=2, do=fault)

    report = await tonight.run(shots(4), on_unknown="resubmit", unknown_after_s=10.0)

    assert (report.exit_code, report.succeeded) == (0, 4)
    assert tonight.queue.accepted == 4
    assert tonight.accepted_most == 1
    assert {row["attempts"] for row in tonight.ledger} == {"1"}


@pytest.mark.parametrize("fault", LOST_ACCEPTED)
async def test_with_resubmit_what_was_accepted_is_not_sent_again(
    tonight: Night, fault: str
) -> None:
    tonight.queue.faults.script(on="submit", nth=2, do=fault)

    report = await tonight.run(shots(4), on_unknown="resubmit", unknown_after_s=10.0)

    assert (report.exit_code, report.succeeded) == (0, 4)
    assert tonight.accepted_most == 1


async def test_without_a_history_an_unknown_is_held_even_with_resubmit(tmp_path: Path) -> None:
    async with night(tmp_path, platform=False) as tonight:
        tonight.queue.faults.script(on="submit", nth=1, do="lost_post")

        report = await tonight.run(shots(2), on_unknown="resubmit", unknown_after_s=5.0)

        assert (report.exit_code, report.unknown, tonight.queue.accepted) == (1, 1, 1)


async def test_two_jobs_that_send_the_same_are_told_apart(tonight: Night) -> None:
    manifest = {"batch": "night", "prompt": "a fox", "repeat": 4, "seed": "none"}
    tonight.queue.faults.script(on="submit", nth=[2, 3], do="lost_reply")

    report = await tonight.run(manifest, concurrency=1)
    if report.unknown:
        report = await tonight.run(manifest)

    assert (report.exit_code, report.succeeded) == (0, 4)
    assert tonight.queue.accepted == 4
    ids = [row["request_id"] for row in tonight.ledger]
    assert len(set(ids)) == 4


# -- a journal that ends in the middle ---------------------------------------------------


async def cut_behind(tonight: Night, state: str) -> None:
    """Leave of the journal what a crash leaves right behind the first row of that state."""
    path = tonight.folder / "requests.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    last = next(place for place, line in enumerate(lines) if f",{state},".encode() in line)
    path.write_bytes(b"".join(lines[: last + 1]))
    ledger = tonight.folder / "ledger.csv"
    ledger.write_bytes(ledger.read_bytes().splitlines(keepends=True)[0])


@pytest.mark.parametrize(
    ("state", "accepted"),
    [
        pytest.param("submitting", 1, id="before the answer: found in the history"),
        pytest.param("submitted", 1, id="behind the answer: read by its id"),
        pytest.param("completed", 1, id="behind the result: downloaded"),
    ],
)
async def test_a_crash_behind_each_row_buys_nothing_twice(
    tonight: Night, state: str, accepted: int
) -> None:
    await tonight.run(shots(1))
    await cut_behind(tonight, state)

    report = await tonight.run(shots(1))

    assert (report.exit_code, report.succeeded) == (0, 1)
    assert tonight.queue.accepted == accepted
    assert tonight.statuses() == {"succeeded": 1}


async def test_a_crash_behind_a_failure_goes_on_counting(tonight: Night) -> None:
    tonight.queue.faults.script(on="run", nth="every", do="internal_server_error")
    await tonight.run(shots(1))
    await cut_behind(tonight, "failed")

    report = await tonight.run(shots(1))

    assert report.exit_code == 1
    assert tonight.queue.accepted == 3 + 2, "one of three attempts was on record"


async def test_a_crash_behind_a_refusal_of_the_input_closes_the_job(tonight: Night) -> None:
    tonight.queue.faults.script(on="submit", nth=1, do="submit_422")
    await tonight.run(shots(2), concurrency=1)
    await cut_behind(tonight, "refused")

    report = await tonight.run(shots(2))

    assert (report.failed, report.succeeded) == (1, 1)
    assert tonight.progress.failed == 1
    assert tonight.errors() == {"content_policy_violation": 1}


# -- an edited manifest ------------------------------------------------------------------


async def test_new_values_buy_only_the_new_jobs(tonight: Night) -> None:
    await tonight.run(shots(4))

    report = await tonight.run(shots(7))

    assert (report.submitted, report.succeeded, tonight.accepted_most) == (3, 7, 1)


async def test_a_default_that_is_spelled_out_buys_nothing(tonight: Night) -> None:
    await tonight.run(shots(3))

    report = await tonight.run(shots(3, parameters={"resolution": "1K", "num_images": 1}))

    assert (report.exit_code, report.submitted) == (0, 0)


async def test_former_jobs_that_are_open_are_read_and_saved(tonight: Night) -> None:
    await leave_open(tonight, shots(4), 4)

    report = await tonight.run(shots(6, prompt="other {{ n }}"))

    assert report.exit_code == 0
    assert (report.jobs, report.succeeded, report.former) == (6, 6, 4)
    assert tonight.statuses() == {"succeeded": 10}
    assert tonight.queue.accepted == 10


async def test_former_jobs_that_failed_are_left_whatever_retry_says(tonight: Night) -> None:
    tonight.queue.faults.script(on="run", nth="1-3", do="internal_server_error")
    await tonight.run(shots(1), concurrency=1)
    before = tonight.queue.accepted

    report = await tonight.run(shots(2, prompt="other {{ n }}"), retry="failed")

    assert (report.exit_code, report.failed, report.former) == (0, 0, 1)
    assert tonight.queue.accepted - before == 2


async def test_former_jobs_that_are_undelivered_are_downloaded(tonight: Night) -> None:
    tonight.queue.faults.script(on="image", nth="every", do="image_503")
    await tonight.run(shots(2))
    tonight.queue.faults.clear()

    report = await tonight.run(shots(1, prompt="other"))

    assert report.exit_code == 0
    assert tonight.statuses() == {"succeeded": 3}


async def test_former_unknowns_are_settled_and_never_sent_again(tmp_path: Path) -> None:
    async with night(tmp_path) as tonight:
        tonight.queue.faults.script(on="submit", nth="1-2", do="lost_post")
        await tonight.run(shots(2))

        report = await tonight.run(
            shots(1, prompt="other"), on_unknown="resubmit", unknown_after_s=5.0
        )

        assert tonight.queue.accepted == 1
        assert (report.succeeded, report.unknown) == (1, 0)


async def test_former_jobs_that_were_never_sent_are_dropped(tonight: Night) -> None:
    await tonight.run(shots(5), limit=2)

    report = await tonight.run(shots(3, prompt="other {{ n }}"))

    assert (report.jobs, report.former, report.left) == (3, 2, 0)
    assert tonight.queue.accepted == 5


async def test_when_the_first_manifest_comes_back_so_do_its_jobs(tonight: Night) -> None:
    await tonight.run(shots(3))
    await tonight.run(shots(3, prompt="other {{ n }}"))

    report = await tonight.run(shots(3))

    assert (report.exit_code, report.submitted, report.succeeded) == (0, 0, 3)
    assert tonight.queue.accepted == 6


async def test_a_column_more_keeps_every_cell(tonight: Night) -> None:
    await tonight.run(shots(3))
    before = {row["job_id"]: row for row in tonight.ledger}
    wider = shots(3, parameters={"resolution": "2K"}, variables={"mood": "calm"})

    await tonight.run(wider)

    after = tonight.ledger
    assert len(after) == 6
    for row in after[:3]:
        assert {name: row[name] for name in before[row["job_id"]]} == before[row["job_id"]]
    assert {row["resolution"] for row in after[3:]} == {"2K"}


# -- many at once ------------------------------------------------------------------------


async def test_a_night_of_many_faults_ends_with_every_job_accounted_for(tmp_path: Path) -> None:
    faults = {
        "lost_reply": 0.03,
        "lost_post": 0.02,
        "throttled": 0.05,
        "submit_503": 0.03,
        "internal_server_error": 0.05,
        "content_policy_violation": 0.03,
        "status_500": 0.05,
        "status_dropped": 0.03,
        "result_502": 0.05,
        "image_503": 0.05,
        "image_short": 0.03,
        "step_back": 0.1,
        "result_early": 0.05,
    }
    async with night(tmp_path, faults=faults, seconds=0.5) as tonight:
        for _ in range(3):
            report = await tonight.run(
                shots(80), concurrency=16, on_unknown="resubmit", unknown_after_s=5.0
            )

        tonight.check_books()
        assert report.exit_code in (0, 1)
        assert report.succeeded + report.failed == 80
        assert set(report.tally.failed_by_type) <= {
            "content_policy_violation",
            "internal_server_error",
        }
        completed = tonight.states()["completed"]
        assert completed == report.succeeded, "no image was made twice"
        assert tonight.queue.tally.calls[Kind.SUBMIT] >= 80


async def test_runs_that_are_broken_off_at_any_moment_lose_and_repeat_nothing(
    tmp_path: Path,
) -> None:
    async with night(tmp_path, seconds=0.3) as tonight:
        for moment in (0.01, 0.02, 0.035, 0.05, 0.08):
            runners: list[Runner] = []
            running = asyncio.create_task(
                tonight.run(shots(60), began=runners.append, concurrency=5)
            )
            await asyncio.sleep(moment)
            running.cancel()  # as if the process had died: nothing is drained
            await asyncio.gather(running, return_exceptions=True)

        report = await tonight.run(
            shots(60), concurrency=10, on_unknown="resubmit", unknown_after_s=5.0
        )

        assert (report.exit_code, report.succeeded) == (0, 60)
        assert tonight.accepted_most == 1
        assert tonight.queue.accepted == 60
