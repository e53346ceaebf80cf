"""Every fault of the simulator, over a socket."""

from __future__ import annotations

import asyncio
import itertools
import re
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest
from simulator_calls import ENDPOINT, Caller, ManualClock, Said, simulated

from batchgen.simulator import FAULTS, Fault, Kind, Simulator
from batchgen.simulator.failure import FAILURES
from batchgen.simulator.fault import NoReply, Reply
from batchgen.simulator.locks import LOCK_TEXTS
from batchgen.simulator.outcome import HOSTILE_TEXT

# What a fault needs beside itself before anything can be seen of it.
COMPANIONS = {
    "quiet_failure": "content_policy_violation",
    "charged_failure": "content_policy_violation",
    "free_failure": "content_policy_violation",
}
HANG_S = 3600.0

# Flows without the fault in question, which are the same for most of them.
_WITHOUT: dict[str, str] = {}


class FlowClock(ManualClock):
    """Moves instead of waiting, except for those who wait for ever."""

    async def sleep(self, seconds: float) -> None:
        if seconds >= HANG_S:
            await asyncio.sleep(seconds)
        await super().sleep(seconds)


async def attempted(call: Any) -> Any:
    """Return what a call brings: status, telling headers and body, or the name of its error."""
    try:
        said: Said = await call
    except (aiohttp.ClientError, TimeoutError) as error:
        return type(error).__name__
    except ConnectionError as error:
        return type(error).__name__
    telling = ("retry-after", "location", "content-type", "content-length", "transfer-encoding")
    headers = {
        name: value
        for name, value in said.headers.items()
        if name in telling or name.startswith("x-fal")
    }
    return said.status, headers, said.data


def seen(observed: Any) -> Any:
    """Return an observation without the port, which differs from run to run."""
    return re.sub(r"127\.0\.0\.1:\d+|'content-length': '\d+'", "*", repr(observed))


async def flow(*, on: Kind | None = None, do: list[str] | None = None) -> str:
    """Make every kind of call around three requests, and return all that could be seen.

    The first two requests are good, the third is invalid; the next are cancelled in the queue and
    while they run; the last is streamed.
    """
    clock, ids = FlowClock(), itertools.count()
    async with simulated(
        clock=clock,
        sleep=clock.sleep,
        seconds=10.0,
        hang_s=HANG_S,
        new_id=lambda: f"id-{next(ids)}",
    ) as (queue, _):
        if on and do:
            queue.faults.script(on=on, nth="every", do=do)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.3)) as session:
            return seen([item async for item in observations(queue, Caller(queue, session), clock)])


async def observations(queue: Simulator, caller: Caller, clock: ManualClock) -> Any:
    for given in ({"num_images": 2}, {"seed": 5}, {"num_images": 9}):
        yield await attempted(caller.submit(**given)), queue.accepted, clock.now
    if not queue.requests:
        return
    url = f"/{ENDPOINT}/requests/{queue.requests[0].request_id}"
    for _ in range(4):
        yield await attempted(caller.call("GET", f"{url}/status?logs=1")), clock.now
        clock.now += 5.0
    for _ in range(2):
        yield await attempted(caller.call("GET", url)), clock.now
    for copy in (1, 2):
        image = f"/files/b/{queue.requests[0].request_id}/{copy}/0.png"
        yield await attempted(caller.call("GET", image, key=None)), clock.now
    for waits_s in (0.5, 5.0):
        async for item in cancellation(queue, caller, clock, waits_s=waits_s):
            yield item
    await attempted(caller.submit())
    url = f"/{ENDPOINT}/requests/{queue.requests[-1].request_id}"
    yield await attempted(caller.call("GET", f"{url}/status/stream")), clock.now
    async for item in platform(caller):
        yield item, clock.now


async def cancellation(
    queue: Simulator, caller: Caller, clock: ManualClock, *, waits_s: float
) -> Any:
    """Cancel a request that queues (for less than 1 s) or runs (for 10 s after that)."""
    await attempted(caller.submit())
    url = f"/{ENDPOINT}/requests/{queue.requests[-1].request_id}"
    clock.now += waits_s
    yield await attempted(caller.call("PUT", f"{url}/cancel")), clock.now
    yield await attempted(caller.call("GET", f"{url}/status"))
    clock.now += 20.0
    yield await attempted(caller.call("GET", url))


