"""Set right what the journal and the files can set right, without paying.

The journal decides. A row that is wrong is followed by a right one, which replaces it; a file
that is damaged is moved aside, and its row says that the image is still to be fetched.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from batchgen.attempt import JOURNAL_FIRST_CELL, Entry, job_from, parse_entry
from batchgen.batch import Batch
from batchgen.csv_file import RowReader
from batchgen.filename import FOLDER, numbered_stem
from batchgen.images import ImageStore, SavedImage
from batchgen.inside import INSIDE
from batchgen.job import Job, job_id_of, number_of
from batchgen.launch import tidy
from batchgen.ledger import LedgerRow
from batchgen.outcome import image_urls
from batchgen.record import Record, apply
from batchgen.records import NoFile, Records
from batchgen.recovery import close_failed
from batchgen.replay import replay
from batchgen.service import Service
from batchgen.standing import Standing
from batchgen.state import AttemptState
from batchgen.verifying.files import find_leftovers, set_aside
from batchgen.verifying.finding import Kind
from batchgen.verifying.inspection import WHOLE, Inspection, is_unwritten

logger = logging.getLogger(__name__)

# Jobs whose files are measured at a time, and whose rows share a sync.
SIDE_BY_SIDE = 64

# Where damaged files are kept, beside `images/`: no view takes them for images.
ASIDE = "damaged"

# What keeps the ledger from being gone on with, and is mended by writing it anew.
REBUILT = (Kind.LEDGER_LOST, Kind.LEDGER_RESAVED, Kind.LEDGER_BROKEN)

# Without these two nothing can be set right.
HOPELESS = (Kind.JOURNAL_LOST, Kind.JOURNAL_BROKEN, Kind.LEDGER_FOREIGN)


@dataclass(slots=True, kw_only=True)
class Mending:
    """A batch while it is mended, under its lock.

    Attributes:
        batch: Its folder.
        inspection: What was found; what is mended is noted there.
    """

    batch: Batch
    inspection: Inspection
    _store: ImageStore = field(init=False)
    _records: Records = field(init=False)

    def __post_init__(self) -> None:
        """Look at the folder's images."""
        self._store = ImageStore(self.batch.folder, loopback=False)

    async def mend(self) -> None:
        """Set right what can be set right.

        Raises:
            LedgerError: The files cannot be written.
            StorageError: The disk refused to be read, or to let a file be moved.
        """
        found = self.inspection.found
        if self.batch.is_new or any(map(found.count, HOPELESS)):
            return
        record, to_mend = self.inspection.record, self.inspection.to_mend
        if any(map(found.count, REBUILT)):
            record, to_mend = self._begin_anew()
        self._keep_damaged_aside()
        self._records = self.batch.open_records(record, service=Service())
        with self._records.journal, self._records.ledger:
            recall(self._records, to_mend)
            await self._write_rows(to_mend)
        tidy(self.batch, record)
        self._store.remove_leftovers()
        for path in find_leftovers(self.batch.folder):
            path.unlink(missing_ok=True)

    def _begin_anew(self) -> tuple[Record, dict[int, frozenset[int]]]:
        """Put the ledger aside, and return what the journal alone says: all of it is to be told."""
        path = self.batch.ledger_path
        if path.exists():
            self._note_kept(set_aside(path, path.with_name("ledger-set-aside.csv")))
        record = replay(self.batch.journal_path, path)
        numbers = sorted(record.jobs, key=lambda number: record.peek(number).last)
        return record, dict.fromkeys(numbers, WHOLE)

    def _keep_damaged_aside(self) -> None:
        for file in self.inspection.damaged:
            aside = self.batch.folder / ASIDE / file.removeprefix(f"{FOLDER}/")
            with suppress(FileNotFoundError):
                self._note_kept(set_aside(self._store.path_of(file), aside))

    def _note_kept(self, path: Path) -> None:
        file = path.relative_to(self.batch.folder).as_posix()
        self.inspection.found.kept.append(file)
        logger.info("kept aside: %s", file)

    async def _write_rows(self, to_mend: dict[int, frozenset[int]]) -> None:
        """Write the rows of some jobs again, in that order, several at a time."""
        todo = iter(to_mend.items())
        done = 0
        while some := list(islice(todo, SIDE_BY_SIDE)):
            told = await asyncio.gather(
                *(asyncio.to_thread(self._tell, number, indices) for number, indices in some)
            )
            await asyncio.gather(
                *(self._write(number, rows) for (number, _), rows in zip(some, told, strict=True))
            )
            done += len(some)
            self.inspection.watch("mended", done, len(to_mend))

    def _tell(self, number: int, indices: frozenset[int]) -> list[LedgerRow]:
        """Return the rows of a job's images that are to be written; it blocks on the disk."""
        standing = self._records.record.jobs[number]
        if standing.state is not AttemptState.COMPLETED:
            return []
        begun = job_from(self._records.entry_at(standing.started))
        result = self._records.entry_at(standing.last)
        rows = []
        for index in range(standing.expected):
            if index in indices or indices >= WHOLE:
                image = self._find(begun, result, index) or _without_file(standing, result, index)
                row = self._records.image_row(begun, standing, index, image, result)
                rows.append(replace(row, finished_at=result.at))
        return rows

    def _find(self, job: Job, result: Entry, index: int) -> SavedImage | None:
        """Return an image of a result that is on disk under the name that it has to have."""
        urls = image_urls(result.detail)
        url = urls[index] if index < len(urls) else ""
        if not url.startswith(INSIDE):
            stem = numbered_stem(job.file, job_id=job.job_id, index=index, asked=job.images)
            return self._store.find(stem=stem) if url else None
        images = result.detail.get("images")
        image = images[index] if isinstance(images, list) else None
        file = image.get("file") if isinstance(image, dict) else None
        sha256 = url.removeprefix(INSIDE)
        return self._store.check(file, sha256) if isinstance(file, str) else None

    async def _write(self, number: int, rows: Sequence[LedgerRow]) -> None:
        """Write what the ledger should say of a job."""
        standing = self._records.record.jobs[number]
        if rows:
            await self._records.write_rows(standing, rows)
        elif standing.state is AttemptState.UNKNOWN:
            reason = str(self._records.entry_at(standing.last).detail.get("reason") or "")
            job = job_from(self._records.entry_at(standing.started))
            await self._records.show_unknown(job, standing, reason)
        elif _is_failed(standing):
            await close_failed(self._records, standing)
        else:
            return  # nothing has come of it yet: it has no row
        logger.info("%s has its rows again", job_id_of(number))


