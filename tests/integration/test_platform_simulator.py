"""The platform's history as the simulator tells it, with every way in which it misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from batchgen.errors import AccountError, ReadError
from batchgen.job import Json
from batchgen.platform_client import HistoryEntry, PlatformClient, PlatformLimits
from batchgen.queue_client import QueueClient, Status, encode_input
from batchgen.service import Service
from batchgen.simulator import FAULTS, Kind, Simulator, SimulatorSettings

ENDPOINT = "fal-ai/nano-banana-2"
KEY = "id:secret"


@pytest.fixture
async def queue() -> AsyncIterator[Simulator]:
    settings = SimulatorSettings(seconds=0, image_scale=0.1, slow_s=0.01)
    async with Simulator(settings) as queue:
        yield queue


def client(queue: Simulator, key: str = KEY) -> PlatformClient:
    async def at_once(_: float) -> None: ...

    limits = PlatformLimits(answer_s=0.3)
    return PlatformClient(queue.platform_url, key, limits=limits, sleep=at_once)


async def submit_all(queue: Simulator, inputs: list[dict[str, Json]]) -> list[str]:
    """Submit, wait until all are done, and return the request ids."""
    async with QueueClient(Service(queue_url=queue.url, key=KEY)) as sender:
        requests = [(await sender.submit(ENDPOINT, encode_input(one)))[0] for one in inputs]
        for request in requests:
            while True:
                status = await sender.status(ENDPOINT, request)
                if isinstance(status, Status) and status.is_done:
                    break
                await asyncio.sleep(0.005)
    return [request.request_id for request in requests]


async def read_all(client: PlatformClient) -> list[HistoryEntry]:
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    async with client:
        return [e async for e in client.history(ENDPOINT, start=now - hour, end=now + hour)]


def numbered(count: int) -> list[dict[str, Json]]:
    return [{"prompt": f"a fox, {number}", "seed": number} for number in range(count)]


async def test_every_request_is_in_the_history_with_what_was_sent(queue: Simulator) -> None:
    inputs = numbered(230)
    sent = await submit_all(queue, inputs)

    entries = await read_all(client(queue))

    by_id = {entry.request_id: entry for entry in entries}
    assert [by_id[request_id].input for request_id in sent] == inputs
    assert len(entries) == 230
    for entry in entries:
        assert entry.status_code == 200
        assert entry.result is not None
        assert entry.sent_at is not None
        assert entry.ended_at is not None
        assert entry.sent_at <= entry.ended_at


async def test_one_request_is_found_and_another_account_s_is_not(queue: Simulator) -> None:
    [request_id] = await submit_all(queue, numbered(1))

    async with client(queue) as ours:
        found = await ours.find(ENDPOINT, request_id)
        missing = await ours.find(ENDPOINT, "00000000-0000-4000-8000-000000000000")
    async with client(queue, key="another:key") as theirs:
        foreign = await theirs.find(ENDPOINT, request_id)

    assert found is not None
    assert found.input == {"prompt": "a fox, 0", "seed": 0}
    assert (missing, foreign) == (None, None)


# What the second of three pages does, and whether the history is read all the same.
HARMLESS = {"history_added_keys", "history_error_output", "history_overlap", "history_slow"}
HONEST = {"history_no_payloads": 100}
SILENT = {"history_no_items"}
FINAL = {"history_401", "history_403", "history_redirect"}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault.name, id=fault.name)
        for fault in FAULTS.values()
        if fault.on is Kind.HISTORY and fault.name not in SILENT
    ],
)
async def test_a_page_that_fails_once_is_read_again_or_the_history_is_not_read(
    queue: Simulator, fault: str
) -> None:
    await submit_all(queue, numbered(230))
    queue.faults.script(on="history", nth=2, do=fault)

    if fault in FINAL:
        with pytest.raises((ReadError, AccountError)):
            await read_all(client(queue))
        return
    entries = await read_all(client(queue))

    assert len({entry.request_id for entry in entries}) == len(entries) == 230
    assert sum(entry.input is None for entry in entries) == HONEST.get(fault, 0)
    assert (fault in HARMLESS or fault in HONEST) == (queue.faults.seen[Kind.HISTORY] == 3)