async def platform(caller: Caller) -> Any:
    cursor: dict[str, str] = {}
    for _ in range(3):
        said = await attempted(caller.history(limit="1", **cursor))
        yield said
        found = re.search(r'"next_cursor":"(\w+)"', repr(said))
        if not found:
            break
        cursor = {"cursor": found[1]}
    prices = "/v1/models/pricing?endpoint_id=fal-ai/nano-banana-2"
    yield await attempted(caller.call("GET", prices))


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_every_fault_can_be_seen(fault: Fault) -> None:
    companion = [COMPANIONS[fault.name]] if fault.name in COMPANIONS else []

    with_it = await flow(on=fault.on, do=[*companion, fault.name])

    assert with_it != await _without(fault.on, companion)


async def _without(on: Kind, companion: list[str]) -> str:
    key = " ".join(companion)
    if key not in _WITHOUT:
        _WITHOUT[key] = await flow(on=on, do=companion)
    return _WITHOUT[key]


async def test_without_faults_two_flows_look_alike() -> None:
    assert await flow() == await flow()


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS.values() if fault.on is Kind.SUBMIT], ids=lambda f: f.name
)
async def test_the_text_of_a_submit_fault_says_whether_the_request_is_accepted(
    fault: Fault,
) -> None:
    clock = FlowClock()
    async with simulated(clock=clock, sleep=clock.sleep, hang_s=HANG_S) as (queue, caller):
        queue.faults.script(on="submit", nth=1, do=fault.name)
        await attempted(
            caller.call(
                "POST",
                f"/{ENDPOINT}",
                json={"prompt": "a fox"},
                timeout=aiohttp.ClientTimeout(total=1.5),
            )
        )
        accepted = queue.accepted
        fired = queue.faults.fired[fault.name]

    refuses = re.search(r"nothing is accepted|not accepted|is locked", fault.text)
    assert accepted == (0 if refuses else 1)
    assert fired == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lost_reply", aiohttp.ServerDisconnectedError),
        ("lost_post", aiohttp.ServerDisconnectedError),
        ("reset_reply", aiohttp.ClientOSError),
        ("reset_post", aiohttp.ClientOSError),
        ("hanging_reply", TimeoutError),
        ("hanging_post", TimeoutError),
    ],
)
async def test_silence_has_three_faces(name: str, expected: type[Exception]) -> None:
    async with simulated(hang_s=HANG_S) as (queue, caller):
        queue.faults.script(on="submit", nth=1, do=name)
        with pytest.raises(expected):
            await asyncio.wait_for(caller.submit(), 0.3)
        after = await caller.submit()

    assert after.status == 200


@pytest.mark.parametrize(
    "fault",
    [
        fault
        for fault in FAULTS.values()
        if isinstance(fault.effect, Reply) and fault.on in (Kind.SUBMIT, Kind.STATUS, Kind.RESULT)
    ],
    ids=lambda fault: fault.name,
)
async def test_an_answer_of_the_service_has_a_request_id_and_one_of_the_ingress_has_none(
    fault: Fault,
) -> None:
    assert isinstance(fault.effect, Reply)
    async with simulated() as (queue, caller):
        submitted = await caller.run()
        queue.faults.script(on=fault.on, nth="every", do=fault.name)
        said = (
            await caller.submit()
            if fault.on is Kind.SUBMIT
            else await caller.call(
                "GET", submitted[f"{fault.on}_url".replace("result", "response")]
            )
        )

    assert (said.status, said.data) == (fault.effect.answer.status, fault.effect.answer.body)
    assert ("x-fal-request-id" in said.headers) != (b"nginx" in said.data)


@pytest.mark.parametrize(
    ("name", "code"), [("throttled_seconds", 429), ("submit_503_retry_after", 503)]
)
async def test_retry_after_in_seconds(name: str, code: int) -> None:
    async with simulated(retry_after_s=7.0) as (queue, caller):
        queue.faults.script(on="submit", nth=1, do=name)
        said = await caller.submit()

    assert (said.status, said.headers["retry-after"]) == (code, "7")


async def test_retry_after_as_a_date() -> None:
    clock = ManualClock()
    async with simulated(clock=clock, retry_after_s=90.0) as (queue, caller):
        queue.faults.script(on="submit", nth=1, do="throttled_date")
        said = await caller.submit()

    at = parsedate_to_datetime(said.headers["retry-after"]).timestamp()
    assert (said.status, at) == (429, clock.now + 90.0)


