"""Settle the unknown submissions of a batch without running it: by the history, or by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta

from batchgen.attempt import Request, job_from
from batchgen.batch import Batch
from batchgen.binding import check_queue
from batchgen.clock import Clock, real_clock
from batchgen.errors import AccountError, UsageError
from batchgen.job import Json, job_id_of, number_of
from batchgen.launch import tidy
from batchgen.outcome import Failed
from batchgen.paid_twice import PaidTwice, find_paid_twice
from batchgen.platform_client import PlatformClient
from batchgen.reconciler import Reconciler
from batchgen.records import Records
from batchgen.run_log import log_to
from batchgen.service import Service
from batchgen.standing import Standing
from batchgen.state import AttemptState
from batchgen.trace import trace_requests

# What can be given up by hand.
_GIVEN_UP = (AttemptState.UNKNOWN, AttemptState.SUBMITTED)


@dataclass(slots=True, kw_only=True)
class Settled:
    """What became of the unknown submissions of a batch.

    Attributes:
        adopted: Jobs whose request is known now, and its id.
        given_up: Jobs that were given up by hand.
        unknown: Jobs that are still unknown, and why.
        paid_twice: Submissions that turned up after they had been sent again.
        not_looked_up: Why nobody can tell whether more of these turned up; `""` where it is known.
    """

    adopted: dict[str, str] = field(default_factory=dict)
    given_up: list[str] = field(default_factory=list)
    unknown: dict[str, str] = field(default_factory=dict)
    paid_twice: list[PaidTwice] = field(default_factory=list)
    not_looked_up: str = ""


async def settle_batch(
    batch: Batch,
    *,
    service: Service,
    unknown_after: timedelta,
    adopt: Sequence[tuple[str, str]] = (),
    give_up: Sequence[str] = (),
    clock: Clock | None = None,
) -> Settled:
    """Settle what can be settled, and say what could not.

    Args:
        batch: Its folder.
        service: The queue and its platform.
        unknown_after: How long the history may take to show a request.
        adopt: By hand: ids of jobs, each with the id of its request.
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
                        PlatformClient(
                            service.platform_url,
                            service.key,
                            sleep=clock.sleep,
                            jitter=clock.jitter,
                            now=clock.now,
                        )
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
                    settled.paid_twice, settled.not_looked_up = await find_paid_twice(
                        batch.journal_path, platform, clock
                    )
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
    records: Records,
    settled: Settled,
    *,
    adopt: Sequence[tuple[str, str]],
    give_up: Sequence[str],
) -> None:
    _check_by_hand(records, adopt, give_up)
    for job_id, request_id in adopt:
        standing = _standing(records, job_id, AttemptState.UNKNOWN)
        job = job_from(records.entry_at(standing.started))
        request = Request(request_id=request_id)
        detail: dict[str, Json] = {"adopted": True, "by_hand": True}
        await records.submitted(job, standing, request, detail=detail)
        settled.adopted[job_id] = request_id
    for job_id in dict.fromkeys(give_up):
        await _give_up(records, _standing(records, job_id, *_GIVEN_UP))
        settled.given_up.append(job_id)


def _check_by_hand(
    records: Records, adopt: Sequence[tuple[str, str]], give_up: Sequence[str]
) -> None:
    """Refuse what does not fit before any of it is done.

    Raises:
        UsageError: A job is named twice, or is none of those that can be settled; a request is on
            record, or named twice.
    """
    jobs = Counter([job_id for job_id, _ in adopt] + list(dict.fromkeys(give_up)))
    requests = Counter(request_id for _, request_id in adopt)
    for what, counted in (("job", jobs), ("request", requests)):
        twice = next((one for one, count in counted.items() if count > 1), None)
        if twice is not None:
            raise UsageError(f"{what} {twice} is named twice. Nothing was settled.")
    known = trace_requests(records.journal.path, requests).known
    if known:
        raise UsageError(f"request {next(iter(known))} is on record already. Nothing was settled.")
    for job_id, _ in adopt:
        _standing(records, job_id, AttemptState.UNKNOWN)
    for job_id in give_up:
        _standing(records, job_id, *_GIVEN_UP)


async def _give_up(records: Records, standing: Standing) -> None:
    """Write an unknown or open request off: it counts as paid."""
    job = job_from(records.entry_at(standing.started))
    request = records.entry_at(standing.last).request
    text = "given up by hand; it may have been made and charged"
    ending = Failed(error_type="uncertain", message=text)
    await records.failed(job, standing, request, ending)
    await records.job_failed(
        job,
        standing,
        error_type=ending.error_type,
        error=text,
        request_id=request.request_id if request else "",
    )


def _standing(records: Records, job_id: str, *states: AttemptState) -> Standing:
    is_id = len(job_id) == 16 and not job_id.strip("klmnopqrstuvwxyz")
    standing = records.record.find(number_of(job_id)) if is_id else None
    if standing is None or standing.state not in states:
        found = "is not in this batch" if standing is None else f"is {standing.state}"
        raise UsageError(
            f"job {job_id} {found}; this settles one that is {' or '.join(states)}. "
            "Nothing was settled."
        )
    return standing


async def _look_up(reconciler: Reconciler, settled: Settled) -> None:
    has_key = bool(reconciler.records.service.key)
    if reconciler.unknown and not has_key and not settled.adopted and not settled.given_up:
        raise AccountError("there is no key to look the unknown ones up with", cause="key", http=0)
    for one in await reconciler.look():
        if one.request is not None:
            settled.adopted[one.job.job_id] = one.request.request_id
    settled.unknown = {
        job_id_of(number): reconciler.said.get(number, "") if has_key else "there is no key"
        for number in sorted(reconciler.unknown)
    }
