"""Images over real sockets, from a host that answers byte for byte what a test scripts."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from support.image_host import ImageHost, Pause, Reset, answer, chunked
from support.sample_images import sample_image

from batchgen.errors import ImageError, StorageError
from batchgen.images import FetchLimits, ImageStore, SavedImage
from batchgen.images.addresses import is_loopback, is_public
from batchgen.version import USER_AGENT

PNG = sample_image("PNG")

# A PNG of noise that is not compressed: too large to be collected in memory.
LARGE = sample_image("PNG", width=2000, height=1500, compress_level=0)


STEM = "images/kz/kzmx-0"


@pytest.fixture
async def host() -> AsyncIterator[ImageHost]:
    async with ImageHost() as host:
        yield host


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ImageStore]:
    limits = FetchLimits(connect_s=2.0, stall_s=0.2, total_s=2.0)
    async with ImageStore(tmp_path, loopback=True, limits=limits) as store:
        yield store


async def test_an_image_becomes_a_file_that_is_measured(
    host: ImageHost, store: ImageStore, tmp_path: Path
) -> None:
    url = host.play("/a.png", answer(PNG))

    saved = await store.download(url, stem=STEM)

    assert saved == SavedImage(
        file="images/kz/kzmx-0.png",
        content_type="image/png",
        width=64,
        height=48,
        bytes=len(PNG),
        sha256=hashlib.sha256(PNG).hexdigest(),
    )
    assert (tmp_path / saved.file).read_bytes() == PNG
    assert files_of(tmp_path) == [saved.file]


async def test_a_large_image_goes_to_the_disk_piece_by_piece(
    host: ImageHost, store: ImageStore, tmp_path: Path
) -> None:
    url = host.play("/large.png", answer(LARGE))

    saved = await store.download(url, stem=STEM)

    assert (saved.width, saved.height, saved.bytes) == (2000, 1500, len(LARGE))
    assert saved.sha256 == hashlib.sha256(LARGE).hexdigest()
    assert (tmp_path / saved.file).read_bytes() == LARGE
    assert files_of(tmp_path) == [saved.file]


@pytest.mark.parametrize(
    ("kind", "claimed", "expected"),
    [
        pytest.param("JPEG", "image/png", "images/kz/kzmx-0.jpg", id="jpeg called png"),
        pytest.param("WEBP", "text/html", "images/kz/kzmx-0.webp", id="webp called html"),
        pytest.param("GIF", "", "images/kz/kzmx-0.gif", id="gif without a name"),
        pytest.param("AVIF", "image/jpeg", "images/kz/kzmx-0.avif", id="avif called jpeg"),
    ],
)
async def test_the_bytes_decide_what_it_is_and_not_the_server(
    host: ImageHost, store: ImageStore, kind: str, claimed: str, expected: str
) -> None:
    headers = {
        "Content-Type": claimed,
        "Content-Disposition": 'attachment; filename="../../../evil.sh"',
    }
    url = host.play("/evil.exe", answer(sample_image(kind), headers=headers))

    assert (await store.download(url, stem=STEM)).file == expected


async def test_no_key_and_no_cookie_goes_along(host: ImageHost, store: ImageStore) -> None:
    first = host.play("/a.png", answer(PNG, headers={"Set-Cookie": "id=1; Path=/"}))
    host.redirect("/b.png", "/c.png")
    host.play("/c.png", answer(PNG))

    # Under a name: cookies are kept for names, and not for bare addresses.
    for url in (first, host.url + "/b.png"):
        await store.download(url.replace("127.0.0.1", "localhost"), stem=STEM)

    assert [seen.path for seen in host.seen] == ["/a.png", "/b.png", "/c.png"]
    for seen in host.seen:
        assert not {"authorization", "cookie", "referer"} & seen.headers.keys()
        assert seen.headers["user-agent"] == USER_AGENT


async def test_a_signed_url_is_asked_for_byte_for_byte(host: ImageHost, store: ImageStore) -> None:
    url = host.play("/a%2Fb%7e.png?sig=%2b~&x=a+b", answer(PNG))

    await store.download(url, stem=STEM)

    assert host.seen[0].path == "/a%2Fb%7e.png?sig=%2b~&x=a+b"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        pytest.param(
            [answer(PNG, headers={"Content-Length": str(len(PNG) + 9), "Connection": "close"})],
            "broke off after",
            id="a short body",
        ),
        pytest.param([chunked(PNG[:999], end=False), Reset()], "broke off", id="a chunk missing"),
        pytest.param([answer(PNG)[:900], Reset()], "broke off|reset", id="a reset"),
        pytest.param([Reset()], "reset|disconnected", id="a reset before the answer"),
        pytest.param([answer(PNG)[:900], Pause()], "sent nothing for 0.2 s", id="a stall"),
        pytest.param([Pause()], "sent nothing for 0.2 s", id="a stall before the answer"),
        pytest.param([b"what\r\n\r\n"], "not an answer in HTTP", id="no HTTP"),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + PNG[:999]],
            "PNG is damaged or ends early, after 999 bytes",
            id="cut short where nobody told the length",
        ),
        pytest.param([answer(b"")], "nothing at all", id="no bytes"),
        pytest.param(
            [answer(b"<html>Attention Required!", headers={"Content-Type": "image/png"})],
            "not an image but HTML or XML: <html>Attention",
            id="HTML",
        ),
        pytest.param([answer(b'{"detail":"x"}')], 'not an image but JSON: {"detail"', id="JSON"),
        pytest.param(
            [answer(PNG, headers={"Content-Encoding": "br"})],
            "not an answer in HTTP",
            id="an encoding",
        ),
        pytest.param(
            [answer(gzip.compress(PNG)[:-99], headers={"Content-Encoding": "gzip"})],
            "ends early",
            id="gzip that is cut short",
        ),
        pytest.param(
            [answer(b"\x1f\x8b" + PNG, headers={"Content-Encoding": "gzip"})],
            "broke off",
            id="gzip that is none",
        ),
    ],
)
async def test_what_is_not_whole_leaves_nothing_behind(
    host: ImageHost,
    store: ImageStore,
    tmp_path: Path,
    script: list[bytes | Pause | Reset],
    message: str,
) -> None:
    url = host.play("/a.png", *script)

    with pytest.raises(ImageError, match=message) as caught:
        await store.download(url, stem=STEM)

    assert not isinstance(caught.value, StorageError)
    assert not caught.value.gone
    assert files_of(tmp_path) == []


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(PNG, id="png"),
        pytest.param(sample_image("JPEG"), id="jpeg"),
        pytest.param(sample_image("JPEG", progressive=True), id="progressive jpeg"),
        pytest.param(sample_image("WEBP"), id="webp"),
    ],
)
async def test_an_image_cut_anywhere_is_never_saved(
    host: ImageHost, store: ImageStore, tmp_path: Path, data: bytes
) -> None:
    for cut in [*range(0, len(data), 49), len(data) - 1]:
        # The length is that of the cut: nothing but the image itself can tell.
        url = host.play("/a", answer(data[:cut]))
        with pytest.raises(ImageError):
            await store.download(url, stem=STEM)

    assert files_of(tmp_path) == []


async def test_a_byte_now_and_then_is_no_progress(host: ImageHost, tmp_path: Path) -> None:
    drip = [step for byte in PNG[:200] for step in (bytes([byte]), Pause(0.02))]
    url = host.play("/a.png", answer(PNG)[: -len(PNG)], *drip)
    limits = FetchLimits(stall_s=0.2, total_s=0.4)

    async with ImageStore(tmp_path, loopback=True, limits=limits) as store:
        with pytest.raises(ImageError, match=r"not done after 0\.4 s"):
            await store.download(url, stem=STEM)


async def test_a_host_that_is_not_there(store: ImageStore, tmp_path: Path) -> None:
    async with ImageHost() as host:
        url = host.url + "/a.png"

    with pytest.raises(ImageError, match=r"127\.0\.0\.1 cannot be reached"):
        await store.download(url, stem=STEM)


async def test_a_host_that_never_shakes_hands(host: ImageHost, tmp_path: Path) -> None:
    limits = FetchLimits(connect_s=0.2, stall_s=5.0)
    url = host.url.replace("http:", "https:") + "/a.png"

    async with ImageStore(tmp_path, loopback=True, limits=limits) as store:
        with pytest.raises(ImageError, match=r"not reached within 0.2 s|cannot be reached"):
            await store.download(url, stem=STEM)


async def test_a_name_that_nobody_has(store: ImageStore) -> None:
    with pytest.raises(ImageError, match=r"nobody\.invalid cannot be reached"):
        await store.download("https://nobody.invalid/a.png", stem=STEM)


async def test_a_name_that_is_too_long_for_one(store: ImageStore) -> None:
    with pytest.raises(ImageError):
        await store.download(f"https://{'a' * 70}.invalid/a.png", stem=STEM)


@pytest.mark.parametrize(
    ("status", "gone"),
    [
        pytest.param(404, True, id="not found"),
        pytest.param(410, True, id="gone"),
        pytest.param(403, False, id="forbidden is not gone"),
        pytest.param(429, False, id="too many"),
        pytest.param(500, False, id="an error"),
        pytest.param(503, False, id="not available"),
        pytest.param(204, False, id="no content"),
        pytest.param(206, False, id="a part that nobody asked for"),
        pytest.param(304, False, id="not modified"),
    ],
)
async def test_an_answer_without_an_image_tells_its_code(
    host: ImageHost, store: ImageStore, status: int, gone: bool
) -> None:
    url = host.play("/a.png", answer(b"" if status in (204, 304) else PNG, status=status))

    with pytest.raises(ImageError, match=f"127.0.0.1 answered {status}") as caught:
        await store.download(url, stem=STEM)

    assert (caught.value.http, caught.value.gone) == (status, gone)
    assert caught.value.retry_after_s is None


async def test_a_host_may_say_when_to_come_back(host: ImageHost, store: ImageStore) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    host.play("/s.png", answer(b"", status=429, headers={"Retry-After": "7"}))
    host.play("/d.png", answer(b"", status=503, headers={"Retry-After": date}))

    with pytest.raises(ImageError) as seconds:
        await store.download(host.url + "/s.png", stem=STEM)
    with pytest.raises(ImageError) as until:
        await store.download(host.url + "/d.png", stem=STEM)

    assert seconds.value.retry_after_s == 7
    assert 90 < (until.value.retry_after_s or 0) <= 100


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([chunked(PNG[:10], PNG[10:900], PNG[900:])], id="chunks"),
        pytest.param([b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n" + PNG], id="until the end"),
        pytest.param([answer(gzip.compress(PNG), headers={"Content-Encoding": "gzip"})], id="gzip"),
        pytest.param([answer(PNG)[:700], Pause(0.05), answer(PNG)[700:]], id="slowly"),
    ],
)
async def test_an_image_may_come_in_any_way_that_http_has(
    host: ImageHost, store: ImageStore, script: list[bytes | Pause | Reset]
) -> None:
    url = host.play("/a.png", *script)

    assert (await store.download(url, stem=STEM)).bytes == len(PNG)


async def test_the_length_of_the_result_counts_where_the_host_tells_none(
    host: ImageHost, store: ImageStore
) -> None:
    told = host.play("/told.png", answer(PNG))
    untold = host.play("/untold.png", chunked(PNG))

    assert (await store.download(untold, stem=STEM, size_hint=len(PNG))).bytes == len(PNG)
    assert (await store.download(told, stem=STEM, size_hint=123456)).bytes == len(PNG)
    with pytest.raises(ImageError, match=r"bytes of the image came; its result spoke of 123,456"):
        await store.download(untold, stem=STEM, size_hint=123456)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(
            [b"HTTP/1.1 200 OK\r\nContent-Length: 5001\r\n\r\n", Pause(2.0)],
            id="by what it announces",
        ),
        pytest.param([chunked(PNG)], id="by what comes"),
        pytest.param(
            [answer(gzip.compress(bytes(10**6)), headers={"Content-Encoding": "gzip"})],
            id="by what it unpacks to",
        ),
    ],
)
async def test_an_image_that_is_too_large_is_not_read_to_its_end(
    host: ImageHost, tmp_path: Path, script: list[bytes | Pause]
) -> None:
    url = host.play("/a.png", *script)

    async with ImageStore(tmp_path, loopback=True, limits=FetchLimits(max_bytes=5000)) as store:
        with pytest.raises(ImageError, match="larger than 5,000 bytes"):
            await store.download(url, stem=STEM)

    assert files_of(tmp_path) == []


async def test_a_large_page_instead_of_an_image_is_not_read_to_its_end(
    host: ImageHost, store: ImageStore
) -> None:
    url = host.play("/a.png", answer(b"<html>" + b" " * 9_000_000)[:-1], Pause(2.0))

    with pytest.raises(ImageError, match="not an image"):
        await store.download(url, stem=STEM)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([answer(LARGE)[:-99], Reset()], id="broken off"),
        pytest.param([answer(LARGE[:-99])], id="cut short"),
        pytest.param([answer(LARGE)[:-99], Pause()], id="stalled"),
        pytest.param([answer(b"<" + LARGE)], id="no image"),
    ],
)
async def test_of_a_large_image_that_is_not_whole_nothing_stays(
    host: ImageHost, tmp_path: Path, script: list[bytes | Pause | Reset]
) -> None:
    url = host.play("/a.png", *script)

    async with ImageStore(tmp_path, loopback=True, limits=FetchLimits(stall_s=0.3)) as store:
        with pytest.raises(ImageError):
            await store.download(url, stem=STEM)

    assert files_of(tmp_path) == []


async def test_five_redirects_are_followed_and_six_are_not(
    host: ImageHost, store: ImageStore
) -> None:
    for hop, status in enumerate([301, 302, 303, 307, 308, 302]):
        host.redirect(f"/{hop}", f"/{hop + 1}", status=status)
    host.play("/6", answer(PNG))

    assert (await store.download(host.url + "/1", stem=STEM)).bytes == len(PNG)
    with pytest.raises(ImageError, match="more than 5 redirects"):
        await store.download(host.url + "/0", stem=STEM)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        pytest.param("/loop", "more than 5 redirects", id="in a circle"),
        pytest.param("file:///etc/passwd", "not over 'file'", id="to a file"),
        pytest.param("ftp://127.0.0.1/a", "not over 'ftp'", id="to ftp"),
        pytest.param("http://user:pw@127.0.0.1/a", "user name", id="with a user name"),
        pytest.param("http://[::1/a", "is none", id="to what is no URL"),
        pytest.param("http://127.0.0.1:1/\x01", "control characters|is none", id="with a control"),
        pytest.param("", "without saying where", id="to nowhere"),
    ],
)
async def test_a_redirect_to_nowhere_good_is_refused(
    host: ImageHost, store: ImageStore, location: str, message: str
) -> None:
    url = host.redirect("/loop", location)

    with pytest.raises(ImageError, match=message):
        await store.download(url, stem=STEM)


async def test_a_redirect_to_what_is_gone_is_gone(host: ImageHost, store: ImageStore) -> None:
    url = host.redirect("/a.png", "/b.png")

    with pytest.raises(ImageError) as caught:
        await store.download(url, stem=STEM)

    assert caught.value.gone


async def test_a_redirect_to_a_private_address_is_refused_before_anything_is_sent(
    host: ImageHost, tmp_path: Path
) -> None:
    # 127.0.0.1 stands for the internet here, and 127.0.0.2 for a neighbour.
    reach = {"http": lambda address: str(address) == "127.0.0.1"}
    async with (
        ImageHost(address="127.0.0.2") as neighbour,
        ImageStore(tmp_path, loopback=False, reach=reach) as store,
    ):
        url = host.redirect("/a.png", neighbour.play("/a.png", answer(PNG)))
        with pytest.raises(ImageError, match=r"127\.0\.0\.2 is not an address to fetch images"):
            await store.download(url, stem=STEM)

        assert neighbour.connections == 0


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("127.0.0.1", id="an address"),
        pytest.param("localhost", id="a name"),
        pytest.param("LOCALHOST.", id="a name with a dot"),
        pytest.param("2130706433", id="a decimal number"),
        pytest.param("0x7f000001", id="a hexadecimal number"),
        pytest.param("0177.0.0.1", id="octal"),
        pytest.param("127.1", id="a short form"),
        pytest.param("[::ffff:127.0.0.1]", id="mapped into IPv6"),
        pytest.param("[::ffff:7f00:1]", id="mapped into IPv6, in hex"),
        pytest.param("0.0.0.0", id="unspecified"),
        pytest.param("127.0.0.1%2e", id="escaped"),
        pytest.param("１２７.0.0.1", id="full-width digits"),
    ],
)
async def test_a_private_address_is_refused_however_it_is_written(
    host: ImageHost, tmp_path: Path, written: str
) -> None:
    host.play("/a.png", answer(PNG))
    reach = {"http": is_public}

    async with ImageStore(tmp_path, loopback=False, reach=reach) as store:
        with pytest.raises(ImageError):
            await store.download(f"http://{written}:{host.port}/a.png", stem=STEM)

    assert host.connections == 0


async def test_a_queue_on_the_internet_fetches_nothing_from_this_machine(
    host: ImageHost, tmp_path: Path
) -> None:
    async with ImageStore(tmp_path, loopback=False) as store:
        with pytest.raises(ImageError, match="over https, not over 'http'"):
            await store.download(host.play("/a.png", answer(PNG)), stem=STEM)
        with pytest.raises(ImageError, match="not an address to fetch images from"):
            await store.download(f"https://localhost:{host.port}/a.png", stem=STEM)

    assert host.connections == 0


async def test_a_redirect_from_https_to_http_is_refused(tmp_path: Path, trusted: Trusted) -> None:
    reach = {"https": is_loopback}
    async with (
        ImageHost(tls=trusted.server) as secure,
        ImageHost() as plain,
        ImageStore(tmp_path, loopback=False, reach=reach, tls=trusted.client) as store,
    ):
        good = secure.play("/good.png", answer(PNG))
        bad = secure.redirect("/bad.png", plain.play("/a.png", answer(PNG)))

        assert (await store.download(good, stem=STEM)).bytes == len(PNG)
        with pytest.raises(ImageError, match="over https, not over 'http'"):
            await store.download(bad, stem=STEM)
        assert plain.connections == 0


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    tmp_path: Path, trusted: Trusted
) -> None:
    async with (
        ImageHost(tls=trusted.server) as secure,
        ImageStore(tmp_path, loopback=True) as store,
    ):
        with pytest.raises(ImageError, match="certificate"):
            await store.download(secure.play("/a.png", answer(PNG)), stem=STEM)


async def test_the_event_loop_goes_on_while_an_image_is_synced(
    host: ImageHost, tmp_path: Path
) -> None:
    turns = 0
    loop = asyncio.get_running_loop()

    def sync(_: int) -> None:
        # Answered only by a loop that turns; a loop that waits for this sync never would.
        asyncio.run_coroutine_threadsafe(turn(), loop).result(timeout=10)

    async def turn() -> None:
        nonlocal turns
        turns += 1

    async with ImageStore(tmp_path, loopback=True, sync=sync) as store:
        await store.download(host.play("/a.png", answer(PNG)), stem=STEM)

    assert turns > 0


async def test_a_download_that_is_called_off_leaves_nothing(
    host: ImageHost, tmp_path: Path
) -> None:
    url = host.play("/a.png", answer(LARGE)[:-99], Pause())

    async with ImageStore(tmp_path, loopback=True) as store:
        download = asyncio.create_task(store.download(url, stem=STEM))
        while not files_of(tmp_path):
            await asyncio.sleep(0.01)
        download.cancel()
        with pytest.raises(asyncio.CancelledError):
            await download

    assert files_of(tmp_path) == []


async def test_many_at_a_time(host: ImageHost, store: ImageStore, tmp_path: Path) -> None:
    url = host.play("/a.png", answer(PNG))

    async with asyncio.TaskGroup() as group:
        for number in range(100):
            group.create_task(store.download(url, stem=f"images/{number % 7}/{number}"))

    assert len(files_of(tmp_path)) == 100
    assert host.connections <= 100


class Trusted:
    """A certificate for 127.0.0.1 that one client trusts."""

    def __init__(self, folder: Path) -> None:
        certificate, key = folder / "host.pem", folder / "host.key"
        make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        make += ["-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-keyout", str(key)]
        make += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(certificate)]
        subprocess.run(make, check=True, capture_output=True)
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(certificate, key)
        self.client = ssl.create_default_context(cafile=str(certificate))


@pytest.fixture
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Trusted:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, so there is no certificate to test with")
    return Trusted(tmp_path_factory.mktemp("tls"))


def files_of(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
