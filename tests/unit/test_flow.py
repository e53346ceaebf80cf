"""How fast a batch goes, by the rows that it writes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from support.jobs import make_job

from batchgen.attempt import Entry, timestamp
from batchgen.flow import MOST_LATENCIES, Flow, Latency
from batchgen.state import AttemptState

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def image(seconds: float, **cells: str) -> dict[str, str]:
    row = {"status": "succeeded", "file": "images/a.png", "error_type": "", "error": ""}
    return {**row, "finished_at": timestamp(at(seconds)), **cells}


def entry(job_id: str, state: AttemptState, seconds: float) -> Entry:
    return Entry(at=timestamp(at(seconds)), job_id=job_id, attempt=1, state=state)


def flow_of(*seconds: float) -> Flow:
    flow = Flow()
    for second in seconds:
        flow.note_row(image(second))
    return flow


@pytest.mark.parametrize(
    ("seconds", "since", "expected"),
    [
        pytest.param((), None, 0.0, id="nothing has come"),
        pytest.param(range(1, 61), 0, 60.0, id="one a second"),
        pytest.param(range(-600, 60), -600, 60.0, id="of the last five minutes"),
        pytest.param(range(-600, 0), 0, 0.0, id="none of this run"),
    ],
)
def test_the_rate(seconds: range, since: float | None, expected: float) -> None:
    began = None if since is None else at(since)

    assert flow_of(*seconds).per_minute(at(60), since=began) == pytest.approx(expected, rel=0.05)


def test_only_images_on_disk_count() -> None:
    flow = Flow()
    flow.note_row(image(1, status="undelivered", file=""))
    flow.note_row(image(1, file=""))
    flow.note_row(image(1, status="failed", error_type="lost", error="gone"))

    assert flow.per_minute(at(2)) == 0.0
    assert flow.errors == {"lost": "gone"}


@pytest.mark.parametrize(
    ("seconds", "most", "expected"),
    [
        pytest.param((), 10, (1, []), id="nothing has come"),
        pytest.param((0, 0, 2), 10, (1, [2, 0, 1, 0]), id="every second"),
        pytest.param((0, 1, 2, 3), 3, (2, [2, 2]), id="every two seconds"),
        pytest.param((-3500, 3), 60, (60, [1, *[0] * 58, 1]), id="an hour"),
        pytest.param((-9999, 3), 60, (1, [1]), id="not what is older"),
    ],
)
def test_images_over_time(
    seconds: tuple[float, ...], most: int, expected: tuple[int, list[int]]
) -> None:
    step, numbers = flow_of(*seconds).over_time(at(3), most=most)

    assert (step, list(numbers)) == expected


def test_how_many_were_open() -> None:
    flow = Flow()
    for number, (begin, end) in enumerate([(0, 3), (1, 3), (2, None)]):
        flow.note_entry(entry(str(number), AttemptState.SUBMITTED, begin))
        if end is not None:
            flow.note_entry(entry(str(number), AttemptState.COMPLETED, end))

    assert flow.open_over_time(at(4), most=10, open_now=1) == (1, [1, 2, 3, 1, 1])
    assert flow.open_over_time(at(4), most=3, open_now=1) == (2, [2, 1, 1])
    assert Flow().open_over_time(at(4), most=3, open_now=0) == (1, ())


def test_latency_is_from_submission_to_result() -> None:
    flow = Flow()
    for number in range(1, 11):
        job_id = make_job(prompt=str(number)).job_id
        flow.note_entry(entry(job_id, AttemptState.SUBMITTED, 0))
        flow.note_entry(entry(job_id, AttemptState.COMPLETED, number))

    assert flow.latency == Latency(median_s=6.0, most_s=10.0, longest_s=10.0, requests=10)


def test_what_failed_or_was_sent_before_has_no_latency() -> None:
    flow = Flow()
    flow.note_entry(entry("a", AttemptState.COMPLETED, 5))
    flow.note_entry(entry("b", AttemptState.SUBMITTED, 0))
    flow.note_entry(entry("b", AttemptState.FAILED, 5))
    flow.note_entry(entry("b", AttemptState.COMPLETED, 6))

    assert flow.latency is None


def test_only_the_last_requests_tell_how_long_they_take() -> None:
    flow = Flow()
    for number in range(MOST_LATENCIES + 5):
        flow.note_entry(entry(str(number), AttemptState.SUBMITTED, 0))
        flow.note_entry(entry(str(number), AttemptState.COMPLETED, 100 if number < 5 else 2))

    assert flow.latency is not None
    assert flow.latency.longest_s == 2.0


def test_a_time_that_is_none_ends_nothing() -> None:
    flow = Flow()
    flow.note_row(image(0, finished_at="yesterday"))

    assert flow.per_minute(at(1)) == 0.0