async def test_429_can_say_that_it_needs_a_retry() -> None:
    async with simulated() as (queue, caller):
        queue.faults.script(on="submit", nth=1, do="throttled_needs_retry")
        said = await caller.submit()

    assert (said.status, said.headers["x-fal-needs-retry"]) == (429, "1")
    assert said.body["detail"][0]["type"] == "concurrent_requests_limit"


@pytest.mark.parametrize("reason", LOCK_TEXTS)
async def test_the_lock_has_three_texts(reason: str) -> None:
    async with simulated() as (queue, caller):
        queue.faults.script(on="submit", nth=1, do=f"locked_{reason}")
        refused, taken = await caller.submit(), await caller.submit()

    assert (refused.status, refused.body["detail"]) == (403, LOCK_TEXTS[reason])
    assert taken.status == 200


async def test_a_lock_can_begin_with_the_nth_submission_and_last_until_it_is_lifted() -> None:
    async with simulated() as (queue, caller):
        queue.faults.script(on="submit", nth=3, do="lock")
        before = [(await caller.submit()).status for _ in range(5)]
        queue.unlock()
        after = (await caller.submit()).status

    assert before == [200, 200, 403, 403, 403]
    assert after == 200


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failure_shows_in_the_status_and_at_the_result(name: str) -> None:
    failure = FAILURES[name]
    async with simulated() as (queue, caller):
        queue.faults.script(on="run", nth=1, do=name)
        submitted = await caller.run()
        status = await caller.call("GET", submitted["status_url"])
        result = await caller.call("GET", submitted["response_url"])

    assert status.body["status"] == "COMPLETED"
    assert (status.body["error_type"], status.body["error"]) == (failure.error_type, failure.text)
    assert (result.status, result.body) == (failure.status, failure.body)
    assert result.headers["x-fal-request-id"] == submitted["request_id"]


@pytest.mark.parametrize(
    ("name", "code", "shape"),
    [
        ("content_policy_violation", 422, list),
        ("downstream_service_error", 500, list),
        ("downstream_service_error_400", 400, list),
        ("generation_timeout", 504, list),
        ("runner_disconnected", 503, str),
        ("runner_incomplete_response", 502, str),
        ("request_timeout", 504, str),
        ("client_cancelled", 499, str),
        ("bad_request", 400, str),
    ],
)
def test_failures_are_those_of_the_protocol_notes(name: str, code: int, shape: type) -> None:
    failure = FAILURES[name]

    assert failure.status == code
    assert isinstance(failure.body["detail"], shape)
    assert ("X-Fal-Error-Type" in failure.headers) == (shape is str)


@pytest.mark.parametrize(
    ("shade", "expected"),
    [("", None), ("charged_failure", "4"), ("free_failure", "0")],
)
async def test_what_a_failure_costs_can_be_chosen(shade: str, expected: str | None) -> None:
    async with simulated() as (queue, caller):
        queue.faults.script(on="run", nth=1, do=["no_media_generated", *filter(None, [shade])])
        submitted = await caller.run(num_images=2, resolution="4K")
        result = await caller.call("GET", submitted["response_url"])

    assert (result.status, result.headers.get("x-fal-billable-units")) == (422, expected)


async def test_a_quiet_failure_shows_at_the_result_alone() -> None:
    async with simulated() as (queue, caller):
        queue.faults.script(on="run", nth=1, do=["content_policy_violation", "quiet_failure"])
        submitted = await caller.run()
        status = await caller.call("GET", submitted["status_url"])
        result = await caller.call("GET", submitted["response_url"])

    assert not {"error", "error_type"} & set(status.body)
    assert result.status == 422


@pytest.mark.parametrize(
    ("name", "word", "code"),
    [
        ("failed_status", "FAILED", 500),
        ("error_status", "ERROR", 500),
        ("cancelled_status", "CANCELLED", 499),
        ("failed_status_with_result", "FAILED", 200),
    ],
)
async def test_final_words_beyond_the_three(name: str, word: str, code: int) -> None:
    async with simulated() as (queue, caller):
        queue.faults.script(on="run", nth=1, do=name)
        submitted = await caller.run()
        status = await caller.call("GET", submitted["status_url"])
        result = await caller.call("GET", submitted["response_url"])

    assert (status.status, status.body["status"], result.status) == (200, word, code)


