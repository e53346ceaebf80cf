"""Whether a POST may have arrived: over real sockets, each way in which a connection can fail."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.queues import ENDPOINT, KEY, PATIENT, QUICK, client_of
from support.wire import Do, Silent, Step, Wire, http, refused_url

from batchgen.attempt import Request
from batchgen.errors import NotSentError, QueueError, ReadError, UncertainError
from batchgen.queue_client import POST_KEEPALIVE_S, QueueClient, encode_input
from batchgen.reply import Fetched
from batchgen.version import USER_AGENT

BODY = encode_input({"prompt": "a fox"})
ACCEPTED = http(200, {"request_id": "r1"})
HALF = len(ACCEPTED) // 2


async def submit(url: str) -> QueueError | Request:
    """Submit once and return what came of it."""
    async with client_of(url, timeouts=QUICK) as client:
        try:
            request, _ = await client.submit(ENDPOINT, BODY)
        except QueueError as error:
            return error
        return request


# -- nothing was delivered ---------------------------------------------------------------


async def test_a_refused_connection_is_not_sent() -> None:
    assert isinstance(await submit(refused_url()), NotSentError)


async def test_a_name_that_nobody_knows_is_not_sent() -> None:
    # RFC 6761, section 6.4: this name never resolves.
    assert isinstance(await submit("http://queue.invalid"), NotSentError)


async def test_a_connection_that_does_not_come_about_in_time_is_not_sent() -> None:
    with Silent() as silent:
        error = await submit(silent.url)

    assert isinstance(error, NotSentError)


async def test_a_server_that_speaks_no_tls_is_not_sent() -> None:
    async with Wire([ACCEPTED]) as server:
        error = await submit(server.url.replace("http://", "https://"))

        assert isinstance(error, NotSentError)
        assert server.posts == 0


async def test_a_tls_handshake_that_hangs_is_not_sent() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        error = await submit(f"https://127.0.0.1:{port}")

    assert isinstance(error, NotSentError)


async def test_a_certificate_that_nobody_vouches_for_is_not_sent(
    strange_tls: ssl.SSLContext,
) -> None:
    async with Wire([ACCEPTED], tls=strange_tls) as server:
        error = await submit(server.url)

        assert isinstance(error, NotSentError)
        assert server.posts == 0


# -- it may have been accepted -----------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([Do.CLOSE], id="closed before the answer"),
        pytest.param([Do.RESET], id="reset before the answer"),
        pytest.param([Do.HANG], id="no answer in time"),
        pytest.param([ACCEPTED[:9], Do.CLOSE], id="closed in the status line"),
        pytest.param([ACCEPTED[:30], Do.CLOSE], id="closed in the headers"),
        pytest.param([ACCEPTED[:HALF], Do.CLOSE], id="closed after half the answer"),
        pytest.param([ACCEPTED[:-1], Do.CLOSE], id="closed before the last byte"),
        pytest.param([ACCEPTED[:-1], Do.RESET], id="reset before the last byte"),
        pytest.param([ACCEPTED[:-1], Do.HANG], id="no last byte in time"),
        pytest.param([b"I am no HTTP server\r\n\r\n", Do.CLOSE], id="no HTTP"),
        pytest.param(
            [http(200, b"xx", headers={"Content-Encoding": "gzip"})], id="broken compression"
        ),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Do.CLOSE],
            id="broken chunks",
        ),
        pytest.param([b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000], id="headers without an end"),
    ],
)
async def test_what_breaks_after_the_bytes_went_out_is_uncertain_and_is_sent_once(
    script: Sequence[Step],
) -> None:
    async with Wire(script) as server:
        error = await submit(server.url)
        await asyncio.sleep(0.05)  # a second POST would come at once

        assert isinstance(error, UncertainError)
        assert server.posts == 1


async def test_a_connection_that_was_kept_open_and_then_closed_is_uncertain_and_sent_once() -> None:
    async with Wire([ACCEPTED], [Do.CLOSE], [ACCEPTED]) as server, client_of(server.url) as client:
        await client.submit(ENDPOINT, BODY)

        with pytest.raises(UncertainError):
            await client.submit(ENDPOINT, BODY)

        assert server.connections == 1
        assert server.posts == 2


async def test_a_connection_that_has_been_idle_is_not_used_for_a_post() -> None:
    async with Wire([ACCEPTED]) as server, client_of(server.url) as client:
        await client.submit(ENDPOINT, BODY)
        await asyncio.sleep(POST_KEEPALIVE_S + 0.3)
        await client.submit(ENDPOINT, BODY)

        assert server.connections == 2


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a byte now and then, for ever."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    try:
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)
    except (OSError, asyncio.CancelledError):
        writer.close()


async def test_a_total_time_that_runs_out_in_the_middle_of_an_answer_is_uncertain() -> None:
    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        error = await submit(f"http://127.0.0.1:{port}")

    assert isinstance(error, UncertainError)


async def test_a_read_whose_answer_drips_without_an_end_is_a_failed_read() -> None:
    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with client_of(f"http://127.0.0.1:{port}", timeouts=QUICK) as client:
            with pytest.raises(ReadError):
                await client.result(ENDPOINT, Request(request_id="r1"))


async def test_an_answer_that_comes_in_pieces_is_read_whole() -> None:
    body = b'{"images": [], "description": "' + b"x" * 300_000 + b'"}'
    whole = http(200, body)

    script = [whole[:90], whole[90:200_000], whole[200_000:]]
    async with Wire(script) as server, client_of(server.url, timeouts=PATIENT) as client:
        found = await client.result(ENDPOINT, Request(request_id="r1"))

    assert found == Fetched(output={"images": [], "description": "x" * 300_000})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    async with Wire([ACCEPTED]) as elsewhere:
        away = http(status, headers={"Location": f"{elsewhere.url}/x"})
        async with Wire([away]) as server, client_of(server.url) as client:
            with pytest.raises(QueueError):
                await client.submit(ENDPOINT, BODY)
            with pytest.raises(ReadError):
                await client.status(ENDPOINT, Request(request_id="r1"))
            with pytest.raises(ReadError):
                await client.result(ENDPOINT, Request(request_id="r1"))
            await client.cancel(ENDPOINT, Request(request_id="r1"))

            assert [seen.method for seen in server.seen] == ["POST", "GET", "GET", "PUT"]
        assert elsewhere.seen == []


# -- what goes over the wire -------------------------------------------------------------


async def test_a_post_carries_key_input_and_who_we_are() -> None:
    async with Wire([ACCEPTED]) as server, client_of(server.url) as client:
        await client.submit(f"{ENDPOINT}/edit", BODY)

        [seen] = server.seen
    assert seen.target == f"/{ENDPOINT}/edit"
    assert seen.body == BODY
    assert seen.headers["authorization"] == f"Key {KEY}"
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["user-agent"] == USER_AGENT
    assert seen.headers["x-app-fal-disable-fallback"] == "true"
    assert "cookie" not in seen.headers


async def test_no_cookie_is_kept() -> None:
    cookie = http(200, {"request_id": "r1"}, headers={"Set-Cookie": "a=b"})
    async with Wire([cookie]) as server, client_of(server.url) as client:
        await client.submit(ENDPOINT, BODY)
        await client.submit(ENDPOINT, BODY)

        assert "cookie" not in server.seen[1].headers


async def test_a_read_is_repeated_once_on_a_fresh_connection_where_an_old_one_was_closed() -> None:
    result = http(200, {"images": []})
    async with Wire([result], [Do.CLOSE], [result]) as server, client_of(server.url) as client:
        await client.result(ENDPOINT, Request(request_id="r1"))

        found = await client.result(ENDPOINT, Request(request_id="r1"))

        assert found == Fetched(output={"images": []})
        assert server.connections == 2


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([Do.RESET], id="reset"),
        pytest.param([Do.HANG], id="no answer in time"),
        pytest.param([http(200, {"status": "COMPLETED"})[:-3], Do.CLOSE], id="half an answer"),
        pytest.param([b"999 what?\r\n\r\n", Do.CLOSE], id="no HTTP"),
    ],
)
async def test_a_read_that_breaks_is_a_failed_read(script: Sequence[Step]) -> None:
    async with Wire(script) as server, client_of(server.url, timeouts=QUICK) as client:
        with pytest.raises(ReadError) as caught:
            await client.status(ENDPOINT, Request(request_id="r1"))

    assert caught.value.http is None


async def test_a_hundred_submissions_go_out_side_by_side() -> None:
    async with Wire([ACCEPTED]) as server, client_of(server.url) as client:
        found = await asyncio.gather(*(client.submit(ENDPOINT, BODY) for _ in range(100)))

        assert {request.request_id for request, _ in found} == {"r1"}
        assert server.posts == 100


def test_a_client_that_was_never_entered_has_connected_nothing() -> None:
    assert isinstance(client_of("http://127.0.0.1:1"), QueueClient)


@pytest.fixture(scope="session")
def strange_tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """Return the server's side of a certificate that signs itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, so there is no certificate to test with")
    folder: Path = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    make += ["-nodes", "-subj", "/CN=localhost", "-days", "2"]
    make += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(make, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
