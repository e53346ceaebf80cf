"""What is left to send: drawn once, folded, and come back when it is due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from support.jobs import make_job

from batchgen.job import Job, draft_of, number_of
from batchgen.record import Record
from batchgen.retry import RetryRule
from batchgen.standing import ImageMark, Rows, Standing
from batchgen.state import AttemptState
from batchgen.todo import SLICE_S, Todo

SAVED = Rows(images=((0, ImageMark("succeeded", "", has_file=True)),))


class Watch:
    """A clock that the test moves, or that moves by itself at each look."""

    def __init__(self, step: float = 0.0) -> None:
        self.now = 100.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def todo(
    *jobs: Job, record: Record | None = None, watch: Watch | None = None, mode: str = "transient"
) -> Todo:
    return Todo(
        map(draft_of, jobs),
        record=record or Record(),
        retry=RetryRule(mode=mode),
        download=True,
        monotonic=watch or Watch(),
    )


def all_of(left: Todo) -> list[Job]:
    found = []
    while not left.is_drawn:
        if (job := left.draw()) is not None:
            found.append(job)
    return found


def recorded(job: Job, **standing: object) -> Record:
    record = Record()
    record.jobs[number_of(job.job_id)] = Standing(**standing)  # type: ignore[arg-type]  # its fields
    return record


def test_jobs_come_in_the_manifests_order() -> None:
    jobs = [make_job(number) for number in (3, 1, 2)]

    assert all_of(todo(*jobs)) == jobs


def test_the_same_job_comes_once_and_the_others_are_counted() -> None:
    one, two = make_job(1), make_job(2)
    left = todo(one, two, one, one)

    assert all_of(left) == [one, two]
    assert (left.drawn, left.folded) == (2, 2)


def test_what_all_jobs_ask_for_and_cost_is_summed_up_without_what_is_folded() -> None:
    left = todo(make_job(1, images=2), make_job(2), make_job(1, images=2))
    all_of(left)

    assert (left.images, left.quoted_usd) == (3, Decimal("0.24"))


def test_one_job_without_a_price_leaves_no_quote() -> None:
    left = todo(make_job(1), replace(make_job(2), price_usd=None), make_job(3))
    all_of(left)

    assert left.quoted_usd is None


def test_without_a_price_there_is_no_sum() -> None:
    unpriced = replace(make_job(2), price_usd=None)
    left = todo(make_job(1, images=2), unpriced, make_job(3))
    all_of(left)

    assert left.quoted_usd is None
    assert left.dearest_usd == Decimal("0.16")


def test_what_this_run_has_given_up_is_not_taken_up_by_it_again() -> None:
    job = make_job()
    rows = Rows(job_status="failed", error_type="generation_timeout", finished_at="t")
    record = recorded(job, state=AttemptState.FAILED, at="t", rows=rows)
    record.failed_now.add(number_of(job.job_id))

    assert all_of(todo(job, record=record)) == []


@pytest.mark.parametrize(
    ("standing", "sent"),
    [
        pytest.param({}, True, id="never sent"),
        pytest.param({"state": AttemptState.CANCELLED}, True, id="cancelled"),
        pytest.param({"state": AttemptState.REFUSED}, True, id="told to slow down"),
        pytest.param({"state": AttemptState.SUBMITTING}, False, id="on its way"),
        pytest.param({"state": AttemptState.SUBMITTED}, False, id="open"),
        pytest.param({"state": AttemptState.UNKNOWN}, False, id="unknown"),
        pytest.param({"state": AttemptState.COMPLETED}, False, id="to be fetched"),
        pytest.param({"state": AttemptState.COMPLETED, "rows": SAVED}, False, id="done"),
        pytest.param({"rows": SAVED}, False, id="done, by the ledger alone"),
    ],
)
def test_only_what_nothing_stands_against_is_sent(standing: dict[str, object], sent: bool) -> None:
    job = make_job()

    assert all_of(todo(job, record=recorded(job, **standing))) == ([job] if sent else [])


@pytest.mark.parametrize(
    ("fresh", "failures", "error_type", "sent"),
    [
        pytest.param(2, 2, "generation_timeout", True, id="the third attempt of three"),
        pytest.param(3, 3, "generation_timeout", False, id="no fourth one"),
        pytest.param(1, 1, "no_media_generated", True, id="no media, once more"),
        pytest.param(2, 2, "no_media_generated", False, id="no media, not twice more"),
        pytest.param(1, 1, "content_policy_violation", False, id="a refusal, never"),
    ],
)
def test_a_failure_that_is_not_closed_is_decided_by_the_retry_rule(
    fresh: int, failures: int, error_type: str, sent: bool
) -> None:
    job = make_job()
    record = recorded(
        job,
        state=AttemptState.FAILED,
        fresh=fresh,
        error_type=error_type,
        failures=(error_type,) * failures,
    )

    assert all_of(todo(job, record=record)) == ([job] if sent else [])


@pytest.mark.parametrize(
    ("mode", "error_type", "sent"),
    [
        pytest.param("transient", "generation_timeout", True, id="transient takes a time-out"),
        pytest.param("transient", "value_error", False, id="transient leaves a bad value"),
        pytest.param("failed", "value_error", True, id="failed takes a bad value"),
        pytest.param("none", "generation_timeout", False, id="none takes nothing"),
    ],
)
def test_a_failure_that_is_closed_is_taken_up_as_retry_says(
    mode: str, error_type: str, sent: bool
) -> None:
    job = make_job()
    rows = Rows(job_status="failed", error_type=error_type, finished_at="t")
    record = recorded(job, state=AttemptState.FAILED, at="t", rows=rows)

    assert all_of(todo(job, record=record, mode=mode)) == ([job] if sent else [])


TEMPLATE = Rows(job_status="failed", error_type="template")


def test_what_could_not_be_rendered_is_sent_once_it_can_be() -> None:
    job = make_job()

    assert all_of(todo(job, record=recorded(job, rows=TEMPLATE))) == [job]


def test_what_still_cannot_be_rendered_is_not_reported_twice() -> None:
    job = problem()

    assert all_of(todo(job)) == [job]
    assert all_of(todo(job, record=recorded(job, rows=TEMPLATE))) == []


def problem() -> Job:
    return replace(make_job(), problem="the prompt is empty")


# -- jobs that come back ----------------------------------------------------------------------


def test_a_job_comes_back_when_it_is_due_and_not_before() -> None:
    watch = Watch()
    left = todo(watch=watch)
    job = make_job()

    left.put_back(job, due_at=105.0)

    assert (left.waiting, left.next_due_at, left.pull_back()) == (1, 105.0, None)
    watch.now = 105.0
    assert left.pull_back() is job
    assert (left.waiting, left.next_due_at) == (0, None)


def test_what_is_due_first_comes_first_and_else_what_came_back_first() -> None:
    left = todo(watch=Watch())
    jobs = [make_job(number) for number in range(4)]
    for job, due_at in zip(jobs, (90.0, 80.0, 90.0, 70.0), strict=True):
        left.put_back(job, due_at=due_at)

    assert [left.pull_back() for _ in jobs] == [jobs[3], jobs[1], jobs[0], jobs[2]]


# -- slices -----------------------------------------------------------------------------------


def test_drawing_pauses_so_that_answers_need_not_wait() -> None:
    done = make_job()
    watch = Watch(step=SLICE_S / 10)
    left = todo(*[done] * 1000, make_job(2), record=recorded(done, rows=SAVED), watch=watch)

    assert left.draw() is None
    assert not left.is_drawn
    assert left.folded < 20
    assert all_of(left) == [make_job(2)]


def test_a_job_is_drawn_when_it_is_asked_for_and_no_sooner() -> None:
    taken = []

    def endless() -> Iterator[Job]:
        for number in range(10**9):
            taken.append(number)
            yield make_job(number)

    left = Todo(
        map(draft_of, endless()),
        record=Record(),
        retry=RetryRule(),
        download=True,
        monotonic=Watch(),
    )
    left.draw()
    left.draw()

    assert taken == [0, 1]


def test_a_look_through_the_manifest_marks_its_jobs_and_sends_none() -> None:
    record = Record()
    left = todo(make_job(1), make_job(2), record=record)

    assert left.draw(only_mark=True) is None
    assert left.is_drawn
    assert left.drawn == 2
    assert all(standing.drawn for standing in record.jobs.values())


def test_what_is_drawn_changes_nothing_that_other_jobs_share() -> None:
    record = Record()
    one, two, three = (make_job(number) for number in (1, 2, 3))
    for job in (one, two):
        record.keep_rows(number_of(job.job_id), SAVED)

    all_of(todo(one, three, record=record))
    record.own(number_of(three.job_id)).attempts = 5

    assert record.jobs[number_of(one.job_id)].drawn
    assert not record.jobs[number_of(two.job_id)].drawn
    assert all_of(todo(make_job(4), record=record)) == [make_job(4)]
    assert record.jobs[4].attempts == 0
