"""How long `batchgen verify` takes, and how much memory: `python tests/benchmarks/verify_speed.py`.

A finished batch of so many jobs is made, each with an image of a few hundred bytes: what is
measured is the work for each row and file, not the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import resource
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.jobs import make_entry, make_job
from support.sample_images import sample_image

from batchgen.attempt import JOURNAL_COLUMNS
from batchgen.batch import Batch
from batchgen.csv_file import format_row
from batchgen.ledger import Columns, LedgerRow
from batchgen.state import AttemptState
from batchgen.verifying import Verification, repair_batch, verify_batch

COLUMNS = Columns(parameters=("resolution",), variables=("animal",))


def make_batch(folder: Path, jobs: int) -> Batch:
    """Write the files of a batch whose jobs have all succeeded."""
    content = sample_image(width=16, height=16)
    sha256 = hashlib.sha256(content).hexdigest()
    batch = Batch(folder)
    batch.create(simulated=False)
    with (
        batch.journal_path.open("w", encoding="utf-8", newline="") as journal,
        batch.ledger_path.open("w", encoding="utf-8", newline="") as ledger,
    ):
        journal.write(format_row(JOURNAL_COLUMNS))
        ledger.write(format_row(COLUMNS.header))
        for number in range(1, jobs + 1):
            # Spread over all ids, as hashes are.
            spread = number * 0x9E3779B97F4A7C15 % 2**64
            job = make_job(
                spread,
                prompt=f"a fox in a birch wood, number {number}, soft light from the left",
                variables={"animal": "a fox"},
                resolution="2K",
            )
            ended = make_entry(AttemptState.COMPLETED, job=job, cost="0.08")
            for entry in (
                make_entry(AttemptState.SUBMITTING, job=job),
                make_entry(AttemptState.SUBMITTED, job=job),
                ended,
            ):
                journal.write(format_row(entry.cells()))
            file = f"{job.file}-0.png"
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(content)
            row = LedgerRow(
                job=job,
                status="succeeded",
                image_index=0,
                url=f"https://example.test/{job.job_id}.png",
                file=file,
                request_id=ended.request.request_id if ended.request else "",
                content_type="image/png",
                width=16,
                height=16,
                bytes=len(content),
                sha256=sha256,
                cost_usd=Decimal("0.08"),
                cost_source="table",
                attempts=1,
                finished_at=ended.at,
            )
            ledger.write(format_row(row.cells(COLUMNS)))
    state = (folder / "batch.json").read_text(encoding="utf-8")
    state = state.replace('"parameters": []', '"parameters": ["resolution"]')
    state = state.replace('"variables": []', '"variables": ["animal"]')
    frozen = {"number": 1, "file": "m.yaml", "source": "", "digest": "", "files": {}, "at": ""}
    state = state.replace('"frozen": null', f'"frozen": {json.dumps(frozen)}')
    (folder / "batch.json").write_text(state, encoding="utf-8")
    return Batch(folder)


def say(what: str, found: Verification, began: float) -> None:
    """Say what a step took."""
    mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    took = time.monotonic() - began
    line = f"{what:<30} {took:7.1f} s  {mb:7.0f} MB at most   {found.reason or 'all is well'}"
    sys.stdout.write(f"{line}\n")


def main() -> None:
    """Make a batch, verify it, lose its ledger, repair it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="keep the batch here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = given.folder or Path(place) / "batch"
        batch = Batch(folder)
        if batch.state is None:
            batch = make_batch(folder, given.jobs)
        began = time.monotonic()
        say("verify", verify_batch(batch), began)
        batch.ledger_path.rename(folder / "kept.csv")
        began = time.monotonic()
        say("repair a lost ledger", asyncio.run(repair_batch(batch)), began)


if __name__ == "__main__":
    main()
