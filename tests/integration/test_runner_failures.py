"""Failures of single jobs in a whole run: which are sent again, how often, and what they cost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.night import Night, detail, night, shots

from batchgen.settings import FailureLimit, settle

FIRST = "shot 1"


@pytest.fixture
async def tonight(tmp_path: Path) -> AsyncIterator[Night]:
    async with night(tmp_path) as tonight:
        yield tonight
        tonight.check_books()


def fail(tonight: Night, nth: Any, *kinds: str) -> None:
    """Let the n-th accepted request end so."""
    tonight.queue.faults.script(on="run", nth=nth, do=list(kinds))


async def test_a_night_without_failures(tonight: Night) -> None:
    report = await tonight.run(shots(12))

    assert report.exit_code == 0
    assert (report.jobs, report.succeeded, report.submitted, report.again) == (12, 12, 12, 0)
    assert report.bill.spent_usd == Decimal("0.96")
    assert report.bill.reserved_usd == 0
    assert tonight.statuses() == {"succeeded": 12}
    assert tonight.states() == {"submitting": 12, "submitted": 12, "completed": 12}
    assert tonight.queue.accepted == 12
    assert tonight.accepted_most == 1
    assert (tonight.progress.succeeded, tonight.progress.failed) == (12, 0)


async def test_run_again_nothing_is_submitted(tonight: Night) -> None:
    await tonight.run(shots(5))

    report = await tonight.run(shots(5))

    assert (report.exit_code, report.submitted, report.succeeded) == (0, 0, 5)
    assert tonight.queue.accepted == 5
    assert tonight.queue.image_fetches == 5


@pytest.mark.parametrize(
    "kind",
    [
        "internal_server_error",
        "generation_timeout",
        "downstream_service_error",
        "downstream_service_error_400",
        "downstream_service_unavailable",
        "request_timeout",
        "runner_disconnected",
        "runner_incomplete_response",
        "internal_error",
        "failed_status",
    ],
)
async def test_a_failure_that_may_pass_is_sent_again_and_succeeds(
    tonight: Night, kind: str
) -> None:
    fail(tonight, 1, kind)

    report = await tonight.run(shots(1))

    [row] = tonight.ledger
    assert report.exit_code == 0
    assert (row["status"], row["attempts"]) == ("succeeded", "2")
    assert tonight.queue.accepted == 2
    assert tonight.states()["failed"] == 1


@pytest.mark.parametrize("max_attempts", [1, 2, 3])
async def test_a_job_gets_as_many_attempts_as_are_allowed(
    tonight: Night, max_attempts: int
) -> None:
    fail(tonight, "every", "internal_server_error")

    report = await tonight.run(shots(1), max_attempts=max_attempts)

    [row] = tonight.ledger
    assert report.exit_code == 1
    assert report.failed == 1
    assert (row["status"], row["error_type"]) == ("failed", "internal_server_error")
    assert row["attempts"] == str(max_attempts)
    assert tonight.queue.accepted == max_attempts
    assert row["cost_usd"] == "0.00", "a 5xx is never charged"


@pytest.mark.parametrize(
    ("kind", "accepted", "error_type"),
    [
        pytest.param("content_policy_violation", 1, "content_policy_violation", id="a refusal"),
        pytest.param("no_media_generated", 2, "no_media_generated", id="nothing generated"),
        pytest.param("empty_images", 2, "empty_result", id="an empty result"),
        pytest.param("no_images_key", 2, "empty_result", id="a result without images"),
        pytest.param("value_error", 1, "value_error", id="an input that does not fit"),
        pytest.param("bad_request", 1, "bad_request", id="a bad request"),
        pytest.param("client_cancelled", 1, "client_cancelled", id="cancelled elsewhere"),
        pytest.param("cancelled_status", 1, "client_cancelled", id="the state CANCELLED"),
        pytest.param("failed_status_with_result", 1, "http_200", id="FAILED with images"),
    ],
)
async def test_what_does_not_pass_is_sent_once_or_once_more(
    tonight: Night, kind: str, accepted: int, error_type: str
) -> None:
    fail(tonight, "every", kind)

    report = await tonight.run(shots(1))

    [row] = tonight.ledger
    assert report.exit_code == 1
    assert (row["status"], row["error_type"]) == ("failed", error_type)
    assert row["image_index"] == ""
    assert tonight.queue.accepted == accepted
    assert row["attempts"] == str(accepted)


async def test_nothing_generated_once_and_then_an_image(tonight: Night) -> None:
    fail(tonight, 1, "no_media_generated")

    report = await tonight.run(shots(1))

    [row] = tonight.ledger
    assert report.exit_code == 0
    assert (row["attempts"], row["cost_usd"]) == ("2", "0.16")


async def test_what_the_service_says_of_its_charge_is_what_is_written(tonight: Night) -> None:
    fail(tonight, 1, "no_media_generated", "free_failure")
    fail(tonight, 2, "content_policy_violation", "charged_failure")

    await tonight.run(shots(1))

    [row] = tonight.ledger
    assert (row["cost_usd"], row["cost_source"]) == ("0.08", "billed")
    assert [one["cost_usd"] for one in tonight.journal if one["state"] == "failed"] == [
        "0.00",
        "0.08",
    ]


# -- a later run -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "mode", "accepted"),
    [
        pytest.param("internal_server_error", "transient", 3, id="transient takes a 5xx"),
        pytest.param("internal_server_error", "none", 0, id="none takes nothing"),
        pytest.param("internal_server_error", "failed", 3, id="failed takes it too"),
        pytest.param("content_policy_violation", "transient", 0, id="transient: no refusal"),
        pytest.param("content_policy_violation", "failed", 1, id="failed takes a refusal"),
        pytest.param("no_media_generated", "transient", 0, id="transient: no empty result"),
        pytest.param("no_media_generated", "failed", 2, id="failed takes an empty result"),
    ],
)
async def test_which_failures_a_later_run_takes_up_and_how_often(
    tonight: Night, kind: str, mode: str, accepted: int
) -> None:
    fail(tonight, "every", kind)
    await tonight.run(shots(1))
    before = tonight.queue.accepted

    report = await tonight.run(shots(1), retry=mode)

    assert tonight.queue.accepted - before == accepted
    assert report.exit_code == 1
    [row] = tonight.ledger
    assert row["attempts"] == str(before + accepted)


async def test_a_later_success_replaces_the_failure(tonight: Night) -> None:
    fail(tonight, "1-3", "internal_server_error")
    first = await tonight.run(shots(1))

    second = await tonight.run(shots(1))

    [row] = tonight.ledger
    assert (first.exit_code, second.exit_code) == (1, 0)
    assert (row["status"], row["attempts"]) == ("succeeded", "4")
    assert (tonight.folder / "ledger-history.csv").exists()


async def test_missing_images_are_not_bought_again(tonight: Night) -> None:
    fail(tonight, "every", "fewer_images")
    manifest = shots(1, parameters={"num_images": 4})

    first = await tonight.run(manifest)
    second = await tonight.run(manifest, retry="failed")

    assert (first.exit_code, second.exit_code) == (1, 1)
    assert tonight.queue.accepted == 1
    assert [row["status"] for row in tonight.ledger] == ["succeeded"] * 3 + ["failed"]
    assert tonight.errors() == {"missing_image": 1}
    assert sum(Decimal(row["cost_usd"]) for row in tonight.ledger) == Decimal("0.24")


async def test_four_images_of_one_request_are_four_files_and_four_rows(tonight: Night) -> None:
    report = await tonight.run(shots(2, parameters={"num_images": 4}))

    assert (report.jobs, report.images, report.tally.images_on_disk) == (2, 8, 8)
    assert tonight.queue.accepted == 2
    assert [row["image_index"] for row in tonight.rows(FIRST)] == ["0", "1", "2", "3"]
    assert len({row["file"] for row in tonight.ledger}) == 8


async def test_a_job_that_cannot_be_rendered_fails_alone_unsent_and_unpaid(
    tonight: Night,
) -> None:
    manifest = {"batch": "night", "prompt": "{{ n }}", "grid": {"n": ["a fox", "", "an owl"]}}

    report = await tonight.run(manifest)

    assert (report.exit_code, report.succeeded, report.failed) == (1, 2, 1)
    assert tonight.queue.accepted == 2
    assert tonight.errors() == {"template": 1}
    [row] = [row for row in tonight.ledger if row["status"] == "failed"]
    assert (row["cost_usd"], row["attempts"]) == ("0.00", "0")
    assert await tonight.run(manifest)
    assert tonight.queue.accepted == 2


@pytest.mark.parametrize(
    ("fault", "error_type"),
    [
        pytest.param("submit_422", "content_policy_violation", id="422"),
        pytest.param("submit_400", "http_400", id="400"),
        pytest.param("submit_409", "http_409", id="409"),
        pytest.param("submit_413", "http_413", id="413"),
    ],
)
async def test_a_post_that_is_refused_for_its_input_fails_its_job_alone(
    tonight: Night, fault: str, error_type: str
) -> None:
    tonight.queue.faults.script(on="submit", nth=1, do=fault)

    first = await tonight.run(shots(3))
    second = await tonight.run(shots(3))

    assert (first.exit_code, second.exit_code) == (1, 1)
    assert (first.succeeded, first.failed) == (2, 1)
    assert tonight.errors() == {error_type: 1}
    assert second.submitted == 0
    [row] = [row for row in tonight.ledger if row["status"] == "failed"]
    assert (row["attempts"], row["cost_usd"]) == ("0", "0.00")


async def test_a_400_of_a_service_further_down_counts_as_an_attempt(tonight: Night) -> None:
    tonight.queue.faults.script(on="submit", nth="1-2", do="submit_400_downstream")

    report = await tonight.run(shots(1))

    [row] = tonight.ledger
    assert report.exit_code == 0
    assert (row["attempts"], row["cost_usd"]) == ("3", "0.08")


async def test_reads_that_fail_change_nothing(tonight: Night) -> None:
    for kind in ("status", "result"):
        for number, fault in enumerate(
            ("500", "502", "503_nginx", "429", "garbled", "empty", "broken", "dropped", "404"), 1
        ):
            tonight.queue.faults.script(on=kind, nth=2 * number, do=f"{kind}_{fault}")
    tonight.queue.faults.script(on="result", nth=19, do="result_early")
    tonight.queue.faults.script(on="result", nth=21, do="short_result")

    report = await tonight.run(shots(10))

    assert report.exit_code == 0
    assert tonight.queue.accepted == 10
    assert tonight.statuses() == {"succeeded": 10}


async def test_hostile_texts_of_the_service_are_tamed(tonight: Night) -> None:
    fail(tonight, "1-2", "hostile_error", "hostile_error_type")
    fail(tonight, 3, "hostile_file_name", "hostile_description")

    report = await tonight.run(shots(3))

    assert (report.succeeded, report.failed) == (1, 2)
    for row in tonight.ledger:
        for name in ("error_type", "error", "file", "url"):
            assert not row[name].startswith(("=", "+", "-", "@", "\t"))
            assert row[name].isprintable()
        assert ".." not in row["file"]


async def test_images_that_come_inside_the_result_become_files_and_no_table_holds_them(
    tonight: Night,
) -> None:
    fail(tonight, "every", "data_uri")

    report = await tonight.run(shots(3))

    assert report.exit_code == 0
    assert tonight.queue.image_fetches == 0
    assert len({row["file"] for row in tonight.ledger}) == 3
    for name in ("ledger.csv", "requests.csv"):
        assert "base64" not in (tonight.folder / name).read_text(encoding="utf-8")
    assert all(row["url"].startswith("data:") for row in tonight.ledger)


async def test_what_the_answer_says_of_its_origin_and_units_is_on_record(tonight: Night) -> None:
    fail(tonight, 1, "served_elsewhere")

    await tonight.run(shots(1))

    [completed] = [row for row in tonight.journal if row["state"] == "completed"]
    answer = detail(completed)["_answer"]
    assert answer["served_from"] == "another-model"
    assert answer["billable_units"] == "1"
    assert tonight.ledger[0]["cost_source"] == "billed"


# -- limits on failures ------------------------------------------------------------------


async def test_so_many_failures_stop_the_run(tonight: Night) -> None:
    fail(tonight, "every", "content_policy_violation")

    report = await tonight.run(shots(30), concurrency=2, max_failures=settle("max_failures", "3"))

    assert report.exit_code == 3
    assert 3 <= report.failed <= 5
    assert "--max-failures 3" in report.reason
    assert report.left == 30 - report.failed


async def test_images_that_are_missing_count_against_the_limit_too(tonight: Night) -> None:
    fail(tonight, "every", "fewer_images")
    manifest = shots(30, parameters={"num_images": 2})

    report = await tonight.run(manifest, concurrency=2, max_failures=settle("max_failures", "3"))

    assert report.exit_code == 3
    assert "--max-failures 3" in report.reason
    assert report.left >= 20


async def test_a_share_of_failures_counts_from_twenty_on(tonight: Night) -> None:
    fail(tonight, ["1-4", "25-40"], "content_policy_violation")
    limit = settle("max_failures", "25%")
    assert isinstance(limit, FailureLimit)

    report = await tonight.run(shots(60), concurrency=1, max_failures=limit)

    assert report.exit_code == 3
    ended = report.succeeded + report.failed
    assert ended >= 20
    assert report.failed * 4 > ended
    assert report.failed < 16


async def test_failures_of_an_earlier_run_do_not_count(tonight: Night) -> None:
    fail(tonight, "1-3", "content_policy_violation")
    await tonight.run(shots(3))

    report = await tonight.run(shots(8), max_failures=settle("max_failures", "2"))

    assert report.exit_code == 1
    assert (report.succeeded, report.failed, report.left) == (5, 3, 0)


async def test_a_mistake_that_every_job_shares_stops_the_run_early(tonight: Night) -> None:
    fail(tonight, "every", "value_error")

    report = await tonight.run(shots(100), concurrency=2)

    assert report.exit_code == 3
    assert report.failed < 10
    assert "value_error" in report.reason


async def test_refusals_of_single_prompts_stop_nothing(tonight: Night) -> None:
    fail(tonight, "every", "content_policy_violation")

    report = await tonight.run(shots(12), concurrency=2)

    assert (report.exit_code, report.failed, report.left) == (1, 12, 0)


async def test_the_first_failure_of_each_kind_is_told(tonight: Night) -> None:
    fail(tonight, ["1-2"], "content_policy_violation")
    fail(tonight, 3, "value_error")
    told: list[str] = []

    def listen(runner: Any) -> None:
        tonight.progress.tell = lambda first: told.append(f"{first.error_type}: {first.job.prompt}")

    await tonight.run(shots(5), concurrency=1, began=listen)

    assert told == ["content_policy_violation: shot 1", "value_error: shot 3"]
