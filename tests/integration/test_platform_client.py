"""The platform's history over a real socket, from a server that answers what a test scripts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from batchgen.errors import AccountError, ReadError
from batchgen.platform_client import HistoryEntry, PlatformClient, PlatformLimits
from batchgen.retry import Backoff
from batchgen.version import USER_AGENT

KEY = "id:secret"
NOW = datetime(2026, 11, 22, 21, 30, tzinfo=UTC)
ENDPOINT = "fal-ai/nano-banana-2/edit"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Platform:
    """Answers each call with the next of its answers; the last one goes on for ever."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.seen: list[web.Request] = []
        self.slept: list[float] = []
        self.url = ""

    def will(self, *answers: Answer) -> None:
        self.answers = list(answers)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def client(self, **limits: float) -> PlatformClient:
        return PlatformClient(
            self.url,
            KEY,
            limits=PlatformLimits(**{"tries": 3, **limits}),  # type: ignore[arg-type]  # a table
            backoff=Backoff(base_s=1.0, cap_s=8.0),
            sleep=self.sleep,
            jitter=lambda: 0.5,
            now=lambda: NOW,
        )

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    platform = Platform()
    async with served(platform.serve) as url:
        platform.url = url + "/v1"
        yield platform


@asynccontextmanager
async def served(answer: Answer) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def page(*request_ids: str, next_cursor: str | None = None, **fields: object) -> Answer:
    items = [{"request_id": request_id, **fields} for request_id in request_ids]

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(
            {"items": items, "next_cursor": next_cursor, "has_more": next_cursor is not None}
        )

    return answer


def status(code: int, body: object = None, **headers: str) -> Answer:
    names = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body or {"detail": "no"}, status=code, headers=names)

    return answer


def text(body: str) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body)

    return answer


async def drop(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def hang(request: web.Request) -> web.Response:
    await asyncio.sleep(0.6)  # longer than the client waits
    return web.Response()


async def read_all(client: PlatformClient) -> list[HistoryEntry]:
    async with client:
        entries = client.history(ENDPOINT, start=NOW - timedelta(hours=1), end=NOW)
        return [entry async for entry in entries]


async def test_all_pages_are_read_with_their_payloads(platform: Platform) -> None:
    platform.will(
        page("r1", "r2", next_cursor="Mg==", json_input={"seed": 1}),
        page("r3", next_cursor="a+b&c", json_input={"seed": 2}),
        page("r4"),
    )

    entries = await read_all(platform.client())

    assert [(entry.request_id, entry.input) for entry in entries] == [
        ("r1", {"seed": 1}),
        ("r2", {"seed": 1}),
        ("r3", {"seed": 2}),
        ("r4", None),
    ]
    question = {
        "endpoint_id": ENDPOINT,
        "start": "2026-11-22T20:30:00.000Z",
        "end": "2026-11-22T21:30:00.000Z",
        "expand": "payloads",
        "limit": "100",
    }
    assert [dict(request.query) for request in platform.seen] == [
        question,
        {**question, "cursor": "Mg=="},
        {**question, "cursor": "a+b&c"},
    ]
    assert {request.path for request in platform.seen} == {"/v1/models/requests/by-endpoint"}


async def test_the_key_goes_along_and_cookies_do_not(platform: Platform) -> None:
    # Under a name: cookies are kept for names, and not for bare addresses.
    platform.url = platform.url.replace("127.0.0.1", "localhost")
    platform.will(
        status(500, Set_Cookie="id=1"),
        page("r1"),
    )

    await read_all(platform.client())

    for request in platform.seen:
        assert request.headers["Authorization"] == f"Key {KEY}"
        assert request.headers["User-Agent"] == USER_AGENT
        assert "Cookie" not in request.headers


async def test_an_entry_on_two_pages_is_given_once(platform: Platform) -> None:
    # A request that ends meanwhile moves the others on by one.
    platform.will(page("r1", "r2", next_cursor="2"), page("r2", "r3"))

    assert [e.request_id for e in await read_all(platform.client())] == ["r1", "r2", "r3"]


async def test_entries_without_a_name_are_all_given(platform: Platform) -> None:
    platform.will(page("", ""))

    assert await read_all(platform.client()) == [HistoryEntry(request_id="")] * 2


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(status(500), id="500"),
        pytest.param(status(502), id="502"),
        pytest.param(status(429), id="429"),
        pytest.param(status(404), id="404"),
        pytest.param(status(408), id="408"),
        pytest.param(status(403, {"detail": "Rate limit exceeded"}), id="403 that means the rate"),
        pytest.param(text("<html>"), id="HTML"),
        pytest.param(text(""), id="nothing"),
        pytest.param(text('{"items": null}'), id="no items"),
        pytest.param(hang, id="no answer"),
    ],
)
async def test_a_page_is_asked_for_again_where_that_can_help(
    platform: Platform, failure: Answer
) -> None:
    platform.will(page("r1", next_cursor="2"), failure, failure, page("r2"))

    entries = await read_all(platform.client(answer_s=0.2))

    assert [entry.request_id for entry in entries] == ["r1", "r2"]
    assert platform.slept == [0.5, 1.0]
    assert [request.query.get("cursor") for request in platform.seen] == [None, "2", "2", "2"]


