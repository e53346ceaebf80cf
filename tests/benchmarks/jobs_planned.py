"""How long a manifest takes to plan, beside drawing it alone, and in how much memory.

    python tests/benchmarks/jobs_planned.py [JOBS]

Each is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from batchgen.batch import Batch
from batchgen.launch import Selection
from batchgen.manifest import Manifest, load_manifest
from batchgen.planning import make_plan
from batchgen.settings import RunSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", nargs="?", type=int, default=1_000_000)
    jobs = parser.parse_args().jobs
    for label, work in (("drawn", draw), ("planned", plan)):
        process = multiprocessing.get_context("spawn").Process(
            target=measure, args=(label, work, jobs)
        )
        process.start()
        process.join()


def measure(label: str, work: Callable[[Manifest], int], jobs: int) -> None:
    side = round(jobs ** (1 / 3))
    axis = {"range": [side]}
    manifest = load_manifest(
        {
            "batch": "many",
            "prompt": "A {{ style }} picture of {{ thing }}, number {{ number }}",
            "grid": {"style": axis, "thing": axis, "number": axis},
        }
    )
    began = time.perf_counter()
    count = work(manifest)
    took = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(
        f"{label:8} {count:>10,} jobs {took:7.2f} s {1e6 * took / count:6.1f} µs a job"
        f" {peak:6.0f} MB\n"
    )


def draw(manifest: Manifest) -> int:
    return sum(1 for _ in manifest.jobs())


def plan(manifest: Manifest) -> int:
    with tempfile.TemporaryDirectory() as folder:
        made = make_plan(
            Batch(Path(folder) / "many"),
            manifest,
            settings=RunSettings(),
            selection=Selection(),
        )
    return made.report.jobs


if __name__ == "__main__":
    main()
