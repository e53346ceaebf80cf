"""When a request is asked about: what is learned, and the schedules that follow from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, pairwise
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.frontier import delay_at, frontier
from support.jobs import make_job
from support.line import Service, lognormal
from support.virtual_queue import VirtualNight

from batchgen.job import Json
from batchgen.pacing import SLOWEST_POLL_S, Polling, Watch, kind_of
from batchgen.pacing.cells import CELLS, SHORTEST_S, cell_of, end_of
from batchgen.pacing.guess import Guess
from batchgen.pacing.schedule import best_schedule
from batchgen.pacing.times import ServiceTimes

# -- the best schedule -------------------------------------------------------------------


def cost(ages: Sequence[float], done: Sequence[float], looks: Sequence[int], price: float) -> float:
    """Return what looks at these places cost: delay, and looks in vain."""
    paid, last = 0.0, 0
    for here in looks:
        for place in range(last, here):
            width = ages[place + 1] - ages[place]
            paid += width * (0.5 * (done[place] + done[place + 1]) - done[last])
        paid += (1.0 - done[here]) * price
        last = here
    return paid


@given(
    widths=st.lists(st.floats(0.1, 5.0), min_size=3, max_size=7),
    chances=st.lists(st.floats(0.01, 1.0), min_size=7, max_size=7),
    price=st.floats(0.01, 5.0),
)
def test_no_schedule_costs_less_than_the_best(
    widths: list[float], chances: list[float], price: float
) -> None:
    ages, done = [0.0], [0.0]
    for width, chance in zip(widths, chances, strict=False):
        ages.append(ages[-1] + width)
        done.append(done[-1] + chance)
    done = [share / done[-1] for share in done]
    last = len(ages) - 1

    schedule = best_schedule(ages, done, price_s=price)

    found, age = [], 0.0
    while age < ages[last]:
        age = schedule.after(age)
        found.append(ages.index(age))
    least = min(
        cost(ages, done, [*some, last], price)
        for count in range(last)
        for some in combinations(range(1, last), count)
    )
    assert cost(ages, done, found, price) == pytest.approx(least)


def test_what_may_end_at_any_time_alike_is_looked_at_in_even_steps() -> None:
    ages = [0.05 * step for step in range(2000)]
    done = [1.0 - math.exp(-age / 4.0) for age in ages]

    schedule = best_schedule(ages, [*done[:-1], 1.0], price_s=0.1)

    looks = [0.0]
    while looks[-1] < 15.0:
        looks.append(schedule.after(looks[-1]))
    assert {round(later - earlier, 6) for earlier, later in pairwise(looks)} <= {0.85, 0.9}


def test_what_ends_at_a_known_time_is_looked_at_once() -> None:
    schedule = best_schedule([0.0, 2.9, 3.0, 10.0], [0.0, 0.0, 1.0, 1.0], price_s=0.1)

    assert schedule.after(0.0) == 3.0


# -- what is learned ---------------------------------------------------------------------


def test_times_lie_in_cells_of_five_per_cent() -> None:
    for seconds in (SHORTEST_S, 0.05, 1.0, 4.0, 60.0, 3600.0):
        cell = cell_of(seconds)
        assert end_of(cell - 1) < seconds <= end_of(cell) * (1 + 1e-9)

    assert cell_of(0.0) == 0
    assert cell_of(1e9) == CELLS - 1


def median_s(shares: Sequence[float]) -> float:
    below = 0.0
    for cell, share in enumerate(shares):
        below += share
        if below >= 0.5:
            return end_of(cell)
    raise AssertionError("the shares are no distribution")


@pytest.mark.parametrize("known", [1, 8, 40, 200])
@pytest.mark.parametrize("usual_s", [0.05, 4.0, 60.0])
def test_intervals_are_enough_to_learn_from(known: int, usual_s: float) -> None:
    times = ServiceTimes()
    normal = NormalDist(math.log(usual_s), 0.4)
    for number in range(known):
        seconds = math.exp(normal.inv_cdf((number * 0.618 + 0.5) % 1.0 or 0.5))
        step = 0.3 * usual_s
        times.saw(after_s=seconds // step * step, by_s=(seconds // step + 1.0) * step)

    times.refresh()

    assert sum(times.shares) == pytest.approx(1.0)
    assert median_s(times.shares) == pytest.approx(usual_s, rel=0.5 if known < 8 else 0.2)


def test_what_is_open_still_says_that_it_takes_longer() -> None:
    times = ServiceTimes()
    times.refresh()
    before = median_s(times.shares)

    times.refresh(open_s=[10.0] * 20)

    assert median_s(times.shares) > max(10.0, before)


def test_a_service_that_has_become_slower_is_believed() -> None:
    times = ServiceTimes()
    for seconds in [*[2.0] * 300, *[20.0] * 150]:
        times.saw(after_s=0.95 * seconds, by_s=seconds)

    times.refresh()

    assert median_s(times.shares) == pytest.approx(20.0, rel=0.1)


@given(
    st.lists(
        st.tuples(st.floats(0.0, 1e5), st.floats(0.0, 1e5)).map(sorted), min_size=1, max_size=200
    )
)
@settings(max_examples=30, deadline=None)
def test_whatever_is_seen_the_shares_are_a_distribution(seen: list[list[float]]) -> None:
    times = ServiceTimes()
    for after, by in seen:
        times.saw(after_s=after, by_s=by)

    times.refresh(open_s=[after for after, _ in seen])

    assert sum(times.shares) == pytest.approx(1.0)
    assert min(times.shares) >= 0.0


def test_before_anything_is_seen_a_guess_leaves_everything_possible() -> None:
    shares = Guess().shares()

    assert sum(shares) == pytest.approx(1.0)
    assert sum(shares[: cell_of(0.1)]) > 0.02
    assert sum(shares[cell_of(60.0) :]) > 0.02


# -- when to ask -------------------------------------------------------------------------


def looks(watch: Watch, *, until: float) -> list[float]:
    """Return the ages at which a request is asked about that does not end before."""
    ages = [watch.delay_s(0.0)]
    while ages[-1] < until:
        watch.saw(ages[-1])
        ages.append(ages[-1] + watch.delay_s(ages[-1]))
    return ages


def learned(*seconds: float, price: float | None = None) -> Polling:
    """Return what is known after requests that took so long."""
    polling = Polling() if price is None else Polling(price=price)
    for one in seconds:
        watch = polling.watch()
        watch.saw(0.97 * one)
        watch.done(one)
        watch.close()
    return polling


def test_the_first_looks_are_quick_and_later_ones_never_further_apart_than_a_minute() -> None:
    ages = looks(Polling().watch(), until=7200.0)

    gaps = [later - earlier for earlier, later in pairwise(ages)]
    assert ages[0] < 0.25
    assert max(gaps) <= SLOWEST_POLL_S + 1e-9
    assert len([age for age in ages if age <= 60.0]) < 60


@pytest.mark.parametrize("service_s", [0.05, 0.5, 5.0, 30.0, 300.0])
def test_a_finished_request_is_noticed_soon_with_few_looks(service_s: float) -> None:
    polling = learned(*[service_s] * 20)

    ages = looks(polling.watch(), until=service_s)

    assert ages[-1] - service_s <= max(0.01, 0.2 * service_s)
    assert len(ages) <= 5 + service_s / SLOWEST_POLL_S


def test_a_service_that_answers_at_once_is_asked_at_once() -> None:
    polling = Polling()
    for _ in range(100):
        watch = polling.watch()
        watch.done(watch.delay_s(0.0) + 0.001)
        watch.close()

    assert polling.watch().delay_s(0.0) < 0.01


@pytest.mark.parametrize(
    ("service_s", "least", "most"),
    [
        pytest.param(0.004, 1, 2, id="a few milliseconds: hardly ever"),
        pytest.param(4.0, 15, 30, id="seconds: all the time"),
    ],
)
def test_schedules_are_made_anew_where_requests_take_longer_than_making_one(
    service_s: float, least: int, most: int
) -> None:
    polling = learned(*[service_s] * 60)

    delays = set()
    for number in range(400):
        watch = polling.watch()
        watch.done(service_s * (0.8 + 0.001 * number))  # each schedule is another one
        watch.close()
        delays.add(polling.watch().delay_s(0.0))

    assert least <= len(delays) <= most


def test_one_lucky_request_among_many_does_not_set_the_pace() -> None:
    polling = learned(0.01, *[10.0] * 40)

    assert polling.watch().delay_s(0.0) > 7.0


def test_a_service_that_has_become_quick_is_noticed() -> None:
    polling = learned(*[60.0] * 40)
    now_s = 1.0

    tries = 0
    while polling.watch().delay_s(0.0) > 5.0 * now_s and tries < 400:
        watch = polling.watch()
        watch.done(watch.delay_s(0.0))  # it was long done, and nobody looked
        watch.close()
        tries += 1

    assert tries < 150


def test_what_is_open_still_is_learned_from_before_anything_has_ended() -> None:
    polling = Polling()
    for _ in range(40):
        looks(polling.watch(), until=20.0)

    assert polling.watch().delay_s(0.0) > 2.0


def test_while_little_is_known_whoever_waits_looks_up_soon() -> None:
    polling = Polling()

    assert polling.watch().patience_s(1.0) < 0.2

    for _ in range(20):
        polling.watch().done(1.0)
    assert polling.watch().patience_s(1.0) == SLOWEST_POLL_S


def test_what_others_have_shown_meanwhile_may_make_a_look_due_at_once() -> None:
    polling = Polling()
    waiting = [polling.watch() for _ in range(20)]
    for watch in waiting[:12]:
        watch.done(0.3)
        watch.close()

    assert waiting[-1].delay_s(1.0) == 0.0


def test_kinds_are_learned_apart() -> None:
    polling = Polling()
    for _ in range(30):
        for kind, seconds in (("1K", 2.0), ("4K", 20.0)):
            watch = polling.watch(kind)
            watch.saw(0.97 * seconds)
            watch.done(seconds)
            watch.close()

    assert polling.watch("1K").delay_s(0.0) < 2.5
    assert polling.watch("4K").delay_s(0.0) > 15.0


def test_a_kind_that_nobody_knows_is_thought_to_be_like_the_others() -> None:
    polling = Polling()
    for _ in range(30):
        watch = polling.watch("1K")
        watch.saw(19.0)
        watch.done(20.0)
        watch.close()
    polling.watch("4K").close()  # that one is a scout

    assert polling.watch("4K").delay_s(0.0) > 3.0


def test_what_a_request_took_that_nobody_watched_teaches_nothing() -> None:
    polling = Polling()
    before = polling.watch().delay_s(0.0)
    for _ in range(20):
        watch = polling.watch(is_new=False)
        watch.done(28_800.0)
        watch.close()

    polling.watch().close()
    polling.watch().close()
    polling.watch().close()
    assert polling.watch().delay_s(0.0) == before


def test_a_request_that_an_earlier_run_has_left_is_asked_about_at_once() -> None:
    assert Polling().watch(is_new=False).delay_s(3600.0) == 0.0


@pytest.mark.parametrize(
    ("parameters", "alike"),
    [
        pytest.param({"resolution": "4K"}, False, id="another resolution"),
        pytest.param({"thinking_level": "high"}, False, id="thinking"),
        pytest.param({"aspect_ratio": "16:9"}, True, id="another shape"),
        pytest.param({"seed": 7}, True, id="another seed"),
    ],
)
def test_requests_of_one_kind_take_about_the_same_time(
    parameters: dict[str, Json], alike: bool
) -> None:
    assert (kind_of(make_job()) == kind_of(make_job(**parameters))) is alike


# -- the service's queue -----------------------------------------------------------------


def test_a_request_far_behind_is_asked_about_less_often() -> None:
    polling = learned(*[2.0] * 20)

    near, far = polling.watch(ahead=1), polling.watch(ahead=100)

    assert near.delay_s(0.0) < 2.5
    assert far.delay_s(0.0) > 3.0


@pytest.mark.parametrize("ahead", [-3, 0, None], ids=["no sense", "next", "not said"])
def test_a_place_that_says_nothing_delays_nothing(ahead: int | None) -> None:
    polling = learned(*[2.0] * 20)

    assert polling.watch(ahead=ahead).delay_s(0.0) == polling.watch().delay_s(0.0)


def test_how_fast_the_queue_moves_is_learned() -> None:
    polling = learned(*[2.0] * 20)
    watch = polling.watch(ahead=100)
    watch.saw(4.0, is_queued=True, ahead=98)

    assert polling.wait_s(9) == pytest.approx(20.0)
    assert 12.0 < polling.watch(ahead=9).delay_s(0.0) < 22.0
    assert polling.watch(ahead=10_000).delay_s(0.0) == SLOWEST_POLL_S


@pytest.mark.parametrize("seen_running", [True, False], ids=["seen running", "seen at its end"])
def test_a_queue_that_was_slow_once_is_not_taken_for_slow_for_ever(seen_running: bool) -> None:
    polling = learned(*[2.0] * 20)
    slow = polling.watch(ahead=30)
    slow.saw(4.0, is_queued=True, ahead=28)
    before = polling.wait_s(40)

    for _ in range(20):
        watch = polling.watch(ahead=40)
        if seen_running:
            watch.saw(4.0)
        watch.done(6.0, inference_s=2.0)
        watch.close()

    assert before > 60.0
    assert polling.wait_s(40) < 8.0


def test_what_began_no_sooner_than_expected_says_nothing_of_the_queue() -> None:
    polling = learned(*[2.0] * 20)
    polling.watch(ahead=30).saw(4.0, is_queued=True, ahead=28)
    before = polling.wait_s(9)

    polling.watch(ahead=9).saw(before + 30.0)

    assert polling.wait_s(9) == before


def test_where_little_is_known_a_probe_is_looked_at_until_it_runs() -> None:
    watch = Polling().watch(is_probe=True)

    looks, age = 0, watch.delay_s(0.0)
    while age < 2.0:
        looks += 1
        watch.saw(age, is_queued=True)
        age += watch.delay_s(age)

    assert looks >= 4


def test_a_wait_in_the_queue_is_not_taken_for_running() -> None:
    polling = Polling()
    for _ in range(40):
        watch = polling.watch()
        watch.saw(30.0, is_queued=True, ahead=0)
        watch.saw(31.0)
        watch.saw(32.5)
        watch.done(33.0)
        watch.close()

    assert polling.watch().delay_s(0.0) < 4.0


def test_what_the_service_says_of_the_run_is_taken_for_it() -> None:
    polling = Polling()
    for _ in range(40):
        watch = polling.watch()
        watch.saw(30.0, is_queued=True)
        watch.done(50.0, inference_s=3.0)
        watch.close()

    assert 2.0 < polling.watch().delay_s(0.0) < 4.0


def test_a_request_that_steps_back_into_the_queue_is_asked_about_on() -> None:
    polling = learned(*[2.0] * 20)
    watch = polling.watch()
    watch.saw(1.0)
    watch.saw(3.0, is_queued=True, ahead=0)

    assert 0.0 < watch.delay_s(3.0) < 5.0


# -- a whole night -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("spread", [0.2, 0.4], ids=["narrow", "usual"])
def test_a_night_is_near_the_best_that_is_possible_and_nobody_told_it_the_times(
    seed: int, spread: float
) -> None:
    normal = NormalDist(math.log(4.0), spread)
    best = frontier(lambda age: normal.cdf(math.log(age)) if age > 0 else 0.0, usual_s=4.0)

    service = Service(draw=lognormal(4.0, spread))
    night = VirtualNight(service=service, seed=seed, is_fixed=True).run()

    assert 1.5 <= night.looks <= 4.0
    assert night.delay_s <= 1.3 * delay_at(best, night.looks)


@given(
    ages=st.lists(st.floats(0, 1e6), max_size=20).map(sorted),
    ahead=st.lists(st.none() | st.integers(-10, 10**9), min_size=20, max_size=20),
    times=st.lists(st.floats(0, 1e5), max_size=30),
)
@settings(max_examples=30, deadline=None)
def test_whatever_happened_no_look_is_further_away_than_a_minute(
    ages: list[float], ahead: list[int | None], times: list[float]
) -> None:
    polling = learned(*times)
    watch = polling.watch()

    for age, place in zip(ages, ahead, strict=False):
        watch.saw(age, is_queued=place is not None, ahead=place)
        assert 0.0 < watch.delay_s(age) <= SLOWEST_POLL_S
