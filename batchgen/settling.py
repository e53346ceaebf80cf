"""Settle the unknown submissions of a batch without running it: by the history, or by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from batchgen.attempt import JOURNAL_FIRST_CELL, Request, job_from, parse_entry, parse_timestamp
from batchgen.batch import Batch
from batchgen.binding import check_queue
from batchgen.clock import Clock, real_clock
from batchgen.csv_file import RowReader
from batchgen.errors import AccountError, UsageError
from batchgen.job import job_id_of, number_of
from batchgen.launch import tidy
from batchgen.outcome import Failed, image_urls
from batchgen.platform_client import PlatformClient
from batchgen.reconcile import CLOCK_SLACK, Lost, is_entry_of
from batchgen.reconciler import FUTURE, NOT_IN_HISTORY, Reconciler, read_history, trace_requests
from batchgen.records import Records
from batchgen.run_log import log_to
from batchgen.service import Service
from batchgen.standing import Standing
from batchgen.state import AttemptState


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidTwice:
    """A submission that turned up after it had been sent again.

    Attributes:
        job_id: The job.
        request_id: The request that turned up.
        urls: Where its images are, as far as the history tells.
    """

    job_id: str
    request_id: str
    urls: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Settled:
    """What became of the unknown submissions of a batch.

    Attributes:
        adopted: Jobs whose request is known now, and its id.
        given_up: Jobs that were given up by hand.
        unknown: Jobs that are still unknown, and why.
        paid_twice: Submissions that turned up after they had been sent again.
    """

    adopted: dict[str, str] = field(default_factory=dict)
    given_up: list[str] = field(default_factory=list)
    unknown: dict[str, str] = field(default_factory=dict)
    paid_twice: list[PaidTwice] = field(default_factory=list)


async def settle_batch(
    batch: Batch,
    *,
    service: Service,
    unknown_after: timedelta,
    adopt: Mapping[str, str],
    give_up: Sequence[str],
    clock: Clock | None = None,
) -> Settled:
    """Settle what can be settled, and say what could not.

    Args:
        batch: Its folder.
        service: The queue and its platform.
        unknown_after: How long the history may take to show a request.
        adopt: By hand: a job's id and the id of its request.
        give_up: By hand: jobs whose unknown or open request is written off.
        clock: Time and chance; the machine's if None.

    Raises:
        UsageError: A job named by hand is not unknown, or a request belongs to another.
        BusyError: A run has the batch.
        LedgerError: Its files cannot be trusted, or cannot be written.
        AccountError: There is something to look up, and no key.
    """
    clock = clock or real_clock()
    with batch.lock(), log_to(batch):
        record = batch.replay()
        check_queue(batch, record, service)
        records = batch.open_records(record, service=service)
        with records.journal, records.ledger:
            settled = Settled()
            await _mark_unknown(records)
            await _settle_by_hand(records, settled, adopt=adopt, give_up=give_up)
            async with AsyncExitStack() as stack:
                platform = None
                if service.platform_url and service.key:
                    platform = await stack.enter_async_context(
                        PlatformClient(service.platform_url, service.key, now=clock.now)
                    )
                reconciler = Reconciler(
                    records=records,
                    platform=platform,
                    clock=clock,
                    unknown_after=unknown_after,
                    resubmit=False,
                    unknown=_numbers(records, AttemptState.UNKNOWN),
                )
                await _look_up(reconciler, settled)
                if platform is not None:
                    settled.paid_twice = await _find_paid_twice(records, platform, clock)
        tidy(batch, record)
        return settled


def _numbers(records: Records, state: AttemptState) -> set[int]:
    return {number for number, one in records.record.jobs.items() if one.state is state}


async def _mark_unknown(records: Records) -> None:
    """Show what an earlier run was sending when it was killed."""
    for number in _numbers(records, AttemptState.SUBMITTING):
        standing = records.record.jobs[number]
        job = job_from(records.entry_at(standing.started))
        await records.unknown(job, standing, "the run ended before its answer was recorded")


async def _settle_by_hand(
    records: Records, settled: Settled, *, adopt: Mapping[str, str], give_up: Sequence[str]
) -> None:
    known = trace_requests(records.journal.path, adopt.values()).known
    for request_id in adopt.values():
        if request_id in known:
            raise UsageError(f"request {request_id} is on record already. Nothing was changed.")
    states = (AttemptState.UNKNOWN, AttemptState.SUBMITTED)
    adopted = {one: _standing(records, one, AttemptState.UNKNOWN) for one in adopt}
    written_off = {one: _standing(records, one, *states) for one in give_up}
    for job_id, standing in adopted.items():
        job = job_from(records.entry_at(standing.started))
        request = Request(request_id=adopt[job_id])
        detail = {"adopted": True, "by_hand": True}
        await records.submitted(job, standing, request, detail=detail)
        settled.adopted[job_id] = request.request_id
    for job_id, standing in written_off.items():
        job = job_from(records.entry_at(standing.started))
        last_request = records.entry_at(standing.last).request
        text = "given up by hand; it may have been made and charged"
        ending = Failed(error_type="uncertain", message=text)
        await records.failed(job, standing, last_request, ending)
        await records.job_failed(
            job,
            standing,
            error_type="uncertain",
            error=text,
            request_id=last_request.request_id if last_request else "",
        )
        settled.given_up.append(job_id)


def _standing(records: Records, job_id: str, *states: AttemptState) -> Standing:
    is_id = len(job_id) == 16 and not job_id.strip("klmnopqrstuvwxyz")
    standing = records.record.find(number_of(job_id)) if is_id else None
    if standing is None or standing.state not in states:
        found = "is not in this batch" if standing is None else f"is {standing.state}"
        raise UsageError(
            f"job {job_id} {found}; this settles one that is {' or '.join(states)}. "
            "Nothing was changed."
        )
    return standing


async def _look_up(reconciler: Reconciler, settled: Settled) -> None:
    if reconciler.unknown and not reconciler.records.service.key:
        raise AccountError("there is no key to look the unknown ones up with", cause="key", http=0)
    for one in await reconciler.look():
        if one.request is not None:
            settled.adopted[one.job.job_id] = one.request.request_id
    settled.unknown = {
        job_id_of(number): reconciler.said.get(number, "") for number in sorted(reconciler.unknown)
    }


async def _find_paid_twice(
    records: Records, platform: PlatformClient, clock: Clock
) -> list[PaidTwice]:
    """Find submissions that the history shows after all, and that were sent again."""
    again = sent_again(records.journal.path)
    found = []
    for endpoint in sorted({lost.endpoint for _, lost in again}):
        group = [(job_id, lost) for job_id, lost in again if lost.endpoint == endpoint]
        start = min(lost.at for _, lost in group) - CLOCK_SLACK
        entries, _ = await read_history(platform, endpoint, start=start, end=clock.now() + FUTURE)
        known = trace_requests(records.journal.path, {one.request_id for one in entries}).known
        free = [one for one in entries if one.request_id and one.request_id not in known]
        for job_id, lost in group:
            entry = next((one for one in free if is_entry_of(one, lost)), None)
            if entry is not None:
                free.remove(entry)
                urls = tuple(filter(None, image_urls(entry.result or {})))
                found.append(PaidTwice(job_id=job_id, request_id=entry.request_id, urls=urls))
    return found


def sent_again(journal: Path) -> list[tuple[str, Lost]]:
    """Return the submissions that were sent again because the history did not show them."""
    begun: dict[tuple[str, int], Lost] = {}
    found: list[tuple[str, Lost]] = []
    for row in RowReader(journal, first_cell=JOURNAL_FIRST_CELL):
        entry = parse_entry(row.cells)
        attempt = (entry.job_id, entry.attempt)
        if entry.state is AttemptState.SUBMITTING:
            job = job_from(entry)
            begun[attempt] = Lost(
                number=number_of(entry.job_id),
                at=parse_timestamp(entry.at),
                endpoint=job.endpoint,
                input=job.input,
                account=str(entry.detail.get("account", "")),
            )
        elif entry.state is not AttemptState.UNKNOWN:
            lost = begun.pop(attempt, None)
            if lost is not None and entry.detail.get("reason") == NOT_IN_HISTORY:
                found.append((entry.job_id, lost))
    return found
