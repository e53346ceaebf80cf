"""Find submissions that were sent again, and turned up in the history all the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from batchgen.clock import Clock
from batchgen.errors import QueueError
from batchgen.history import HistoryEntry
from batchgen.job import job_id_of
from batchgen.outcome import image_urls
from batchgen.platform_client import PlatformClient
from batchgen.reconcile import CLOCK_SLACK, Lost, is_entry_of
from batchgen.reconciler import FUTURE, read_history
from batchgen.trace import sent_again, trace_requests


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


async def find_paid_twice(
    journal: Path, platform: PlatformClient, clock: Clock
) -> tuple[list[PaidTwice], str]:
    """Look for submissions that the history shows after all, and that were sent again.

    Returns:
        What was found; and why more of it may be there, or `""`.
    """
    again = sent_again(journal)
    found: list[PaidTwice] = []
    problem = ""
    for endpoint in sorted({lost.endpoint for lost in again}):
        group = [lost for lost in again if lost.endpoint == endpoint]
        start = min(lost.at for lost in group) - CLOCK_SLACK
        try:
            shown = await read_history(
                platform,
                endpoint,
                start=start,
                end=clock.now() + FUTURE,
                wanted=partial(_is_one_of, group),
            )
        except QueueError as error:
            problem = f"the history cannot be read: {error}"
            continue
        if not shown.is_whole:
            problem = "the history could not be read whole"
        known = trace_requests(journal, shown.ids).known
        free = [one for one in shown.wanted if one.request_id not in known]
        found += match_paid_twice(group, free)
    return found, problem


def _is_one_of(again: Sequence[Lost], entry: HistoryEntry) -> bool:
    return any(is_entry_of(entry, lost) for lost in again)


def match_paid_twice(again: Sequence[Lost], free: Sequence[HistoryEntry]) -> list[PaidTwice]:
    """Return which submissions that were sent again turned up; one entry is one of them.

    Args:
        again: Submissions that were sent again because the history did not show them.
        free: Entries of the history whose requests stand on no row of the journal.
    """
    left = list(free)
    found = []
    for lost in again:
        entry = next((one for one in left if is_entry_of(one, lost)), None)
        if entry is not None:
            left.remove(entry)
            urls = tuple(filter(None, image_urls(entry.result or {})))
            job_id = job_id_of(lost.number)
            found.append(PaidTwice(job_id=job_id, request_id=entry.request_id, urls=urls))
    return found
