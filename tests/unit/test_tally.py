"""Counts of where the jobs of a batch stand."""

from __future__ import annotations

import pytest

from batchgen.record import Record
from batchgen.retry import RetryRule
from batchgen.standing import ImageMark, Rows, Standing, Step
from batchgen.state import AttemptState, JobState
from batchgen.tally import Tally, count, drawn, error_type_of, undrawn

SAVED = ImageMark("succeeded", "", has_file=True)
EXPIRED = ImageMark("failed", "expired", has_file=False)
T = "2026-11-22T21:30:00.000Z"


def closed(error_type: str) -> Standing:
    rows = Rows(job_status="failed", error_type=error_type, finished_at=T)
    return Standing(state=AttemptState.FAILED, at=T, rows=rows, error_type=error_type)


LEFT = Standing()
DONE = Standing(state=AttemptState.COMPLETED, rows=Rows(images=((0, SAVED),)))
GONE = Standing(state=AttemptState.COMPLETED, rows=Rows(images=((0, EXPIRED),)))
HALF = Standing(state=AttemptState.COMPLETED, rows=Rows(images=((0, SAVED),)), expected=2)
TEMPLATE = Standing(rows=Rows(job_status="failed", error_type="template"))
OPEN = Standing(state=AttemptState.SUBMITTED)
UNKNOWN = Standing(state=AttemptState.UNKNOWN)

ALL = [LEFT, DONE, GONE, HALF, TEMPLATE, OPEN, UNKNOWN, closed("generation_timeout")]


def tally(*standings: Standing) -> Tally:
    return count(standings, retry=RetryRule(), download=True)


def test_every_job_stands_somewhere() -> None:
    counted = tally(*ALL)

    assert counted.jobs == len(ALL)
    assert counted.states.total() == counted.steps.total() == len(ALL)
    assert counted.states[JobState.FAILED] == counted.failed_by_type.total() == 3


def test_images_are_those_asked_for_and_those_on_disk() -> None:
    counted = tally(DONE, HALF, OPEN)

    assert (counted.images, counted.images_on_disk) == (4, 2)


@pytest.mark.parametrize(
    ("standing", "works"),
    [
        pytest.param(LEFT, True, id="sends what is left"),
        pytest.param(OPEN, True, id="reads what is open"),
        pytest.param(UNKNOWN, True, id="looks up what is unknown"),
        pytest.param(HALF, True, id="fetches what is missing"),
        pytest.param(closed("generation_timeout"), True, id="retries what may pass"),
        pytest.param(closed("content_policy_violation"), False, id="leaves what will not"),
        pytest.param(TEMPLATE, False, id="pays nothing for what cannot be rendered"),
        pytest.param(GONE, False, id="leaves what has expired"),
        pytest.param(DONE, False, id="leaves what is done"),
    ],
)
def test_what_a_further_run_does(standing: Standing, works: bool) -> None:
    assert tally(standing).again == works


def test_many_that_stand_alike_are_counted_at_once() -> None:
    one_by_one = tally(DONE, DONE, DONE)

    at_once = Tally()
    at_once.add(DONE, Step.DONE, times=3)

    assert at_once == one_by_one


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        pytest.param(closed("lost"), "lost", id="as its row says"),
        pytest.param(TEMPLATE, "template", id="as its row says, without an attempt"),
        pytest.param(GONE, "expired", id="as the row of its image says"),
        pytest.param(
            Standing(
                state=AttemptState.REFUSED,
                at=T,
                judged=True,
                error_type="value_error",
                rows=Rows(job_status="failed", error_type="lost", finished_at="earlier"),
            ),
            "value_error",
            id="as its last attempt says, which its row knows nothing of",
        ),
        pytest.param(
            Standing(
                state=AttemptState.REFUSED,
                at=T,
                judged=True,
                error_type="value_error",
                rows=Rows(images=((0, EXPIRED),)),
            ),
            "value_error",
            id="as its last attempt says, after its image had expired",
        ),
    ],
)
def test_why_a_job_failed(standing: Standing, expected: str) -> None:
    assert error_type_of(standing) == expected
    assert tally(standing).failed_by_type == {expected: 1}


def test_jobs_of_an_earlier_manifest_are_counted_apart() -> None:
    record = Record()
    record.own(1).state = AttemptState.SUBMITTED
    record.own(2).state = AttemptState.SUBMITTED
    record.mark_drawn(2)
    record.mark_drawn(3)

    assert tally(*drawn(record)).states == {JobState.OPEN: 1, JobState.LEFT: 1}
    assert tally(*undrawn(record)).states == {JobState.OPEN: 1}
