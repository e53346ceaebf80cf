"""The official Python client against the simulated queue: nothing here was written for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import fal_client
import pytest
from fal_client import client as fal_module
from simulator_calls import ENDPOINT, KEY, simulated

from batchgen.simulator import Simulator, canonical

ARGUMENTS = {"prompt": "a fox", "aspect_ratio": "16:9", "num_images": 2}
EDIT = {"prompt": "a fox", "image_urls": ["https://example.com/a.png"]}


@pytest.fixture
async def queue(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulator]:
    """A simulator under the address that the client takes for the service's."""
    async with simulated(seconds=1.0, keys=(KEY,), endpoints=("workflows/ann/shop",)) as (
        queue,
        _,
    ):
        monkeypatch.setattr(fal_module, "QUEUE_URL_FORMAT", f"{queue.url}/")
        yield queue


@pytest.fixture
async def client() -> AsyncIterator[fal_client.AsyncClient]:
    made = fal_client.AsyncClient(key=KEY)
    yield made
    await (await made._client).aclose()


@contextmanager
def sync_client(key: str = KEY) -> Iterator[fal_client.SyncClient]:
    made = fal_client.SyncClient(key=key)
    try:
        yield made
    finally:
        made._client.close()


async def in_thread(work: Callable[[fal_client.SyncClient], Any], *, key: str = KEY) -> Any:
    """Run blocking work beside the server that it calls."""

    def run() -> Any:
        with sync_client(key) as client:
            return work(client)

    return await asyncio.to_thread(run)


async def test_submit_status_result(queue: Simulator, client: fal_client.AsyncClient) -> None:
    handle = await client.submit(ENDPOINT, ARGUMENTS)
    first = await handle.status()
    result = await handle.get(interval=0.02)
    last = await handle.status(with_logs=True)

    assert isinstance(first, fal_client.Queued | fal_client.InProgress)  # a busy machine is late
    assert [image["width"] for image in result["images"]] == [43, 43]
    assert isinstance(last, fal_client.Completed)
    assert last.metrics["inference_time"] > 0
    assert last.error is None
    assert last.logs
    assert queue.accepted_inputs == {canonical(ARGUMENTS): 1}


async def test_the_blocking_client_does_the_same(queue: Simulator) -> None:
    def work(client: fal_client.SyncClient) -> Any:
        handle = client.submit(ENDPOINT, ARGUMENTS)
        return handle.status(), handle.get(interval=0.02), handle.request_id

    first, result, request_id = await in_thread(work)

    assert first == fal_client.Queued(position=0)
    assert len(result["images"]) == 2
    assert [request.request_id for request in queue.requests] == [request_id]


async def test_iter_events_walks_every_state(
    queue: Simulator, client: fal_client.AsyncClient
) -> None:
    handle = await client.submit(ENDPOINT, ARGUMENTS)
    events = [event async for event in handle.iter_events(with_logs=True, interval=0.01)]

    kinds = list(dict.fromkeys(type(event) for event in events))
    assert kinds == [fal_client.Queued, fal_client.InProgress, fal_client.Completed]


async def test_subscribe(queue: Simulator, client: fal_client.AsyncClient) -> None:
    ids: list[str] = []
    updates: list[Any] = []
    result = await client.subscribe(
        ENDPOINT,
        ARGUMENTS,
        on_enqueue=ids.append,
        on_queue_update=updates.append,
        interval=0.02,
        with_logs=True,
    )
    blocking = await in_thread(lambda c: c.subscribe(ENDPOINT, ARGUMENTS, interval=0.02))

    assert ids == [queue.requests[0].request_id]
    assert isinstance(updates[-1], fal_client.Completed)
    assert len(result["images"]) == len(blocking["images"]) == 2


async def test_a_handle_can_be_had_from_a_request_id(
    queue: Simulator, client: fal_client.AsyncClient
) -> None:
    request_id = (await client.submit(f"{ENDPOINT}/edit", EDIT)).request_id

    result = await client.result(f"{ENDPOINT}/edit", request_id)
    status = await client.status(f"{ENDPOINT}/edit", request_id)

    assert len(result["images"]) == 1
    assert isinstance(status, fal_client.Completed)


