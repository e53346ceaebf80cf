"""The same bad night under a loop over the official client, and under batchgen.

    PYTHONPATH=tests python tests/benchmarks/against_fal_client.py [--jobs N] [--seeds N] [--each]

1,000 jobs against the simulator, where a request takes one second (the real service takes
longer). It loses 2 % of the answers to submissions, turns 5 % of them away with 429, and breaks
2 % of the reads of a status, 2 % of those of a result and 3 % of the downloads. With --each it is
one fault at a time instead, at 5 %. Three contestants meet the same faults, each with a queue of
its own:

- `fal-client`: `fal_client.subscribe_async` as its documentation shows it, 20 at a time, each
  image downloaded afterwards with httpx, the library that the client itself uses;
- `fal-client, 3 tries`: the same, and a job that raised is tried again, as such loops do;
- `batchgen`: `batchgen run` with its defaults, called again while it says that a further run
  would do something.

It counts what the service has billed, and what is whole on disk in the end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import fal_client
import httpx
from fal_client import client as fal_module
from PIL import Image
from support.shop import Shop
from support.simulated_queue import KEY, SimulatedQueue
from support.storm import MANIFEST, Storm

ENDPOINT = "fal-ai/nano-banana-2"
POOL = 20
MOST_RUNS = 5
QUEUE = ("--seconds", "1", "--image-scale", "0.03", "--key", KEY)
FAULTS = {
    "lost_reply": 0.02,
    "throttled": 0.05,
    "status_dropped": 0.01,
    "status_garbled": 0.01,
    "result_503_nginx": 0.01,
    "short_result": 0.01,
    "image_short": 0.01,
    "image_damaged": 0.01,
    "image_503": 0.01,
}
# One at a time, with what it is called in the table.
EACH = {
    "lost_reply": "accepted, the answer lost",
    "accepted_504": "accepted, answered 504 by the ingress",
    "lost_post": "not accepted, the connection lost",
    "throttled": "429",
    "submit_503": "503 by the service",
    "status_dropped": "status: connection lost",
    "status_garbled": "status: HTML",
    "status_404": "status: 404, this once",
    "result_503_nginx": "result: 503 by the ingress",
    "short_result": "result: half of it",
    "image_503": "image: 503",
    "image_short": "image: half of it",
    "image_damaged": "image: damaged bytes",
    "internal_server_error": "the model fails, may pass",
    "empty_images": "a result without images",
}
EACH_RATE = 0.05
FIGURES = (
    *("billed_per_wanted", "billed", "twice", "lost_paid"),
    *("damaged", "missing", "calls", "seconds"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a contestant has left of one night.

    Attributes:
        wanted: Images that were wanted.
        billed: Images that the service made and charged for.
        twice: Of these, those beyond the first for the same job.
        lost_paid: Jobs that were paid for and have no whole image on disk.
        damaged: Of these, those with a file on disk that cannot be decoded, or not whole.
        missing: Jobs without a whole image on disk, paid or not.
        calls: Submissions that were sent.
        seconds: How long it took.
    """

    wanted: int
    billed: int
    twice: int
    lost_paid: int
    damaged: int
    missing: int
    calls: int
    seconds: float

    @property
    def billed_per_wanted(self) -> float:
        return self.billed / self.wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """Where a contestant works: a folder, a queue, and what is wanted."""

    folder: Path
    queue: SimulatedQueue
    prompts: list[str]


Files = Callable[[str], Path | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000, help="a multiple of 5 (1000)")
    parser.add_argument("--seeds", type=int, default=3, help="nights (3)")
    parser.add_argument("--each", action="store_true", help="one fault at a time")
    parser.add_argument("--only", default="", help="one contestant")
    options = parser.parse_args()
    nights = {f"night {seed}": (seed, FAULTS) for seed in range(1, options.seeds + 1)}
    if options.each:
        nights = {text: (1, {name: EACH_RATE}) for name, text in EACH.items()}
    found: dict[str, dict[str, Outcome]] = {}
    say("contestant", *FIGURES)
    for night, (seed, faults) in nights.items():
        for name, contestant in CONTESTANTS.items():
            if options.only in ("", name):
                outcome = measure(contestant, jobs=options.jobs, seed=seed, faults=faults)
                say(f"{name}: {night}", *(figure(outcome, one) for one in FIGURES))
                found.setdefault(name, {})[night] = outcome
    for name, outcomes in found.items() if not options.each else ():
        say(f"{name}, all", *(spread(list(outcomes.values()), one) for one in FIGURES))
    document = {
        name: {night: asdict(one) for night, one in outcomes.items()}
        for name, outcomes in found.items()
    }
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


