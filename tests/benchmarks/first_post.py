"""How long it takes from the start of the process to the first submission, for a million jobs.

    python tests/benchmarks/first_post.py [--rounds N] [--rows N]

Three manifests, each run anew (`batchgen run … --limit 1`, a new folder each time) against a raw
queue: ten jobs, a grid of a million, and a million from the rows of a CSV file (1,000 rows, or
`--rows`) and two axes. What is done before the first submission: Python starts, the package is
imported, the manifest is read and checked, the folder made, the manifest frozen in it, both files
created and synced, the key tried. Beside it stands what an empty Python process takes in the same
round, and one that imports aiohttp and makes one POST. One JSON line is printed for each manifest.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from finished_batch import write_manifest
from raw_queue import RawQueue
from started_run import Started, start

ROWS = """
batch: many
prompt: "A {{ style }} photo of {{ title }}, {{ colour }}, {{ light }}"
rows: rows.csv
key: sku
grid:
  style: {range: [STYLES]}
  light: [dawn, noon, dusk, night, fog, rain, snow, sun, haze, storm]
"""

TEN = """
batch: many
prompt: "A portrait of {{ animal }}"
grid: {animal: {range: [10]}}
"""

BARE = """
import asyncio, sys, aiohttp
async def main():
    async with aiohttp.ClientSession() as session:
        async with session.post(sys.argv[1] + "/fal-ai/nano-banana-2", json={"prompt": "x"}) as got:
            await got.read()
asyncio.run(main())
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        places = {
            "ten jobs": write(Path(scratch) / "ten", TEN),
            "grid of a million": write_manifest(Path(scratch) / "grid", jobs=1_000_000).parent,
            f"{given.rows:,} rows, a million jobs": write_rows(Path(scratch) / "rows", given.rows),
        }
        floor: list[float] = []
        bare: list[float] = []
        found: dict[str, list[Started]] = {label: [] for label in places}
        for _ in range(given.rounds):
            floor.append(seconds([sys.executable, "-c", "pass"]))
            bare.append(bare_post())
            for label, place in places.items():
                found[label].append(fresh_start(place))
    for label, runs in found.items():
        first = [run.first_post_s or 0.0 for run in runs]
        line = {
            "benchmark": "first_post",
            "manifest": label,
            "rounds": given.rounds,
            "first_post_s": spread(first),
            "cpu_s": spread([run.cpu_s for run in runs]),
            "peak_mb": round(max(run.peak_mb for run in runs)),
            "python_s": spread(floor),
            "bare_post_s": spread(bare),
            "ratio": spread([one / least for one, least in zip(first, bare, strict=True)]),
        }
        sys.stdout.write(f"{json.dumps(line)}\n")


def write(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "many.yaml").write_text(text, encoding="utf-8")
    return folder


def write_rows(folder: Path, rows: int) -> Path:
    write(folder, ROWS.replace("STYLES", str(100_000 // rows)))
    lines = (f"{n:06},Title number {n} of the set,colour {n % 17}\n" for n in range(rows))
    (folder / "rows.csv").write_text("sku,title,colour\n" + "".join(lines), encoding="utf-8")
    return folder


def fresh_start(place: Path) -> Started:
    shutil.rmtree(place / "jobs", ignore_errors=True)
    return start(["run", "many.yaml", "--limit", "1"], place)


def bare_post() -> float:
    """Return how long a process takes that imports aiohttp and makes one POST."""
    with RawQueue() as queue:
        began = time.monotonic()
        seconds([sys.executable, "-c", BARE, queue.url])
        first_at: float = queue.seen()["first_at"]
    return first_at - began


def seconds(command: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - began


def spread(values: list[float]) -> list[float]:
    """Return the least, the middle and the most of some values."""
    return [round(one, 3) for one in (min(values), statistics.median(values), max(values))]


if __name__ == "__main__":
    main()
