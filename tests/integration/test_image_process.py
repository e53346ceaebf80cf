"""The process that stores images where they come fast, and what is left when it is gone."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.image_host import ImageHost, Pause, answer
from support.sample_images import sample_image

from batchgen.errors import ImageError, StorageError
from batchgen.images import ImageProcess, ImageStore

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sockets are not handed down there")

PNG = sample_image("PNG")

# A PNG of noise that is not compressed: too large to be collected in memory.
LARGE = sample_image("PNG", width=2000, height=1500, compress_level=0)

STEM = "images/kz/kzmx-0"


def stopped() -> float:
    """Tell the time of a clock that stands still: everything is fast by it."""
    return 0.0


@pytest.fixture
async def host() -> AsyncIterator[ImageHost]:
    async with ImageHost() as host:
        yield host


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[ImageProcess]:
    process = ImageProcess(tmp_path, loopback=True, monotonic=stopped, fast_images=1)
    yield process
    await process.close()


@pytest.fixture
async def store(tmp_path: Path, process: ImageProcess) -> AsyncIterator[ImageStore]:
    async with ImageStore(tmp_path, loopback=True, process=process) as store:
        yield store


@pytest.fixture
async def busy(host: ImageHost, store: ImageStore, process: ImageProcess) -> ImageStore:
    """A store whose process is at work."""
    await store.download(host.play("/first.png", answer(PNG)), stem="images/first")
    await until_at_work(process)
    return store


async def until_at_work(process: ImageProcess) -> None:
    async with asyncio.timeout(60.0):
        while not process.is_at_work:
            await asyncio.sleep(0.01)


async def until_gone(process: ImageProcess) -> None:
    async with asyncio.timeout(60.0):
        while process.is_at_work:
            await asyncio.sleep(0.01)


def parts_of(pid: int | None, folder: Path) -> list[str]:
    """Return the parts that a process is writing: their names begin with its number."""
    parts = folder / "images" / ".part"
    return [path.name for path in parts.glob(f"{pid}-*")] if parts.is_dir() else []


async def test_images_that_come_slowly_are_stored_without_it(
    host: ImageHost, tmp_path: Path
) -> None:
    seconds = iter(range(100))
    process = ImageProcess(
        tmp_path, loopback=True, monotonic=lambda: 2.0 * next(seconds), fast_images=3
    )
    url = host.play("/a.png", answer(PNG))

    async with ImageStore(tmp_path, loopback=True, process=process) as store:
        for number in range(12):
            await store.download(url, stem=f"images/{number}")

    assert process.pid is None


async def test_images_that_come_fast_have_one_and_it_stores_what_we_would(
    host: ImageHost, busy: ImageStore, process: ImageProcess, tmp_path: Path
) -> None:
    here = await ImageStore(tmp_path, loopback=True).__aenter__()
    url = host.play("/a.png", answer(PNG))

    saved = await busy.download(url, stem=STEM)

    assert saved == here.check(f"{STEM}.png")
    assert (tmp_path / saved.file).read_bytes() == PNG
    assert process.is_at_work
    await here.__aexit__(None, None, None)


async def test_a_large_image_is_spilled_by_it(
    host: ImageHost, busy: ImageStore, process: ImageProcess, tmp_path: Path
) -> None:
    url = host.play("/a.png", answer(LARGE)[:-1000], Pause(), answer(LARGE)[-1000:])

    download = asyncio.create_task(busy.download(url, stem=STEM))
    async with asyncio.timeout(60.0):
        while not parts_of(process.pid, tmp_path):
            await asyncio.sleep(0.01)
    download.cancel()
    ended = await asyncio.gather(download, return_exceptions=True)

    assert isinstance(ended[0], asyncio.CancelledError)
    assert process.is_at_work


async def test_many_at_a_time_and_each_under_its_own_name(
    host: ImageHost, busy: ImageStore, tmp_path: Path
) -> None:
    images = [sample_image("PNG", width=10 + number) for number in range(20)]
    urls = [host.play(f"/{number}.png", answer(image)) for number, image in enumerate(images)]

    saved = await asyncio.gather(
        *(
            busy.download(urls[number % 20], stem=f"images/{number % 7}/{number}")
            for number in range(100)
        )
    )

    assert [one.file for one in saved] == [f"images/{n % 7}/{n}.png" for n in range(100)]
    assert [(tmp_path / one.file).read_bytes() for one in saved] == images * 5


async def test_what_goes_wrong_there_is_what_would_go_wrong_here(
    host: ImageHost, busy: ImageStore, tmp_path: Path
) -> None:
    late = answer(b"", status=429, headers={"Retry-After": "7"})

    with pytest.raises(ImageError, match="answered 410") as gone:
        await busy.download(host.play("/gone", answer(b"", status=410)), stem=STEM)
    with pytest.raises(ImageError, match="answered 429") as busy_host:
        await busy.download(host.play("/late", late), stem=STEM)
    with pytest.raises(ImageError, match="damaged or ends early") as damaged:
        await busy.download(host.play("/cut", answer(PNG[:-1])), stem=STEM)

    assert (gone.value.gone, gone.value.http) == (True, 410)
    assert (busy_host.value.gone, busy_host.value.retry_after_s) == (False, 7.0)
    assert (damaged.value.http, type(damaged.value)) == (None, ImageError)


async def test_a_disk_that_refuses_is_told_apart(
    host: ImageHost, busy: ImageStore, tmp_path: Path
) -> None:
    (tmp_path / "images" / "kz").write_text("a file where a folder should be")

    with pytest.raises(StorageError, match="cannot write") as refused:
        await busy.download(host.play("/a.png", answer(PNG)), stem=STEM)

    assert refused.value.errno in (17, 20)  # EEXIST, ENOTDIR


async def test_an_image_that_it_had_in_hand_when_it_was_killed_is_stored_here(
    host: ImageHost,
    busy: ImageStore,
    process: ImageProcess,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = host.play("/a.png", Pause(), answer(PNG))
    first = asyncio.create_task(busy.download(url, stem=STEM))
    async with asyncio.timeout(60.0):
        while not any(seen.path == "/a.png" for seen in host.seen):
            await asyncio.sleep(0.01)
    host.play("/a.png", answer(PNG))

    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    saved = await first
    again = await busy.download(url, stem="images/kz/other")

    assert (tmp_path / saved.file).read_bytes() == (tmp_path / again.file).read_bytes() == PNG
    assert not process.is_at_work
    await process.close()
    told = [line for line in caplog.messages if "process for images has ended (-9)" in line]
    assert len(told) == 1


async def test_one_that_cannot_be_started_is_done_without_and_why_is_logged(
    host: ImageHost, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    process = ImageProcess(
        tmp_path, loopback=True, monotonic=stopped, fast_images=1, program="batchgen.nowhere"
    )
    url = host.play("/a.png", answer(PNG))

    async with ImageStore(tmp_path, loopback=True, process=process) as store:
        saved = await store.download(url, stem=STEM)
        async with asyncio.timeout(60.0):
            while "has ended (1)" not in caplog.text:
                await asyncio.sleep(0.01)
        await store.download(url, stem="images/b")

    assert (tmp_path / saved.file).read_bytes() == PNG
    assert "No module named batchgen.nowhere" in caplog.text
    assert caplog.text.count("has ended") == 1


async def test_one_that_stands_still_is_given_up_and_what_it_had_in_hand_is_stored_here(
    host: ImageHost, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = host.play("/a.png", answer(PNG))
    process = ImageProcess(tmp_path, loopback=True, monotonic=stopped, fast_images=1, pulse_s=0.5)
    async with ImageStore(tmp_path, loopback=True, process=process) as store:
        await store.download(url, stem="images/first")
        await until_at_work(process)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)

        saved = await store.download(url, stem=STEM)

        assert (tmp_path / saved.file).read_bytes() == PNG
        assert not process.is_at_work
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
    assert "says nothing any more" in caplog.text


async def test_one_that_never_begins_holds_nobody_up_in_the_end(
    host: ImageHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "sleeper.py").write_text("import time\ntime.sleep(3600)\n")
    monkeypatch.setenv("PYTHONPATH", str(modules))
    process = ImageProcess(
        tmp_path, loopback=True, monotonic=stopped, fast_images=1, program="sleeper"
    )
    async with asyncio.timeout(60.0):
        async with ImageStore(tmp_path, loopback=True, process=process) as store:
            await store.download(host.play("/a.png", answer(PNG)), stem=STEM)
            while process.pid is None:
                await asyncio.sleep(0.01)

    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


async def test_what_it_was_writing_when_it_was_killed_is_removed_by_the_same_run(
    host: ImageHost, tmp_path: Path
) -> None:
    url = host.play("/a.png", answer(LARGE)[:-1000], Pause())
    process = ImageProcess(tmp_path, loopback=True, monotonic=stopped, fast_images=1)
    async with ImageStore(tmp_path, loopback=True, process=process) as store:
        await store.download(host.play("/first.png", answer(PNG)), stem="images/first")
        await until_at_work(process)
        download = asyncio.create_task(store.download(url, stem=STEM))
        async with asyncio.timeout(60.0):
            while not parts_of(process.pid, tmp_path):
                await asyncio.sleep(0.01)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        await until_gone(process)
        assert parts_of(process.pid, tmp_path)
        download.cancel()
        await asyncio.gather(download, return_exceptions=True)

    assert not (tmp_path / "images" / ".part").exists()


# A process that may open no more files when it would start one.
NO_FILES = """
    import asyncio, logging, os, resource, sys
    from pathlib import Path
    from batchgen.images import ImageProcess

    async def main(folder):
        process = ImageProcess(folder, loopback=True, monotonic=lambda: 0.0, fast_images=1)
        open_files = os.listdir("/proc/self/fd")
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(open_files) - 1, 4096))
        assert await process.download("http://127.0.0.1/", stem="a", size_hint=None) is None
        await asyncio.sleep(0)
        await process.close()

    logging.basicConfig()
    asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc")