def measure(
    contestant: Callable[[Night], Files], *, jobs: int, seed: int, faults: Mapping[str, float]
) -> Outcome:
    """Let a contestant work for one night."""
    prompts = Storm(jobs=jobs).prompts
    with (
        tempfile.TemporaryDirectory(prefix="night-") as place,
        SimulatedQueue(Path(place, "queue"), (*QUEUE, "--seed", str(seed))) as queue,
    ):
        queue.misbehave(rates=faults)
        began = time.monotonic()
        files = contestant(Night(folder=Path(place), queue=queue, prompts=prompts))
        seconds = time.monotonic() - began
        while queue.counts()["open"]:
            time.sleep(0.1)
        return judge(files, queue, prompts, seconds=seconds)


def judge(files: Files, queue: SimulatedQueue, prompts: list[str], *, seconds: float) -> Outcome:
    """Compare what was billed with what is whole on disk."""
    counts = queue.counts()
    paid = {one["input"]["prompt"] for one in queue.requests() if one["images"]}
    here = {prompt: files(prompt) for prompt in prompts}
    whole = {prompt for prompt, path in here.items() if path is not None and is_whole(path)}
    return Outcome(
        wanted=len(prompts),
        billed=counts["images_made"],
        twice=counts["images_made"] - len(paid),
        lost_paid=len(paid - whole),
        damaged=sum(path is not None for path in here.values()) - len(whole),
        missing=len(set(prompts) - whole),
        calls=counts["calls"]["submit"],
        seconds=round(seconds, 1),
    )


def is_whole(path: Path) -> bool:
    """Say whether a file is an image to its last byte."""
    with suppress(OSError, SyntaxError), Image.open(path) as image:
        image.load()
        return True
    return False


# -- the contestants -----------------------------------------------------------------------------


def fal_client_loop(night: Night) -> Files:
    return _fal_client_loop(night, tries=1)


def fal_client_loop_with_tries(night: Night) -> Files:
    return _fal_client_loop(night, tries=3)


def batchgen_runs(night: Night) -> Files:
    shop = Shop(night.folder, night.queue)
    shop.manifest(MANIFEST.format(places=len(night.prompts) // 5))
    for _ in range(MOST_RUNS):
        said = shop.run("run", "m.yaml", "--json", "--quiet").text
        report = said[said.index("\n{\n") : said.index("\n}") + 2]
        if not json.loads(report)["again"]:
            break
    rows = {row["prompt"]: row["file"] for row in shop.ledger()}
    return lambda prompt: shop.home / rows[prompt] if rows.get(prompt) else None


CONTESTANTS: dict[str, Callable[[Night], Files]] = {
    "fal-client": fal_client_loop,
    "fal-client, 3 tries": fal_client_loop_with_tries,
    "batchgen": batchgen_runs,
}


def _fal_client_loop(night: Night, *, tries: int) -> Files:
    images = night.folder / "images"
    images.mkdir()
    places = {prompt: images / f"{number}.png" for number, prompt in enumerate(night.prompts)}
    # The one thing that the client cannot be told from outside: plain http on loopback.
    fal_module.QUEUE_URL_FORMAT = f"{night.queue.url}/"
    asyncio.run(_generate_all(places, tries=tries))
    return lambda prompt: places[prompt] if places[prompt].exists() else None


async def _generate_all(places: dict[str, Path], *, tries: int) -> None:
    client = fal_client.AsyncClient(key=KEY)
    todo: Iterator[tuple[str, Path]] = iter(places.items())

    async def work(web: httpx.AsyncClient) -> None:
        for prompt, path in todo:
            for _ in range(tries):
                try:
                    await _generate(client, web, prompt, path)
                except Exception:  # noqa: BLE001 - what it raises, a loop counts as failed
                    continue
                break

    async with httpx.AsyncClient(trust_env=False) as web:
        await asyncio.gather(*(work(web) for _ in range(POOL)))


async def _generate(
    client: fal_client.AsyncClient, web: httpx.AsyncClient, prompt: str, path: Path
) -> None:
    result = await client.subscribe(ENDPOINT, arguments={"prompt": prompt})
    answer = await web.get(result["images"][0]["url"])
    answer.raise_for_status()
    path.write_bytes(answer.content)


# -- figures -------------------------------------------------------------------------------------


def figure(outcome: Outcome, name: str) -> str:
    value = getattr(outcome, name)
    return f"{value:.3f}" if name == "billed_per_wanted" else f"{value:g}"


def spread(outcomes: list[Outcome], name: str) -> str:
    """Return the mean of a figure over all nights, and how far it goes."""
    values = [float(getattr(one, name)) for one in outcomes]
    digits = 3 if name == "billed_per_wanted" else 0
    mean, least, most = statistics.mean(values), min(values), max(values)
    if least == most:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ({least:.{digits}f}-{most:.{digits}f})"


def say(name: str, *cells: object) -> None:
    sys.stdout.write(f"{name:56}" + "".join(f"{cell!s:>20}" for cell in cells) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