async def test_hostile_texts_are_formulas_with_control_characters() -> None:
    async with simulated() as (queue, caller):
        queue.faults.script(on="run", nth=1, do=["hostile_error", "hostile_error_type"])
        submitted = await caller.run()
        status = await caller.call("GET", submitted["status_url"])
        entry = (await caller.call("GET", submitted["response_url"])).body["detail"][0]

    assert HOSTILE_TEXT.startswith("=")
    assert {"\x1b", "\t", "\n", "\x00"} < set(HOSTILE_TEXT)
    assert (entry["msg"], entry["type"]) == (HOSTILE_TEXT, HOSTILE_TEXT)
    assert (status.body["error"], status.body["error_type"]) == (HOSTILE_TEXT, HOSTILE_TEXT)


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("empty_images", lambda output: output["images"] == []),
        ("no_images_key", lambda output: "images" not in output),
        ("fewer_images", lambda output: len(output["images"]) == 2),
        ("data_uri", lambda output: output["images"][2]["url"].startswith("data:image/png;base64")),
        ("null_size", lambda output: output["images"][0]["width"] is None),
        ("only_image_urls", lambda output: set(output["images"][0]) == {"url"}),
        ("hostile_file_name", lambda output: output["images"][0]["file_name"].startswith("../..")),
        ("hostile_description", lambda output: output["description"] == HOSTILE_TEXT),
        ("file_image_url", lambda output: output["images"][0]["url"].startswith("file:///")),
        ("private_image_url", lambda output: "//10.255.255.1/" in output["images"][0]["url"]),
    ],
)
async def test_odd_results(name: str, check: Any) -> None:
    async with simulated() as (queue, caller):
        queue.faults.script(on="run", nth=1, do=name)
        submitted = await caller.run(num_images=3)
        result = await caller.call("GET", submitted["response_url"])

    assert result.status == 200
    assert check(result.body)


async def test_fewer_images_than_one_are_never_made() -> None:
    async with simulated() as (queue, caller):
        queue.faults.script(on="run", nth=1, do="fewer_images")
        submitted = await caller.run()
        result = await caller.call("GET", submitted["response_url"])

    assert len(result.body["images"]) == 1


async def test_a_step_back_shows_as_queued_again() -> None:
    clock = ManualClock()
    async with simulated(clock=clock, seconds=10.0) as (queue, caller):
        queue.faults.script(on="run", nth=1, do="step_back")
        submitted = (await caller.submit()).body
        walk = []
        for _ in range(10):
            walk.append((await caller.call("GET", submitted["status_url"])).body["status"])
            clock.now += 2.0

    shortened = [word for word, _ in itertools.groupby(walk)]
    assert shortened == ["IN_QUEUE", "IN_PROGRESS", "IN_QUEUE", "IN_PROGRESS", "COMPLETED"]


@pytest.mark.parametrize(
    ("name", "word"), [("stuck", "IN_PROGRESS"), ("stuck_in_queue", "IN_QUEUE")]
)
async def test_a_stuck_request_never_ends_until_it_is_released(name: str, word: str) -> None:
    clock = ManualClock()
    async with simulated(clock=clock, seconds=10.0) as (queue, caller):
        queue.faults.script(on="run", nth=1, do=name)
        submitted = (await caller.submit()).body
        clock.now += 1e6
        before = await caller.call("GET", submitted["status_url"])
        released = queue.release()
        clock.now += 20.0
        after = await caller.call("GET", submitted["response_url"])

    assert (before.status, before.body["status"]) == (202, word)
    assert (released, after.status) == (1, 200)


async def test_a_transient_failure_of_a_read_is_gone_at_the_next_one() -> None:
    names = ["result_500", "result_typed_500", "result_502", "result_404", "result_early"]
    async with simulated() as (queue, caller):
        for number, name in enumerate(names, 1):
            queue.faults.script(on="result", nth=number, do=name)
        submitted = await caller.run()
        codes = [(await caller.call("GET", submitted["response_url"])).status for _ in range(6)]

    assert codes == [500, 500, 502, 404, 400, 200]


@pytest.mark.parametrize(
    ("name", "status", "result"), [("lost_result", 200, 404), ("forgotten", 404, 404)]
)
async def test_a_result_can_be_lost_for_good(name: str, status: int, result: int) -> None:
    async with simulated() as (queue, caller):
        queue.faults.script(on="run", nth=1, do=name)
        submitted = (await caller.submit()).body
        codes = [
            (await caller.call("GET", submitted[url])).status
            for url in ("status_url", "response_url", "response_url")
        ]

    assert codes == [status, result, result]