async def test_a_dropped_connection_is_made_anew(platform: Platform) -> None:
    # The first of these goes unnoticed: aiohttp itself asks once more.
    platform.will(drop, drop, page("r1"))

    entries = await read_all(platform.client())

    assert [entry.request_id for entry in entries] == ["r1"]
    assert platform.slept


async def test_but_not_for_ever_and_a_part_is_not_taken_for_the_whole(platform: Platform) -> None:
    platform.will(page("r1", next_cursor="2"), status(503))

    with pytest.raises(ReadError, match="HTTP 503: no") as caught:
        await read_all(platform.client())

    assert caught.value.http == 503
    assert len(platform.seen) == 1 + 3


@pytest.mark.parametrize(
    "code",
    [pytest.param(code, id=str(code)) for code in (204, 301, 302, 307, 400, 405, 410, 422)],
)
async def test_what_will_be_the_same_next_time_is_asked_once(platform: Platform, code: int) -> None:
    platform.will(status(code, Location=f"{platform.url}/elsewhere"))

    with pytest.raises(ReadError) as caught:
        await read_all(platform.client())

    assert caught.value.http == code
    assert len(platform.seen) == 1
    assert platform.slept == []


async def test_no_redirect_is_followed_with_the_key(platform: Platform) -> None:
    strangers: list[web.Request] = []

    async def stranger(request: web.Request) -> web.Response:
        strangers.append(request)
        return web.json_response({"items": []})

    async with served(stranger) as elsewhere:
        platform.will(status(302, Location=f"{elsewhere}/v1/models/requests/by-endpoint"))
        with pytest.raises(ReadError):
            await read_all(platform.client())

    assert strangers == []


@pytest.mark.parametrize(
    ("code", "detail", "cause"),
    [
        pytest.param(401, "invalid key credentials", "key", id="a wrong key"),
        pytest.param(403, "Admin key required", "key", id="a key of the wrong kind"),
        pytest.param(403, "User is locked. Reason: TOP_UP.", "locked", id="a locked account"),
        pytest.param(402, "Payment required", "locked", id="402"),
    ],
)
async def test_a_key_that_may_not_read_the_history(
    platform: Platform, code: int, detail: str, cause: str
) -> None:
    platform.will(status(code, {"detail": detail}))

    with pytest.raises(AccountError, match=detail) as caught:
        await read_all(platform.client())

    assert (caught.value.cause, caught.value.http) == (cause, code)
    assert len(platform.seen) == 1


async def test_the_platform_has_a_form_of_its_own_for_errors(platform: Platform) -> None:
    body = {"error": {"type": "authorization_error", "message": "Authentication is required"}}
    platform.will(status(401, body))

    with pytest.raises(AccountError, match="Authentication is required"):
        await read_all(platform.client())


async def test_the_platform_says_when_to_come_back(platform: Platform) -> None:
    platform.will(status(429, Retry_After="7"), page("r1"))

    await read_all(platform.client())

    assert platform.slept == [7.0]


async def test_a_pause_that_is_too_long_is_left_to_the_caller(platform: Platform) -> None:
    platform.will(status(429, Retry_After="Sun, 22 Nov 2026 22:00:00 GMT"), page("r1"))

    with pytest.raises(ReadError) as caught:
        await read_all(platform.client())

    assert caught.value.retry_after_s == 1800
    assert platform.slept == []


async def test_pages_that_go_round_in_a_circle_end(platform: Platform) -> None:
    platform.will(
        page("r1", next_cursor="2"), page("r2", next_cursor="1"), page("r1", next_cursor="2")
    )

    with pytest.raises(ReadError, match="in a circle"):
        await read_all(platform.client())


async def test_a_platform_that_is_not_there() -> None:
    async with served(drop) as url:
        pass
    platform = Platform()
    platform.url = url

    with pytest.raises(ReadError, match="no answer") as caught:
        await read_all(platform.client())

    assert caught.value.http is None
    assert len(platform.slept) == 2
    assert KEY not in str(caught.value)


async def test_one_request_is_found_by_its_name(platform: Platform) -> None:
    platform.will(page("r7", json_output={"images": [{"url": "https://h/a.png"}]}))

    async with platform.client() as client:
        entry = await client.find(ENDPOINT, "r7")

    assert entry is not None
    assert entry.output == {"images": [{"url": "https://h/a.png"}]}
    assert dict(platform.seen[0].query) == {
        "endpoint_id": ENDPOINT,
        "request_id": "r7",
        "start": "2026-08-24T21:30:00.000Z",
        "expand": "payloads",
        "limit": "100",
    }


async def test_a_service_that_does_not_know_the_filter_misleads_nobody(platform: Platform) -> None:
    platform.will(page("r1", "r2", next_cursor="2"), page("r7"))
    async with platform.client() as client:
        found = await client.find(ENDPOINT, "r7", since=NOW - timedelta(hours=2))
    platform.will(page("r1", "r2", next_cursor="2"), page("r3"))
    async with platform.client() as client:
        missing = await client.find(ENDPOINT, "r7")

    assert found == HistoryEntry(request_id="r7")
    assert missing is None
    assert platform.seen[0].query["start"] == "2026-11-22T19:30:00.000Z"


async def test_no_answer_is_not_taken_for_an_empty_history(platform: Platform) -> None:
    platform.will(status(404))

    async with platform.client() as client:
        with pytest.raises(ReadError):
            await client.find(ENDPOINT, "r7")
