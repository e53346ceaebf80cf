"""A batch whose first jobs have finished, written by the product's own writers, without a service.

Every row goes through `Records` and `Journal`, so that the files are those of a run; only the
disk's syncs are left out. What a service would say (ids, addresses, sizes) is like what it says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from uuid import UUID

from batchgen.attempt import JOURNAL_COLUMNS, JOURNAL_FIRST_CELL, Request
from batchgen.batch import Batch
from batchgen.budget import ZERO
from batchgen.images import SavedImage
from batchgen.job import Job, number_of
from batchgen.journal import Journal
from batchgen.ledger import LEDGER_FIRST_CELL, Columns
from batchgen.manifest import Manifest, load_manifest
from batchgen.outcome import Completed
from batchgen.record import Record
from batchgen.records import NoFile, Records
from batchgen.service import Service

QUEUE_URL = "http://127.0.0.1:9"

# Jobs that are recorded side by side, as in a run with so many open requests.
TOGETHER = 500

GRID = """
batch: many
prompt: "A {{ style }} portrait of {{ animal.name }} in {{ animal.home }}, {{ light }}, {{ lens }}"
variables: {lens: 85 mm}
parameters: {resolution: 2K}
grid:
  animal: [ANIMALS]
  style: {range: [100]}
  light: [dawn, noon, dusk, night, fog, rain, snow, sun, haze, storm]
"""


def write_manifest(folder: Path, *, jobs: int) -> Path:
    """Write a manifest with a grid of so many jobs, in thousands, and return where it is."""
    animals = ", ".join(f"{{name: fox {n}, home: wood {n}}}" for n in range(jobs // 1000))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "many.yaml"
    path.write_text(GRID.replace("ANIMALS", animals), encoding="utf-8")
    return path


def write_finished(manifest: Path, folder: Path, *, jobs: int, download: bool = True) -> Batch:
    """Write the batch of a manifest whose first jobs have succeeded.

    Args:
        manifest: The manifest.
        folder: The batch's folder.
        jobs: How many of its jobs have finished.
        download: Whether the ledger names their files; none is on disk.
    """
    batch = Batch(folder)
    batch.create(simulated=False)
    loaded = batch.freeze(load_manifest(manifest), sample="")
    batch.open_records(Record(), service=Service(), manifest=loaded).journal.close()
    asyncio.run(_write(batch, loaded, jobs=jobs, download=download))
    return Batch(folder)


async def _write(batch: Batch, manifest: Manifest, *, jobs: int, download: bool) -> None:
    record = Record(download=download)
    columns = Columns(parameters=manifest.parameters, variables=manifest.variables)
    clock = _Clock()
    with (
        _unsynced(batch.journal_path, JOURNAL_COLUMNS, JOURNAL_FIRST_CELL) as journal,
        _unsynced(batch.ledger_path, columns.header, LEDGER_FIRST_CELL) as ledger,
    ):
        records = Records(
            record=record,
            journal=journal,
            ledger=ledger,
            columns=columns,
            service=Service(queue_url=QUEUE_URL, key="id:secret"),
            now=clock.now,
        )
        drawn = islice(manifest.jobs(), jobs)
        while some := list(islice(drawn, TOGETHER)):
            await _finish(records, some, download=download)


async def _finish(records: Records, jobs: Iterable[Job], *, download: bool) -> None:
    await asyncio.gather(*(_finish_one(records, job, download=download) for job in jobs))


async def _finish_one(records: Records, job: Job, *, download: bool) -> None:
    standing = records.record.own(number_of(job.job_id))
    await records.submitting(job, standing, price_usd=job.price_usd or ZERO)
    request_id = str(UUID(int=number_of(job.job_id) << 64 | 0x4000800000000000))
    base = f"{QUEUE_URL}/fal-ai/nano-banana-2/requests/{request_id}"
    request = Request(
        request_id=request_id,
        status_url=f"{base}/status",
        response_url=base,
        cancel_url=f"{base}/cancel",
    )
    await records.submitted(job, standing, request, detail={"queue_position": 0})
    url = f"https://v3b.fal.media/files/b/{job.job_id}/{request_id}.png"
    output = {
        "images": [
            {
                "url": url,
                "content_type": "image/png",
                "file_name": "nano-banana-2_output.png",
                "file_size": None,
                "width": 2048,
                "height": 2048,
            }
        ],
        "description": "",
    }
    await records.completed(
        job, standing, request, Completed(output=output, inference_s=14.2, origin="gateway")
    )
    image: SavedImage | NoFile = NoFile(status="succeeded")
    if download:
        image = SavedImage(
            file=f"{job.file}-0.png",
            content_type="image/png",
            width=2048,
            height=2048,
            bytes=5_812_345,
            sha256=job.job_id * 4,
        )
    result = records.entry_at(standing.last)
    await records.write_rows(standing, [records.image_row(job, standing, 0, image, result)])


class _Clock:
    """A clock that goes on by a thousandth of a second at each look."""

    def __init__(self) -> None:
        self._at = datetime(2026, 11, 22, 21, 30, tzinfo=UTC)

    def now(self) -> datetime:
        self._at += timedelta(milliseconds=1)
        return self._at


def _unsynced(path: Path, columns: tuple[str, ...], first_cell: object) -> Journal:
    return Journal(path, columns=columns, first_cell=first_cell, sync=lambda _: None)  # type: ignore[arg-type]
