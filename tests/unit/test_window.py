"""How many requests are kept open: after refusals, and where the service's queue shows enough."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.line import Service, lognormal
from support.virtual_queue import VirtualNight

from batchgen.pacing import Window
from batchgen.pacing.slow_start import FIRST, PATIENCE


def accept(window: Window, count: int) -> None:
    """Let the service accept so many requests, which end at once."""
    for number in range(count):
        window.accepted(f"r{number}", ahead=None)
        window.closed(f"r{number}")


def make_window(*, cap: int, open: int = 0) -> Window:
    """Return a window whose slow start is over."""
    window = Window(cap=cap, open=open)
    window.backlog.start.is_over = True
    return window


def send(window: Window, count: int) -> None:
    """Let the service accept so many requests more, which stay open."""
    for number in range(window.open, window.open + count):
        window.open += 1
        window.accepted(f"r{number}", ahead=None)


def refuse(window: Window, now: float, **given: Any) -> float:
    return window.slow_down(now, **{"retry_after_s": None, "jitter": 0.0, **given})


# -- the cap -----------------------------------------------------------------------------


def test_where_the_start_is_over_and_nobody_tells_anything_the_whole_cap_is_used() -> None:
    window = make_window(cap=20)

    assert window.limit == 20
    assert window.has_room(0.0)
    assert not window.slowed


def test_what_is_open_uses_it_up() -> None:
    assert not make_window(cap=2, open=2).has_room(0.0)


def test_what_was_open_before_the_run_may_exceed_the_cap() -> None:
    assert not make_window(cap=2, open=7).has_room(0.0)


# -- the start ---------------------------------------------------------------------------


@pytest.mark.parametrize(("cap", "limit"), [(1, 1), (FIRST, FIRST), (20, FIRST), (200, FIRST)])
def test_few_requests_are_open_before_anything_is_known(cap: int, limit: int) -> None:
    window = Window(cap=cap)

    assert window.limit == limit
    assert window.reason == ("the cap" if cap == limit else "a slow start")


def test_twice_as_many_may_be_open_as_were_seen_at_work() -> None:
    window = Window(cap=100)
    send(window, FIRST)

    window.saw("r7", is_queued=False, ahead=None)
    assert window.limit == 2 * FIRST

    send(window, FIRST)
    window.saw("r12", is_queued=False, ahead=None)
    assert window.limit == 26


def test_what_waits_is_not_at_work() -> None:
    window = Window(cap=100)
    send(window, FIRST)

    window.saw("r7", is_queued=True, ahead=2)

    assert window.limit == 10


def test_where_requests_end_and_nobody_tells_of_a_queue_the_start_is_over() -> None:
    window = Window(cap=100)

    for number in range(PATIENCE * FIRST):
        assert window.limit == FIRST
        window.open += 1
        window.accepted(f"r{number}", ahead=None)
        window.open -= 1
        window.closed(f"r{number}")

    assert window.limit == 100


def test_others_in_the_queue_end_the_start() -> None:
    window = Window(cap=100)
    send(window, FIRST)

    window.saw("r3", is_queued=True, ahead=12_654)

    assert window.limit == 100


def test_whoever_waits_for_room_is_told_when_there_is_more() -> None:
    told: list[int] = []
    window = Window(cap=100, grew=lambda: told.append(window.limit))
    send(window, FIRST)
    assert told == []

    window.saw("r7", is_queued=False, ahead=None)
    window.saw("r2", is_queued=False, ahead=None)

    assert told == [2 * FIRST]


def test_whoever_waits_is_told_when_the_window_grows_after_a_refusal() -> None:
    told: list[int] = []
    window = make_window(cap=16, open=16)
    window.grew = lambda: told.append(window.limit)
    refuse(window, 0.0)

    accept(window, 3)

    assert told == [9, 10, 11]


# -- a service that limits us ------------------------------------------------------------


def test_a_refusal_before_anything_else_halves_the_window() -> None:
    window = make_window(cap=20, open=20)

    refuse(window, 100.0)

    assert window.limit == 10
    assert window.slowed


def test_it_is_halved_from_what_was_really_open() -> None:
    window = make_window(cap=200, open=8)

    refuse(window, 100.0)

    assert window.limit == 4


def test_refusals_that_arrive_together_are_one_message() -> None:
    window = make_window(cap=16, open=16)

    for late in (0.0, 0.01, 0.02):
        refuse(window, 100.0 + late, retry_after_s=1.0)

    assert window.limit == 8


def test_where_nothing_is_accepted_it_is_halved_again_down_to_one() -> None:
    window = make_window(cap=16, open=16)

    for second in range(200):
        refuse(window, 100.0 + 100.0 * second)

    assert window.limit == 1


def test_a_window_that_has_carried_a_full_round_loses_an_eighth() -> None:
    window = make_window(cap=16, open=16)
    refuse(window, 0.0)
    accept(window, 100)
    assert window.limit == 16

    for _ in range(17):
        refuse(window, 100.0)

    assert window.limit == 14


@pytest.mark.parametrize("size", [1, 2, 7])
def test_even_a_small_window_loses_one_and_none_becomes_nothing(size: int) -> None:
    window = make_window(cap=size, open=size)
    accept(window, size)

    for _ in range(20):
        refuse(window, 100.0)

    assert window.limit == max(1, size - 1)


def test_it_grows_quickly_to_where_it_was_too_large_and_slowly_beyond() -> None:
    window = make_window(cap=16, open=16)
    refuse(window, 0.0)
    limits = []

    for _ in range(24):
        accept(window, 1)
        limits.append(window.limit)

    assert limits[:7] == [9, 10, 11, 12, 13, 14, 15]
    assert limits[7:14] == [15] * 7
    assert limits[-1] == 16


def test_where_it_was_too_large_twice_it_is_tried_less_often() -> None:
    def accepted_until_it_is_tried(window: Window) -> int:
        count = 0
        while window.limit < 10:
            accept(window, 1)
            count += 1
        return count

    window = make_window(cap=10, open=10)
    refuse(window, 0.0)
    first = accepted_until_it_is_tried(window)
    for _ in range(60):
        refuse(window, 100.0)

    assert accepted_until_it_is_tried(window) >= 1.5 * first


def test_retry_after_is_waited_for_by_everybody() -> None:
    window = make_window(cap=4)

    refuse(window, 100.0, retry_after_s=7.0)

    assert window.wait_s(100.0) == 7.0
    assert window.wait_s(106.5) == 0.5
    assert window.wait_s(200.0) == 0.0


def test_a_service_that_refuses_and_asks_for_no_time_is_not_asked_without_a_pause() -> None:
    window = make_window(cap=4)
    now, waits = 0.0, []
    for _ in range(100):
        window.open = 1
        waits.append(refuse(window, now, retry_after_s=0.0))
        now += waits[-1]

    assert min(waits) >= 0.5
    assert max(waits) >= 30.0


def test_a_shorter_retry_after_does_not_shorten_the_wait() -> None:
    window = make_window(cap=4)
    refuse(window, 100.0, retry_after_s=30.0)

    refuse(window, 101.0, retry_after_s=1.0)

    assert window.wait_s(101.0) == 29.0


@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_without_retry_after_the_wait_grows_and_half_of_it_is_certain(jitter: float) -> None:
    window = make_window(cap=1)
    now, waits = 100.0, []

    for _ in range(100):
        refuse(window, now, jitter=jitter)
        if wait := window.wait_s(now):
            waits.append(wait)
        now += 100.0

    for wait, bound in zip(waits, [1, 2, 4, 8, 16, 32, 60, 60], strict=False):
        assert bound / 2 <= wait <= bound


def test_an_accepted_request_ends_the_growth_of_the_wait() -> None:
    window = make_window(cap=64)
    for now in (0.0, 10.0, 20.0):
        refuse(window, now)

    accept(window, 1)
    while not window.wait_s(60.0):
        refuse(window, 60.0)

    assert window.wait_s(60.0) == 0.5


# -- bad luck ----------------------------------------------------------------------------


def test_a_refusal_now_and_then_costs_one_slot_for_a_moment_and_nothing_else() -> None:
    window = make_window(cap=20, open=18)
    accept(window, 40)

    wait = refuse(window, 100.0)

    assert window.limit == 20
    assert window.wait_s(100.0) == 0.0
    assert 0.5 <= wait <= 2.0
    window.open = 19
    assert not window.has_room(100.0)
    assert window.room_in_s(100.0) == pytest.approx(wait)
    assert window.has_room(100.0 + wait)


def test_what_the_service_asks_for_is_kept_to_even_then() -> None:
    window = make_window(cap=20, open=18)
    accept(window, 40)

    refuse(window, 100.0, retry_after_s=7.0)

    assert window.limit == 20
    assert window.wait_s(100.0) == 7.0


@given(
    cap=st.integers(min_value=1, max_value=50),
    events=st.lists(st.tuples(st.booleans(), st.floats(min_value=0, max_value=5)), max_size=200),
)
def test_the_window_is_always_between_one_and_the_cap(
    cap: int, events: list[tuple[bool, float]]
) -> None:
    window = make_window(cap=cap)
    now = 0.0

    for is_accepted, passed in events:
        now += passed
        if is_accepted:
            accept(window, 1)
        else:
            refuse(window, now, jitter=0.3)
        assert 1 <= window.limit <= cap


# -- whole nights, in virtual time -------------------------------------------------------

Refuses = Callable[[random.Random, float], bool]


def night(
    *, jobs: int = 1500, cap: int = 200, settle_s: float = 90.0, seed: int = 1, **service: Any
) -> VirtualNight:
    """Let a night pass; 40 runners and 4 s a job, if nothing else is said."""
    given = {"draw": lognormal(4.0, 0.4), **service}
    passed = VirtualNight(
        service=Service(**given), jobs=jobs, cap=cap, settle_s=settle_s, seed=seed
    ).run()
    assert len(passed.noticed) == jobs
    assert passed.line.most_open <= cap
    return passed


@pytest.mark.parametrize("answers_tell", [False, True], ids=["by statuses", "by answers"])
@pytest.mark.parametrize(("runners", "cap"), [(40, 200), (10, 40), (5, 20)])
def test_runners_are_never_idle_and_few_requests_wait_for_them(
    runners: int, cap: int, answers_tell: bool
) -> None:
    passed = night(
        runners=runners,
        cap=cap,
        jobs=75 * runners,
        settle_s=120.0,
        answers_tell=answers_tell,
    )

    assert passed.idle < 0.02
    assert passed.queued * runners <= max(2.0, 0.25 * runners)


@pytest.mark.parametrize(
    "service",
    [
        pytest.param({"tells": False}, id="no places"),
        pytest.param({"has_queue": False}, id="everything is in progress"),
        pytest.param({"runners": 300}, id="nothing waits"),
    ],
)
def test_where_no_queue_is_to_be_seen_the_whole_cap_is_used(service: dict[str, Any]) -> None:
    passed = night(**service)

    assert {limit for at, limit in passed.limits if at > 30.0} == {200}


@pytest.mark.parametrize(
    "service",
    [
        pytest.param({}, id="as it should be"),
        pytest.param({"dispatch_s": 0.5}, id="queued for half a second though a runner is free"),
        pytest.param({"dispatch_s": 1.5}, id="queued for more than a third of its run"),
        pytest.param({"tells_time": False}, id="nobody tells how long a request ran"),
        pytest.param({"strangers": 10}, id="others before us"),
        pytest.param({"strangers": 300}, id="many others before us"),
        pytest.param({"runners": 2}, id="two runners"),
        pytest.param({"changes": ((60.0, 80),)}, id="more runners later"),
        pytest.param({"changes": ((60.0, 20),)}, id="fewer runners later"),
    ],
)
def test_no_night_takes_longer_than_with_the_whole_cap(service: dict[str, Any]) -> None:
    jobs = 150 if service.get("runners") == 2 else 1500
    with_all = VirtualNight(
        service=Service(**{"draw": lognormal(4.0, 0.4), **service}), jobs=jobs, cap=200, seed=1
    )
    with_all.is_fixed = True

    passed = night(jobs=jobs, **service)

    # A few of the slowest at the end decide: about a service time, one way or the other.
    assert passed.took_s <= 1.05 * with_all.run().took_s + 12.0


@pytest.mark.parametrize("cap", [60, 200])
@pytest.mark.parametrize("dispatch_s", [0.5, 1.0, 1.5])
def test_a_queue_that_is_none_does_not_make_the_night_long(dispatch_s: float, cap: int) -> None:
    passed = night(cap=cap, dispatch_s=dispatch_s)

    # The whole cap takes 168 to 173 s.
    assert passed.took_s < 1.08 * 170.0 + 4.0


@pytest.mark.parametrize("runners", [2, 5, 10])
def test_at_the_start_little_waits_at_a_service_that_runs_few(runners: int) -> None:
    passed = night(runners=runners, cap=60, jobs=30 * runners)

    assert passed.line.most_open <= max(2 * runners + 10, 3 * runners)


def test_the_slow_start_costs_next_to_nothing() -> None:
    draw = lognormal(4.0, 0.4)
    service = Service(draw=draw)
    at_once = VirtualNight(service=service, jobs=2000, cap=60, seed=1, is_fixed=True).run()

    passed = night(cap=60, jobs=2000)

    assert passed.took_s < 1.01 * at_once.took_s


@pytest.mark.parametrize(("before", "after"), [(40, 80), (80, 40), (20, 60)])
def test_runners_that_come_and_go_are_followed(before: int, after: int) -> None:
    passed = night(runners=before, changes=((90.0, after),), jobs=4000, settle_s=60.0)

    assert passed.idle < 0.02


def test_a_service_that_takes_few_at_a_time_is_used_and_not_hammered() -> None:
    passed = night(most_open=30, jobs=1000)

    assert passed.took_s < 1.1 * passed.work_s / 30 + 12.0
    assert len(passed.refused) < 0.3 * 1000


@pytest.mark.parametrize(
    ("share", "longer"), [(0.02, 1.06), (0.05, 1.12), (0.1, 1.7)], ids=["2 %", "5 %", "10 %"]
)
def test_refusals_by_chance_cost_little_time(share: float, longer: float) -> None:
    draw = lognormal(1.0, 0.25)
    calm = night(draw=draw, runners=20, cap=20, jobs=1000)

    bad = night(
        draw=draw, runners=20, cap=20, jobs=1000, refuses=lambda dice, now: dice.random() < share
    )

    assert bad.took_s < longer * calm.took_s


def test_after_a_lock_the_night_goes_on_as_before() -> None:
    calm = night(runners=20, cap=20, jobs=800)

    locked = night(runners=20, cap=20, jobs=800, refuses=lambda dice, now: 60.0 < now < 360.0)

    # At most a minute passes before it is noticed that the lock is gone.
    assert locked.took_s < calm.took_s + 300.0 + 60.0 + 40.0
    assert len(locked.refused) < 100
