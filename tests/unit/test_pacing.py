"""How many requests are kept open, when the next one goes out, and how often is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.pacing import Contact, ReadPace, Spacing, Window

# -- the rate ----------------------------------------------------------------------------


def sent_at(spacing: Spacing, count: int, *, now: float = 0.0) -> list[float]:
    """Return when so many events happen that are always ready."""
    moments = []
    for _ in range(count):
        now += spacing.wait_s(now)
        spacing.take(now)
        moments.append(now)
    return moments


def test_submissions_are_evenly_spaced() -> None:
    moments = sent_at(Spacing(per_s=2.0), 5, now=100.0)

    assert moments == [100.0, 100.5, 101.0, 101.5, 102.0]


def test_without_a_rate_nothing_waits() -> None:
    assert sent_at(Spacing(), 3, now=5.0) == [5.0, 5.0, 5.0]


def test_what_was_not_used_is_not_saved_up() -> None:
    spacing = Spacing(per_s=1.0)
    sent_at(spacing, 1, now=0.0)

    moments = sent_at(spacing, 3, now=60.0)

    assert moments == [60.0, 61.0, 62.0]


# -- the window --------------------------------------------------------------------------


def test_the_window_begins_with_the_whole_cap() -> None:
    window = Window(cap=20)

    assert window.limit == 20
    assert window.has_room
    assert not window.slowed


def test_what_is_open_uses_it_up() -> None:
    assert not Window(cap=2, open=2).has_room


def test_what_was_open_before_the_run_may_exceed_the_cap() -> None:
    window = Window(cap=2, open=7)

    assert not window.has_room


def test_a_refusal_for_the_rate_halves_the_window() -> None:
    window = Window(cap=20, open=20)

    window.slow_down(100.0, retry_after_s=None, jitter=0.0)

    assert window.limit == 10
    assert window.slowed


@pytest.mark.parametrize(
    ("accepted", "limit"),
    [
        pytest.param(15, 8, id="halved before it has carried a round"),
        pytest.param(16, 14, id="an eighth smaller afterwards"),
    ],
)
def test_a_window_that_has_carried_a_full_round_loses_little(accepted: int, limit: int) -> None:
    window = Window(cap=16, open=16)
    for _ in range(accepted):
        window.accepted()

    window.slow_down(100.0, retry_after_s=None, jitter=0.0)

    assert window.limit == limit


def test_a_round_counts_since_the_last_refusal() -> None:
    window = Window(cap=16, open=16)
    for _ in range(16):
        window.accepted()
    window.slow_down(100.0, retry_after_s=1.0, jitter=0.0)
    window.accepted()

    window.slow_down(102.0, retry_after_s=1.0, jitter=0.0)

    assert window.limit == 7


@pytest.mark.parametrize("size", [1, 2, 7])
def test_even_a_small_window_loses_one_and_none_becomes_nothing(size: int) -> None:
    window = Window(cap=size, open=size)
    for _ in range(size):
        window.accepted()

    window.slow_down(100.0, retry_after_s=None, jitter=0.0)

    assert window.limit == max(1, size - 1)


def test_it_is_halved_from_what_was_really_open() -> None:
    window = Window(cap=200, open=8)

    window.slow_down(100.0, retry_after_s=None, jitter=0.0)

    assert window.limit == 4


def test_refusals_that_arrive_together_are_one_message() -> None:
    window = Window(cap=16, open=16)

    for late in (0.0, 0.01, 0.02):
        window.slow_down(100.0 + late, retry_after_s=1.0, jitter=0.0)

    assert window.limit == 8


def test_each_cool_down_that_ends_in_a_refusal_halves_it_again_down_to_one() -> None:
    window = Window(cap=16, open=16)
    now, limits = 100.0, []

    for _ in range(6):
        window.slow_down(now, retry_after_s=1.0, jitter=0.0)
        limits.append(window.limit)
        now += 1.0

    assert limits == [8, 4, 2, 1, 1, 1]


def test_retry_after_is_waited_for() -> None:
    window = Window(cap=4)

    window.slow_down(100.0, retry_after_s=7.0, jitter=0.0)

    assert window.wait_s(100.0) == 7.0
    assert window.wait_s(106.5) == 0.5
    assert window.wait_s(200.0) == 0.0


def test_a_shorter_retry_after_does_not_shorten_the_wait() -> None:
    window = Window(cap=4)
    window.slow_down(100.0, retry_after_s=30.0, jitter=0.0)

    window.slow_down(101.0, retry_after_s=1.0, jitter=0.0)

    assert window.wait_s(101.0) == 29.0


@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_without_retry_after_the_wait_grows_and_half_of_it_is_certain(jitter: float) -> None:
    window = Window(cap=64)
    now, waits = 100.0, []

    for _ in range(8):
        window.slow_down(now, retry_after_s=None, jitter=jitter)
        waits.append(window.wait_s(now))
        now += waits[-1]

    for wait, bound in zip(waits, [1, 2, 4, 8, 16, 32, 60, 60], strict=True):
        assert bound / 2 <= wait <= bound


def test_an_accepted_request_ends_the_growth_of_the_wait() -> None:
    window = Window(cap=64)
    for now in (0.0, 10.0, 20.0):
        window.slow_down(now, retry_after_s=None, jitter=0.0)

    window.accepted()
    window.slow_down(60.0, retry_after_s=None, jitter=0.0)

    assert window.wait_s(60.0) == 0.5


def test_it_grows_by_one_for_each_full_window_of_accepted_requests_and_never_above_the_cap() -> (
    None
):
    window = Window(cap=4, open=4)
    window.slow_down(0.0, retry_after_s=0.0, jitter=0.0)
    limits = []

    for _ in range(8):
        window.accepted()
        limits.append(window.limit)

    assert limits == [2, 3, 3, 3, 4, 4, 4, 4]


@given(
    cap=st.integers(min_value=1, max_value=50),
    events=st.lists(st.tuples(st.booleans(), st.floats(min_value=0, max_value=5)), max_size=60),
)
def test_the_window_is_always_between_one_and_the_cap(
    cap: int, events: list[tuple[bool, float]]
) -> None:
    window = Window(cap=cap)
    now = 0.0

    for is_accepted, passed in events:
        now += passed
        if is_accepted:
            window.accepted()
        else:
            window.slow_down(now, retry_after_s=None, jitter=0.3)
        assert 1 <= window.limit <= cap


# -- the inner limit on reads ------------------------------------------------------------


def test_reads_are_not_limited_before_the_service_asks_for_it() -> None:
    pace = ReadPace()

    assert [pace.turn_s(0.0) for _ in range(1000)] == [0.0] * 1000
    assert pace.per_s is None


def test_a_read_refused_for_its_rate_halves_what_is_allowed() -> None:
    pace = ReadPace()
    for step in range(100):
        pace.turn_s(step * 0.05)  # twenty a second

    pace.slow_down(5.0)

    assert pace.per_s == pytest.approx(10.0, rel=0.05)


def test_after_that_reads_are_spaced() -> None:
    pace = ReadPace()
    for step in range(100):
        pace.turn_s(step * 0.05)
    pace.slow_down(5.0)
    assert pace.per_s is not None

    turns = [pace.turn_s(5.0) for _ in range(3)]

    assert turns == pytest.approx([0.0, 1.0 / pace.per_s, 2.0 / pace.per_s])


def test_refused_reads_that_arrive_together_count_once() -> None:
    pace = ReadPace()
    for step in range(100):
        pace.turn_s(step * 0.05)

    for late in (0.0, 0.3, 0.9):
        pace.slow_down(5.0 + late)

    assert pace.per_s == pytest.approx(10.0, rel=0.05)


def test_reads_never_stop_altogether() -> None:
    pace = ReadPace()

    for step in range(50):
        pace.slow_down(2.0 * step)

    assert pace.per_s == 0.5


def test_reads_become_quicker_again_by_themselves() -> None:
    pace = ReadPace(per_s=1.0)
    pace.slow_down(0.0)

    now = 0.0
    while now < 120.0:
        now += max(1.0, pace.turn_s(now))

    assert pace.per_s is not None
    assert pace.per_s > 1.0


# -- whether the service answers at all --------------------------------------------------


def test_a_service_that_never_answered_is_given_up_a_minute_after_the_start() -> None:
    contact = Contact(began_at=1000.0)
    contact.failed(1001.0)

    assert not contact.is_lost(1059.9)
    assert contact.is_lost(1060.0)


def test_a_service_that_has_answered_is_given_half_an_hour() -> None:
    contact = Contact(began_at=0.0)
    contact.answered(1.0)
    contact.failed(5000.0)
    contact.failed(6000.0)

    assert not contact.is_lost(6799.9)
    assert contact.is_lost(6800.0)
    assert contact.failing_since == 5000.0


def test_an_answer_ends_the_silence_whatever_it_says() -> None:
    contact = Contact(began_at=0.0)
    contact.failed(10.0)

    contact.answered(59.0)

    assert contact.failing_since is None
    assert not contact.is_lost(10_000.0)


def test_a_run_that_has_not_tried_anything_has_lost_nothing() -> None:
    assert not Contact(began_at=0.0).is_lost(1e9)
