"""The simulator answers as the service was seen to: each sample against what it says itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from simulator_calls import TINY, Caller, ManualClock, Said, simulated
from support.answers import Sample, load_sample, sample_names

# What an answer may leave out, as the protocol notes say: no client may need it.
OPTIONAL = frozenset({"queue_position", "logs", "metrics", "url", "ctx", "input", "description"})

# Headers that an answer's meaning hangs on.
TELLING = ("x-fal-error-type", "x-fal-request-timeout-type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """How the simulator is brought to give a certain answer.

    Attributes:
        faults: As `kind fault fault`, each for every call of the kind.
        given: What is submitted, beside the prompt.
        seconds: How long the request is given before it is asked for; it runs for 10.
        key: The key of the call in question; `""` for none.
        request_id: Which request is asked for; `""` for the one that was submitted.
    """

    faults: Sequence[str] = ()
    given: Any = None
    seconds: float = 0.0
    key: str = "id:secret"
    request_id: str = ""


DONE = 30.0
SCENES = {
    "submit_accepted": Scene(),
    "submit_only_the_id": Scene(faults=["submit only_the_id"]),
    "submit_response_suffix": Scene(faults=["submit response_suffix"]),
    "submit_201": Scene(faults=["submit submit_201"]),
    "submit_400_downstream": Scene(faults=["submit submit_400_downstream"]),
    "submit_401_invalid_key": Scene(faults=["submit submit_401"]),
    "submit_401_no_key": Scene(key=""),
    "submit_403_locked_balance": Scene(faults=["submit locked_balance"]),
    "submit_403_locked_top_up": Scene(faults=["submit locked_top_up"]),
    "submit_403_locked_admin": Scene(faults=["submit locked_admin"]),
    "submit_403_rate": Scene(faults=["submit rate_403"]),
    "submit_404_application": Scene(faults=["submit submit_404"]),
    "submit_422_missing_prompt": Scene(faults=["submit validated_at_once"], given={"prompt": None}),
    "submit_429": Scene(faults=["submit throttled"]),
    "submit_429_concurrent": Scene(faults=["submit throttled_needs_retry"]),
    "submit_502_nginx": Scene(faults=["submit submit_502"]),
    "submit_503_nginx": Scene(faults=["submit submit_503_nginx"]),
    "submit_503": Scene(faults=["submit submit_503"]),
    "submit_504_nginx": Scene(faults=["submit submit_504"]),
    "status_in_queue": Scene(),
    "status_in_progress_without_logs": Scene(seconds=5.0),
    "status_completed": Scene(seconds=DONE),
    "status_completed_old": Scene(seconds=DONE, faults=["status no_metrics"]),
    "status_completed_failed": Scene(seconds=DONE, faults=["run runner_disconnected"]),
    "status_404": Scene(request_id="nobody"),
    "status_401": Scene(faults=["status status_401"]),
    "result_images": Scene(seconds=DONE),
    "result_only_urls": Scene(seconds=DONE, faults=["run only_image_urls"]),
    "result_empty": Scene(seconds=DONE, faults=["run empty_images"]),
    "result_too_early": Scene(seconds=5.0),
    "result_404": Scene(seconds=DONE, faults=["run lost_result"]),
    "result_422_content_policy": Scene(seconds=DONE, faults=["run content_policy_violation"]),
    "result_422_no_media": Scene(seconds=DONE, faults=["run no_media_generated"]),
    "result_422_invalid": Scene(seconds=DONE, given={"aspect_ratio": "16:09"}),
    "result_500_internal": Scene(seconds=DONE, faults=["run internal_server_error"]),
    "result_500_downstream_unavailable": Scene(
        seconds=DONE, faults=["run downstream_service_unavailable"]
    ),
    "result_504_generation_timeout": Scene(seconds=DONE, faults=["run generation_timeout"]),
    "result_503_runner": Scene(seconds=DONE, faults=["run runner_scheduling_failure"]),
    "result_504_request_timeout": Scene(seconds=DONE, faults=["run request_timeout"]),
    "result_499_cancelled": Scene(seconds=DONE, faults=["run client_cancelled"]),
    "result_502_nginx": Scene(faults=["result result_502"]),
    "cancel_202": Scene(),
    "cancel_200_ok": Scene(faults=["cancel cancel_200"]),
    "cancel_200_success": Scene(faults=["cancel cancel_success"]),
    "cancel_400": Scene(seconds=DONE),
    "cancel_404": Scene(request_id="nobody"),
}

# What the simulator does not play: it has no retries of its own, and logs are asked for.
NOT_PLAYED = frozenset({"submit_with_a_gateway_id", "status_in_progress", "result_with_a_status"})


async def answer_of(sample: Sample, scene: Scene) -> Said:
    """Return the simulator's answer to the call that the sample answers."""
    clock = ManualClock()
    async with simulated(clock=clock, seconds=10.0, image_scale=TINY, file_sizes=True) as (
        queue,
        caller,
    ):
        for line in scene.faults:
            kind, *names = line.split()
            queue.faults.script(on=kind, nth="every", do=names)
        body = {"prompt": "a fox", **(scene.given or {})}
        body = {name: value for name, value in body.items() if value is not None}
        submitted = await caller.call(
            "POST", "/fal-ai/nano-banana-2", key=scene.key or None, json=body
        )
        if sample.call == "submit":
            return submitted
        clock.now += scene.seconds
        return await read(caller, sample.call, scene.request_id or submitted.body["request_id"])


async def read(caller: Caller, call: str, request_id: str) -> Said:
    url = f"/fal-ai/nano-banana-2/requests/{request_id}"
    match call:
        case "status":
            return await caller.call("GET", f"{url}/status")
        case "cancel":
            return await caller.call("PUT", f"{url}/cancel")
        case _:
            return await caller.call("GET", url)


def shape(value: Any) -> Any:
    """Return JSON with its texts and numbers replaced by their kinds, optional keys left out."""
    match value:
        case dict():
            return {key: shape(one) for key, one in value.items() if key not in OPTIONAL}
        case list():
            return [shape(one) for one in value]
        case bool() | None:
            return value
        case str():
            return "text"
        case _:
            return "number"


def words(value: Any) -> Any:
    """Return the words that programs branch on, wherever they stand."""
    match value:
        case dict():
            named = {key: value[key] for key in ("status", "type", "error_type") if key in value}
            inner = {key: words(one) for key, one in value.items() if isinstance(one, dict | list)}
            return named | inner
        case list():
            return [words(one) for one in value]
        case _:
            return None


@pytest.mark.parametrize("name", SCENES)
async def test_the_simulator_answers_as_the_service_was_seen_to(name: str) -> None:
    sample = load_sample(name)

    said = await answer_of(sample, SCENES[name])

    assert said.status == sample.http
    assert ("x-fal-request-id" in said.headers) is ("x-fal-request-id" in sample.headers)
    assert {key: said.headers.get(key) for key in TELLING} == {
        key: sample.headers.get(key) for key in TELLING
    }
    if sample.body is None:
        assert b"nginx" in said.data
        return
    body = json.loads(said.data)
    assert shape(body) == shape(sample.body)
    assert words(without_optional(body)) == words(without_optional(sample.body))


def without_optional(value: Any) -> Any:
    match value:
        case dict():
            return {key: without_optional(one) for key, one in value.items() if key not in OPTIONAL}
        case list():
            return [without_optional(one) for one in value]
        case _:
            return value


def test_every_sample_is_played_or_said_not_to_be() -> None:
    assert set(sample_names()) == set(SCENES) | NOT_PLAYED
