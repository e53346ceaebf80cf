"""A service that is out of its mind for a while, and a run that takes its time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.night import night, shots


@pytest.mark.parametrize(
    ("fault", "until_s"),
    [
        pytest.param("status_404", 52.0, id="denies every request"),
        pytest.param("result_404", 70.0, id="denies every result"),
        pytest.param("status_garbled", 120.0, id="answers with HTML"),
        pytest.param("status_dropped", 120.0, id="answers nothing"),
        pytest.param("status_429_retry_after", 120.0, id="has no time"),
    ],
)
async def test_reads_that_are_wrong_for_a_while_cost_no_job(
    tmp_path: Path, fault: str, until_s: float
) -> None:
    async with night(tmp_path, seconds=45.0) as tonight:
        tonight.queue.faults.script(on="run", nth="every", do="unlisted")
        running = asyncio.create_task(tonight.run(shots(8)))
        while tonight.queue.accepted < 8:
            await tonight.time.sleep(0.5)
        tonight.queue.faults.set_rate(fault, 1.0)
        await tonight.time.sleep(until_s)
        # A busy machine is late with its reads.
        while tonight.queue.faults.fired[fault] < 8 and not running.done():
            await tonight.time.sleep(0.5)
        tonight.queue.faults.set_rate(fault, 0.0)
        report = await running

        assert (report.exit_code, report.succeeded) == (0, 8)
        assert tonight.queue.accepted == 8
        assert tonight.queue.faults.fired[fault] >= 8
        tonight.check_books()
