"""The simulated queue API over a socket, when it behaves."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image
from simulator_calls import ENDPOINT, KEY, ManualClock, simulated

from batchgen.simulator import canonical

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


async def test_a_submission_is_answered_with_an_id_and_three_urls_of_this_server() -> None:
    async with simulated(seconds=1.0) as (queue, caller):
        said = await caller.submit()

        url = f"{queue.url}/{ENDPOINT}/requests/{said.body['request_id']}"
        assert said.status == 200
        assert said.headers["x-fal-request-id"] == said.body["request_id"]
        assert said.body == {
            "status": "IN_QUEUE",
            "request_id": said.body["request_id"],
            "response_url": url,
            "status_url": f"{url}/status",
            "cancel_url": f"{url}/cancel",
            "queue_position": 0,
            "logs": None,
            "metrics": {},
        }


async def test_a_request_walks_every_state_while_its_position_counts_down() -> None:
    clock = ManualClock()
    async with simulated(clock=clock, seconds=10.0, concurrency=1) as (_, caller):
        for _ in range(2):
            await caller.submit()
        mine = (await caller.submit()).body
        walk: list[Any] = []
        for _ in range(8):
            said = await caller.call("GET", mine["status_url"])
            walk.append((said.status, said.body["status"], said.body.get("queue_position")))
            clock.now += 5.0

    assert mine["queue_position"] == 2
    assert walk == [
        (202, "IN_QUEUE", 2),
        (202, "IN_QUEUE", 1),
        (202, "IN_QUEUE", 1),
        (202, "IN_QUEUE", 0),
        (202, "IN_QUEUE", 0),
        (202, "IN_PROGRESS", None),
        (202, "IN_PROGRESS", None),
        (200, "COMPLETED", None),
    ]


async def test_the_status_has_the_keys_that_the_clients_need() -> None:
    clock = ManualClock()
    async with simulated(clock=clock, seconds=10.0) as (_, caller):
        submitted = (await caller.submit()).body
        waiting = (await caller.call("GET", submitted["status_url"])).body
        clock.now += 2.0
        running = (await caller.call("GET", submitted["status_url"] + "?logs=1")).body
        clock.now += 20.0
        done = (await caller.call("GET", submitted["status_url"] + "?logs=false")).body

    urls = {"request_id", "response_url", "status_url", "cancel_url"}
    assert set(waiting) == {"status", "queue_position", *urls}
    assert [line["message"] for line in running["logs"]] == ["Runner started"]
    assert set(running) == {"status", "logs", *urls}
    assert done["logs"] is None
    assert done["metrics"] == {"inference_time": 10.0}


async def test_the_result_is_the_bare_output_with_its_units() -> None:
    async with simulated() as (queue, caller):
        submitted = await caller.run(num_images=2, aspect_ratio="16:9", resolution="2K")
        said = await caller.call("GET", submitted["response_url"])

    first = f"{queue.url}/files/b/{submitted['request_id']}/1/0.png"
    assert said.status == 200
    assert said.headers["x-fal-billable-units"] == "3"
    assert said.body["description"] == ""
    assert [image["url"] for image in said.body["images"]] == [
        first,
        first.replace("0.png", "1.png"),
    ]
    assert said.body["images"][0] == {
        "url": first,
        "content_type": "image/png",
        "file_name": "nano-banana-2-output.png",
        "width": 86,
        "height": 48,
    }


@pytest.mark.parametrize("suffix", ["", "/response"])
async def test_a_result_that_is_asked_for_too_early_is_400(suffix: str) -> None:
    async with simulated(seconds=60.0) as (_, caller):
        submitted = (await caller.submit()).body
        said = await caller.call("GET", submitted["response_url"] + suffix)

    assert (said.status, said.body) == (400, {"detail": "Request is still in progress"})


async def test_invalid_input_is_accepted_completed_and_then_422_free_of_charge() -> None:
    async with simulated() as (queue, caller):
        submitted = await caller.run(num_images=9)
        status = await caller.call("GET", submitted["status_url"])
        result = await caller.call("GET", submitted["response_url"])

    assert queue.accepted == 1
    assert status.body["status"] == "COMPLETED"
    assert status.body["error_type"] == "less_than_equal"
    assert (result.status, result.headers["x-fal-billable-units"]) == (422, "0")
    assert result.body["detail"][0]["loc"] == ["body", "num_images"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b'"a fox"', b'{"seed": NaN}', b"[" * 100_000, b"\xff"]
)
async def test_a_body_that_is_no_object_is_422_at_once(body: bytes) -> None:
    async with simulated() as (queue, caller):
        said = await caller.call("POST", f"/{ENDPOINT}", data=body)

    assert (said.status, queue.accepted) == (422, 0)
    assert said.body["detail"][0]["loc"] == ["body"]


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        pytest.param(
            {},
            f'Cannot access application "{ENDPOINT}". Authentication is required to access this '
            "application.",
            id="no key",
        ),
        pytest.param({"Authorization": "Key "}, "Cannot access", id="an empty key"),
        pytest.param({"Authorization": "Key wrong:key"}, "invalid key credentials", id="wrong"),
        pytest.param(
            {"Authorization": f"Bearer {KEY}"}, "bearer: unable to decode issuer", id="bearer"
        ),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/{ENDPOINT}"),
        ("GET", f"/{ENDPOINT}/requests/{UNKNOWN_ID}/status"),
        ("GET", f"/{ENDPOINT}/requests/{UNKNOWN_ID}"),
        ("PUT", f"/{ENDPOINT}/requests/{UNKNOWN_ID}/cancel"),
    ],
)
async def test_without_a_good_key_everything_is_401(
    method: str, path: str, headers: dict[str, str], text: str
) -> None:
    async with simulated(keys=(KEY,)) as (queue, caller):
        said = await caller.call(method, path, key=None, headers=headers, json={"prompt": "x"})

    assert (said.status, queue.accepted) == (401, 0)
    assert said.body["detail"].startswith(text)


async def test_the_free_key_check_says_404_for_a_good_key() -> None:
    async with simulated(keys=(KEY,)) as (_, caller):
        said = await caller.call("GET", f"/{ENDPOINT}/requests/{UNKNOWN_ID}/status")

    assert (said.status, said.body) == (404, {"status": "NOT_FOUND"})


async def test_an_unknown_application_is_404_at_the_post() -> None:
    async with simulated() as (queue, caller):
        said = await caller.submit("fal-ai/nano-banana-3")

    assert (said.status, queue.accepted) == (404, 0)
    assert said.body == {"detail": 'Application "nano-banana-3" not found'}


async def test_an_unknown_path_of_a_known_application_is_404_at_the_result() -> None:
    async with simulated() as (_, caller):
        submitted = await caller.run(endpoint=f"{ENDPOINT}/edti")
        said = await caller.call("GET", submitted["response_url"])

    assert (said.status, said.headers["x-fal-billable-units"]) == (404, "0")
    assert said.body == {"detail": "Path /edti not found"}


@pytest.mark.parametrize(
    "endpoint", ["ann/shop", "ann/shop/big", "workflows/ann/shop", "comfy/ann/shop/fast"]
)
async def test_further_endpoints_take_any_input(endpoint: str) -> None:
    async with simulated(endpoints=(endpoint,)) as (_, caller):
        submitted = await caller.run(endpoint=endpoint, whatever=[1])
        said = await caller.call("GET", submitted["response_url"])

    parts = endpoint.split("/")
    application = "/".join(parts[:3] if parts[0] in ("workflows", "comfy") else parts[:2])
    assert f"/{application}/requests/" in submitted["status_url"]
    assert len(said.body["images"]) == 1


async def test_reads_live_under_the_application_and_not_under_the_sub_path() -> None:
    async with simulated() as (_, caller):
        submitted = await caller.run(
            endpoint=f"{ENDPOINT}/edit", image_urls=["https://example.com/a.png"]
        )
        above = await caller.call("GET", submitted["status_url"])
        below = await caller.call("GET", submitted["status_url"].replace("/req", "/edit/req"))
        elsewhere = await caller.call(
            "GET",
            submitted["status_url"].replace("nano-banana-2", "gemini-3.1-flash-image-preview"),
        )

    assert f"/{ENDPOINT}/requests/" in submitted["status_url"]
    assert (above.status, below.status, elsewhere.status) == (200, 405, 404)


@pytest.mark.parametrize(
    ("method", "page"), [("GET", ""), ("POST", "/requests/r1"), ("GET", "/requests/r1/cancel")]
)
async def test_other_methods_are_405(method: str, page: str) -> None:
    async with simulated() as (_, caller):
        assert (await caller.call(method, f"/{ENDPOINT}{page}")).status == 405


async def test_a_request_belongs_to_the_account_whose_key_sent_it() -> None:
    async with simulated(keys=(KEY, "other:key")) as (_, caller):
        submitted = await caller.run()
        for url in ("status_url", "response_url"):
            assert (await caller.call("GET", submitted[url], key="other:key")).status == 404
        assert (await caller.call("PUT", submitted["cancel_url"], key="other:key")).status == 404
        assert (await caller.call("GET", submitted["status_url"])).status == 200


async def test_two_keys_can_be_of_one_account() -> None:
    async with simulated(keys=(KEY, "other:key"), one_account=True) as (_, caller):
        submitted = await caller.run()
        assert (await caller.call("GET", submitted["status_url"], key="other:key")).status == 200


async def test_a_queued_request_can_be_cancelled_and_is_then_499() -> None:
    async with simulated(seconds=60.0) as (queue, caller):
        submitted = (await caller.submit()).body
        cancelled = await caller.call("PUT", submitted["cancel_url"])
        status = await caller.call("GET", submitted["status_url"])
        result = await caller.call("GET", submitted["response_url"])
        again = await caller.call("PUT", submitted["cancel_url"])

    assert (cancelled.status, cancelled.body) == (202, {"status": "CANCELLATION_REQUESTED"})
    assert (status.body["status"], status.body["error_type"]) == ("COMPLETED", "client_cancelled")
    assert (result.status, result.body["error_type"]) == (499, "client_cancelled")
    assert (again.status, again.body) == (400, {"status": "ALREADY_COMPLETED"})
    assert queue.requests[0].started_at is None


async def test_a_running_request_completes_though_it_was_cancelled() -> None:
    clock = ManualClock()
    async with simulated(clock=clock, seconds=10.0) as (_, caller):
        submitted = (await caller.submit()).body
        clock.now += 5.0
        assert (await caller.call("PUT", submitted["cancel_url"])).status == 202
        clock.now += 10.0
        assert (await caller.call("GET", submitted["response_url"])).status == 200


async def test_a_request_that_does_not_start_in_time_is_504_by_the_users_wish() -> None:
    clock = ManualClock()
    async with simulated(clock=clock, seconds=60.0, concurrency=1) as (_, caller):
        await caller.submit()
        late = (await caller.submit(headers={"X-Fal-Request-Timeout": "30"})).body
        clock.now += 31.0
        said = await caller.call("GET", late["response_url"])

    assert (said.status, said.headers["x-fal-request-timeout-type"]) == (504, "user")
    assert said.body == {"detail": "Request timed out", "error_type": "request_timeout"}


async def test_a_submission_can_refuse_to_wait_in_a_long_queue() -> None:
    async with simulated(seconds=60.0, concurrency=1) as (_, caller):
        for _ in range(3):
            await caller.submit()
        said = await caller.submit(f"{ENDPOINT}?fal_max_queue_length=2")
        longer = await caller.submit(f"{ENDPOINT}?fal_max_queue_length=20&fal_webhook=x")

    assert (said.status, longer.status) == (429, 200)


async def test_submissions_beyond_the_limit_of_open_requests_are_429() -> None:
    clock = ManualClock()
    async with simulated(clock=clock, seconds=10.0, max_open=2) as (queue, caller):
        answers = [(await caller.submit()).status for _ in range(3)]
        clock.now += 60.0
        answers.append((await caller.submit()).status)

    assert answers == [200, 200, 429, 200]
    assert queue.accepted == 3


async def test_a_result_is_404_after_its_lifetime() -> None:
    clock = ManualClock()
    async with simulated(clock=clock, result_lifetime_s=360.0) as (_, caller):
        submitted = await caller.run()
        clock.now += 359.0
        assert (await caller.call("GET", submitted["response_url"])).status == 200
        clock.now += 2.0
        said = await caller.call("GET", submitted["response_url"])

    assert (said.status, said.body) == (404, {"status": "NOT_FOUND"})


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
async def test_sync_mode_puts_the_image_into_the_result(format: str) -> None:
    async with simulated() as (queue, caller):
        submitted = await caller.run(sync_mode=True, output_format=format, num_images=2)
        result = (await caller.call("GET", submitted["response_url"])).body

    head, _, data = result["images"][1]["url"].partition(",")
    assert head == f"data:image/{format};base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).format == format.upper()
    assert queue.image_fetches == 0


async def test_the_stream_tells_each_new_state_once_and_ends() -> None:
    async with simulated(seconds=0.3) as (_, caller):
        submitted = (await caller.submit()).body
        said = await caller.call("GET", submitted["status_url"] + "/stream?logs=1")

    events = [line.removeprefix("data: ") for line in said.data.decode().split("\n\n") if line]
    assert said.headers["content-type"].startswith("text/event-stream")
    assert [json.loads(event)["status"] for event in events] == [
        "IN_QUEUE",
        "IN_PROGRESS",
        "COMPLETED",
    ]


async def test_accepted_posts_are_counted_by_their_input() -> None:
    async with simulated(seconds=60.0, keys=(KEY,)) as (queue, caller):
        await caller.submit(seed=1)
        await caller.call("POST", f"/{ENDPOINT}", data=b'{"seed": 1, "prompt": "a fox"}')
        await caller.submit(seed=2)
        await caller.submit(seed=3, key="wrong:key")

        assert queue.accepted == 3
        assert queue.accepted_inputs == {
            canonical({"prompt": "a fox", "seed": 1}): 2,
            canonical({"prompt": "a fox", "seed": 2}): 1,
        }
        assert queue.tally.answers["submit", 401] == 1  # type: ignore[index]  # a Kind is a str
        assert queue.most_open == 3


async def test_what_was_made_is_added_up() -> None:
    async with simulated() as (queue, caller):
        await caller.run(num_images=3)
        await caller.run(resolution="4K")
        await caller.run(num_images=9)

    assert queue.service.images_made() == 4
    assert queue.service.units_made() == Decimal(5)


async def test_no_more_run_at_a_time_than_there_are_runners() -> None:
    async with simulated(seconds=0.05, concurrency=3) as (queue, caller):
        await asyncio.gather(*(caller.run(seed=seed) for seed in range(12)))

    assert queue.service.line.most_running == 3
    assert queue.most_open == 12


async def test_large_inputs_are_taken() -> None:
    given = {"prompt": "a fox", "image_urls": ["data:image/png;base64," + "A" * 5_000_000]}
    async with simulated() as (queue, caller):
        body = io.BytesIO(json.dumps(given).encode())
        said = await caller.call("POST", f"/{ENDPOINT}/edit", data=body)

    assert (said.status, queue.requests[0].input) == (200, given)


async def test_a_lock_stops_submissions_and_leaves_reads_alone_unless_it_is_meant_to() -> None:
    async with simulated() as (queue, caller):
        submitted = await caller.run()
        queue.lock(reason="top_up")
        refused = await caller.submit()
        read = await caller.call("GET", submitted["status_url"])
        queue.lock(reason="admin", reads=True)
        unread = await caller.call("GET", submitted["response_url"])
        queue.unlock()
        taken = await caller.submit()

    assert (refused.status, refused.body) == (403, {"detail": "User is locked. Reason: TOP_UP."})
    assert (read.status, unread.status, taken.status) == (200, 403, 200)
    assert "Admin lock" in unread.body["detail"]