def test_where_no_file_can_be_opened_any_more_it_is_done_without(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-c", textwrap.dedent(NO_FILES), tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0
    assert "no process for images could be started" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_a_store_that_is_closed_has_none_left(
    host: ImageHost, busy: ImageStore, process: ImageProcess, caplog: pytest.LogCaptureFixture
) -> None:
    await process.close()

    assert not process.is_at_work
    assert process.pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


async def test_a_store_that_is_closed_while_one_starts_has_none_left_either(
    host: ImageHost, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    process = ImageProcess(tmp_path, loopback=True, monotonic=stopped, fast_images=1)
    async with ImageStore(tmp_path, loopback=True, process=process) as store:
        await store.download(host.play("/a.png", answer(PNG)), stem=STEM)

    assert process.pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc")
async def test_the_key_is_not_given_to_it(
    host: ImageHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAL_KEY", "id:secret")
    monkeypatch.setenv("FAL_KEY_SECRET", "secret")
    process = ImageProcess(tmp_path, loopback=True, monotonic=stopped, fast_images=1)
    async with ImageStore(tmp_path, loopback=True, process=process) as store:
        await store.download(host.play("/a.png", answer(PNG)), stem=STEM)
        await until_at_work(process)

        environ = Path(f"/proc/{process.pid}/environ").read_bytes()
        command = Path(f"/proc/{process.pid}/cmdline").read_bytes()

    assert b"PATH=" in environ
    assert b"secret" not in environ + command


async def test_signals_that_ask_a_run_to_stop_do_not_stop_it(
    host: ImageHost, busy: ImageStore, process: ImageProcess
) -> None:
    assert process.pid is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(process.pid, number)

    await busy.download(host.play("/a.png", answer(PNG)), stem=STEM)

    assert process.is_at_work


# A process that has one, says its number, and then waits to be killed.
PARENT = """
    import asyncio, sys
    from pathlib import Path
    from batchgen.images import ImageProcess, ImageStore

    async def main(folder, url):
        process = ImageProcess(folder, loopback=True, monotonic=lambda: 0.0, fast_images=1)
        async with ImageStore(folder, loopback=True, process=process) as store:
            await store.download(url, stem="images/a")
            while not process.is_at_work:
                await asyncio.sleep(0.01)
            print(process.pid, flush=True)
            await asyncio.sleep(3600)

    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


async def test_it_ends_when_the_run_is_killed(host: ImageHost, tmp_path: Path) -> None:
    url = host.play("/a.png", answer(PNG))
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(PARENT), str(tmp_path), url),
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())

    parent.kill()
    await parent.wait()

    async with asyncio.timeout(60.0):
        while is_alive(pid):
            await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that has ended, and that nobody has asked after, does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
