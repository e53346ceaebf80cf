"""How much memory a grid of a million takes: planned, run in part without downloads, looked at.

    python tests/benchmarks/memory.py [--jobs N] [--folder DIR]

The grid is planned; 1,000 of its jobs are run, and then N more (20,000; `--jobs 100000` takes
minutes), at a service time of 0 with `--no-download` against a raw queue; then `plan`, `status`
and `verify` look at the batch. Each is a process of its own, and its peak is what the system says
of it. What a job takes in a run is the difference between the two runs' peaks, divided by how many
more jobs the second had on record. One JSON line is printed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from finished_batch import write_manifest
from started_run import Started, start

FEW = 1000
QUICKLY = ("--no-download", "-j", "64")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="keep the batch here; it must be new")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = given.folder or Path(scratch) / "batch"
        write_manifest(place, jobs=1_000_000)
        sys.stdout.write(f"{json.dumps(measure(place, given.jobs))}\n")


def measure(place: Path, jobs: int) -> dict[str, object]:
    planned = start(["plan", "many.yaml"], place)
    few = start(["run", "many.yaml", "--limit", str(FEW), *QUICKLY], place)
    many = start(["run", "many.yaml", "--limit", str(jobs), *QUICKLY], place)
    looks = {
        name: start(command, place)
        for name, command in (
            ("plan", ["plan", "many.yaml"]),
            ("status", ["status", "many"]),
            ("verify", ["verify", "many"]),
        )
    }
    return {
        "benchmark": "memory",
        "planned": 1_000_000,
        "plan_mb": round(planned.peak_mb),
        "plan_bytes_a_job": round((planned.peak_mb - few.peak_mb) * 2**20 / 1_000_000),
        "jobs": jobs + FEW,
        "submitted": sum(run.calls.get("submit", 0) for run in (few, many)),
        "run_few_mb": round(few.peak_mb),
        "run_mb": round(many.peak_mb),
        "bytes_a_job": round((many.peak_mb - few.peak_mb) * 2**20 / jobs),
        **{f"{name}_mb": round(one.peak_mb) for name, one in looks.items()},
        **{f"{name}_cpu_s": shown(one) for name, one in looks.items()},
    }


def shown(run: Started) -> float:
    return round(run.cpu_s, 2)


if __name__ == "__main__":
    main()
