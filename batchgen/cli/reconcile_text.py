"""What `batchgen reconcile` says."""

from __future__ import annotations

from batchgen.ledger import neutralised
from batchgen.settling import Settled


def describe(settled: Settled, *, batch: str) -> str:
    """Return what became of the unknown submissions of a batch, and what to do about the rest."""
    lines: list[str] = []
    if settled.adopted:
        count = len(settled.adopted)
        lines.append(f"{_requests(count)} found and open again; the next run fetches them, free:")
        lines += [
            f"  {job_id}  {neutralised(request_id)}"
            for job_id, request_id in settled.adopted.items()
        ]
        lines.append(f"  Go on:  batchgen resume {batch}")
    if settled.given_up:
        lines.append(f"{_requests(len(settled.given_up))} given up; they count as paid:")
        lines += [f"  {job_id}" for job_id in settled.given_up]
    if settled.unknown:
        lines += _unknown(settled, batch)
    for one in settled.paid_twice:
        urls = " ".join(map(neutralised, one.urls)) or "its images are not in the history"
        lines.append(f"{one.job_id} was paid twice: {neutralised(one.request_id)}  {urls}")
    return "\n".join(lines) if lines else f"{batch}: nothing is unknown."


def _unknown(settled: Settled, batch: str) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for job_id, reason in settled.unknown.items():
        reasons.setdefault(neutralised(reason), []).append(job_id)
    count = len(settled.unknown)
    lines = [
        f"{_requests(count)} unknown: sent, and the answer was lost. They count as paid and are "
        "not sent again by themselves."
    ]
    for reason, job_ids in reasons.items():
        shown = ", ".join(job_ids[:5]) + (" …" if len(job_ids) > 5 else "")
        lines.append(f"  {reason}: {shown}")
    first = next(iter(settled.unknown))
    lines += [
        f"  Look again, free:            batchgen reconcile {batch}",
        f"  You know the request id:     batchgen reconcile {batch} --adopt {first}=REQUEST_ID",
        f"  Write it off:                batchgen reconcile {batch} --give-up {first}",
        f"  Send them again (may be paid twice):   batchgen resume {batch} --on-unknown resubmit",
    ]
    return lines


def _requests(count: int) -> str:
    return "1 request is" if count == 1 else f"{count:,} requests are"
