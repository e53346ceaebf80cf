"""What a run would do about each job, and what that costs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from support.plans import ON_DISK, closed, make_job, make_record, many, take_census

from batchgen.job import Job, job_id_of, number_of
from batchgen.planning import Census, Reason
from batchgen.standing import ImageMark, Rows, Standing
from batchgen.state import AttemptState, JobState

CENT = Decimal("0.01")
DONE = Standing(rows=ON_DISK, state=AttemptState.COMPLETED, charged_usd=Decimal("0.08"))
UNDELIVERED = Rows(images=((0, ImageMark("undelivered", "download", False)),))
NOT_FETCHED = Rows(images=((0, ImageMark("succeeded", "", False)),))
EXPIRED = Rows(images=((0, ImageMark("failed", "expired", False)),))
SHORT = Rows(
    images=((0, ImageMark("succeeded", "", True)), (1, ImageMark("failed", "missing_image", False)))
)
TEMPLATE = Rows(job_status="failed", error_type="template", finished_at="t")


def open_standing(state: AttemptState, **changes: Any) -> Standing:
    return Standing(state=state, attempts=1, fresh=1, reserved_usd=Decimal("0.08"), **changes)


def failed_now(error_type: str, *, fresh: int) -> Standing:
    return Standing(
        state=AttemptState.FAILED,
        at="t",
        error_type=error_type,
        attempts=fresh,
        fresh=fresh,
        failures=(error_type,) * fresh,
    )


def reason_in(census: Census) -> Reason:
    (reason,) = (reason for reason, line in census.lines.items() if line.jobs)
    return reason


@pytest.mark.parametrize(
    ("standing", "options", "reason", "sent"),
    [
        pytest.param(None, {}, Reason.NEW, 1, id="never sent"),
        pytest.param(
            Standing(state=AttemptState.CANCELLED), {}, Reason.NEW, 1, id="cancelled: left to do"
        ),
        pytest.param(
            Standing(state=AttemptState.REFUSED), {}, Reason.NEW, 1, id="throttled: left to do"
        ),
        pytest.param(
            open_standing(AttemptState.SUBMITTING), {}, Reason.UNKNOWN, 0, id="the run was killed"
        ),
        pytest.param(
            open_standing(AttemptState.UNKNOWN), {}, Reason.UNKNOWN, 0, id="the answer was lost"
        ),
        pytest.param(open_standing(AttemptState.SUBMITTED), {}, Reason.OPEN, 0, id="open"),
        pytest.param(DONE, {}, Reason.DONE, 0, id="done"),
        pytest.param(
            Standing(state=AttemptState.COMPLETED), {}, Reason.UNDELIVERED, 0, id="no row yet"
        ),
        pytest.param(
            Standing(state=AttemptState.COMPLETED, rows=UNDELIVERED),
            {},
            Reason.UNDELIVERED,
            0,
            id="undelivered",
        ),
        pytest.param(
            Standing(state=AttemptState.COMPLETED, rows=NOT_FETCHED),
            {},
            Reason.UNDELIVERED,
            0,
            id="made under --no-download, to be fetched now",
        ),
        pytest.param(
            Standing(state=AttemptState.COMPLETED, rows=NOT_FETCHED),
            {"download": False},
            Reason.DONE,
            0,
            id="made under --no-download, as it still is",
        ),
        pytest.param(
            Standing(state=AttemptState.COMPLETED, rows=SHORT, expected=2),
            {"retry": "failed"},
            Reason.FAILED,
            0,
            id="an image is missing: never bought again",
        ),
        pytest.param(
            Standing(state=AttemptState.COMPLETED, rows=EXPIRED), {}, Reason.FAILED, 0, id="expired"
        ),
        pytest.param(
            Standing(state=AttemptState.COMPLETED, rows=EXPIRED),
            {"retry": "failed"},
            Reason.RETRY,
            1,
            id="expired, and --retry failed",
        ),
        pytest.param(
            closed("content_policy_violation"), {}, Reason.FAILED, 0, id="refused for its content"
        ),
        pytest.param(
            closed("content_policy_violation"),
            {"retry": "failed"},
            Reason.RETRY,
            1,
            id="refused for its content, and --retry failed",
        ),
        pytest.param(closed("generation_timeout"), {}, Reason.RETRY, 1, id="timed out"),
        pytest.param(
            closed("generation_timeout"), {"retry": "none"}, Reason.FAILED, 0, id="--retry none"
        ),
        pytest.param(
            failed_now("generation_timeout", fresh=1),
            {"retry": "none"},
            Reason.RETRY,
            1,
            id="not closed: the rule decides as if it had just happened",
        ),
        pytest.param(
            failed_now("generation_timeout", fresh=3),
            {},
            Reason.FAILED,
            0,
            id="not closed, all attempts used up",
        ),
        pytest.param(
            failed_now("generation_timeout", fresh=3),
            {"max_attempts": 4},
            Reason.RETRY,
            1,
            id="not closed, --max-attempts raised",
        ),
        pytest.param(
            failed_now("no_media_generated", fresh=1), {}, Reason.RETRY, 1, id="once more"
        ),
        pytest.param(
            Standing(state=AttemptState.REFUSED, judged=True, error_type="value_error"),
            {"retry": "failed"},
            Reason.FAILED,
            0,
            id="refused just now: its row comes first",
        ),
        pytest.param(Standing(rows=TEMPLATE), {}, Reason.NEW, 1, id="the template was mended"),
    ],
)
def test_a_job_is_counted_by_what_the_run_does_about_it(
    standing: Standing | None, options: dict[str, Any], reason: Reason, sent: int
) -> None:
    job = make_job()
    record = make_record() if standing is None else make_record((job, standing))

    census = take_census([job], record, **options)

    assert reason_in(census) is reason
    assert census.sent == sent
    assert census.cost_usd == sent * job.price_usd


def test_reasons_are_all_jobs_and_equal_ones_are_one() -> None:
    jobs = many(6)
    record = make_record(
        (jobs[0], DONE),
        (jobs[1], open_standing(AttemptState.SUBMITTED)),
        (jobs[2], closed("content_policy_violation")),
    )

    census = take_census([*jobs, jobs[4], jobs[0]], record)

    assert {reason.value: line.jobs for reason, line in census.lines.items()} == {
        "done": 1,
        "undelivered": 0,
        "open": 1,
        "unknown": 0,
        "failed": 1,
        "retry": 0,
        "new": 3,
    }
    assert (census.jobs, census.folded) == (6, 2)
    assert census.second == jobs[4]
    assert census.cost_usd == Decimal("0.24")
    assert census.quoted_usd == Decimal("0.48")


@pytest.mark.parametrize(
    ("limit", "sent", "first"), [(0, 0, None), (1, 1, 1), (2, 2, 1), (9, 4, 1)]
)
def test_a_limit_lets_the_first_ones_through(limit: int, sent: int, first: int | None) -> None:
    jobs = many(5)
    record = make_record((jobs[0], DONE), (jobs[2], closed("generation_timeout")))

    census = take_census(jobs, record, limit=limit)

    assert census.sent == sent
    assert census.cost_usd == sent * Decimal("0.08")
    assert census.lines[Reason.NEW].jobs == 3, "what the limit leaves is new all the same"
    assert census.first == (None if first is None else jobs[first])


def test_counting_for_a_question_stops_at_the_limit() -> None:
    drawn: list[Job] = []

    def jobs() -> Any:
        for job in many(100):
            drawn.append(job)
            yield job

    census = take_census(jobs(), limit=3, until_limit=True)

    assert census.sent == 3
    assert len(drawn) == 4


def test_what_cannot_be_rendered_is_named_and_not_paid() -> None:
    blank = make_job("blank", problem="prompt: it is empty.", line="animals.csv:3")

    census = take_census([make_job(), blank], limit=1)

    assert census.lines[Reason.FAILED].jobs == 1
    assert census.lines[Reason.FAILED].types == {"template": 1}
    assert census.unfit == (blank,)
    assert census.cost_usd == census.quoted_usd == Decimal("0.08")
    assert census.tally.states[JobState.FAILED] == 1
    assert census.tally.failed_by_type == {"template": 1}


def test_a_job_that_failed_and_now_cannot_be_rendered_is_not_sent() -> None:
    job = make_job(problem="filename: there is no variable 'x'.")

    census = take_census([job], make_record((job, closed("generation_timeout"))))

    assert census.sent == 0
    assert census.lines[Reason.FAILED].types == {"template": 1}


def test_a_price_that_nobody_knows_makes_the_sum_unknown() -> None:
    jobs = [make_job(), make_job("owl", price_usd=None)]

    assert take_census(jobs).cost_usd is None
    assert take_census(jobs, price_usd=Decimal("0.5")).cost_usd == Decimal("0.58")


def test_trying_the_failed_ones_again_has_its_price_too() -> None:
    jobs = many(3)
    record = make_record(
        (jobs[0], closed("content_policy_violation")),
        (jobs[1], closed("lost")),
        (jobs[2], Standing(rows=TEMPLATE)),
    )
    jobs[2] = make_job("animal 2", problem="prompt: it is empty.")

    failed = take_census(jobs, record).lines[Reason.FAILED]

    assert failed.types == {"content_policy_violation": 1, "lost": 1, "template": 1}
    assert failed.cost_usd == Decimal("0.16"), "the template one is not bought by any option"


def test_images_to_disk_are_those_that_are_not_there_yet() -> None:
    jobs = [make_job(str(number), images=2) for number in range(4)]
    half = Rows(
        images=((0, ImageMark("succeeded", "", True)), (1, ImageMark("undelivered", "", False)))
    )
    record = make_record(
        (jobs[0], Standing(rows=half, state=AttemptState.COMPLETED, expected=2)),
        (jobs[1], open_standing(AttemptState.SUBMITTED, expected=2)),
        (jobs[2], Standing(rows=ON_DISK, state=AttemptState.COMPLETED)),
    )

    census = take_census(jobs, record)

    assert {reason.value: line.images for reason, line in census.lines.items() if line.images} == {
        "undelivered": 1,
        "open": 2,
        "new": 2,
    }


def test_a_folder_that_outgrows_what_tools_take_is_named() -> None:
    jobs = [make_job(str(number), images=4, file=f"images/all/{number}") for number in range(2501)]

    assert take_census(jobs[:2500]).crowded == {}
    assert take_census(jobs).crowded == {"images/all": 10_004}


def test_whoever_watches_is_told_how_far_it_is() -> None:
    told: list[int] = []

    take_census(many(4096 * 2 + 1), watch=told.append)

    assert told == [4096, 8192]


def test_each_job_is_marked_so_that_what_is_former_can_be_told() -> None:
    old, new = make_job("old"), make_job("new")
    record = make_record((old, DONE))

    take_census([new], record)

    assert record.jobs[number_of(new.job_id)].drawn
    assert not record.jobs[number_of(old.job_id)].drawn


def test_a_million_jobs_that_are_alike_are_one_pile() -> None:
    census = take_census(many(1000))

    assert len(census.piles) == 1


def test_a_job_costs_no_more_memory_than_its_number() -> None:
    jobs = 20_000
    shared = make_job()

    def drawn() -> Iterator[Job]:
        for number in range(jobs):
            yield replace(shared, job_id=job_id_of(number << 40 | 2**63))

    tracemalloc.start()
    try:
        census = take_census(drawn())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert census.jobs == jobs
    assert peak / jobs < 200
