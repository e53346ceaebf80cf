"""What is written down of each event, and what it costs."""

from __future__ import annotations

import csv
import io
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.jobs import PRICE, make_job
from support.record_files import (
    EXPIRED,
    MISSING,
    SERVICE,
    UNDELIVERED,
    Files,
    Story,
    image_file,
    read_rows,
)

from batchgen.attempt import JOURNAL_COLUMNS, read_detail
from batchgen.csv_file import format_row
from batchgen.errors import LedgerError
from batchgen.job import Job, Json, number_of
from batchgen.ledger import Columns, compact
from batchgen.outcome import Completed, Failed
from batchgen.standing import Standing
from batchgen.state import AttemptState, IllegalTransitionError

JOB = make_job(1)
PAIR = make_job(2, images=2)

Events = Callable[[Story], Awaitable[None]]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def states(files: Files) -> list[str]:
    return [row["state"] for row in read_rows(files.journal)]


def ledger_sum(files: Files, jobs: set[str] | None = None) -> Decimal:
    """Return the sum over the rows of the ledger that count, of all jobs or of some."""
    current: dict[str, dict[str, Decimal]] = {}
    for row in read_rows(files.ledger):
        if jobs is not None and row["job_id"] not in jobs:
            continue
        rows = current.setdefault(row["job_id"], {})
        if not row["image_index"]:
            rows.clear()
        rows.pop("", None)
        rows[row["image_index"]] = Decimal(row["cost_usd"])
    return sum((cost for rows in current.values() for cost in rows.values()), Decimal(0))


# -- what an attempt costs --------------------------------------------------------------------


async def refused(story: Story) -> None:
    await story.submitting(JOB)
    await story.refused(JOB)


async def cancelled_before_it_began(story: Story) -> None:
    await story.open(JOB)
    await story.cancelled(JOB)


async def cancelled_after_it_had_begun(story: Story) -> None:
    await story.open(JOB)
    await story.cancelled(JOB, has_begun=True)


def completed(**of: object) -> Events:
    async def tell(story: Story) -> None:
        await story.open(JOB)
        await story.completed(JOB, **of)  # type: ignore[arg-type]  # passed through

    return tell


def failed(error_type: str, **of: object) -> Events:
    async def tell(story: Story) -> None:
        await story.open(JOB)
        await story.failed(JOB, error_type, **of)  # type: ignore[arg-type]  # passed through

    return tell


async def failed_by_the_post_itself(story: Story) -> None:
    await story.submitting(JOB)
    ending = Failed(error_type="downstream_service_error", http=400)
    await story.records.failed(JOB, story.own(JOB), None, ending)


async def given_up(story: Story) -> None:
    await story.submitting(JOB)
    await story.unknown(JOB)
    await story.records.failed(JOB, story.own(JOB), None, Failed(error_type="uncertain"))


@pytest.mark.parametrize(
    ("events", "charge", "source"),
    [
        pytest.param(refused, "0.00", None, id="refused: nothing"),
        pytest.param(cancelled_before_it_began, "0.00", "table", id="cancelled in time: nothing"),
        pytest.param(
            cancelled_after_it_had_begun, "0.08", "table", id="cancelled too late: the table"
        ),
        pytest.param(completed(), "0.08", "table", id="completed: the table"),
        pytest.param(completed(units="2"), "0.16", "billed", id="completed: units x their price"),
        pytest.param(completed(units="0"), "0.00", "billed", id="completed, and not billed"),
        pytest.param(
            failed("content_policy_violation", http=422), "0.08", "table", id="a 422: the table"
        ),
        pytest.param(
            failed("value_error", http=422, units="0"), "0.00", "billed", id="a 422 not billed"
        ),
        pytest.param(failed("generation_timeout", http=504), "0.00", "table", id="a 5xx: nothing"),
        pytest.param(
            failed("generation_timeout", http=504, units="1"),
            "0.08",
            "billed",
            id="a 5xx that was billed all the same",
        ),
        pytest.param(failed("lost", http=0), "0.08", "table", id="lost: the table"),
        pytest.param(
            failed_by_the_post_itself, "0.00", "table", id="the POST's own failure: nothing"
        ),
        pytest.param(given_up, "0.08", "table", id="given up: its reservation"),
    ],
)
async def test_what_an_attempt_costs(
    files: Files, events: Events, charge: str, source: str | None
) -> None:
    with files.open() as story:
        await events(story)

    begun, *_, ended = read_rows(files.journal)
    detail = read_detail(ended["detail"])
    answer = detail.get("_answer", detail)
    assert (begun["cost_usd"], ended["cost_usd"]) == ("0.08", charge)
    assert isinstance(answer, dict)
    assert answer.get("cost_source") == source
    bill = files.replay().bill
    assert (bill.spent_usd, bill.reserved_usd) == (Decimal(charge), 0)


