"""A machine whose clock is wrong, or is set right while a run goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from support.long_time import LongTime
from support.night import Night, night, shots


@pytest.fixture
async def tonight(tmp_path: Path) -> AsyncIterator[Night]:
    async with night(tmp_path) as tonight:
        yield tonight
        tonight.check_books()


def set_clock(tonight: Night, *, ahead: timedelta) -> LongTime:
    """Let the batch's runs have another time of day than the queue."""
    time = LongTime(quick=tonight.time, ahead=ahead)
    tonight.time = time  # type: ignore[assignment]  # it tells the time, as the other does
    return time


@pytest.mark.parametrize("hours", [2, -2])
@pytest.mark.parametrize("fault", ["lost_reply", "lost_post"])
async def test_by_a_wrong_clock_nothing_is_judged_and_nothing_is_sent_again(
    tonight: Night, fault: str, hours: int
) -> None:
    tonight.queue.faults.script(on="submit", nth=1, do=fault)
    set_clock(tonight, ahead=timedelta(hours=hours))

    report = await tonight.run(shots(1), on_unknown="resubmit", unknown_after_s=2.0)

    assert (report.exit_code, report.unknown) == (1, 1)
    assert tonight.queue.accepted <= 1
    assert tonight.states()["submitting"] == 1


@pytest.mark.parametrize("minutes", [20, -20])
async def test_a_clock_that_is_a_little_wrong_changes_nothing(tonight: Night, minutes: int) -> None:
    tonight.queue.faults.script(on="submit", nth=1, do="lost_reply")
    tonight.queue.faults.script(on="submit", nth=2, do="lost_post")
    set_clock(tonight, ahead=timedelta(minutes=minutes))

    report = await tonight.run(shots(3), on_unknown="resubmit", unknown_after_s=2.0)

    assert (report.exit_code, report.succeeded) == (0, 3)
    assert tonight.accepted_most == 1


async def test_a_clock_that_is_set_back_keeps_no_run_waiting(tonight: Night) -> None:
    tonight.queue.faults.script(on="submit", nth=1, do="lost_post")
    time = set_clock(tonight, ahead=timedelta(minutes=25))
    first = await tonight.run(shots(2))
    time.ahead = timedelta(0)

    second = await tonight.run(shots(2), on_unknown="resubmit", unknown_after_s=2.0)

    assert (first.unknown, second.unknown) == (1, 1)
    time.ahead = timedelta(minutes=26)
    third = await tonight.run(shots(2), on_unknown="resubmit", unknown_after_s=2.0)
    assert (third.exit_code, third.succeeded) == (0, 2)
