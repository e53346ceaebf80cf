"""Jobs a second with everything made durable, against a loop that keeps nothing.

    python tests/benchmarks/throughput.py [--jobs N] [--rounds N] [--folder DIR] [--fal-client]

Both do the same against the same raw queue (`raw_queue.py`, a process of its own, service time 0),
in turns, 64 requests open, four calls a job: POST, status, result, an image of 3 kB.

- `bare`: a loop over aiohttp on uvloop. It writes the image to a file and that is all: no ledger,
  no journal, no check of the image, no sync, no second try.
- `synced`: the same loop, but each image is synced, renamed and its folder synced, in a thread:
  what durable images alone cost, with no ledger, no journal, no check.
- `batchgen`: `batchgen run` as anybody calls it: every intent, every answer and every result
  synced to the journal before what depends on it, every image decoded, synced and renamed, every
  ledger row synced.

Time counts from the first submission that the queue has seen until the process has ended, so
start-up is left out and tidying up is not; CPU time is all of the process's. One JSON line is
printed: jobs/s and CPU of both, their ratio by round, what share of the time the queue was busy,
and how often a second the disk syncs a small append and places a whole file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import aiohttp
import uvloop
from raw_queue import RawQueue

KEY = "bench-id:bench-secret"
ENDPOINT = "fal-ai/nano-banana-2"
OPEN = 64
SYNCS = 1000
MANIFEST = """\
batch: night
prompt: "A portrait of {{{{ animal }}}} in {{{{ place }}}}, soft light, 85 mm"
grid:
  animal: [{animals}]
  place: [{places}]