def _is_failed(standing: Standing) -> bool:
    """Say whether the ledger has, or should have, a row that says that a job failed."""
    has_failed = standing.judged or standing.state is AttemptState.FAILED
    return has_failed and (standing.rows.is_failed or is_unwritten(standing))


def recall(records: Records, numbers: Mapping[int, frozenset[int]]) -> None:
    """Give some jobs standings of their own, with all that the journal says of each.

    Of jobs that have ended, a record keeps only what such jobs have in common.
    """
    record = records.record
    for number in record.places.keys() & numbers.keys():
        record.own(number)
    wanted = {number for number in numbers if record.jobs[number].is_shared}
    if not wanted:
        return
    scratch = Record()
    found: dict[int, Standing] = {}
    for row in RowReader(records.journal.path, first_cell=JOURNAL_FIRST_CELL):
        entry = parse_entry(row.cells)
        number = number_of(entry.job_id)
        if number in wanted:
            known = record.jobs[number]
            standing = found.setdefault(number, Standing(rows=known.rows, drawn=known.drawn))
            apply(scratch, standing, entry, start=row.start)
    record.jobs.update(found)


def _without_file(standing: Standing, result: Entry, index: int) -> NoFile:
    """Return what the ledger should say of an image that is not on disk."""
    urls = image_urls(result.detail)
    if index >= len(urls) or not urls[index]:
        text = f"{standing.expected} asked for, {sum(map(bool, urls))} in the result"
        return NoFile(status="failed", error_type="missing_image", error=text)
    mark = standing.mark(index)
    if mark is not None and mark.status == "failed":
        return NoFile(status="failed", error_type=mark.error_type)
    if mark is not None and mark.status == "succeeded" and not mark.has_file:
        return NoFile(status="succeeded")
    text = "its file was missing or damaged when the batch was verified"
    return NoFile(status="undelivered", error_type="download", error=text)