async def test_what_the_service_has_billed_is_summed_up_apart(files: Files) -> None:
    with files.open() as story:
        await completed(units="2")(story)
        for job in (make_job(5), make_job(6), make_job(7)):
            await story.succeeded(job)

    record = files.replay()

    assert record.bill.spent_usd == 5 * PRICE
    assert record.billed_usd == 2 * PRICE
    assert record.foreseen_usd == PRICE, "what the table had said of it"


@pytest.mark.parametrize("state", ["submitting", "submitted", "unknown"])
async def test_what_may_still_cost_something_stays_reserved(files: Files, state: str) -> None:
    with files.open() as story:
        await story.submitting(JOB)
        if state == "submitted":
            await story.submitted(JOB)
        if state == "unknown":
            await story.unknown(JOB)
        live = story.records.record.bill

    assert states(files)[-1] == state
    assert live == files.replay().bill
    assert (live.spent_usd, live.reserved_usd) == (0, PRICE)
    assert [row["cost_usd"] for row in read_rows(files.journal)[1:]] in ([], [""])


# -- shares -----------------------------------------------------------------------------------


async def test_a_charge_is_shared_over_the_rows_and_the_rest_goes_to_the_first(
    files: Files,
) -> None:
    trio = make_job(3, images=3)
    with files.open() as story:
        await story.open(trio)
        await story.completed(trio, units="1")
        for index in range(3):
            await story.image(trio, index)

    assert [row["cost_usd"] for row in read_rows(files.ledger)] == [
        "0.026668",
        "0.026666",
        "0.026666",
    ]
    assert ledger_sum(files) == PRICE


async def test_the_charges_of_all_attempts_are_on_the_rows_of_the_job(files: Files) -> None:
    with files.open() as story:
        await story.open(PAIR)
        await story.failed(PAIR, "content_policy_violation", http=422)
        await story.closed(PAIR, "content_policy_violation")
        assert ledger_sum(files) == 2 * PRICE
        await story.succeeded(PAIR)

    rows = read_rows(files.ledger)[-2:]
    assert [row["cost_usd"] for row in rows] == ["0.16", "0.16"]
    assert [row["attempts"] for row in rows] == ["2", "2"]
    assert ledger_sum(files) == files.replay().bill.spent_usd


async def test_an_image_that_was_never_made_bears_its_share_too(files: Files) -> None:
    with files.open() as story:
        await story.open(PAIR)
        await story.completed(PAIR, images=1)
        await story.image(PAIR, 0)
        await story.image(PAIR, 1, image=MISSING)

    rows = read_rows(files.ledger)
    assert [(row["status"], row["error_type"]) for row in rows] == [
        ("succeeded", ""),
        ("failed", "missing_image"),
    ]
    assert ledger_sum(files) == files.replay().bill.spent_usd == 2 * PRICE


async def test_more_images_than_were_asked_for_are_rows_like_others(files: Files) -> None:
    with files.open() as story:
        await story.open(JOB)
        await story.completed(JOB, images=2)
        await story.image(JOB, 0)
        await story.image(JOB, 1)

    assert ledger_sum(files) == files.replay().bill.spent_usd == PRICE


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        pytest.param(("1", "1"), "billed", id="both attempts were billed"),
        pytest.param((None, "1"), "table", id="one of them only"),
        pytest.param(("0", None), "table", id="the last one not"),
        pytest.param(("0", "1"), "billed", id="the first for nothing"),
    ],
)
async def test_a_cost_is_billed_only_where_the_service_has_said_all_of_it(
    files: Files, units: tuple[str | None, str | None], expected: str
) -> None:
    with files.open() as story:
        await story.open(JOB)
        await story.failed(JOB, "no_media_generated", http=422, units=units[0])
        await story.open(JOB)
        await story.completed(JOB, units=units[1])
        await story.image(JOB)

    assert read_rows(files.ledger)[0]["cost_source"] == expected


ENDINGS = st.sampled_from(
    ["refused", "cancelled", "policy", "timeout", "billed", "open", "unknown", "images", "expired"]
)


