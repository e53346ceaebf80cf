"""Write down what happens to a batch: each event durable when its method returns.

The journal is written first and decides; the ledger says what came of it. What is in memory is
changed before the write, so that whoever decides next sees it, and nobody acts on it before the
row is durable.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial

from batchgen.attempt import ANSWER, FRESH, Entry, Request, job_detail, parse_entry, timestamp
from batchgen.budget import ZERO, share
from batchgen.endpoint import load_endpoint
from batchgen.images import SavedImage
from batchgen.job import Job, Json, number_of
from batchgen.journal import Journal
from batchgen.ledger import Columns, LedgerRow
from batchgen.outcome import Completed, Failed, image_urls
from batchgen.record import Record, apply, close
from batchgen.service import Service
from batchgen.standing import ImageMark, Standing, with_row
from batchgen.state import AttemptState, advance

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoFile:
    """What the ledger says of an image whose file is not on disk.

    Attributes:
        status: `undelivered`, `failed`, or `succeeded` where nothing was to be downloaded.
        error_type: `download`, `expired`, `missing_image`, or `""`.
        error: What happened, for a person.
    """

    status: str
    error_type: str = ""
    error: str = ""


class Records:
    """Both files of a batch, open for writing, and what they say so far.

    Attributes:
        record: What is on record; kept up to date.
        journal: `requests.csv`.
        ledger: `ledger.csv`.
        service: The queue that is written down with each attempt.
    """

    def __init__(
        self,
        *,
        record: Record,
        journal: Journal,
        ledger: Journal,
        columns: Columns,
        service: Service,
        now: Callable[[], datetime],
    ) -> None:
        """Take over two open files."""
        self.record = record
        self.journal = journal
        self.ledger = ledger
        self._columns = columns
        self.service = service
        self._now = now

    def time(self) -> str:
        """Return the present time as our files have it."""
        return timestamp(self._now())

    def entry_at(self, start: int) -> Entry:
        """Return the journal row that begins at `start`, in bytes."""
        return parse_entry(self.journal.read_at(start))

    async def submitting(self, job: Job, standing: Standing, *, price_usd: Decimal) -> None:
        """Record the intent of one POST, with its reservation."""
        detail = job_detail(
            job,
            queue_url=self.service.queue_url,
            simulated=self.service.simulated,
            account=self.service.account,
        )
        detail[FRESH] = standing.next_fresh
        await self._append(
            standing,
            Entry(
                at=self.time(),
                job_id=job.job_id,
                attempt=standing.attempt + 1,
                state=AttemptState.SUBMITTING,
                cost_usd=price_usd,
                detail=detail,
            ),
        )

    async def submitted(
        self, job: Job, standing: Standing, request: Request, *, detail: Mapping[str, Json]
    ) -> None:
        """Record that the service accepted the attempt, and under which names."""
        await self._move(job, standing, AttemptState.SUBMITTED, request=request, detail=detail)

    async def refused(
        self,
        job: Job,
        standing: Standing,
        reason: str,
        *,
        error_type: str = "",
        http: int = 0,
        judges_input: bool = False,
    ) -> None:
        """Record that nothing was accepted, and how that is known."""
        detail: dict[str, Json] = {"reason": reason}
        if error_type:
            detail["error_type"] = error_type
        if http:
            detail["http"] = http
        if judges_input:
            detail["judges_input"] = True
        await self._move(job, standing, AttemptState.REFUSED, cost_usd=ZERO, detail=detail)

    async def unknown(self, job: Job, standing: Standing, reason: str) -> None:
        """Record that nobody can tell whether the attempt was accepted, and show it."""
        await self._move(job, standing, AttemptState.UNKNOWN, detail={"reason": reason})
        await self.show_unknown(job, standing, reason)

    async def show_unknown(self, job: Job, standing: Standing, reason: str) -> None:
        """Write the ledger's row of a job that the journal calls unknown."""
        await self._write_job_row(
            standing, self._job_row(job, standing, status="unknown", error=reason)
        )

    async def completed(
        self, job: Job, standing: Standing, request: Request, ending: Completed
    ) -> Entry:
        """Record the result, and return the row; its images must not be inside it."""
        charge, source = self._charge(job, standing, ending)
        answer: dict[str, Json] = {"cost_source": source}
        if ending.units is not None:
            answer["billable_units"] = str(ending.units)
        if ending.origin:
            answer["served_from"] = ending.origin
        if ending.inference_s is not None:
            answer["inference_s"] = ending.inference_s
        detail: dict[str, Json] = {**ending.output, ANSWER: answer}
        return await self._move(
            job,
            standing,
            AttemptState.COMPLETED,
            request=request,
            cost_usd=charge,
            detail=detail,
        )

    async def failed(
        self, job: Job, standing: Standing, request: Request | None, ending: Failed
    ) -> None:
        """Record how the service, or we, failed the attempt; the job may go on."""
        charge, source = self._charge(job, standing, ending)
        detail: dict[str, Json] = {
            "error_type": ending.error_type,
            "error": ending.message,
            "http": ending.http,
            "cost_source": source,
        }
        if ending.retryable is not None:
            detail["retryable"] = ending.retryable
        await self._move(
            job, standing, AttemptState.FAILED, request=request, cost_usd=charge, detail=detail
        )

    async def cancelled(
        self,
        job: Job,
        standing: Standing,
        request: Request,
        *,
        has_begun: bool,
        units: Decimal | None = None,
    ) -> None:
        """Record that the service gave the request up; the job is left to do.

        Args:
            job: The job.
            standing: The job's own.
            request: The request.
            has_begun: Whether it had begun by then: only what had not costs nothing for sure.
            units: What the service charges for, or None where it does not say.
        """
        charge, source = ZERO, "table"
        if has_begun or units is not None:
            stopped = Failed(error_type="client_cancelled", http=499, units=units)
            charge, source = self._charge(job, standing, stopped)
        await self._move(
            job,
            standing,
            AttemptState.CANCELLED,
            request=request,
            cost_usd=charge,
            detail={"cost_source": source},
        )

    async def job_failed(
        self, job: Job, standing: Standing, *, error_type: str, error: str, request_id: str = ""
    ) -> None:
        """Record in the ledger that a job failed for good; it closes the last journal row."""
        row = self._job_row(
            job,
            standing,
            status="failed",
            error_type=error_type,
            error=error,
            request_id=request_id,
        )
        await self._write_job_row(standing, row)
        close(standing)

    async def template_failed(self, job: Job, standing: Standing) -> None:
        """Record that a job cannot be rendered: it is not sent and costs nothing."""
        row = LedgerRow(
            job=job,
            status="failed",
            error_type="template",
            error=job.problem,
            cost_source="table",
            finished_at=self.time(),
        )
        await self.write_rows(standing, [row])

    async def _write_job_row(self, standing: Standing, row: LedgerRow) -> None:
        """Append a row that speaks for the whole job; an image that the ledger has outweighs it."""
        if not standing.has_image:
            await self.write_rows(standing, [row])

    async def write_rows(self, standing: Standing, rows: Sequence[LedgerRow]) -> None:
        """Append rows of one job to the ledger."""
        number = number_of(rows[0].job.job_id)
        for row in rows:
            before = standing.rows
            mark = ImageMark(row.status, row.error_type, bool(row.file), row.attempts)
            standing.rows = with_row(before, row.image_index, mark, finished_at=row.finished_at)
            is_more = not before.job_status and len(standing.rows.images) > len(before.images)
            if not is_more and (before.job_status or before.images):
                self.record.superseded.add(number)
        if not standing.drawn and any(row.status == "failed" for row in rows):
            self.record.failed_now.add(number)
        for row in rows:
            await self.ledger.append(row.cells(self._columns))
        self.record.keep(number, standing)

    def image_row(
        self, job: Job, standing: Standing, index: int, image: SavedImage | NoFile, result: Entry
    ) -> LedgerRow:
        """Return the ledger row of one image, with its share of what the job cost.

        Args:
            job: The job.
            standing: The job's own.
            index: Which of the job's images, counted from 0.
            image: What came of it.
            result: The journal's `completed` row.
        """
        answer = result.detail.get(ANSWER)
        inference_s = answer.get("inference_s") if isinstance(answer, dict) else None
        urls = image_urls(result.detail)
        row = partial(
            LedgerRow,
            job=job,
            image_index=index,
            url=urls[index] if index < len(urls) else "",
            request_id=result.request.request_id if result.request else "",
            cost_usd=share(standing.charged_usd, rows=standing.expected)[index],
            cost_source=_source(standing),
            attempts=standing.attempts,
            submitted_at=standing.submitted_at,
            finished_at=self.time(),
            inference_s=float(inference_s) if isinstance(inference_s, int | float) else None,
        )
        match image:
            case NoFile():
                return row(status=image.status, error_type=image.error_type, error=image.error)
            case SavedImage():
                return row(
                    status="succeeded",
                    file=image.file,
                    content_type=image.content_type,
                    width=image.width,
                    height=image.height,
                    bytes=image.bytes,
                    sha256=image.sha256,
                )

    def _job_row(
        self,
        job: Job,
        standing: Standing,
        *,
        status: str,
        error: str,
        error_type: str = "",
        request_id: str = "",
    ) -> LedgerRow:
        return LedgerRow(
            job=job,
            status=status,
            request_id=request_id,
            cost_usd=standing.charged_usd,
            cost_source=_source(standing),
            attempts=standing.attempts,
            error_type=error_type,
            error=error,
            submitted_at=standing.submitted_at,
            # One and the same time as the journal row that it closes, so that no clock decides.
            finished_at=standing.at,
        )

    async def _move(
        self,
        job: Job,
        standing: Standing,
        to: AttemptState,
        *,
        request: Request | None = None,
        cost_usd: Decimal | None = None,
        detail: Mapping[str, Json] | None = None,
    ) -> Entry:
        if standing.state is not None:
            advance(standing.state, to)
        entry = Entry(
            at=self.time(),
            job_id=job.job_id,
            attempt=standing.attempt,
            state=to,
            request=request,
            cost_usd=cost_usd,
            detail=detail or {},
        )
        await self._append(standing, entry)
        return entry

    async def _append(self, standing: Standing, entry: Entry) -> None:
        apply(self.record, standing, entry, start=-1)
        start = await self.journal.append(entry.cells())
        standing.last = start
        if entry.state is AttemptState.SUBMITTING:
            standing.started = start
        # What is about to be sent stands in the journal; a line of the log says what came of it.
        logger.log(
            logging.DEBUG if entry.state is AttemptState.SUBMITTING else logging.INFO,
            "%s attempt %d %s%s",
            entry.job_id,
            entry.attempt,
            entry.state,
            f" {entry.request.request_id}" if entry.request else "",
        )

    def _charge(
        self, job: Job, standing: Standing, ending: Completed | Failed
    ) -> tuple[Decimal, str]:
        """Return what an attempt cost, and who says so."""
        if ending.units is not None:
            billed = load_endpoint(job.endpoint).units_price_usd(ending.units)
            if billed is not None:
                return billed, "billed"
        was_never_accepted = standing.state is AttemptState.SUBMITTING
        if isinstance(ending, Failed) and (ending.is_free or was_never_accepted):
            return ZERO, "table"
        return standing.reserved_usd, "table"


def _source(standing: Standing) -> str:
    return "billed" if standing.billed and standing.charged_usd else "table"
