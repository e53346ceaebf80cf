"""What a run does about the record before it sends anything: the contract's table."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from batchgen.attempt import Request, job_from, parse_timestamp
from batchgen.clock import Clock
from batchgen.job import Job
from batchgen.outcome import Lost, StillOpen
from batchgen.reconciler import Reconciler
from batchgen.records import Records
from batchgen.retry import RetryRule
from batchgen.standing import Standing, Step, next_step
from batchgen.stop import NO_KEY, Cause, Stop
from batchgen.worker import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """A request that an earlier run has left open.

    Attributes:
        job: The job.
        standing: Its own.
        request: Its request.
        age_s: Seconds since its submission.
    """

    job: Job
    standing: Standing
    request: Request
    age_s: float


@dataclass(slots=True, kw_only=True)
class Recovered:
    """What is to be gone on with.

    Attributes:
        open: Requests to be read, oldest first: their results may not live long.
        downloads: Numbers of jobs whose images are to be fetched.
        unknown: Jobs that became unknown just now.
        failed: Jobs that were closed just now.
    """

    open: list[OpenRequest] = field(default_factory=list)
    downloads: list[int] = field(default_factory=list)
    unknown: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Brings the record to where a run can go on from it.

    Attributes:
        records: What is on record.
        retry: Which failures are tried again.
        download: Whether the run downloads.
        worker: Reads a request, to see whose it is.
        reconciler: Told of what is unknown.
        clock: Time and chance.
    """

    records: Records
    retry: RetryRule
    download: bool
    worker: Worker
    reconciler: Reconciler
    clock: Clock

    async def recover(self) -> Recovered:
        """Write what the record asks for, and return what is to be gone on with."""
        jobs = self.records.record.jobs
        steps: dict[Step, list[int]] = {}
        for number in self.records.record.unfinished():
            step = next_step(jobs[number], retry=self.retry, download=self.download)
            steps.setdefault(step, []).append(number)
        ended = [
            number
            for number in (*steps.get(Step.RECORD_FAILED, ()), *steps.get(Step.DECIDE, ()))
            if jobs[number].judged or not goes_on(jobs[number], self.retry)
        ]
        # What was refused for its input counted as failed before it was closed.
        failed_now = sum(not jobs[number].judged for number in ended)
        lost, unknown = steps.get(Step.MARK_UNKNOWN, []), steps.get(Step.RECONCILE, [])
        # Side by side, so that they share their syncs.
        await asyncio.gather(
            *(self._mark_unknown(jobs[number]) for number in lost),
            *(self._show_unknown(jobs[number]) for number in unknown),
            *(close_failed(self.records, jobs[number]) for number in ended),
        )
        self.reconciler.unknown.update(lost, unknown)
        return Recovered(
            open=self._open_requests([jobs[number] for number in steps.get(Step.READ, ())]),
            downloads=steps.get(Step.DOWNLOAD, []),
            unknown=len(lost),
            failed=failed_now,
        )

    async def check_account(self, requests: Sequence[OpenRequest]) -> Stop | None:
        """Return why these requests cannot be read with this key, or None if they can.

        A request that another key has sent is looked up first: with the key of another account
        every one of them would seem to be lost.
        """
        service = self.records.service
        if requests and not service.key:
            return NO_KEY
        foreign = next((one for one in requests if one.standing.account != service.account), None)
        if foreign is None:
            return None
        found = await self.worker.find(foreign.job, foreign.request)
        if isinstance(found, StillOpen):
            text = f"the open requests cannot be read: {found.reason}"
            return Stop(cause=Cause.NO_ANSWER, text=text)
        if not isinstance(found, Lost):
            return None
        if await self.reconciler.remembers(foreign.job, foreign.request):
            return None
        return Stop(
            cause=Cause.ACCOUNT,
            text="these requests belong to another account: this key does not find them",
            mend="use the key that sent them (one that nobody knows any more is given up with "
            f"batchgen reconcile BATCH --give-up {foreign.job.job_id})",
        )

    def _open_requests(self, standings: list[Standing]) -> list[OpenRequest]:
        now = self.clock.now()
        found = []
        for standing in sorted(standings, key=lambda one: one.submitted_at):
            request = self.records.entry_at(standing.last).request
            if request is not None:
                age = now - parse_timestamp(standing.submitted_at)
                found.append(
                    OpenRequest(
                        job=self._begun(standing),
                        standing=standing,
                        request=request,
                        age_s=max(0.0, age.total_seconds()),
                    )
                )
        return found

    def _begun(self, standing: Standing) -> Job:
        return job_from(self.records.entry_at(standing.started))

    async def _mark_unknown(self, standing: Standing) -> None:
        reason = "the run ended before its answer was recorded"
        await self.records.unknown(self._begun(standing), standing, reason)

    async def _show_unknown(self, standing: Standing) -> None:
        """Write the ledger's row of an unknown job, if a crash came before it."""
        if standing.rows.job_status != "unknown":
            reason = str(self.records.entry_at(standing.last).detail.get("reason") or "")
            await self.records.show_unknown(self._begun(standing), standing, reason)


async def close_failed(records: Records, standing: Standing) -> None:
    """Write the ledger's `failed` row of a job whose last attempt has failed by the journal."""
    last = records.entry_at(standing.last)
    await records.job_failed(
        job_from(records.entry_at(standing.started)),
        standing,
        error_type=standing.error_type,
        error=str(last.detail.get("error") or last.detail.get("reason") or ""),
        request_id=last.request.request_id if last.request else "",
    )


def goes_on(standing: Standing, retry: RetryRule) -> bool:
    """Say whether a job whose last attempt has failed is sent again by itself."""
    return retry.goes_on(
        standing.error_type,
        attempts=standing.fresh,
        alike=standing.alike,
        retryable=standing.retryable,
    )
