"""What the doctor finds when it calls the service: free reads, and nothing else."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from support.queues import ENDPOINT, KEY

from batchgen.doctor.connection import call, check_platform, judge_clock
from batchgen.doctor.finding import Grade
from batchgen.service import Service
from batchgen.simulator import Simulator, SimulatorSettings


@pytest.fixture
async def queue() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorSettings(seconds=0, keys=(KEY,))) as queue:
        yield queue


def service_of(queue: Simulator, *, key: str = KEY) -> Service:
    return Service(queue_url=queue.url, platform_url=queue.platform_url, key=key)


def now() -> datetime:
    return datetime.now(UTC)


async def test_a_good_key_is_taken_and_the_service_tells_the_time(queue: Simulator) -> None:
    called = await call(service_of(queue), ENDPOINT, now=now, monotonic=time.monotonic)

    assert called.error is None
    assert called.barred is None
    assert called.its_time is not None
    assert abs(called.its_time - now()) < timedelta(seconds=5)
    assert queue.accepted == 0


async def test_a_clock_that_is_wrong_is_told(queue: Simulator) -> None:
    def wrong_now() -> datetime:
        return now() + timedelta(minutes=10)

    called = await call(service_of(queue), ENDPOINT, now=wrong_now, monotonic=time.monotonic)

    clock = judge_clock(called)
    assert clock is not None
    assert clock.grade is Grade.WARNING


@pytest.mark.parametrize("key", ["", "another:key"])
async def test_a_key_that_is_not_taken(queue: Simulator, key: str) -> None:
    service = service_of(queue, key=key)

    called = await call(service, ENDPOINT, now=now, monotonic=time.monotonic)

    assert called.barred is not None
    assert called.barred.cause == "key"


async def test_a_locked_account_is_told(queue: Simulator) -> None:
    queue.lock(reads=True)

    called = await call(service_of(queue), ENDPOINT, now=now, monotonic=time.monotonic)

    assert called.barred is not None
    assert called.barred.cause == "locked"


async def test_an_answer_that_is_lost_once_is_asked_for_again(queue: Simulator) -> None:
    queue.faults.script(on="status", nth=1, do="status_dropped")

    called = await call(service_of(queue), ENDPOINT, now=now, monotonic=time.monotonic)

    assert called.error is None


async def test_a_service_that_is_not_there(queue: Simulator) -> None:
    service = service_of(queue)
    await queue.aclose()

    called = await call(service, ENDPOINT, now=now, monotonic=time.monotonic)

    assert called.error is not None


@pytest.mark.parametrize(
    ("fault", "grade"),
    [
        pytest.param("", Grade.OK, id="it answers"),
        pytest.param("history_401", Grade.WARNING, id="a key without the right"),
        pytest.param("history_500", Grade.WARNING, id="it is ill"),
        pytest.param("history_dropped", Grade.WARNING, id="it gives no answer"),
    ],
)
async def test_a_history_that_cannot_be_read_is_a_warning(
    queue: Simulator, fault: str, grade: Grade
) -> None:
    if fault:
        queue.faults.set_rate(fault, 1.0)

    finding = await check_platform(service_of(queue), ENDPOINT, now=now)

    assert finding.grade is grade
    assert not finding.stops_run


async def test_a_queue_without_a_platform_is_a_warning() -> None:
    finding = await check_platform(Service(platform_url="", key=KEY), ENDPOINT, now=now)

    assert finding.grade is Grade.WARNING
    assert "BATCHGEN_PLATFORM_URL" in finding.mend
