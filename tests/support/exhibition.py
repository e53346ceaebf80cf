"""A batch to look at, written as runs leave it: any number of images, any kind of ends."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw
from support.jobs import BEGAN_AT, PRICE, make_entry

from batchgen.attempt import JOURNAL_COLUMNS, timestamp
from batchgen.batch import Batch
from batchgen.csv_file import format_row
from batchgen.job import Job, Json
from batchgen.ledger import Columns, LedgerRow
from batchgen.manifest import load_manifest
from batchgen.state import AttemptState

# What may come of a job: the end of its journal, and what its ledger row says of it.
ENDS = ("succeeded", "undelivered", "failed", "unknown", "open", "left")

# Beside each other, so that neighbours can be told apart.
COLOURS = ("#274c77", "#6096ba", "#a3cef1", "#8b5e34", "#bc8a5f", "#606c38", "#9a031e", "#5f0f40")

URL = "https://images.example.test/{id}.png"


def exhibit(
    folder: Path,
    manifest: Mapping[str, Json],
    *,
    end_of: Callable[[int, Job], str] = lambda _, __: "succeeded",
    size: tuple[int, int] = (96, 64),
    every_s: float = 4.0,
    simulated: bool = False,
) -> Batch:
    """Write a batch of which every job has come to an end.

    Args:
        folder: The batch's.
        manifest: What ran.
        end_of: Returns what came of a job, by its place and itself: one of `ENDS`, or `failed:`
            and the class of the failure.
        size: Of its images, in pixels.
        every_s: Seconds from one submission to the next.
        simulated: Whether it says that it is.
    """
    loaded = load_manifest(manifest)
    batch = Batch(folder, now=lambda: BEGAN_AT)
    batch.create(simulated=simulated)
    batch.freeze(loaded, sample="")
    columns = Columns(parameters=loaded.parameters, variables=loaded.variables)
    batch._grown_columns(loaded)
    with ExitStack() as files:
        journal = files.enter_context(batch.journal_path.open("w", encoding="utf-8", newline=""))
        ledger = files.enter_context(batch.ledger_path.open("w", encoding="utf-8", newline=""))
        journal.write(format_row(JOURNAL_COLUMNS))
        ledger.write(format_row(columns.header))
        for place, job in enumerate(loaded.jobs()):
            end, _, error_type = end_of(place, job).partition(":")
            began = place * every_s
            for state in _states(end):
                cost = _charge(state)
                entry = make_entry(state, job=job, cost=cost, second=int(began) + 9)
                journal.write(format_row(entry.cells()))
            if row := _row(batch, job, end, error_type, began_s=began, size=size):
                ledger.write(format_row(row.cells(columns)))
    return Batch(folder)


def painting(place: int, *, size: tuple[int, int]) -> bytes:
    """Return a PNG that can be told from its neighbours."""
    width, height = size
    image = Image.new("RGB", size, COLOURS[place % len(COLOURS)])
    draw = ImageDraw.Draw(image)
    left, top = (place * 37) % width, (place * 53) % height
    colour = COLOURS[(place * 5 + 3) % len(COLOURS)]
    draw.ellipse(
        (left - height // 3, top - height // 3, left + height // 3, top + height // 3), colour
    )
    file = BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _states(end: str) -> list[AttemptState]:
    begun = [AttemptState.SUBMITTING, AttemptState.SUBMITTED]
    match end:
        case "left":
            return []
        case "open":
            return begun
        case "unknown":
            return [AttemptState.SUBMITTING, AttemptState.UNKNOWN]
        case "failed":
            return [*begun, AttemptState.FAILED]
        case _:
            return [*begun, AttemptState.COMPLETED]


def _charge(state: AttemptState) -> str | None:
    if state is AttemptState.COMPLETED:
        return str(PRICE)
    return "0" if state is AttemptState.FAILED else None


def _row(
    batch: Batch, job: Job, end: str, error_type: str, *, began_s: float, size: tuple[int, int]
) -> LedgerRow | None:
    if end in ("open", "left"):
        return None
    ended = BEGAN_AT + timedelta(seconds=int(began_s) + 9)
    told = {
        "request_id": f"request-{job.job_id}-1",
        "submitted_at": timestamp(BEGAN_AT + timedelta(seconds=began_s)),
        "finished_at": timestamp(ended),
    }
    if end in ("failed", "unknown"):
        return LedgerRow(
            job=job,
            status=end,
            attempts=1,
            error_type=error_type or "uncertain",
            error=f"the service said: {error_type or 'nothing'}",
            **told,
        )
    url = URL.format(id=job.job_id)
    made = {"url": url, "cost_usd": Decimal(PRICE), "cost_source": "table", **told}
    if end == "undelivered":
        return LedgerRow(job=job, status=end, image_index=0, error_type="download", **made)
    content = painting(int(began_s), size=size)
    file = f"{job.file}.png"
    path = batch.folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return LedgerRow(
        job=job,
        status="succeeded",
        image_index=0,
        file=file,
        content_type="image/png",
        width=size[0],
        height=size[1],
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        inference_s=began_s % 7 + 3,
        attempts=1,
        **made,
    )
