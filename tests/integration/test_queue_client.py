"""How each answer of the queue is classified: tables 7.1 and 7.2, rule 3, and what beside them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aioresponses import aioresponses
from support.answers import REQUEST_ID, load_sample
from support.queues import ENDPOINT, KEY
from yarl import URL

from batchgen.attempt import Request
from batchgen.errors import (
    AccountError,
    QueueError,
    ReadError,
    RefusedError,
    ThrottledError,
    UncertainError,
)
from batchgen.queue_client import QueueClient, encode_input
from batchgen.reply import Failure, Fetched, NotFound, NotReady, Status
from batchgen.request_address import application_of
from batchgen.service import Service

BASE = "https://queue.fal.run"
APP = f"{BASE}/{ENDPOINT}"
STATUS_URL = f"{APP}/requests/{REQUEST_ID}/status"
RESULT_URL = f"{APP}/requests/{REQUEST_ID}"
CANCEL_URL = f"{APP}/requests/{REQUEST_ID}/cancel"
NOW = datetime(2026, 10, 21, 7, 28, 0, tzinfo=UTC)

URL_OF_ANY_STATUS = re.compile(rf"{re.escape(APP)}/requests/.+/status")

REQUEST = Request(
    request_id=REQUEST_ID, status_url=STATUS_URL, response_url=RESULT_URL, cancel_url=CANCEL_URL
)
FROM_SERVICE = {"x-fal-request-id": REQUEST_ID}


class Response(aiohttp.ClientResponse):
    """aioresponses 0.7.9 does not know the argument that aiohttp 3.14 asks for."""

    def __init__(self, *args: Any, **given: Any) -> None:
        given.setdefault("stream_writer", SimpleNamespace(output_size=0))
        super().__init__(*args, **given)


class Answers:
    """What the queue will say, and what it was asked."""

    def __init__(self, mocked: aioresponses) -> None:
        self._mocked = mocked

    def add(
        self,
        method: str,
        url: str,
        http: int = 200,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._mocked.add(
            url,
            method,
            status=http,
            body=content,
            headers={**(headers or {})},
            response_class=Response,
        )

    def sample(self, name: str) -> None:
        sample = load_sample(name)
        method, url = {
            "submit": ("POST", APP),
            "status": ("GET", STATUS_URL),
            "result": ("GET", RESULT_URL),
            "cancel": ("PUT", CANCEL_URL),
        }[sample.call]
        self.add(method, url, sample.http, sample.content, sample.headers)

    def seen(self) -> list[tuple[str, URL]]:
        return [call for call, times in self._mocked.requests.items() for _ in times]

    def said(self, method: str, url: str) -> Mapping[str, Any]:
        return self._mocked.requests[method, URL(url)][0].kwargs


@pytest.fixture
def answers() -> Iterator[Answers]:
    with aioresponses() as mocked:
        yield Answers(mocked)


@pytest.fixture
async def client() -> AsyncIterator[QueueClient]:
    async with QueueClient(Service(key=KEY), now=lambda: NOW) as client:
        yield client


def body(prompt: str = "a fox") -> bytes:
    return encode_input({"prompt": prompt})


# -- submit: table 7.1 -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "ahead"),
    [
        ("submit_accepted", 0),
        ("submit_201", 0),
        ("submit_with_a_gateway_id", 7),
        ("submit_only_the_id", None),
        ("submit_response_suffix", 0),
    ],
)
async def test_an_accepted_request_keeps_its_id_and_its_urls_as_given(
    answers: Answers, client: QueueClient, name: str, ahead: int | None
) -> None:
    answers.sample(name)

    request, waiting = await client.submit(ENDPOINT, body())

    said = load_sample(name).body
    assert request == Request(
        request_id=REQUEST_ID,
        status_url=said.get("status_url", ""),
        response_url=said.get("response_url", ""),
        cancel_url=said.get("cancel_url", ""),
    )
    assert waiting == ahead


@pytest.mark.parametrize("given", ["=HYPERLINK(1)", "@sum", "file:///etc/passwd", "a\x1b[2Jb", 7])
async def test_what_is_no_address_is_not_kept_as_one(
    answers: Answers, client: QueueClient, given: object
) -> None:
    said = {"request_id": "r1", "status_url": given, "cancel_url": "/a/b/requests/r1"}
    answers.add("POST", APP, body=said)

    request, _ = await client.submit(ENDPOINT, body())

    assert request == Request(request_id="r1", cancel_url="/a/b/requests/r1")


async def test_what_is_sent_is_the_input_itself_with_the_key_and_no_fallback(
    answers: Answers, client: QueueClient
) -> None:
    answers.sample("submit_accepted")

    await client.submit(ENDPOINT, body("Möwe 🦊"))

    said = answers.said("POST", APP)
    assert json.loads(said["data"]) == {"prompt": "Möwe 🦊"}
    assert "Möwe 🦊".encode() in said["data"]
    assert said["headers"]["x-app-fal-disable-fallback"] == "true"
    assert said["allow_redirects"] is False


LOCKED = "User is locked. Reason: TOP_UP."

SUBMISSIONS = [
    pytest.param(200, b"", {}, UncertainError, {}, id="200 and an empty body"),
    pytest.param(200, b"<html>OK</html>", {}, UncertainError, {}, id="200 and HTML"),
    pytest.param(200, b'{"request_id":"', {}, UncertainError, {}, id="200 and half an object"),
    pytest.param(200, {"status": "IN_QUEUE"}, {}, UncertainError, {}, id="200 without an id"),
    pytest.param(200, {"request_id": None}, {}, UncertainError, {}, id="200, id null"),
    pytest.param(200, {"request_id": 7}, {}, UncertainError, {}, id="200, id a number"),
    pytest.param(200, {"request_id": ""}, {}, UncertainError, {}, id="200, id empty"),
    pytest.param(200, {"request_id": ".."}, {}, UncertainError, {}, id="200, id climbs"),
    pytest.param(200, {"request_id": "a\nb"}, {}, UncertainError, {}, id="200, id of two lines"),
    pytest.param(200, {"request_id": "x" * 201}, {}, UncertainError, {}, id="200, id too long"),
    pytest.param(200, [REQUEST_ID], {}, UncertainError, {}, id="200 and a list"),
    pytest.param(204, b"", {}, UncertainError, {}, id="204"),
    pytest.param(
        301, b"", {"Location": "https://a.example/"}, AccountError, {"cause": "redirect"}, id="301"
    ),
    pytest.param(
        307, b"", {"Location": "https://a.example/"}, AccountError, {"cause": "redirect"}, id="307"
    ),
    pytest.param(304, b"", {}, AccountError, {"cause": "redirect"}, id="304"),
    pytest.param(
        400,
        {"detail": "Bad request"},
        FROM_SERVICE,
        RefusedError,
        {"error_type": "http_400", "http": 400},
        id="400",
    ),
    pytest.param(
        400,
        load_sample("submit_400_downstream").body,
        FROM_SERVICE,
        RefusedError,
        {"error_type": "downstream_service_error", "http": 400},
        id="400 of a service further down",
    ),
    pytest.param(400, b"", {}, RefusedError, {"error_type": "http_400"}, id="400 and no body"),
    pytest.param(
        401,
        load_sample("submit_401_invalid_key").body,
        {},
        AccountError,
        {"cause": "key"},
        id="401",
    ),
    pytest.param(401, b"", {}, AccountError, {"cause": "key", "http": 401}, id="401, no body"),
    pytest.param(
        402, {"detail": "Payment required"}, {}, AccountError, {"cause": "locked"}, id="402"
    ),
    pytest.param(403, {"detail": LOCKED}, {}, AccountError, {"cause": "locked"}, id="403 locked"),
    pytest.param(
        403, {"detail": "No access"}, {}, AccountError, {"cause": "locked"}, id="403 otherwise"
    ),
    pytest.param(403, b"", {}, AccountError, {"cause": "locked"}, id="403 and no body"),
    pytest.param(
        403, {"detail": "Rate limit exceeded"}, {}, ThrottledError, {}, id="403 of the rate"
    ),
    pytest.param(
        404,
        load_sample("submit_404_application").body,
        {},
        AccountError,
        {"cause": "endpoint"},
        id="404",
    ),
    pytest.param(405, b"", {}, AccountError, {"cause": "endpoint"}, id="405"),
    pytest.param(408, {"detail": "Request Timeout"}, {}, UncertainError, {}, id="408"),
    pytest.param(
        409,
        {"detail": "Conflict"},
        {},
        RefusedError,
        {"error_type": "http_409", "http": 409},
        id="409",
    ),
    pytest.param(413, b"<html>", {}, RefusedError, {"error_type": "http_413"}, id="413 by nginx"),
    pytest.param(418, b"", {}, UncertainError, {}, id="a code that nobody knows"),
    pytest.param(
        422,
        load_sample("submit_422_missing_prompt").body,
        FROM_SERVICE,
        RefusedError,
        {"error_type": "missing", "http": 422},
        id="422",
    ),
    pytest.param(425, b"", {}, ThrottledError, {"retry_after_s": None}, id="425"),
    pytest.param(429, {"detail": "slow"}, {}, ThrottledError, {"retry_after_s": None}, id="429"),
    pytest.param(
        429, b"", {"Retry-After": "12"}, ThrottledError, {"retry_after_s": 12.0}, id="429, seconds"
    ),
    pytest.param(
        429,
        b"",
        {"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT"},
        ThrottledError,
        {"retry_after_s": 30.0},
        id="429, a date",
    ),
    pytest.param(
        429,
        b"",
        {
            "Retry-After": "Wed, 21 Oct 2026 09:00:10 GMT",
            "Date": "Wed, 21 Oct 2026 09:00:00 GMT",
        },
        ThrottledError,
        {"retry_after_s": 10.0},
        id="429, a date by a clock that is not ours",
    ),
    pytest.param(
        429,
        load_sample("submit_429_concurrent").body,
        {"x-fal-needs-retry": "1"},
        ThrottledError,
        {},
        id="429, concurrent requests",
    ),
    pytest.param(499, {"detail": "closed"}, {}, UncertainError, {}, id="499"),
    pytest.param(500, {"detail": "error"}, FROM_SERVICE, UncertainError, {}, id="500"),
    pytest.param(
        500,
        {"detail": [{"type": "internal_server_error", "msg": "x"}]},
        FROM_SERVICE,
        UncertainError,
        {},
        id="500 with a type",
    ),
    pytest.param(501, b"", FROM_SERVICE, UncertainError, {}, id="501"),
    pytest.param(
        502, load_sample("submit_502_nginx").content, {}, UncertainError, {}, id="502 by nginx"
    ),
    pytest.param(502, {"detail": "x"}, FROM_SERVICE, UncertainError, {}, id="502"),
    pytest.param(
        503, load_sample("submit_503_nginx").content, {}, UncertainError, {}, id="503 by nginx"
    ),
    pytest.param(
        503,
        {"detail": "Service Unavailable"},
        FROM_SERVICE,
        ThrottledError,
        {"retry_after_s": None},
        id="503 of the service itself",
    ),
    pytest.param(
        503,
        b"",
        {**FROM_SERVICE, "Retry-After": "3"},
        ThrottledError,
        {"retry_after_s": 3.0},
        id="503 with Retry-After",
    ),
    pytest.param(
        504, load_sample("submit_504_nginx").content, {}, UncertainError, {}, id="504 by nginx"
    ),
    pytest.param(504, {"detail": "x"}, FROM_SERVICE, UncertainError, {}, id="504"),
    pytest.param(520, b"", {}, UncertainError, {}, id="520"),
]


@pytest.mark.parametrize(("http", "said", "headers", "error", "attributes"), SUBMISSIONS)
async def test_what_the_answer_to_a_post_proves(
    answers: Answers,
    client: QueueClient,
    http: int,
    said: Any,
    headers: Mapping[str, str],
    error: type[QueueError],
    attributes: Mapping[str, Any],
) -> None:
    answers.add("POST", APP, http, said, headers)

    with pytest.raises(QueueError) as caught:
        await client.submit(ENDPOINT, body())

    assert type(caught.value) is error
    assert {name: getattr(caught.value, name) for name in attributes} == attributes
    assert answers.seen() == [("POST", URL(APP))]


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        pytest.param(aiohttp.ServerDisconnectedError(), UncertainError, id="a dropped reply"),
        pytest.param(aiohttp.ClientOSError(104, "reset"), UncertainError, id="a reset"),
        pytest.param(aiohttp.ClientPayloadError("cut"), UncertainError, id="half an answer"),
        pytest.param(aiohttp.SocketTimeoutError(), UncertainError, id="no answer in time"),
        pytest.param(TimeoutError(), UncertainError, id="no end in time"),
    ],
)
async def test_a_connection_that_breaks_after_the_bytes_went_out_proves_nothing(
    answers: Answers, client: QueueClient, failure: Exception, error: type[QueueError]
) -> None:
    answers._mocked.post(APP, exception=failure)

    with pytest.raises(error):
        await client.submit(ENDPOINT, body())

    assert answers.seen() == [("POST", URL(APP))]


async def test_no_error_shows_the_key_or_what_is_sent(
    answers: Answers, client: QueueClient
) -> None:
    answers.add("POST", APP, 500, {"detail": "x" * 5000})

    with pytest.raises(UncertainError) as caught:
        await client.submit(ENDPOINT, body("a secret prompt"))

    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 600


# -- status: table 7.2 -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("status_in_queue", Status(state="IN_QUEUE", ahead=2)),
        ("status_in_progress", Status(state="IN_PROGRESS")),
        ("status_in_progress_without_logs", Status(state="IN_PROGRESS")),
        ("status_completed", Status(state="COMPLETED", inference_s=3.42)),
        ("status_completed_old", Status(state="COMPLETED")),
        (
            "status_completed_failed",
            Status(
                state="COMPLETED",
                error="The runner was disconnected",
                error_type="runner_disconnected",
            ),
        ),
        ("status_404", NotFound()),
    ],
)
async def test_a_status_as_the_service_gives_it(
    answers: Answers, client: QueueClient, name: str, expected: Status | NotFound
) -> None:
    answers.sample(name)

    assert await client.status(ENDPOINT, REQUEST) == expected


@pytest.mark.parametrize(
    ("http", "said", "expected"),
    [
        pytest.param(200, {"status": "in_progress"}, "IN_PROGRESS", id="in small letters"),
        pytest.param(200, {"status": "IN_QUEUE"}, "IN_QUEUE", id="200 while it is queued"),
        pytest.param(202, {"status": "COMPLETED"}, "COMPLETED", id="202 when it is done"),
        pytest.param(200, {"status": "WARMING_UP"}, "WARMING_UP", id="a state that is new"),
        pytest.param(200, {"status": "\x1b[31mNEW\ud800"}, "[31MNEW", id="a state to do harm"),
        pytest.param(200, {"status": "FAILED"}, "FAILED", id="a state that the reference lists"),
        pytest.param(
            200,
            {"status": "COMPLETED", "metrics": None, "logs": 7, "queue_position": "x"},
            "COMPLETED",
            id="optional fields of any kind",
        ),
        pytest.param(
            200,
            {"status": "COMPLETED", "metrics": {"inference_time": None}},
            "COMPLETED",
            id="inference_time null",
        ),
        pytest.param(
            200,
            {"status": "COMPLETED", "metrics": {"inference_time": 10**400}},
            "COMPLETED",
            id="inference_time beyond a float",
        ),
        pytest.param(
            200,
            {"status": "COMPLETED", "metrics": {"inference_time": float("nan")}},
            "COMPLETED",
            id="inference_time no number",
        ),
    ],
)
async def test_the_state_decides_and_the_code_does_not(
    answers: Answers, client: QueueClient, http: int, said: Any, expected: str
) -> None:
    answers.add("GET", STATUS_URL, http, said)

    status = await client.status(ENDPOINT, REQUEST)

    assert isinstance(status, Status)
    assert (status.state, status.inference_s) == (expected, None)


@pytest.mark.parametrize(
    "ahead", [10**400, -1, 2.5, "3"], ids=["beyond a float", "-1", "2.5", "text"]
)
async def test_a_place_in_the_queue_that_can_be_none_is_not_taken_for_one(
    answers: Answers, client: QueueClient, ahead: Any
) -> None:
    answers.add("POST", APP, 200, {"request_id": REQUEST_ID, "queue_position": ahead})
    answers.add("GET", STATUS_URL, 200, {"status": "IN_QUEUE", "queue_position": ahead})

    request, waiting = await client.submit(ENDPOINT, b"{}")
    status = await client.status(ENDPOINT, REQUEST)

    assert (request.request_id, waiting) == (REQUEST_ID, None)
    assert status == Status(state="IN_QUEUE")


READ_FAILURES = [
    pytest.param(200, b"", {}, id="200 and an empty body"),
    pytest.param(200, b"<html>OK</html>", {}, id="200 and HTML"),
    pytest.param(200, b'{"status":"IN_PR', {}, id="200 and half an object"),
    pytest.param(302, b"", {"Location": "https://a.example/"}, id="302"),
    pytest.param(403, {"detail": "Rate limit exceeded"}, {}, id="403 of the rate"),
    pytest.param(408, b"", {}, id="408"),
    pytest.param(425, b"", {}, id="425"),
    pytest.param(429, b"", {}, id="429"),
]


@pytest.mark.parametrize(
    ("http", "said", "headers"),
    [
        *READ_FAILURES,
        pytest.param(200, {"request_id": REQUEST_ID}, {}, id="200 without a status"),
        pytest.param(200, {"status": 7}, {}, id="a status that is no text"),
        pytest.param(400, {"status": "IN_QUEUE"}, {}, id="400"),
        pytest.param(422, {"detail": "no"}, FROM_SERVICE, id="422"),
        pytest.param(500, {"detail": "no"}, FROM_SERVICE, id="500"),
        pytest.param(502, load_sample("result_502_nginx").content, {}, id="502 by nginx"),
        pytest.param(503, {"detail": "no"}, FROM_SERVICE, id="503"),
        pytest.param(504, b"", {}, id="504"),
    ],
)
async def test_a_status_that_cannot_be_read_says_nothing_of_the_request(
    answers: Answers, client: QueueClient, http: int, said: Any, headers: Mapping[str, str]
) -> None:
    answers.add("GET", STATUS_URL, http, said, headers)

    with pytest.raises(ReadError) as caught:
        await client.status(ENDPOINT, REQUEST)

    assert caught.value.http == http


@pytest.mark.parametrize(
    ("http", "said", "cause"),
    [
        pytest.param(401, {"detail": "invalid key credentials"}, "key", id="401"),
        pytest.param(402, b"", "locked", id="402"),
        pytest.param(403, {"detail": LOCKED}, "locked", id="403 locked"),
    ],
)
@pytest.mark.parametrize("call", ["status", "result", "cancel"])
async def test_an_account_that_is_barred_from_reads_is_told_from_a_failed_read(
    answers: Answers, client: QueueClient, call: str, http: int, said: Any, cause: str
) -> None:
    method, url = {
        "status": ("GET", STATUS_URL),
        "result": ("GET", RESULT_URL),
        "cancel": ("PUT", CANCEL_URL),
    }[call]
    answers.add(method, url, http, said)

    with pytest.raises(AccountError) as caught:
        await getattr(client, call)(ENDPOINT, REQUEST)

    assert caught.value.cause == cause


@pytest.mark.parametrize("call", ["status", "result", "cancel"])
@pytest.mark.parametrize(
    "failure",
    [
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientOSError(104, "reset"),
        aiohttp.ClientPayloadError("cut"),
        TimeoutError(),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_a_read_without_an_answer_is_a_failed_read(
    answers: Answers, client: QueueClient, call: str, failure: Exception
) -> None:
    url = {"status": STATUS_URL, "result": RESULT_URL, "cancel": CANCEL_URL}[call]
    answers._mocked.add(url, "PUT" if call == "cancel" else "GET", exception=failure)

    with pytest.raises(ReadError) as caught:
        await getattr(client, call)(ENDPOINT, REQUEST)

    assert caught.value.http is None


# -- result ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["result_images", "result_only_urls", "result_with_a_status"])
async def test_a_result_is_the_models_output_as_it_came(
    answers: Answers, client: QueueClient, name: str
) -> None:
    answers.sample(name)
    units = load_sample(name).headers.get("x-fal-billable-units")

    assert await client.result(ENDPOINT, REQUEST) == Fetched(
        output=load_sample(name).body, units=Decimal(units) if units else None
    )


async def test_a_result_says_what_served_it(answers: Answers, client: QueueClient) -> None:
    answers.add("GET", RESULT_URL, 200, {"images": []}, {"X-Fal-Served-From": "another-model"})

    found = await client.result(ENDPOINT, REQUEST)

    assert isinstance(found, Fetched)
    assert found.origin == "another-model"


@pytest.mark.parametrize(
    ("http", "said"),
    [
        pytest.param(400, load_sample("result_too_early").body, id="400 as it was seen"),
        pytest.param(200, {"status": "IN_PROGRESS"}, id="a status in its place"),
        pytest.param(202, {"status": "IN_QUEUE"}, id="the same with 202"),
    ],
)
async def test_a_result_that_is_asked_for_too_early_is_not_a_failure(
    answers: Answers, client: QueueClient, http: int, said: Any
) -> None:
    answers.add("GET", RESULT_URL, http, said)

    assert await client.result(ENDPOINT, REQUEST) == NotReady()


@pytest.mark.parametrize(
    ("name", "error_type", "retryable"),
    [
        ("result_422_content_policy", "content_policy_violation", False),
        ("result_422_no_media", "no_media_generated", False),
        ("result_422_invalid", "literal_error", None),
        ("result_499_cancelled", "client_cancelled", None),
        ("result_500_internal", "internal_server_error", True),
        ("result_500_downstream_unavailable", "downstream_service_unavailable", True),
        ("result_503_runner", "runner_scheduling_failure", None),
        ("result_504_generation_timeout", "generation_timeout", None),
        ("result_504_request_timeout", "request_timeout", None),
        ("result_502_nginx", "", None),
    ],
)
async def test_a_result_that_is_an_error_keeps_its_kind(
    answers: Answers, client: QueueClient, name: str, error_type: str, retryable: bool | None
) -> None:
    answers.sample(name)
    sample = load_sample(name)

    found = await client.result(ENDPOINT, REQUEST)

    assert isinstance(found, Failure)
    assert (found.http, found.error_type, found.retryable, found.is_own) == (
        sample.http,
        error_type,
        retryable,
        sample.body is not None,
    )
    assert "a prompt that was refused" not in found.message


async def test_an_error_that_a_proxy_words_as_json_is_not_the_services_own(
    answers: Answers, client: QueueClient
) -> None:
    answers.add("GET", RESULT_URL, 451, {"message": "blocked by your provider"})

    found = await client.result(ENDPOINT, REQUEST)

    assert isinstance(found, Failure)
    assert not found.is_own


async def test_a_result_that_says_failed_is_an_error_whatever_its_code(
    answers: Answers, client: QueueClient
) -> None:
    answers.add("GET", RESULT_URL, 200, {"status": "FAILED", "error": "no luck"})

    found = await client.result(ENDPOINT, REQUEST)

    assert isinstance(found, Failure)
    assert (found.http, found.message) == (200, "no luck")


@pytest.mark.parametrize(("http", "said"), [(404, {"status": "NOT_FOUND"}), (410, b"")])
async def test_a_result_that_is_gone_is_not_found(
    answers: Answers, client: QueueClient, http: int, said: Any
) -> None:
    answers.add("GET", RESULT_URL, http, said)

    assert await client.result(ENDPOINT, REQUEST) == NotFound()


@pytest.mark.parametrize(("http", "said", "headers"), READ_FAILURES)
async def test_a_result_that_cannot_be_read_is_not_the_requests_outcome(
    answers: Answers, client: QueueClient, http: int, said: Any, headers: Mapping[str, str]
) -> None:
    answers.add("GET", RESULT_URL, http, said, headers)

    with pytest.raises(ReadError) as caught:
        await client.result(ENDPOINT, REQUEST)

    assert caught.value.http == http


@pytest.mark.parametrize(
    ("value", "expected"),
    [("7", 7.0), ("Wed, 21 Oct 2026 07:28:09 GMT", 9.0), ("soon", None)],
)
async def test_a_refused_read_says_how_long_to_wait(
    answers: Answers, client: QueueClient, value: str, expected: float | None
) -> None:
    answers.add("GET", RESULT_URL, 429, b"", {"Retry-After": value})

    with pytest.raises(ReadError) as caught:
        await client.result(ENDPOINT, REQUEST)

    assert caught.value.retry_after_s == expected


# -- cancel, and the free look at the key ------------------------------------------------


@pytest.mark.parametrize(
    "name", ["cancel_202", "cancel_200_ok", "cancel_200_success", "cancel_400", "cancel_404"]
)
async def test_a_cancellation_returns_what_it_was_answered(
    answers: Answers, client: QueueClient, name: str
) -> None:
    answers.sample(name)

    assert await client.cancel(ENDPOINT, REQUEST) == load_sample(name).http


@pytest.mark.parametrize("http", [404, 200, 500])
async def test_a_key_that_is_not_refused_works(client: QueueClient, http: int) -> None:
    with aioresponses() as mocked:
        mocked.get(
            URL_OF_ANY_STATUS, status=http, body=b'{"status":"NOT_FOUND"}', response_class=Response
        )

        await client.check_key(ENDPOINT)

        (method, _), *others = mocked.requests
    assert method == "GET"
    assert not others


async def test_a_wrong_key_is_found_by_a_read_that_costs_nothing(client: QueueClient) -> None:
    with aioresponses() as mocked:
        mocked.get(URL_OF_ANY_STATUS, status=401, body=b"{}", response_class=Response)

        with pytest.raises(AccountError) as caught:
            await client.check_key(ENDPOINT)

    assert caught.value.cause == "key"


# -- where the key goes ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        pytest.param(STATUS_URL, STATUS_URL, id="as given"),
        pytest.param(f"{STATUS_URL}?logs=0", f"{STATUS_URL}?logs=0", id="with its query"),
        pytest.param("", STATUS_URL, id="none: our own"),
        pytest.param(f"/a/{REQUEST_ID}/s", f"{BASE}/a/{REQUEST_ID}/s", id="a path alone"),
        pytest.param(
            f"http://evil.example/a/{REQUEST_ID}/s", f"{BASE}/a/{REQUEST_ID}/s", id="host"
        ),
        pytest.param(f"https://queue.fal.run:8443/{REQUEST_ID}", f"{BASE}/{REQUEST_ID}", id="port"),
        pytest.param(f"https://me:pw@evil.example/{REQUEST_ID}", f"{BASE}/{REQUEST_ID}", id="user"),
        pytest.param(f"//evil.example/{REQUEST_ID}", f"{BASE}/{REQUEST_ID}", id="no scheme"),
        pytest.param(f"ftp://evil.example/{REQUEST_ID}", f"{BASE}/{REQUEST_ID}", id="ftp"),
        pytest.param(f"file:///{REQUEST_ID}", f"{BASE}/{REQUEST_ID}", id="file"),
        pytest.param(f"@evil.example/{REQUEST_ID}", STATUS_URL, id="a path that begins with @"),
        pytest.param(f".evil.example/{REQUEST_ID}", STATUS_URL, id="a path that begins with ."),
        pytest.param(f":8443/{REQUEST_ID}", STATUS_URL, id="a path that begins with :"),
        pytest.param(f"evil.example/{REQUEST_ID}", STATUS_URL, id="a path without a /"),
        pytest.param(f"\\\\evil.example/{REQUEST_ID}", STATUS_URL, id="backslashes"),
        pytest.param(f"https://[::1/{REQUEST_ID}", STATUS_URL, id="no URL at all"),
        pytest.param(f"{APP}/requests/another-id/status", STATUS_URL, id="another request's"),
        pytest.param(f"{APP}/x{REQUEST_ID}x/status", STATUS_URL, id="its id in another word"),
        pytest.param(f"{APP}?id={REQUEST_ID}", STATUS_URL, id="its id in the query only"),
    ],
)
async def test_the_key_goes_to_the_configured_host_whatever_an_answer_says(
    answers: Answers, client: QueueClient, given: str, asked: str
) -> None:
    answers.add("GET", asked, 202, {"status": "IN_PROGRESS"})
    request = Request(request_id=REQUEST_ID, status_url=given)

    assert await client.status(ENDPOINT, request) == Status(state="IN_PROGRESS")

    [(_, url)] = answers.seen()
    assert (url.scheme, url.host, url.explicit_port) == ("https", "queue.fal.run", None)


@pytest.mark.parametrize("request_id", ["../../x", "a/b", "a?b", "a#b", "a b", "ä"])
async def test_an_id_never_changes_the_place_that_is_asked(
    client: QueueClient, request_id: str
) -> None:
    with aioresponses() as mocked:
        mocked.get(URL_OF_ANY_STATUS, status=404, body=b"{}", response_class=Response)

        assert await client.status(ENDPOINT, Request(request_id=request_id)) == NotFound()

        [(_, url)] = mocked.requests
    assert url.host == "queue.fal.run"
    assert url.raw_path.startswith(f"/{ENDPOINT}/requests/")
    assert url.raw_path.count("/") == 5
    assert url.raw_path.endswith("/status")


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        pytest.param("", f"/fal/{ENDPOINT}/requests/{REQUEST_ID}/status", id="our own"),
        pytest.param(
            f"https://host.example/fal/a/{REQUEST_ID}", f"/fal/a/{REQUEST_ID}", id="with the path"
        ),
        pytest.param(
            f"https://queue.fal.run/a/{REQUEST_ID}", f"/fal/a/{REQUEST_ID}", id="without it"
        ),
        pytest.param(
            f"https://queue.fal.run/fal-ai/{REQUEST_ID}",
            f"/fal/fal-ai/{REQUEST_ID}",
            id="with a word that begins alike",
        ),
    ],
)
async def test_a_queue_behind_a_path_is_asked_behind_it(
    answers: Answers, given: str, asked: str
) -> None:
    answers.add("GET", f"https://host.example{asked}", 202, {"status": "IN_QUEUE"})
    service = Service(queue_url="https://host.example/fal", key=KEY)

    async with QueueClient(service) as client:
        found = await client.status(ENDPOINT, Request(request_id=REQUEST_ID, status_url=given))

    assert found == Status(state="IN_QUEUE")


async def test_an_error_that_repeats_the_key_is_told_without_it(
    answers: Answers, client: QueueClient
) -> None:
    answers.add("GET", STATUS_URL, 401, {"detail": f"no such key: {KEY}"})

    with pytest.raises(AccountError, match=re.escape("no such key: [key]")):
        await client.status(ENDPOINT, REQUEST)


# -- endpoints with a sub-path -----------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "application"),
    [
        ("fal-ai/nano-banana-2", "fal-ai/nano-banana-2"),
        ("fal-ai/nano-banana-2/edit", "fal-ai/nano-banana-2"),
        ("owner/alias/a/b", "owner/alias"),
        ("workflows/owner/alias/path", "workflows/owner/alias"),
        ("comfy/owner/alias", "comfy/owner/alias"),
        ("/fal-ai/nano-banana-2/", "fal-ai/nano-banana-2"),
    ],
)
def test_requests_live_under_owner_and_alias(endpoint: str, application: str) -> None:
    assert application_of(endpoint) == application


async def test_a_sub_path_is_submitted_to_in_full_and_read_without_it(
    answers: Answers, client: QueueClient
) -> None:
    answers.add("POST", f"{APP}/edit", 200, {"request_id": REQUEST_ID})
    answers.add("GET", STATUS_URL, 202, {"status": "IN_QUEUE"})

    request, _ = await client.submit(f"{ENDPOINT}/edit", body())

    assert await client.status(f"{ENDPOINT}/edit", request) == Status(state="IN_QUEUE")


async def test_an_address_that_is_answered_405_is_replaced_by_our_own(
    answers: Answers, client: QueueClient
) -> None:
    wrong = f"{APP}/edit/requests/{REQUEST_ID}/status"
    answers.add("GET", wrong, 405, {"detail": "Method Not Allowed"})
    answers.add("GET", STATUS_URL, 202, {"status": "IN_PROGRESS"})
    request = Request(request_id=REQUEST_ID, status_url=wrong)

    assert await client.status(f"{ENDPOINT}/edit", request) == Status(state="IN_PROGRESS")


@pytest.mark.parametrize(
    ("http", "headers"),
    [
        pytest.param(404, {}, id="404"),
        pytest.param(410, {}, id="410"),
        pytest.param(302, {"Location": "/elsewhere"}, id="a redirect"),
    ],
)
async def test_an_address_that_was_meant_for_another_host_is_replaced_by_our_own(
    answers: Answers, client: QueueClient, http: int, headers: Mapping[str, str]
) -> None:
    place = f"/v2/jobs/{REQUEST_ID}/state"
    answers.add("GET", f"{BASE}{place}", http, {"detail": "Not Found"}, headers)
    answers.add("GET", STATUS_URL, 202, {"status": "IN_PROGRESS"})
    request = Request(request_id=REQUEST_ID, status_url=f"https://jobs.example{place}")

    assert await client.status(ENDPOINT, request) == Status(state="IN_PROGRESS")


async def test_a_request_that_our_own_address_does_not_know_either_is_not_found(
    answers: Answers, client: QueueClient
) -> None:
    place = f"/v2/jobs/{REQUEST_ID}/state"
    answers.add("GET", f"{BASE}{place}", 404)
    answers.add("GET", STATUS_URL, 404)
    request = Request(request_id=REQUEST_ID, status_url=f"https://jobs.example{place}")

    assert await client.status(ENDPOINT, request) == NotFound()


async def test_a_405_of_our_own_address_is_a_failed_read(
    answers: Answers, client: QueueClient
) -> None:
    answers.add("GET", STATUS_URL, 405)
    request = Request(request_id=REQUEST_ID)

    with pytest.raises(ReadError):
        await client.status(ENDPOINT, request)


@pytest.mark.parametrize("method", ["result", "cancel"])
async def test_the_other_addresses_fall_back_in_the_same_way(
    answers: Answers, client: QueueClient, method: str
) -> None:
    wrong = f"{APP}/edit/requests/{REQUEST_ID}"
    verb = "PUT" if method == "cancel" else "GET"
    right = CANCEL_URL if method == "cancel" else RESULT_URL
    answers.add(verb, wrong, 405)
    answers.add(verb, right, 200, {"images": []})
    request = Request(request_id=REQUEST_ID, response_url=wrong, cancel_url=wrong)

    found = await getattr(client, method)(f"{ENDPOINT}/edit", request)

    assert found == (200 if method == "cancel" else Fetched(output={"images": []}))


async def test_a_response_url_with_a_suffix_is_used_as_given(
    answers: Answers, client: QueueClient
) -> None:
    answers.add("GET", f"{RESULT_URL}/response", 200, {"images": []})
    request = Request(request_id=REQUEST_ID, response_url=f"{RESULT_URL}/response")

    assert await client.result(ENDPOINT, request) == Fetched(output={"images": []})