@given(lives=st.lists(st.lists(ENDINGS, min_size=1, max_size=4), min_size=1, max_size=4))
@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
async def test_the_ledger_adds_up_to_the_journal_for_all_that_is_finished(
    files: Files, lives: list[list[str]]
) -> None:
    for file in files.folder.iterdir():
        file.unlink()
    finished = set()
    jobs = [make_job(number, images=1 + number % 3) for number in range(len(lives))]
    with files.open() as story:
        for job, life in zip(jobs, lives, strict=True):
            if await live(story, job, life):
                finished.add(job.job_id)
        superseded = set(story.records.record.superseded)

    charges = sum(
        Decimal(row["cost_usd"])
        for row in read_rows(files.journal)
        if row["job_id"] in finished and row["cost_usd"] and row["state"] != "submitting"
    )
    assert ledger_sum(files, finished) == charges
    assert superseded == files.replay().superseded

    compact(files.ledger, files.folder / "ledger-history.csv", jobs=superseded)

    rows = read_rows(files.ledger)
    ends = [Decimal(row["cost_usd"]) for row in rows if row["job_id"] in finished]
    assert sum(ends) == charges
    assert len({(row["job_id"], row["image_index"]) for row in rows}) == len(rows)


async def live(story: Story, job: Job, life: list[str]) -> bool:
    """Let a job have some attempts; return whether it is finished after the last."""
    for ending in life:
        await story.submitting(job)
        match ending:
            case "refused":
                await story.refused(job)
            case "unknown":
                await story.unknown(job)
                await story.refused(job)
            case _:
                await story.submitted(job)
                await ended(story, job, ending)
        if ending == "images":
            break  # a job that is done is not sent again
    standing = story.own(job)
    return standing.state is AttemptState.COMPLETED or standing.is_closed


async def ended(story: Story, job: Job, ending: str) -> None:
    match ending:
        case "cancelled" | "open":
            await story.cancelled(job, has_begun=ending == "open")
        case "policy":
            await story.failed(job, "content_policy_violation", http=422)
            await story.closed(job, "content_policy_violation")
        case "timeout":
            await story.failed(job, "generation_timeout", http=504)
        case "billed":
            await story.failed(job, "no_media_generated", http=422, units="1")
            await story.closed(job, "no_media_generated")
        case _:
            await story.completed(job)
            for index in range(job.images):
                gone = ending == "expired"
                await story.image(job, index, image=EXPIRED if gone else None)


# -- rows -------------------------------------------------------------------------------------


async def test_a_submitting_row_holds_all_that_finishing_the_job_needs(files: Files) -> None:
    job = make_job(1, variables={"animal.name": "a fox", "n": 2}, aspect_ratio="16:9")
    with files.open() as story:
        await story.submitting(job)

    row = read_rows(files.journal)[0]
    detail = read_detail(row["detail"])
    assert detail["endpoint"] == job.endpoint
    assert detail["input"] == job.input
    assert detail["repeat"] == 0
    assert detail["variables"] == job.variables
    assert detail["file"] == job.file
    assert detail["service"] == {"queue_url": SERVICE.queue_url, "simulated": False}
    assert detail["account"] == SERVICE.account
    assert SERVICE.key not in files.journal.read_text(encoding="utf-8")


async def test_a_result_is_kept_as_it_came_with_what_its_answer_said_beside_it(
    files: Files,
) -> None:
    with files.open() as story:
        await completed(units="2")(story)

    row = read_rows(files.journal)[-1]
    detail = read_detail(row["detail"])
    url = f"https://example.test/{JOB.job_id}-0.png"
    assert detail["images"] == [{"url": url}]
    assert detail["_answer"] == {"cost_source": "billed", "billable_units": "2"}
    assert row["request_id"] == f"request-{JOB.job_id}-1"


async def test_what_the_answer_said_beside_the_result_is_kept_too(files: Files) -> None:
    with files.open() as story:
        await story.open(JOB)
        output: dict[str, Json] = {"images": [{"url": "https://example.test/a.png"}]}
        ending = Completed(output=output, origin="runner-7", inference_s=3.42)
        await story.records.completed(JOB, story.own(JOB), story.request(JOB), ending)
        await story.image(JOB)

    detail = read_detail(read_rows(files.journal)[-1]["detail"])
    assert detail["_answer"] == {
        "cost_source": "table",
        "served_from": "runner-7",
        "inference_s": 3.42,
    }
    assert read_rows(files.ledger)[0]["inference_s"] == "3.42"


