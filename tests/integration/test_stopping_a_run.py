"""Whoever cancels a batch has its lock, and a run that had it was asked to stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from support.evening import evening, manifest_of

from batchgen.batch import STOP_NAME, Batch
from batchgen.cancel import ASK_AGAIN_S, stopped
from batchgen.errors import BusyError


class SlowTime:
    """Seconds that pass when somebody sleeps; something may happen then."""

    def __init__(self, *, then: Callable[[float], None] = lambda now: None) -> None:
        self.now = 0.0
        self.then = then

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.then(self.now)


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    batch = Batch(tmp_path / "zoo")
    batch.create(simulated=False)
    return batch


def stop(
    batch: Batch, time: SlowTime, told: list[str], *, wait_s: float = 60.0
) -> AbstractContextManager[bool]:
    return stopped(
        batch,
        wait_s=wait_s,
        sleep=time.sleep,
        monotonic=time.monotonic,
        tell=lambda busy: told.append(str(busy)),
    )


def test_a_batch_that_nobody_runs_is_locked_at_once(batch: Batch) -> None:
    time, told = SlowTime(), list[str]()

    with stop(batch, time, told) as was_running, pytest.raises(BusyError), batch.lock():
        pass

    assert not was_running
    assert time.now == 0.0
    assert told == []


def test_a_run_is_asked_to_stop_and_waited_for(batch: Batch) -> None:
    lock = batch.lock()
    lock.__enter__()
    told: list[str] = []

    def end_the_run(now: float) -> None:
        if now >= 5.0 and batch.takes_stop_request():
            lock.__exit__(None, None, None)

    time = SlowTime(then=end_the_run)
    with stop(batch, time, told) as was_running:
        pass

    assert was_running
    assert len(told) == 1
    assert "is being run by process" in told[0]
    assert not (batch.folder / STOP_NAME).exists()


def test_a_run_that_does_not_stop_in_time_keeps_its_lock_and_the_request(batch: Batch) -> None:
    time = SlowTime()

    with batch.lock(), pytest.raises(BusyError), stop(batch, time, [], wait_s=2.0):
        pass

    assert time.now == pytest.approx(2.0, abs=0.5)
    assert batch.takes_stop_request()


def test_a_run_that_has_thrown_the_request_away_is_asked_again(batch: Batch) -> None:
    asked = []

    def throw_away(now: float) -> None:
        if batch.takes_stop_request():
            asked.append(now)

    time = SlowTime(then=throw_away)
    with batch.lock(), pytest.raises(BusyError), stop(batch, time, [], wait_s=3.0):
        pass

    assert len(asked) == 2
    assert asked[1] - asked[0] >= ASK_AGAIN_S


def test_a_request_that_nobody_saw_is_taken_away(batch: Batch) -> None:
    batch.request_stop()

    with stop(batch, SlowTime(), []):
        pass

    assert not (batch.folder / STOP_NAME).exists()


async def test_a_real_run_stops_and_leaves_its_requests_on_record(tmp_path: Path) -> None:
    async with evening(tmp_path) as one:
        run = asyncio.create_task(one.run(manifest_of("fox", "owl")))
        while one.states().count("submitted") < 2:
            await asyncio.sleep(0.01)
        pause = threading.Event()

        def wait_for_it() -> bool:
            with stopped(
                one.batch,
                wait_s=60.0,
                sleep=lambda seconds: pause.wait(seconds / 20) and None,
                monotonic=one.time.monotonic,
                tell=lambda busy: None,
            ) as was_running:
                return was_running

        was_running = await asyncio.to_thread(wait_for_it)
        report = await run

    assert was_running
    assert (report.exit_code, report.open) == (4, 2)
    assert one.states() == ["submitting", "submitting", "submitted", "submitted"]
