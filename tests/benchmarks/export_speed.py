"""What `batchgen export` takes of time and memory: `python tests/benchmarks/export_speed.py`.

A finished batch of so many jobs is made. Its images are names of a few real files of 1024 × 1024,
so that a hundred thousand of them need no room; every one of them is read and decoded all the same.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.finished_batch import drawn_image
from support.record_files import SERVICE

import batchgen
from batchgen.batch import Batch
from batchgen.filename import image_file
from batchgen.job import Job
from batchgen.ledger import LedgerRow

# So many different images there are.
DIFFERENT = 64


def make_batch(folder: Path, jobs: int, kind: str) -> Batch:
    """Write the files of a batch whose jobs have all succeeded."""
    manifest = batchgen.load_manifest(
        {
            "batch": "large",
            "prompt": "{{ colour }} thing {{ n }} in a wood, soft light from the left, 85 mm",
            "grid": {"n": {"range": [jobs // 4]}, "colour": ["red", "green", "blue", "grey"]},
        }
    )
    originals = _write_originals(folder / "originals", kind)
    batch = Batch(folder / "jobs" / "large")
    batch.create(simulated=False)
    with batch.lock():
        manifest = batch.freeze(manifest, sample="")
        records = batch.open_records(batch.replay(), service=SERVICE, manifest=manifest)
        assert batch.state is not None
        columns = batch.state.columns
        for place, job in enumerate(manifest.jobs()):
            row = _row(batch.folder, job, originals[place % DIFFERENT])
            records.ledger.append_now([row.cells(columns)])
        records.ledger.close()
        records.journal.close()
    return batch


def _write_originals(folder: Path, kind: str) -> list[Path]:
    folder.mkdir(parents=True)
    extension = {"PNG": "png", "JPEG": "jpg"}[kind]
    paths = [folder / f"{number}.{extension}" for number in range(DIFFERENT)]
    for number, path in enumerate(paths):
        path.write_bytes(drawn_image(number, kind=kind, width=1024, height=1024))
    return paths


def _row(folder: Path, job: Job, original: Path) -> LedgerRow:
    extension = original.suffix.lstrip(".")
    file = image_file(job.file, job_id=job.job_id, index=0, asked=1, extension=extension)
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    os.link(original, folder / file)
    data = original.read_bytes()
    return LedgerRow(
        job=job,
        status="succeeded",
        image_index=0,
        file=file,
        width=1024,
        height=1024,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        cost_usd=Decimal("0.08"),
        cost_source="billed",
        attempts=1,
        submitted_at="2026-11-22T21:30:00.000Z",
        finished_at="2026-11-22T21:30:09.250Z",
    )


def measure(batch: Batch, *options: str) -> str:
    """Return what an export takes, in a process of its own."""
    command = [sys.executable, "-m", "batchgen", "export", str(batch.folder), *options]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (
        f"{time.monotonic() - began:7.1f} s, {cpu_s:7.1f} s of a core, "
        f"at most {after.ru_maxrss / 1024:,.0f} MB of memory so far"
    )


def main() -> None:
    """Measure the formats that are named, from the one that needs least memory on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=4_000)
    parser.add_argument("--kind", choices=("PNG", "JPEG"), default="PNG")
    parser.add_argument("--to", nargs="+", default=["csv", "webdataset", "imagefolder", "parquet"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        batch = make_batch(Path(folder), given.jobs, given.kind)
        for name in given.to:
            took = measure(batch, "--to", name, "--out", str(Path(folder) / name))
            print(f"{name:<12} {took}")  # noqa: T201 - a script says what it has found


if __name__ == "__main__":
    main()