async def test_sub_path_and_namespace(queue: Simulator, client: fal_client.AsyncClient) -> None:
    edited = await client.subscribe(ENDPOINT, EDIT, path="/edit", interval=0.02)
    flow = await client.subscribe("workflows/ann/shop", {"any": "thing"}, interval=0.02)

    assert len(edited["images"]) == len(flow["images"]) == 1
    assert [r.endpoint for r in queue.requests] == [f"{ENDPOINT}/edit", "workflows/ann/shop"]


async def test_cancel(queue: Simulator, client: fal_client.AsyncClient) -> None:
    handle = await client.submit(ENDPOINT, ARGUMENTS)
    await handle.cancel()
    with pytest.raises(fal_client.FalClientHTTPError) as raised:
        await handle.get(interval=0.02)
    with pytest.raises(fal_client.FalClientHTTPError) as again:
        await client.cancel(ENDPOINT, handle.request_id)

    assert (raised.value.status_code, raised.value.error_type) == (499, "client_cancelled")
    assert again.value.status_code == 400


async def test_a_client_that_loses_patience_cancels(
    queue: Simulator, client: fal_client.AsyncClient
) -> None:
    queue.faults.script(on="run", nth=1, do="stuck")
    with pytest.raises(fal_client.FalClientTimeoutError):
        await client.subscribe(ENDPOINT, ARGUMENTS, client_timeout=1.2, interval=0.05)

    assert queue.requests[0].ending == "cancelled"


@pytest.mark.parametrize("key", ["wrong:key", "x"])
async def test_a_wrong_key(queue: Simulator, key: str) -> None:
    with pytest.raises(fal_client.FalClientHTTPError, match="invalid key credentials") as raised:
        await in_thread(lambda client: client.submit(ENDPOINT, ARGUMENTS), key=key)

    assert (raised.value.status_code, queue.accepted) == (401, 0)


async def test_bad_input(queue: Simulator, client: fal_client.AsyncClient) -> None:
    handle = await client.submit(ENDPOINT, {"prompt": "a fox", "aspect_ratio": "16:09"})
    with pytest.raises(fal_client.FalClientHTTPError) as raised:
        await handle.get(interval=0.02)

    assert raised.value.status_code == 422
    assert raised.value.message[0]["loc"] == ["body", "aspect_ratio"]  # type: ignore[index]  # a list


async def test_an_unknown_endpoint(queue: Simulator, client: fal_client.AsyncClient) -> None:
    with pytest.raises(fal_client.FalClientHTTPError, match="not found") as raised:
        await client.submit("fal-ai/none", ARGUMENTS)

    assert raised.value.status_code == 404


async def test_a_failed_request_names_its_type(
    queue: Simulator, client: fal_client.AsyncClient
) -> None:
    queue.faults.script(on="run", nth=1, do="runner_disconnected")
    handle = await client.submit(ENDPOINT, ARGUMENTS)
    with pytest.raises(fal_client.FalClientHTTPError) as raised:
        await handle.get(interval=0.02)
    status = await handle.status()

    assert (raised.value.status_code, raised.value.error_type) == (503, "runner_disconnected")
    assert isinstance(status, fal_client.Completed)
    assert status.error_type == "runner_disconnected"


async def test_a_page_of_the_ingress_is_taken_for_one(
    queue: Simulator, client: fal_client.AsyncClient
) -> None:
    """The client repeats what nginx answers, and not what the service answers."""
    queue.faults.script(on="submit", nth="1-2", do="submit_502")
    await client.submit(ENDPOINT, ARGUMENTS)
    queue.faults.script(on="submit", nth=4, do="submit_503")
    with pytest.raises(fal_client.FalClientHTTPError):
        await client.submit(ENDPOINT, ARGUMENTS)

    assert queue.faults.seen["submit"] == 4  # type: ignore[index]  # a Kind is a str


async def test_the_client_buys_twice_when_a_reply_is_lost(
    queue: Simulator, client: fal_client.AsyncClient
) -> None:
    """What batchgen is for: the client sends a submission again whose answer is missing."""
    queue.faults.script(on="submit", nth=1, do="accept then drop")
    await client.subscribe(ENDPOINT, ARGUMENTS, interval=0.02)

    assert queue.accepted_inputs == {canonical(ARGUMENTS): 2}
