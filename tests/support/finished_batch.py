"""A batch as runs have left it, without a run: manifest frozen, ledger and images written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from io import BytesIO
from pathlib import Path

from PIL import Image
from support.record_files import SERVICE

import batchgen
from batchgen.batch import Batch
from batchgen.filename import image_file
from batchgen.images.formats import sniff
from batchgen.images.inspection import measure
from batchgen.job import Job
from batchgen.ledger import LedgerRow

# What becomes of an image of a job: its bytes, or the row that there is instead; None for none.
Fate = Callable[[Job, int], "bytes | LedgerRow | None"]


def drawn_image(
    seed: int, *, kind: str = "PNG", width: int = 48, height: int = 32, mode: str = "RGB"
) -> bytes:
    """Return an image of a few large patches: two seeds look different, small ones too."""
    digest = hashlib.sha256(str(seed).encode()).digest() * 2
    patches = Image.frombytes("RGB", (4, 4), digest[:48])
    whole = patches.resize((width, height), Image.Resampling.BICUBIC).convert(mode)
    file = BytesIO()
    whole.save(file, kind, **({"quality": 95} if kind == "JPEG" else {}))
    return file.getvalue()


def flat_image(colour: tuple[int, int, int] = (0, 0, 0), *, kind: str = "PNG") -> bytes:
    """Return an image of one colour."""
    file = BytesIO()
    Image.new("RGB", (48, 32), colour).save(file, kind)
    return file.getvalue()


def failed(job: Job, error_type: str = "content_policy_violation") -> LedgerRow:
    """Return the row of a job that has failed."""
    return LedgerRow(
        job=job,
        status="failed",
        attempts=1,
        error_type=error_type,
        error="no",
        finished_at="2026-11-22T21:31:00.000Z",
    )


def finished_batch(
    folder: Path, manifest: dict[str, object], fate: Fate, *, simulated: bool = False
) -> Batch:
    """Make a batch of which a run has left this.

    Args:
        folder: Where `jobs/` is made.
        manifest: The manifest, as a mapping.
        fate: What became of each image.
        simulated: Whether its images are stand-ins.
    """
    loaded = batchgen.load_manifest(manifest)
    batch = Batch(folder / "jobs" / str(manifest["batch"]))
    batch.create(simulated=simulated)
    with batch.lock():
        loaded = batch.freeze(loaded, sample="")
        record = batch.replay(accept_loss=True)  # there is no journal, only a ledger
        records = batch.open_records(record, service=SERVICE, manifest=loaded)
        assert batch.state is not None
        columns = batch.state.columns
        rows = [row for job in loaded.jobs() for row in _rows(batch.folder, job, fate)]
        records.ledger.append_now([row.cells(columns) for row in rows])
        records.ledger.close()
        records.journal.close()
    return Batch(batch.folder)


def _rows(folder: Path, job: Job, fate: Fate) -> Iterable[LedgerRow]:
    for index in range(job.images):
        came = fate(job, index)
        if isinstance(came, bytes):
            yield _saved(folder, job, index, came)
        elif came is not None:
            yield came


def _saved(folder: Path, job: Job, index: int, data: bytes) -> LedgerRow:
    extension = sniff(data).extension
    file = image_file(
        job.file, job_id=job.job_id, index=index, asked=job.images, extension=extension
    )
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    measures = measure(data, BytesIO(data))
    row = LedgerRow(job=job, status="succeeded", image_index=index)
    return replace(
        row,
        url=f"https://example.test/{job.job_id}-{index}.{extension}",
        file=file,
        request_id=f"request-{job.job_id}",
        content_type=measures.format.content_type,
        width=measures.width,
        height=measures.height,
        bytes=measures.bytes,
        sha256=measures.sha256,
        cost_usd=Decimal("0.08"),
        cost_source="billed",
        attempts=1,
        submitted_at="2026-11-22T21:30:00.000Z",
        finished_at="2026-11-22T21:30:09.250Z",
        inference_s=8.5,
    )
