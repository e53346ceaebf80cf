"""The two files of a batch, for tests: written row by row as a run writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from support.jobs import BEGAN_AT, QUEUE_URL, make_job

from batchgen.attempt import JOURNAL_COLUMNS, JOURNAL_FIRST_CELL, Entry, Request
from batchgen.csv_file import RowReader, format_row
from batchgen.images import SavedImage
from batchgen.job import Job, Json, number_of
from batchgen.journal import Journal
from batchgen.ledger import LEDGER_FIRST_CELL, Columns, LedgerRow
from batchgen.outcome import Completed, Failed
from batchgen.record import Record
from batchgen.records import NoFile, Records
from batchgen.replay import replay
from batchgen.service import Service
from batchgen.standing import Standing

SERVICE = Service(queue_url=QUEUE_URL, key="id:secret")

UNDELIVERED = NoFile(status="undelivered", error_type="download", error="503")
EXPIRED = NoFile(status="failed", error_type="expired", error="404")
MISSING = NoFile(status="failed", error_type="missing_image", error="fewer images came")
NOT_DOWNLOADED = NoFile(status="succeeded")


class Clock:
    """A clock that goes on by a second each time that it is looked at."""

    def __init__(self) -> None:
        self.moment = BEGAN_AT

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


def write_journal(path: Path, entries: Iterable[Entry]) -> None:
    """Write a journal as a run leaves it."""
    rows = [JOURNAL_COLUMNS, *(entry.cells() for entry in entries)]
    path.write_text("".join(map(format_row, rows)), encoding="utf-8", newline="")


def write_ledger(path: Path, rows: Iterable[LedgerRow], columns: Columns | None = None) -> None:
    """Write a ledger as a run leaves it."""
    columns = columns or Columns()
    cells = [columns.header, *(row.cells(columns) for row in rows)]
    path.write_text("".join(map(format_row, cells)), encoding="utf-8", newline="")


def open_journal(path: Path, **options: object) -> Journal:
    """Open a journal for writing."""
    return Journal(path, columns=JOURNAL_COLUMNS, first_cell=JOURNAL_FIRST_CELL, **options)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the whole rows of a journal or a ledger."""
    is_journal = path.name == "requests.csv"
    reader = RowReader(path, first_cell=JOURNAL_FIRST_CELL if is_journal else LEDGER_FIRST_CELL)
    return [dict(zip(reader.columns, row.cells, strict=True)) for row in reader]


def image_file(job: Job, index: int = 0) -> SavedImage:
    """Return what the image store says of a file that it has saved."""
    return SavedImage(
        file=f"{job.file}-{index}.png",
        content_type="image/png",
        width=1024,
        height=1024,
        bytes=1000,
        sha256="0" * 64,
    )


@dataclass
class Files:
    """The two files of a batch in a folder.

    Attributes:
        folder: Where they are.
        columns: What the ledger has between its fixed columns.
        clock: Tells the time of each row.
    """

    folder: Path
    columns: Columns = field(default_factory=Columns)
    clock: Callable[[], datetime] = field(default_factory=Clock)

    @property
    def journal(self) -> Path:
        """Where the journal is."""
        return self.folder / "requests.csv"

    @property
    def ledger(self) -> Path:
        """Where the ledger is."""
        return self.folder / "ledger.csv"

    def replay(self, *, download: bool = True) -> Record:
        """Return what is on record."""
        return replay(self.journal, self.ledger, download=download)

    def standing(self, job: Job | None = None, *, download: bool = True) -> Standing:
        """Return where a job stands on record."""
        record = self.replay(download=download)
        return record.find(number_of((job or make_job()).job_id)) or Standing()

    @contextmanager
    def open(self, *, download: bool = True) -> Iterator[Story]:
        record = self.replay(download=download)
        journal = open_journal(self.journal)
        ledger = Journal(self.ledger, columns=self.columns.header, first_cell=LEDGER_FIRST_CELL)
        with journal, ledger:
            yield Story(
                Records(
                    record=record,
                    journal=journal,
                    ledger=ledger,
                    columns=self.columns,
                    service=SERVICE,
                    now=self.clock,
                )
            )


@dataclass
class Story:
    """What happens to jobs, told in words and written down as a run writes it."""

    records: Records

    def own(self, job: Job) -> Standing:
        return self.records.record.own(number_of(job.job_id))

    def request(self, job: Job) -> Request:
        return Request(request_id=f"request-{job.job_id}-{self.own(job).attempt}")

    async def submitting(self, job: Job, *, price: Decimal | None = None) -> None:
        reserved = job.price_usd if price is None else price
        await self.records.submitting(job, self.own(job), price_usd=reserved or Decimal(0))

    async def submitted(self, job: Job) -> None:
        await self.records.submitted(job, self.own(job), self.request(job), detail={})

    async def open(self, job: Job) -> None:
        await self.submitting(job)
        await self.submitted(job)

    async def refused(self, job: Job, *, judges_input: bool = False, error_type: str = "") -> None:
        await self.records.refused(
            job, self.own(job), "no", error_type=error_type, judges_input=judges_input
        )

    async def unknown(self, job: Job) -> None:
        await self.records.unknown(job, self.own(job), "the connection was lost")

    async def cancelled(self, job: Job, *, has_begun: bool = False) -> None:
        await self.records.cancelled(job, self.own(job), self.request(job), has_begun=has_begun)

    async def completed(
        self, job: Job, *, images: int | None = None, units: str | None = None
    ) -> None:
        urls: list[Json] = [
            {"url": f"https://example.test/{job.job_id}-{index}.png"}
            for index in range(job.images if images is None else images)
        ]
        await self.records.completed(
            job,
            self.own(job),
            self.request(job),
            Completed(output={"images": urls}, units=None if units is None else Decimal(units)),
        )

    async def failed(
        self,
        job: Job,
        error_type: str = "internal_server_error",
        *,
        http: int = 500,
        units: str | None = None,
    ) -> None:
        ending = Failed(
            error_type=error_type,
            http=http,
            units=None if units is None else Decimal(units),
        )
        await self.records.failed(job, self.own(job), self.request(job), ending)

    async def closed(self, job: Job, error_type: str = "internal_server_error") -> None:
        await self.records.job_failed(job, self.own(job), error_type=error_type, error="no")

    async def image(
        self, job: Job, index: int = 0, *, image: SavedImage | NoFile | None = None
    ) -> None:
        standing = self.own(job)
        result = self.records.entry_at(standing.last)
        what = image or image_file(job, index)
        row = self.records.image_row(job, standing, index, what, result)
        await self.records.write_rows(standing, [row])

    async def succeeded(self, job: Job) -> None:
        await self.open(job)
        await self.completed(job)
        for index in range(job.images):
            await self.image(job, index)
