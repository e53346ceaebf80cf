"""How many images a second become verified, durable files; on loopback, in one process.

    python tests/benchmarks/images_throughput.py [FOLDER] [--only LABEL] [--profile]

The host runs in a process of its own. Every image is synced, and its folder too.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import multiprocessing
import pstats
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path

from aiohttp import web
from PIL import Image

from batchgen.images import ImageStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A kind of image, `side` pixels wide and high; the noisy share decides how many bytes."""

    label: str
    kind: str
    side: int
    noisy: float
    count: int


CASES = [
    Case(label="PNG, 3 kB", kind="PNG", side=32, noisy=1.0, count=3000),
    Case(label="PNG 1K, 1.5 MB", kind="PNG", side=1024, noisy=0.48, count=300),
    Case(label="JPEG 1K, 0.6 MB", kind="JPEG", side=1024, noisy=1.0, count=300),
    Case(label="PNG 2K, 12 MB", kind="PNG", side=2048, noisy=1.0, count=40),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="where the images go for a moment")
    parser.add_argument("--only", default="", help="a part of the label")
    parser.add_argument("--profile", action="store_true", help="what the event loop's thread did")
    options = parser.parse_args()
    cases = [case for case in CASES if options.only in case.label]
    ours, theirs = multiprocessing.Pipe()
    bodies = [make_image(case) for case in cases]
    host = multiprocessing.get_context("spawn").Process(target=serve, args=(bodies, theirs))
    host.start()
    port = ours.recv()
    for number, (case, body) in enumerate(zip(cases, bodies, strict=True)):
        url = f"http://127.0.0.1:{port}/{number}"
        for at_once in (1, 8, 32):
            line = measure(case, url, at_once=at_once, folder=options.folder, show=options.profile)
            sys.stdout.write(f"{case.label:18} {len(body):>10,} bytes  {line}\n")
    ours.send(None)
    host.join()


def measure(case: Case, url: str, *, at_once: int, folder: Path | None, show: bool) -> str:
    count = case.count if at_once > 1 else case.count // 4
    with ExitStack() as stack:
        batch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder)))
        profile = stack.enter_context(cProfile.Profile()) if show else None
        cpu, wall = time.process_time(), time.perf_counter()
        asyncio.run(fetch(batch, url, count=count, at_once=at_once))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if profile is not None:
        pstats.Stats(profile).sort_stats("tottime").print_stats(12)
    return (
        f"{at_once:>2} at once {count / wall:8.1f} images/s  {cpu / count * 1e3:6.2f} ms CPU each"
    )


async def fetch(folder: Path, url: str, *, count: int, at_once: int) -> None:
    numbers = iter(range(count))

    async def drain(store: ImageStore) -> None:
        for number in numbers:
            await store.download(url, stem=f"images/{number % 256:02x}/{number}")

    async with ImageStore(folder, loopback=True) as store, asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(drain(store))


def make_image(case: Case) -> bytes:
    size = (case.side, case.side)
    noisy = (case.side, round(case.side * case.noisy))
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    image.paste(Image.merge("RGB", [Image.effect_noise(noisy, spread) for spread in (60, 60, 90)]))
    file = BytesIO()
    image.save(file, case.kind)
    return file.getvalue()


def serve(bodies: list[bytes], pipe: Connection) -> None:
    async def run() -> None:
        app = web.Application()
        for number, body in enumerate(bodies):
            app.router.add_get(f"/{number}", partial(reply, body))
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(runner.addresses[0][1])
        await asyncio.to_thread(pipe.recv)

    async def reply(body: bytes, _: web.Request) -> web.Response:
        return web.Response(body=body, content_type="image/png")

    asyncio.run(run())


if __name__ == "__main__":
    main()