@pytest.mark.parametrize("retryable", [True, False, None])
async def test_what_the_service_said_of_trying_again_outlives_the_run(
    files: Files, retryable: bool | None
) -> None:
    with files.open() as story:
        await story.open(JOB)
        ending = Failed(
            error_type="generation_timeout", message="too slow", http=504, retryable=retryable
        )
        await story.records.failed(JOB, story.own(JOB), story.request(JOB), ending)

    detail = read_detail(read_rows(files.journal)[-1]["detail"])
    assert (detail["error_type"], detail["error"]) == ("generation_timeout", "too slow")
    assert (detail["http"], detail.get("retryable")) == (504, retryable)
    assert files.standing(JOB).retryable is retryable


@pytest.mark.parametrize("judges", [True, False])
async def test_a_refusal_says_why_and_whether_it_judges_the_input(
    files: Files, judges: bool
) -> None:
    with files.open() as story:
        await story.submitting(JOB)
        await story.records.refused(
            JOB, story.own(JOB), "no such value", error_type="enum", http=422, judges_input=judges
        )

    detail = read_detail(read_rows(files.journal)[-1]["detail"])
    assert (detail["reason"], detail["error_type"], detail["http"]) == (
        "no such value",
        "enum",
        422,
    )
    assert detail.get("judges_input", False) is judges
    assert files.standing(JOB).judged is judges


async def test_a_failed_row_bears_the_time_of_the_journal_row_that_it_closes(
    files: Files,
) -> None:
    with files.open() as story:
        await failed("lost", http=0)(story)
        await story.closed(JOB, "lost")

    assert read_rows(files.ledger)[0]["finished_at"] == read_rows(files.journal)[-1]["at"]
    assert files.standing(JOB).is_closed


async def test_attempts_have_numbers_and_the_ledger_counts_those_that_were_not_refused(
    files: Files,
) -> None:
    with files.open() as story:
        await refused(story)
        await refused(story)
        await story.succeeded(JOB)

    numbers = [row["attempt"] for row in read_rows(files.journal)]
    assert numbers == ["1", "1", "2", "2", "3", "3", "3"]
    assert read_rows(files.ledger)[0]["attempts"] == "1"


async def test_an_image_row_says_what_the_image_is(files: Files) -> None:
    with files.open() as story:
        await story.succeeded(JOB)

    row = read_rows(files.ledger)[0]
    image = image_file(JOB)
    assert row["job_id"] == JOB.job_id
    assert row["image_index"] == "0"
    assert row["status"] == "succeeded"
    assert row["url"] == f"https://example.test/{JOB.job_id}-0.png"
    assert row["file"] == image.file
    assert row["seed"] == "1001"
    assert row["prompt"] == "a fox"
    assert row["request_id"] == f"request-{JOB.job_id}-1"
    assert (row["width"], row["height"], row["bytes"]) == ("1024", "1024", "1000")
    assert row["sha256"] == image.sha256
    assert row["submitted_at"] < row["finished_at"]


NASTY = '=1+1, "two"\nlines\r and a lone \r, \t 🦊 \u2028'


