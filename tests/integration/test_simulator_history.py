"""The simulated platform: the history of requests, and the prices."""

from __future__ import annotations

from typing import Any

import pytest
from simulator_calls import ENDPOINT, KEY, Caller, ManualClock, simulated

T0 = 1_800_000_000.0  # 2027-01-15T08:00:00Z


async def ids(caller: Caller, **query: Any) -> list[str]:
    return [item["request_id"] for item in (await caller.history(**query)).body["items"]]


async def test_an_item_has_what_reconciling_needs() -> None:
    clock = ManualClock(T0)
    async with simulated(clock=clock, seconds=10.0) as (queue, caller):
        submitted = (await caller.submit(seed=5)).body
        clock.now += 60.0
        page = (await caller.history()).body

    assert page == {
        "items": [
            {
                "request_id": submitted["request_id"],
                "endpoint_id": ENDPOINT,
                "sent_at": "2027-01-15T08:00:00.000Z",
                "started_at": "2027-01-15T08:00:01.000Z",
                "ended_at": "2027-01-15T08:00:11.000Z",
                "status_code": 200,
                "duration": 10.0,
                "json_input": {"prompt": "a fox", "seed": 5},
                "json_output": {
                    "images": [
                        {
                            "url": f"{queue.url}/files/b/{submitted['request_id']}/1/0.png",
                            "content_type": "image/png",
                            "file_name": "nano-banana-2-output.png",
                            "width": 32,
                            "height": 32,
                        }
                    ],
                    "description": "",
                },
            }
        ],
        "next_cursor": None,
        "has_more": False,
    }


async def test_payloads_come_only_when_they_are_asked_for() -> None:
    async with simulated() as (_, caller):
        await caller.run()
        [item] = (await caller.history(expand="")).body["items"]

    assert not {"json_input", "json_output"} & set(item)


async def test_the_history_comes_in_pages_newest_first_and_new_requests_move_nothing() -> None:
    async with simulated() as (queue, caller):
        for seed in range(5):
            await caller.run(seed=seed)
        first = (await caller.history(limit="2")).body
        await caller.run(seed=99)
        second = (await caller.history(limit="2", cursor=first["next_cursor"])).body
        third = (await caller.history(limit="2", cursor=second["next_cursor"])).body

    seeds = [
        [item["json_input"]["seed"] for item in page["items"]] for page in (first, second, third)
    ]
    assert seeds == [[4, 3], [2, 1], [0]]
    assert [page["has_more"] for page in (first, second, third)] == [True, True, False]
    assert third["next_cursor"] is None
    assert queue.accepted == 6


async def test_pages_can_overlap() -> None:
    async with simulated() as (queue, caller):
        queue.faults.script(on="history", nth="every", do="history_overlap")
        for seed in range(3):
            await caller.run(seed=seed)
        first = (await caller.history(limit="2")).body
        second = (await caller.history(limit="2", cursor=first["next_cursor"])).body

    seeds = [[item["json_input"]["seed"] for item in page["items"]] for page in (first, second)]
    assert seeds == [[2, 1], [1, 0]]


async def test_a_request_is_listed_once_it_runs_and_a_while_later() -> None:
    clock = ManualClock(T0)
    async with simulated(clock=clock, seconds=10.0, history_delay_s=30.0) as (_, caller):
        await caller.submit()
        counts = []
        for _ in range(4):
            counts.append(len(await ids(caller)))
            clock.now += 11.0

    assert counts == [0, 0, 0, 1]


async def test_queued_requests_are_listed_only_where_that_is_set() -> None:
    for shows, expected in ((False, 1), (True, 3)):
        clock = ManualClock(T0)
        async with simulated(
            clock=clock, seconds=60.0, concurrency=1, history_shows_queued=shows
        ) as (_, caller):
            for _ in range(3):
                await caller.submit()
            clock.now += 10.0
            items = (await caller.history()).body["items"]

        assert len(items) == expected
        assert items[-1]["started_at"]
        assert items[-1]["status_code"] is None
        assert items[-1]["json_output"] is None


