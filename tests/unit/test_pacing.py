"""How often is sent and read, and whether anybody answers."""

from __future__ import annotations

import pytest

from batchgen.pacing import Contact, ReadPace, Spacing

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