run: {{concurrency: {open}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one contestant did in one round.

    Attributes:
        jobs: Jobs that came to their end.
        seconds: From the first submission until the process had ended.
        cpu_s: CPU time of its process, start-up included.
        queue_share: The part of that time for which the queue's process was busy.
        peak_mb: The most memory that its process held, in MB.
    """

    jobs: int
    seconds: float
    cpu_s: float
    queue_share: float
    peak_mb: float

    @property
    def per_s(self) -> float:
        return self.jobs / self.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000, help="a multiple of 100 (10000)")
    parser.add_argument("--rounds", type=int, default=5, help="(5)")
    parser.add_argument("--folder", type=Path, help="where the files go (the temporary folder)")
    parser.add_argument("--fal-client", action="store_true", help="1,000 jobs of it, too")
    parser.add_argument("--bare", nargs=3, metavar=("URL", "JOBS", "DIR"), help=argparse.SUPPRESS)
    parser.add_argument("--synced", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--official", nargs=2, metavar=("URL", "JOBS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        url, jobs, folder = options.bare
        save = put_synced if options.synced else put
        uvloop.run(run_bare(url, jobs=int(jobs), folder=Path(folder), save=save))
    elif options.official:
        url, jobs = options.official
        uvloop.run(run_official(url, jobs=int(jobs)))
    else:
        # Removed in the end, and not between two rounds: a file system may have work to do for a
        # while with every file that was just deleted.
        with tempfile.TemporaryDirectory(prefix="throughput-", dir=options.folder) as place:
            report(options.jobs, options.rounds, Path(place), with_official=options.fal_client)


def report(jobs: int, rounds: int, folder: Path, *, with_official: bool) -> None:
    """Run both in turns and print what came of it."""
    bare: list[Round] = []
    synced: list[Round] = []
    ours: list[Round] = []
    official: list[Round] = []
    for number in range(rounds):
        bare.append(measure(bare_loop, jobs, folder))
        synced.append(measure(synced_loop, jobs, folder))
        ours.append(measure(batchgen_run, jobs, folder))
        if with_official:
            official.append(measure(official_loop, 1000, folder))
        ratio = ours[-1].per_s / bare[-1].per_s
        say(
            f"round {number + 1}: bare {bare[-1].per_s:.0f}, synced {synced[-1].per_s:.0f}, "
            f"batchgen {ours[-1].per_s:.0f} jobs/s, "
            f"ratio {ratio:.3f}"
        )
    ratios = [one.per_s / other.per_s for one, other in zip(ours, bare, strict=True)]
    of_synced = [one.per_s / other.per_s for one, other in zip(ours, synced, strict=True)]
    cpu = [one.cpu_s / other.cpu_s for one, other in zip(ours, bare, strict=True)]
    document = {
        "jobs": jobs,
        "rounds": rounds,
        "open": OPEN,
        "ratio": spread(ratios, 3),
        "ratio_to_synced": spread(of_synced, 3),
        "cpu_ratio": spread(cpu, 3),
        "batchgen": figures(ours),
        "synced": figures(synced),
        "bare": figures(bare),
        "disk": measure_disk(folder),
    }
    if with_official:
        pairs = zip(official, bare, strict=True)
        document["fal_client"] = figures(official)
        document["fal_client_ratio"] = spread([one.per_s / two.per_s for one, two in pairs], 3)
    sys.stdout.write(json.dumps(document) + "\n")


def measure(contestant: Callable[[str, int, Path], list[str]], jobs: int, at: Path) -> Round:
    """Let one contestant do all jobs with a queue and a folder of its own."""
    place = Path(tempfile.mkdtemp(dir=at))
    with RawQueue() as queue:
        command = contestant(queue.url, jobs, place)
        cpu_s, peak_mb = run(command, queue.url, place)
        ended_at = time.monotonic()
        seen = queue.seen()
        check(seen["calls"], jobs)
        seconds = ended_at - seen["first_at"]
        return Round(
            jobs=jobs,
            seconds=seconds,
            cpu_s=cpu_s,
            queue_share=seen["cpu_s"] / seconds,
            peak_mb=peak_mb,
        )


def run(command: Sequence[str], url: str, place: Path) -> tuple[float, float]:
    """Run a command to its end; return its CPU time in seconds and its peak memory in MB."""
    environment = {**os.environ, "FAL_KEY": KEY, "BATCHGEN_QUEUE_URL": url}
    with (place / "said").open("w") as said:
        process = subprocess.Popen(command, cwd=place, env=environment, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}: {said_in(place)}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def said_in(place: Path) -> str:
    return (place / "said").read_text()[-2000:]


def check(calls: dict[str, int], jobs: int) -> None:
    """Make sure that every job was submitted once and read to its end."""
    if calls["submit"] != jobs or calls["result"] < jobs:
        raise SystemExit(f"{jobs} jobs made these calls: {calls}")


# -- the contestants ------------------------------------------------------------------------------


def bare_loop(url: str, jobs: int, place: Path) -> list[str]:
    return [sys.executable, __file__, "--bare", url, str(jobs), str(place)]


def synced_loop(url: str, jobs: int, place: Path) -> list[str]:
    return [*bare_loop(url, jobs, place), "--synced"]


def official_loop(url: str, jobs: int, place: Path) -> list[str]:
    return [sys.executable, __file__, "--official", url, str(jobs)]


def batchgen_run(url: str, jobs: int, place: Path) -> list[str]:
    animals = ", ".join(f"animal {number}" for number in range(100))
    places = ", ".join(f"place {number}" for number in range(jobs // 100))
    text = MANIFEST.format(animals=animals, places=places, open=OPEN)
    (place / "night.yaml").write_text(text, encoding="utf-8")
    return [sys.executable, "-m", "batchgen", "run", "night.yaml", "--yes"]


Save = Callable[[Path, bytes], Awaitable[None]]


async def put(path: Path, image: bytes) -> None:
    path.write_bytes(image)


async def put_synced(path: Path, image: bytes) -> None:
    await asyncio.to_thread(place_file, path, image)


def place_file(path: Path, content: bytes) -> None:
    """Put a file under its name, whole, so that it survives a power cut."""
    part = f"{path}.part"
    handle = os.open(part, os.O_CREAT | os.O_WRONLY)
    os.write(handle, content)
    os.fsync(handle)
    os.close(handle)
    Path(part).rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


async def run_bare(url: str, *, jobs: int, folder: Path, save: Save = put) -> None:
    """Do every job with four calls, and keep nothing but the image."""
    numbers = iter(range(jobs))
    headers = {"Authorization": f"Key {KEY}"}

    async def drain(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            body = {"prompt": f"A portrait {number}, soft light, 85 mm", "seed": number}
            async with session.post(f"{url}/{ENDPOINT}", json=body, headers=headers) as answer:
                request = await answer.json()
            while True:
                async with session.get(request["status_url"], headers=headers) as answer:
                    status = await answer.json()
                if status["status"] == "COMPLETED":
                    break
            async with session.get(request["response_url"], headers=headers) as answer:
                result = await answer.json()
            async with session.get(result["images"][0]["url"]) as answer:
                image = await answer.read()
            await save(folder / f"{number}.png", image)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(drain(session) for _ in range(OPEN)))


async def run_official(url: str, *, jobs: int) -> None:
    """Do every job as the official client's documentation shows it; nothing is downloaded."""
    import fal_client
    from fal_client import client as fal_module

    # The one thing that the client cannot be told from outside: plain http on loopback.
    fal_module.QUEUE_URL_FORMAT = f"{url}/"
    client = fal_client.AsyncClient(key=KEY)
    numbers = iter(range(jobs))

    async def drain() -> None:
        for number in numbers:
            await client.subscribe(ENDPOINT, arguments={"prompt": f"A portrait {number}"})

    await asyncio.gather(*(drain() for _ in range(OPEN)))


# -- the disk -------------------------------------------------------------------------------------


def measure_disk(folder: Path) -> dict[str, int]:
    """Return how often a second the disk syncs a small append, and places a whole file."""
    place = Path(tempfile.mkdtemp(dir=folder))
    return {
        "syncs_per_s": round(per_second(appending(place), SYNCS)),
        "files_per_s": round(per_second(placing(place), SYNCS)),
    }


def per_second(act: Callable[[], None], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        act()
    return times / (time.perf_counter() - began)


def appending(place: Path) -> Callable[[], None]:
    handle = os.open(place / "rows", os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def append() -> None:
        os.write(handle, b"x" * 300)
        os.fdatasync(handle)

    return append


def placing(place: Path) -> Callable[[], None]:
    numbers = count()
    return lambda: place_file(place / f"{next(numbers)}.png", b"x" * 3000)


# -- figures --------------------------------------------------------------------------------------


def figures(rounds: Sequence[Round]) -> dict[str, object]:
    return {
        "jobs_per_s": spread([one.per_s for one in rounds], 0),
        "cpu_ms_a_job": spread([1000 * one.cpu_s / one.jobs for one in rounds], 3),
        "queue_busy": spread([one.queue_share for one in rounds], 2),
        "peak_mb": spread([one.peak_mb for one in rounds], 0),
    }


def spread(values: Sequence[float], digits: int) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