async def test_filters() -> None:
    clock = ManualClock(T0)
    async with simulated(clock=clock) as (queue, caller):
        queue.faults.script(on="run", nth=2, do="internal_server_error")
        sent = []
        for number in range(3):
            sent.append((await caller.run(num_images=9 if number == 2 else 1))["request_id"])
            clock.now += 60.0
        good, failed, refused = sent

        assert await ids(caller, status="success") == [good]
        assert await ids(caller, status="error") == [failed]
        assert await ids(caller, status="user_error") == [refused]
        assert await ids(caller, request_id=failed) == [failed]
        assert await ids(caller, start="2027-01-15T08:01:00Z") == [refused, failed]
        assert await ids(caller, end="2027-01-15T08:01:00.000+00:00") == [good]
        assert await ids(caller, endpoint_id=f"{ENDPOINT}/edit") == []


@pytest.mark.parametrize(
    "query",
    [
        {"endpoint_id": ""},
        {"limit": "101"},
        {"limit": "0"},
        {"limit": "x"},
        {"status": "failed"},
        {"start": "yesterday"},
        {"cursor": "not-a-cursor"},
    ],
)
async def test_what_makes_no_sense_is_422(query: dict[str, str]) -> None:
    async with simulated() as (_, caller):
        if query.get("endpoint_id") == "":
            said = await caller.call("GET", "/v1/models/requests/by-endpoint")
        else:
            said = await caller.history(**query)

    assert (said.status, said.body["error"]["type"]) == (422, "validation_error")


async def test_the_platform_checks_the_key_too() -> None:
    async with simulated(keys=(KEY,)) as (_, caller):
        said = await caller.call(
            "GET", "/v1/models/requests/by-endpoint?endpoint_id=x", key="wrong:key"
        )

    assert (said.status, said.body["error"]["type"]) == (401, "authorization_error")


async def test_an_account_sees_its_own_requests_alone() -> None:
    async with simulated(keys=(KEY, "other:key")) as (_, caller):
        await caller.run()
        said = await caller.call(
            "GET", f"/v1/models/requests/by-endpoint?endpoint_id={ENDPOINT}", key="other:key"
        )

    assert said.body["items"] == []


async def test_payloads_can_be_missing() -> None:
    async with simulated() as (queue, caller):
        queue.faults.script(on="run", nth=1, do="no_payloads")
        queue.faults.script(on="run", nth=2, do="unlisted")
        queue.faults.script(on="history", nth=2, do="history_no_payloads")
        without = (await caller.run())["request_id"]
        await caller.run()
        unstored = (await caller.submit(headers={"X-Fal-Store-IO": "0"})).body["request_id"]
        whole = (await caller.run())["request_id"]
        first, second = [(await caller.history()).body["items"] for _ in range(2)]

    assert [item["request_id"] for item in first] == [whole, unstored, without]
    assert ["json_input" in item for item in first] == [True, False, False]
    assert ["json_input" in item for item in second] == [False, False, False]


async def test_inputs_can_show_keys_that_the_service_added() -> None:
    async with simulated() as (queue, caller):
        queue.faults.script(on="history", nth=1, do="history_added_keys")
        await caller.run(resolution="2K")
        [item] = (await caller.history()).body["items"]

    assert item["json_input"].items() > {"prompt": "a fox", "resolution": "2K"}.items()


async def test_what_was_answered_inline_is_not_kept() -> None:
    async with simulated() as (_, caller):
        await caller.run(sync_mode=True)
        [item] = (await caller.history()).body["items"]

    assert item["status_code"] == 200
    assert item["json_output"] is None


async def test_failures_have_no_output_or_their_error() -> None:
    async with simulated() as (queue, caller):
        queue.faults.script(on="run", nth=1, do="no_media_generated")
        queue.faults.script(on="history", nth=2, do="history_error_output")
        await caller.run()
        outputs = [(await caller.history()).body["items"][0]["json_output"] for _ in range(2)]

    assert outputs[0] is None
    assert outputs[1]["detail"][0]["type"] == "no_media_generated"


async def test_prices() -> None:
    async with simulated() as (_, caller):
        said = await caller.call(
            "GET", f"/v1/models/pricing?endpoint_id={ENDPOINT}&endpoint_id=fal-ai/none"
        )
        none = await caller.call("GET", "/v1/models/pricing")

    assert said.body["prices"] == [
        {"endpoint_id": ENDPOINT, "unit_price": 0.08, "unit": "images", "currency": "USD"}
    ]
    assert none.status == 422
