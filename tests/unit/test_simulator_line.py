"""Who waits and who runs at the simulator, by a clock that the test moves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batchgen.simulator.line import Line
from batchgen.simulator.request import Ending, Phase, Request


def make_request(
    *, at: float = 0.0, seconds: float = 1.0, marks: str = "", within: float | None = None
) -> Request:
    return Request(
        request_id="r",
        application="fal-ai/nano-banana-2",
        path="",
        account="a",
        input={},
        sent_at=at,
        seconds=seconds,
        marks=frozenset(marks.split()),
        start_within_s=within,
    )


def make_line(count: int, *, concurrency: int, **options: float) -> tuple[Line, list[Request]]:
    line = Line(concurrency=concurrency, queued_s=options.pop("queued_s", 0.0))
    requests = [make_request(**options) for _ in range(count)]
    for request in requests:
        line.add(request, at=0.0)
    return line, requests


def test_positions_count_down_as_runners_become_free() -> None:
    line, requests = make_line(4, concurrency=1)

    seen = []
    for now in (0.0, 1.0, 2.0, 3.0, 4.0):
        line.advance(now)
        seen.append([(r.phase, line.position(r)) for r in requests][3])
    assert seen == [
        (Phase.IN_QUEUE, 2),
        (Phase.IN_QUEUE, 1),
        (Phase.IN_QUEUE, 0),
        (Phase.IN_PROGRESS, 0),
        (Phase.COMPLETED, 0),
    ]


def test_a_request_is_queued_for_a_moment_even_when_a_runner_is_free() -> None:
    line, [request] = make_line(1, concurrency=5, queued_s=0.1)

    line.advance(0.09)
    assert request.phase is Phase.IN_QUEUE
    line.advance(0.1)
    assert request.phase is Phase.IN_PROGRESS


def test_what_ends_late_is_told_with_the_time_at_which_it_ended() -> None:
    line, requests = make_line(3, concurrency=1)

    ended = line.advance(100.0)

    assert ended == requests
    assert [request.ended_at for request in requests] == [1.0, 2.0, 3.0]
    assert [request.started_at for request in requests] == [0.0, 1.0, 2.0]


def test_a_request_that_steps_back_waits_again_behind_the_others() -> None:
    line = Line(concurrency=1, queued_s=0.0)
    stepping, other = make_request(marks="step_back", seconds=2.0), make_request()
    line.add(stepping, at=0.0)
    line.add(other, at=0.0)

    line.advance(1.0)
    assert (stepping.phase, other.phase) == (Phase.IN_QUEUE, Phase.IN_PROGRESS)
    line.advance(2.0)
    assert (stepping.phase, stepping.attempts) == (Phase.IN_PROGRESS, 2)
    line.advance(4.0)
    assert stepping.phase is Phase.COMPLETED


def test_a_stuck_request_holds_no_runner_and_goes_on_when_it_is_released() -> None:
    line = Line(concurrency=1, queued_s=0.0)
    running, queued, plain = (
        make_request(marks="stuck"),
        make_request(marks="stuck_in_queue"),
        make_request(),
    )
    for request in (running, queued, plain):
        line.add(request, at=0.0)

    line.advance(1000.0)
    assert [r.phase for r in (running, queued, plain)] == [
        Phase.IN_PROGRESS,
        Phase.IN_QUEUE,
        Phase.COMPLETED,
    ]
    assert line.open == 2
    assert line.release(at=1000.0) == 2
    assert line.advance(1002.0) == [running, queued]


def test_a_request_that_waits_is_cancelled_and_the_others_move_up() -> None:
    line, requests = make_line(4, concurrency=1)

    assert line.cancel(requests[2], at=0.5, even_running=False)
    assert requests[2].ending is Ending.CANCELLED
    assert line.position(requests[3]) == 1


def test_a_running_request_is_cancelled_only_if_that_is_asked_for() -> None:
    line, requests = make_line(2, concurrency=1)

    assert not line.cancel(requests[0], at=0.5, even_running=False)
    assert requests[0].phase is Phase.IN_PROGRESS
    assert line.cancel(requests[0], at=0.5, even_running=True)
    assert requests[1].started_at == 0.5
    assert line.advance(10.0) == [requests[1]]  # and the first one does not end twice


def test_a_request_that_is_not_started_in_time_ends_as_late() -> None:
    line = Line(concurrency=1, queued_s=0.0)
    line.add(make_request(seconds=10.0), at=0.0)
    patient, impatient = make_request(within=20.0), make_request(within=3.0)
    line.add(impatient, at=0.0)
    line.add(patient, at=0.0)

    line.advance(30.0)

    assert (impatient.ending, impatient.ended_at) == (Ending.LATE, 3.0)
    assert (patient.ending, patient.ended_at) == (Ending.DONE, 11.0)


@given(
    seconds=st.lists(st.floats(0.0, 5.0), min_size=1, max_size=30),
    concurrency=st.integers(1, 4),
    looks=st.lists(st.floats(0.0, 200.0), max_size=10),
)
def test_runners_are_never_exceeded_and_everything_ends_in_turn(
    seconds: list[float], concurrency: int, looks: list[float]
) -> None:
    line = Line(concurrency=concurrency, queued_s=0.1)
    requests = [make_request(at=number / 10, seconds=s) for number, s in enumerate(seconds)]
    for request in requests:
        line.add(request, at=request.sent_at)
    for now in sorted(looks):
        line.advance(max(now, len(seconds) / 10))
        assert line.running <= concurrency
    line.advance(1e6)

    starts = [request.started_at for request in requests]
    assert starts == sorted(starts)  # type: ignore[type-var]  # none is None
    assert all(request.ending is Ending.DONE for request in requests)
    assert (line.open, line.running) == (0, 0)
    assert line.most_running <= concurrency
    for moment in starts:
        running = [r for r in requests if r.started_at <= moment < r.ended_at]  # type: ignore[operator]
        assert len(running) <= concurrency
