"""A run that broke off in the evening, and the same command in the morning."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from support.long_time import LongTime
from support.night import Night, night, shots

HOUR_S = 3600.0
EIGHT_HOURS = timedelta(hours=8)
JOBS = shots(6)


@asynccontextmanager
async def broken_off(folder: Path, **settings: Any) -> AsyncIterator[Night]:
    """A night of six jobs: four requests were left open, and one more whose answer was lost."""
    time = LongTime()
    settings = {"history_delay_s": 600.0, **settings}
    async with night(folder, clock=time.timestamp, **settings) as tonight:
        tonight.time = time  # type: ignore[assignment]  # it tells the time, as the other does
        tonight.queue.faults.script(on="run", nth="1-5", do="stuck")
        tonight.queue.faults.script(on="submit", nth=5, do="lost_reply")
        report = await tonight.run(JOBS, limit=5, timeout_s=5.0)
        assert (report.open, report.unknown) == (4, 1)
        tonight.queue.release()
        time.ahead = timedelta(minutes=5)
        assert all(request.ended_at for request in tonight.queue.requests)
        time.ahead = EIGHT_HOURS
        yield tonight
        tonight.check_books()


async def test_results_that_the_queue_has_forgotten_are_fetched_from_the_history(
    tmp_path: Path,
) -> None:
    async with broken_off(tmp_path, result_lifetime_s=HOUR_S) as tonight:
        report = await tonight.run(JOBS)

        assert (report.exit_code, report.succeeded) == (0, 6)
        assert (tonight.queue.accepted, tonight.accepted_most) == (6, 1)
        assert report.bill.spent_usd == Decimal("0.48")


async def test_images_that_have_expired_are_told_and_are_not_bought_again(tmp_path: Path) -> None:
    async with broken_off(tmp_path, result_lifetime_s=HOUR_S, image_lifetime_s=HOUR_S) as tonight:
        report = await tonight.run(JOBS)
        again = await tonight.run(JOBS)

        assert (report.exit_code, report.succeeded) == (1, 1)
        assert report.tally.failed_by_type == {"expired": 5}
        assert (again.submitted, again.again, tonight.queue.accepted) == (0, 0, 6)
        assert report.bill.spent_usd == Decimal("0.48"), "they were made and paid"

        bought = await tonight.run(JOBS, retry="failed")
        assert (bought.exit_code, bought.succeeded, tonight.queue.accepted) == (0, 6, 11)
