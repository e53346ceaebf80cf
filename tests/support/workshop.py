"""A worker with its files, its queue and a clock that runs fast: what tests of one job need."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from support.queues import ENDPOINT, KEY, PATIENT

from batchgen.attempt import JOURNAL_COLUMNS, JOURNAL_FIRST_CELL, Entry
from batchgen.clock import Clock
from batchgen.course import Course
from batchgen.csv_file import RowReader
from batchgen.delivery import Delivery
from batchgen.endpoint import load_endpoint
from batchgen.images import FetchLimits, ImageStore
from batchgen.job import Job, Json, identify, number_of
from batchgen.journal import Journal
from batchgen.ledger import LEDGER_FIRST_CELL, Columns
from batchgen.pacing import Contact, Polling, ReadPace
from batchgen.platform_client import PlatformClient
from batchgen.queue_client import QueueClient, Timeouts
from batchgen.record import Record
from batchgen.records import Records
from batchgen.replay import replay
from batchgen.service import Service
from batchgen.standing import Standing
from batchgen.worker import Worker

PRICE = Decimal("0.08")


@dataclass(frozen=True, slots=True)
class QuickTime:
    """Time that passes many times as fast as it does: a minute's wait takes no minute.

    Attributes:
        speed: Seconds of this time in one real second.
    """

    speed: float = 200.0
    _began: float = field(default_factory=time.monotonic)
    _from: datetime = datetime(2026, 11, 22, 21, 0, 0, tzinfo=UTC)

    def monotonic(self) -> float:
        return 1000.0 + (time.monotonic() - self._began) * self.speed

    def now(self) -> datetime:
        return self._from + timedelta(seconds=self.monotonic() - 1000.0)

    def timestamp(self) -> float:
        return self.now().timestamp()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)

    @property
    def clock(self) -> Clock:
        return Clock(now=self.now, monotonic=self.monotonic, sleep=self.sleep, jitter=lambda: 0.5)


def make_job(prompt: str = "a fox", *, endpoint: str = ENDPOINT, **given: Json) -> Job:
    """Return a job, as the manifest would draw it."""
    sent: dict[str, Json] = {"prompt": prompt, **given}
    job_id = identify(endpoint=endpoint, input=sent, repeat=0)
    return Job(
        job_id=job_id,
        endpoint=endpoint,
        input=sent,
        repeat=0,
        variables={},
        file=f"images/{job_id[:2]}/{job_id}",
        images=load_endpoint(endpoint).images(sent),
        price_usd=load_endpoint(endpoint).price_usd(sent),
    )


@dataclass(slots=True, kw_only=True)
class Workshop:
    """A worker, and what is around it."""

    worker: Worker
    delivery: Delivery
    records: Records
    course: Course
    time: QuickTime
    folder: Path

    def standing(self, job: Job) -> Standing:
        return self.records.record.own(number_of(job.job_id))

    async def submit(self, job: Job, *, price_usd: Decimal = PRICE) -> object:
        return await self.worker.submit(job, self.standing(job), price_usd=price_usd)

    def entry(self, job: Job) -> Entry:
        """Return the last journal row of a job."""
        return self.records.entry_at(self.standing(job).last)

    def begun(self, job: Job) -> Entry:
        """Return the `submitting` row of a job's last attempt."""
        return self.records.entry_at(self.standing(job).started)

    def states(self, job: Job) -> list[str]:
        """Return the states that the journal on disk has of a job, in order."""
        rows = RowReader(self.folder / "requests.csv", first_cell=JOURNAL_FIRST_CELL)
        return [row.cells[3] for row in rows if row.cells[1] == job.job_id]

    def ledger(self, job: Job) -> list[dict[str, str]]:
        """Return the ledger's rows of a job, in order."""
        reader = RowReader(self.folder / "ledger.csv", first_cell=LEDGER_FIRST_CELL)
        rows = [dict(zip(reader.columns, row.cells, strict=True)) for row in reader]
        return [row for row in rows if row["job_id"] == job.job_id]


@asynccontextmanager
async def workshop(
    folder: Path,
    url: str,
    *,
    time: QuickTime | None = None,
    timeout_s: float = 600.0,
    timeouts: Timeouts = PATIENT,
    platform_url: str = "",
    download: bool = True,
    limits: FetchLimits | None = None,
    sync: Callable[[int], None] = lambda file: None,
) -> AsyncIterator[Workshop]:
    """Open a batch's two files in a folder, and connect to the queue at a URL."""
    time = time or QuickTime()
    service = Service(queue_url=url, platform_url=platform_url, key=KEY)
    record: Record = replay(folder / "requests.csv", folder / "ledger.csv")
    columns = Columns()
    records = Records(
        record=record,
        journal=Journal(
            folder / "requests.csv",
            columns=JOURNAL_COLUMNS,
            first_cell=JOURNAL_FIRST_CELL,
            sync=sync,
        ),
        ledger=Journal(
            folder / "ledger.csv",
            columns=columns.header,
            first_cell=LEDGER_FIRST_CELL,
            sync=sync,
        ),
        columns=columns,
        service=service,
        now=time.now,
    )
    images = ImageStore(
        folder, loopback=True, limits=limits or FetchLimits(stall_s=0.5), sync=lambda file: None
    )
    course = Course(sleep=time.sleep)
    platform = PlatformClient(platform_url, KEY, now=time.now) if platform_url else None
    with records.journal, records.ledger:
        async with QueueClient(service, timeouts=timeouts, now=time.now) as client, images:
            worker = Worker(
                client=client,
                records=records,
                images=images,
                clock=time.clock,
                timeout_s=timeout_s,
                polling=Polling(),
                reads=ReadPace(),
                contact=Contact(began_at=time.monotonic()),
                course=course,
            )
            delivery = Delivery(
                client=client,
                platform=platform,
                records=records,
                images=images,
                clock=time.clock,
                download=download,
            )
            shop = Workshop(
                worker=worker,
                delivery=delivery,
                records=records,
                course=course,
                time=time,
                folder=folder,
            )
            if platform is None:
                yield shop
            else:
                async with platform:
                    yield shop


def with_images(job: Job, count: int) -> Job:
    """Return the same job, asking for so many images."""
    return replace(job, images=count, input={**job.input, "num_images": count})
