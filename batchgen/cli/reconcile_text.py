"""What `batchgen reconcile` says."""

from __future__ import annotations

from collections.abc import Callable

from batchgen.ledger import neutralised
from batchgen.settling import Settled

# Writes a command about the batch: a verb and what follows the batch's name.
Command = Callable[..., str]


def describe(settled: Settled, *, batch: str, command: Command) -> str:
    """Return what became of the unknown submissions of a batch, and what to do about the rest.

    Args:
        settled: What became of them.
        batch: The batch's name.
        command: Writes a command about it.
    """
    lines: list[str] = []
    if settled.adopted:
        count = len(settled.adopted)
        lines.append(f"{_requests(count)} found and open again; the next run fetches them, free:")
        lines += [
            f"  {job_id}  {neutralised(request_id)}"
            for job_id, request_id in settled.adopted.items()
        ]
        lines.append(f"  Go on:  {command('resume')}")
    if settled.given_up:
        count = len(settled.given_up)
        paid = "and counts as paid" if count == 1 else "and count as paid"
        lines.append(f"{_requests(count)} given up, {paid}:")
        lines += [f"  {job_id}" for job_id in settled.given_up]
    if settled.unknown:
        lines += _unknown(settled, command)
    for one in settled.paid_twice:
        urls = " ".join(map(neutralised, one.urls)) or "its images are not in the history"
        lines.append(f"{one.job_id} was paid twice: {neutralised(one.request_id)}  {urls}")
    if not lines:
        lines.append(f"{batch}: nothing is unknown.")
    if settled.not_looked_up:
        reason = neutralised(settled.not_looked_up)
        lines.append(f"Whether anything else was paid twice is not known: {reason}.")
    return "\n".join(lines)


def _unknown(settled: Settled, command: Command) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for job_id, reason in settled.unknown.items():
        reasons.setdefault(neutralised(reason), []).append(job_id)
    count = len(settled.unknown)
    held = (
        "It counts as paid and is not sent again by itself."
        if count == 1
        else "They count as paid and are not sent again by themselves."
    )
    lines = [f"{_requests(count)} unknown: sent, and the answer was lost. {held}"]
    for reason, job_ids in reasons.items():
        shown = ", ".join(job_ids[:5]) + (" …" if len(job_ids) > 5 else "")
        lines.append(f"  {reason}: {shown}")
    first = next(iter(settled.unknown))
    lines += [
        f"  Look again, free:            {command('reconcile')}",
        f"  You know the request id:     {command('reconcile', '--adopt', f'{first}=REQUEST_ID')}",
        f"  Write it off:                {command('reconcile', '--give-up', first)}",
        "  Send them again (may be paid twice):   " + command("resume", "--on-unknown", "resubmit"),
    ]
    return lines


def _requests(count: int) -> str:
    return "1 request is" if count == 1 else f"{count:,} requests are"
