"""How many open requests are enough: what is concluded, what is tried, and what is taken back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.pacing.enough import MOST_CALM, Enough

# How many are at work while so many are open.
AtWork = Callable[[int], float]


def runners(count: int) -> AtWork:
    """A service that runs so many, and queues nothing but what is beyond them."""
    return lambda open_: min(open_, count)


def slow_to_begin(count: int, part: float) -> AtWork:
    """A service that calls a part of all that is open queued, although runners are free."""
    return lambda open_: min(count, (1.0 - part) * open_)


def rounds(search: Enough, at_work: AtWork, count: int, *, spread: float = 1.0) -> list[int]:
    """Let so many rounds pass, and return how many were open in each."""
    sizes = [int(search.size)]
    for _ in range(count):
        sizes.append(search.after_round(at_work(sizes[-1]), spread=spread))
    return sizes


@pytest.mark.parametrize("size", [12, 60, 200])
@pytest.mark.parametrize("count", [2, 5, 40])
def test_what_the_runners_need_and_few_more_is_enough(count: int, size: int) -> None:
    sizes = rounds(Enough(most=200, size=size), runners(count), 60)

    resting = sorted(sizes[20:])[len(sizes[20:]) // 2]
    assert min(1.1 * count, count + 1) <= resting <= max(1.25 * count, count + 3)


@pytest.mark.parametrize("part", [0.05, 0.1, 0.25, 0.33, 0.5])
@pytest.mark.parametrize("size", [16, 60, 200])
def test_a_queue_that_is_none_does_not_make_it_smaller_and_smaller(size: int, part: float) -> None:
    at_work = slow_to_begin(40, part)

    sizes = rounds(Enough(most=200, size=size), at_work, 60)

    busy = [at_work(one) for one in sizes[10:]]
    assert sum(busy) / len(busy) >= 0.93 * 40


@pytest.mark.parametrize(("before", "after"), [(40, 80), (40, 20), (8, 4), (8, 16)])
def test_a_service_that_runs_more_or_fewer_than_before_is_followed(before: int, after: int) -> None:
    search = Enough(most=200, size=1.5 * before)
    rounds(search, runners(before), 30)

    # Who has more open than before sees at once that all of them are at work.
    search.size = max(search.size, 1.5 * after)
    sizes = rounds(search, runners(after), 60)

    assert after + 1 <= sizes[-1] <= 1.4 * after + 3


def test_trials_that_teach_nothing_become_rare() -> None:
    sizes = rounds(Enough(most=200, size=60), runners(40), 200)

    trials = sum(size > 52 for size in sizes[1:])
    assert trials <= 200 / MOST_CALM + 6


@given(
    most=st.integers(1, 300),
    size=st.integers(1, 300),
    seen=st.lists(st.tuples(st.floats(0, 400), st.floats(0, 50)), max_size=60),
)
def test_it_is_always_between_one_and_the_most(
    most: int, size: int, seen: list[tuple[float, float]]
) -> None:
    search = Enough(most=most, size=min(size, most))

    for at_work, spread in seen:
        assert 1 <= search.after_round(at_work, spread=spread) <= most