async def test_a_prompt_is_kept_byte_for_byte_and_what_came_from_outside_is_tamed(
    files: Files,
) -> None:
    job = make_job(1, prompt=NASTY, variables={"animal": "=cmd()"})
    files.columns = Columns(variables=("animal",))
    with files.open() as story:
        await story.open(job)
        await story.failed(job, "=cmd", http=422)
        await story.records.job_failed(
            job, story.own(job), error_type="=cmd", error="@SUM(1)\x1b[31m\nred"
        )

    row = read_rows(files.ledger)[0]
    assert (row["prompt"], row["animal"]) == (NASTY, "=cmd()")
    assert row["error_type"] == "'=cmd"
    assert row["error"] == "'@SUM(1) [31m red"


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(prompt=CELL, animal=CELL)
@settings(
    max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
async def test_both_files_are_read_alike_by_csv_pandas_and_batchgen(
    files: Files, prompt: str, animal: str
) -> None:
    for file in files.folder.iterdir():
        file.unlink()
    files.columns = Columns(variables=("animal",))
    job = make_job(1, prompt=prompt, variables={"animal": animal})
    with files.open() as story:
        await story.succeeded(job)

    for path in (files.ledger, files.journal):
        own = [list(row.values()) for row in read_rows(path)]
        text = path.read_bytes().decode()
        _, *by_csv = csv.reader(io.StringIO(text, newline=""), strict=True)
        by_pandas = pd.read_csv(path, dtype=str, keep_default_na=False)
        assert own == by_csv == by_pandas.to_numpy().tolist()
    assert (read_rows(files.ledger)[0]["prompt"], read_rows(files.ledger)[0]["animal"]) == (
        prompt,
        animal,
    )
    assert read_detail(read_rows(files.journal)[0]["detail"])["input"] == job.input


async def test_what_utf_8_has_no_bytes_for_does_not_stop_a_run(files: Files) -> None:
    job = make_job(1, prompt="half \ud83e and zero \0")
    with files.open() as story:
        await story.succeeded(job)

    assert read_rows(files.ledger)[0]["prompt"] == "half ? and zero �"
    detail = read_detail(read_rows(files.journal)[0]["detail"])
    assert detail["input"] == job.input  # JSON can spell both


# -- what replaces what -----------------------------------------------------------------------


@pytest.mark.parametrize("image", [None, UNDELIVERED], ids=["on disk", "undelivered"])
@pytest.mark.parametrize("verdict", ["unknown", "failed"])
async def test_a_row_for_the_whole_job_is_not_written_over_an_image(
    files: Files, image: object, verdict: str
) -> None:
    """It takes a journal that has lost its end to come to this."""
    with files.open() as story:
        await story.open(JOB)
        await story.completed(JOB)
        await story.image(JOB, image=image)  # type: ignore[arg-type]  # what came of it
    journal = read_rows(files.journal)
    forgotten = [JOURNAL_COLUMNS, *(list(row.values()) for row in journal[:1])]
    files.journal.write_text("".join(map(format_row, forgotten)), encoding="utf-8")

    with files.open() as story:
        await story.unknown(JOB)
        if verdict == "failed":
            await story.records.failed(JOB, story.own(JOB), None, Failed(error_type="uncertain"))
            await story.closed(JOB, "uncertain")

    assert [row["image_index"] for row in read_rows(files.ledger)] == ["0"]


@pytest.mark.parametrize(
    ("images", "superseded"),
    [
        pytest.param([(0, None), (1, None)], False, id="each image has its row"),
        pytest.param([(0, UNDELIVERED), (0, None)], True, id="one has two"),
    ],
)
async def test_it_is_known_which_jobs_have_rows_that_no_longer_count(
    files: Files, images: list[tuple[int, object]], superseded: bool
) -> None:
    with files.open() as story:
        await story.open(PAIR)
        await story.completed(PAIR)
        for index, image in images:
            await story.image(PAIR, index, image=image)  # type: ignore[arg-type]  # what came of it
        live = set(story.records.record.superseded)

    assert live == files.replay().superseded == ({number_of(PAIR.job_id)} if superseded else set())


async def test_a_job_that_failed_before_it_was_drawn_has_failed_in_this_run(files: Files) -> None:
    drawn, former = make_job(5), make_job(6)
    with files.open() as story:
        story.records.record.mark_drawn(number_of(drawn.job_id))
        for job in (drawn, former):
            await story.open(job)
            await story.failed(job, "lost", http=0)
            await story.closed(job, "lost")

        assert story.records.record.failed_now == {number_of(former.job_id)}
    assert files.replay().failed_now == set()


# -- order and failure ------------------------------------------------------------------------


async def test_a_move_that_cannot_be_is_neither_made_nor_written(files: Files) -> None:
    with files.open() as story:
        await story.succeeded(JOB)
        size = files.journal.stat().st_size

        with pytest.raises(IllegalTransitionError):
            await story.submitted(JOB)
        assert files.journal.stat().st_size == size


async def test_the_journal_is_written_before_the_ledger(files: Files) -> None:
    with files.open() as story:
        await story.submitting(JOB)
        story.records.ledger.failed = LedgerError("the disk is full")

        with pytest.raises(LedgerError):
            await story.unknown(JOB)

    assert states(files) == ["submitting", "unknown"]
    assert read_rows(files.ledger) == []


async def test_a_submission_is_not_on_record_when_its_row_could_not_be_written(
    files: Files,
) -> None:
    with files.open() as story:
        story.records.journal.failed = LedgerError("the disk is full")

        with pytest.raises(LedgerError):
            await story.submitting(JOB)

    assert states(files) == []
    assert files.standing(JOB) == Standing()


async def test_a_row_can_be_read_back_as_soon_as_it_is_written(files: Files) -> None:
    with files.open() as story:
        await story.open(JOB)
        standing = story.own(JOB)

        assert story.records.entry_at(standing.started).state == "submitting"
        assert story.records.entry_at(standing.last).request == story.request(JOB)
