"""How long `batchgen resume` takes over a finished million, until its first submission.

    python tests/benchmarks/resume_million.py [--jobs N] [--rounds N] [--folder DIR]

A batch is written whose first N jobs have finished (100,000 if nothing is said; `--jobs 1000000`
takes ten minutes to write and 2.2 GB, and `--folder` keeps it for the next time). Then, in turns
and each in a process of its own: both of its files are read once with the `csv` module and its
manifest is drawn once, which is the limit; and `batchgen resume --limit 1 --no-download` goes on
with it, from the start of the process to the first submission that a raw queue sees. One JSON line
is printed; its CPU times are those of whole processes, which a busy machine disturbs least.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import multiprocessing.connection
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

from finished_batch import write_finished, write_manifest
from started_run import start

from batchgen.manifest import load_manifest

csv.field_size_limit(2**31 - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000, help="in thousands (100,000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep the batch here, or use what is there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = given.folder or Path(scratch)
        folder = place / "jobs" / "many"
        if not (folder / "batch.json").exists():
            manifest = write_manifest(place, jobs=given.jobs + 1000)
            write_finished(manifest, folder, jobs=given.jobs)
        sys.stdout.write(f"{json.dumps(measure(place, given.jobs, given.rounds))}\n")


def measure(place: Path, jobs: int, rounds: int) -> dict[str, object]:
    limits, resumed = [], []
    for _ in range(rounds):
        limits.append(in_a_process(place))
        resumed.append(start(["resume", "many", "--limit", "1", "--no-download"], place))
    first = [one.first_post_s or 0.0 for one in resumed]
    walls = [limit["csv_s"] + limit["draw_s"] for limit in limits]
    ratios = [mine / wall for mine, wall in zip(first, walls, strict=True)]
    return {
        "benchmark": "resume_million",
        "jobs": jobs,
        "rounds": rounds,
        "file_mb": round(sum(size(place, name) for name in FILES) / 1e6),
        "csv_s": spread([limit["csv_s"] for limit in limits]),
        "draw_s": spread([limit["draw_s"] for limit in limits]),
        "first_post_s": spread(first),
        "limit_cpu_s": spread([limit["cpu_s"] for limit in limits]),
        "cpu_s": spread([one.cpu_s for one in resumed]),
        "us_a_job": round(1e6 * min(first) / jobs, 2),
        "peak_mb": round(max(one.peak_mb for one in resumed)),
        "bytes_a_job": round(
            (max(one.peak_mb for one in resumed) - min(one["drawn_mb"] for one in limits))
            * 2**20
            / jobs
        ),
        "ratio": spread(ratios),
        "cpu_ratio": spread(
            [one.cpu_s / limit["cpu_s"] for one, limit in zip(resumed, limits, strict=True)]
        ),
    }


FILES = ("requests.csv", "ledger.csv")


def size(place: Path, name: str) -> int:
    return (place / "jobs" / "many" / name).stat().st_size


def spread(values: list[float]) -> list[float]:
    """Return the least, the middle and the most of some values."""
    return [round(one, 3) for one in (min(values), statistics.median(values), max(values))]


def in_a_process(place: Path) -> dict[str, float]:
    """Return how long the limit takes, in a process that has seen nothing else."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=limit, args=(place, theirs))
    process.start()
    found: dict[str, float] = ours.recv()
    process.join()
    return found


def limit(place: Path, to: multiprocessing.connection.Connection) -> None:
    """Read both files once, draw the manifest once, and tell how long each took."""
    began, worked = time.perf_counter(), time.process_time()
    for name in FILES:
        with (place / "jobs" / "many" / name).open(encoding="utf-8", newline="") as file:
            for _ in csv.reader(file):
                pass
    read = time.perf_counter()
    manifest = load_manifest(place / "many.yaml")
    for _ in manifest.jobs():
        pass
    drawn = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cpu = time.process_time() - worked
    to.send({"csv_s": read - began, "draw_s": drawn - read, "cpu_s": cpu, "drawn_mb": peak})
    os._exit(0)


if __name__ == "__main__":
    main()