@pytest.mark.parametrize(
    ("name", "status", "body", "ends"),
    [
        ("cancel_200", 200, {"status": "OK"}, True),
        ("cancel_success", 200, {"success": True}, True),
        ("cancel_400", 400, {"status": "ALREADY_COMPLETED"}, False),
        ("cancel_404", 404, {"status": "NOT_FOUND"}, False),
        ("cancel_ignored", 202, {"status": "CANCELLATION_REQUESTED"}, False),
    ],
)
async def test_answers_to_a_cancellation(
    name: str, status: int, body: dict[str, Any], ends: bool
) -> None:
    async with simulated(seconds=60.0) as (queue, caller):
        queue.faults.script(on="cancel", nth=1, do=name)
        submitted = (await caller.submit()).body
        said = await caller.call("PUT", submitted["cancel_url"])
        after = await caller.call("GET", submitted["status_url"])

    assert (said.status, said.body) == (status, body)
    assert after.body["status"] == ("COMPLETED" if ends else "IN_QUEUE")


async def test_a_running_request_can_be_stopped_and_a_cancelled_one_forgotten() -> None:
    clock = ManualClock()
    async with simulated(clock=clock, seconds=10.0) as (queue, caller):
        queue.faults.script(on="cancel", nth=1, do="cancel_stops")
        queue.faults.script(on="cancel", nth=2, do="cancel_forgets")
        stopped = (await caller.submit()).body
        clock.now += 5.0
        await caller.call("PUT", stopped["cancel_url"])
        forgotten = (await caller.submit()).body
        await caller.call("PUT", forgotten["cancel_url"])

        assert (await caller.call("GET", stopped["response_url"])).status == 499
        assert (await caller.call("GET", forgotten["status_url"])).status == 404


async def test_the_answer_to_a_submission_can_leave_out_what_is_optional() -> None:
    async with simulated() as (queue, caller):
        for number, name in enumerate(
            ("only_the_id", "only_the_urls", "response_suffix", "foreign_urls"), 1
        ):
            queue.faults.script(on="submit", nth=number, do=name)
        bodies = [(await caller.submit()).body for _ in range(4)]

    assert set(bodies[0]) == {"request_id"}
    assert set(bodies[1]) == {"request_id", "response_url", "status_url", "cancel_url"}
    assert bodies[2]["response_url"].endswith(f"{bodies[2]['request_id']}/response")
    assert bodies[3]["status_url"].startswith("http://queue.example.net/fal-ai/")


async def test_a_redirect_off_the_api_notes_whether_the_key_came_along() -> None:
    async with simulated() as (queue, caller):
        queue.faults.script(on="submit", nth="every", do="submit_redirect")
        said = await caller.submit()
        await caller.call("POST", said.headers["location"])
        await caller.call("POST", said.headers["location"], key=None)

        assert said.status == 307
        assert queue.tally.landings == 2
        assert queue.tally.seen_authorization_on_landings == 1
        assert queue.accepted == 0


async def test_slow_answers_are_true_and_late() -> None:
    clock = ManualClock()
    async with simulated(clock=clock, sleep=clock.sleep, slow_s=9.0) as (queue, caller):
        queue.faults.script(on="submit", nth=1, do="slow_submit")
        began = clock.now
        said = await caller.submit()

    assert (said.status, clock.now - began) == (200, 9.0)


async def test_a_short_result_ends_before_its_length() -> None:
    async with simulated() as (queue, caller):
        queue.faults.script(on="result", nth=1, do="short_result")
        submitted = await caller.run()
        with pytest.raises(aiohttp.ClientPayloadError):
            await caller.call("GET", submitted["response_url"])
        assert (await caller.call("GET", submitted["response_url"])).status == 200


async def test_what_hangs_does_not_keep_the_server_from_closing() -> None:
    loop = asyncio.get_running_loop()
    async with simulated(hang_s=HANG_S) as (queue, caller):
        queue.faults.script(on="status", nth="every", do="status_hang")
        submitted = (await caller.submit()).body
        hanging = asyncio.create_task(caller.call("GET", submitted["status_url"]))
        await asyncio.sleep(0.1)
        began = loop.time()
        await queue.aclose()
        assert loop.time() - began < 2.0
        with pytest.raises(aiohttp.ClientError):
            await hanging


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_call_can_go_wrong(kind: Kind) -> None:
    assert any(fault.on is kind for fault in FAULTS.values())


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.RUN])
def test_every_kind_of_call_can_stay_without_an_answer(kind: Kind) -> None:
    assert any(f.on is kind and isinstance(f.effect, NoReply) for f in FAULTS.values())
