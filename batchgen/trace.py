"""What the journal knows of requests that the platform's history shows, and of lost ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from batchgen.attempt import (
    JOURNAL_FIRST_CELL,
    Entry,
    job_from,
    parse_entry,
    parse_timestamp,
)
from batchgen.csv_file import RowReader
from batchgen.job import number_of
from batchgen.reconcile import Lost
from batchgen.state import AttemptState

# Why a `refused` row was written that the history, not an answer, is the proof of.
NOT_IN_HISTORY = "not in the history"

# Ends of ours, of which the service need not know anything.
_OWN_ENDS = frozenset({"lost", "uncertain"})


@dataclass(frozen=True, slots=True)
class _Sent:
    """An attempt that has not ended: when its intent was recorded, where to, and as whom."""

    at: datetime
    endpoint: str
    account: str


@dataclass(slots=True, kw_only=True)
class Trace:
    """What the journal knows of some request ids.

    Attributes:
        known: Those that stand on a row, and when the intent of each was recorded, in UTC. Of an
            adopted one that is long before its `submitted` row.
        accounts: Digests of the keys that they were sent with.
        finished: Those that the service has finished.
        last_finished: Of all there are: by endpoint, when the intent was recorded of the youngest
            request that the service has finished.
    """

    known: dict[str, datetime] = field(default_factory=dict)
    accounts: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)
    last_finished: dict[str, datetime] = field(default_factory=dict)
    _open: dict[tuple[str, int], _Sent] = field(default_factory=dict)

    def note(self, entry: Entry, wanted: frozenset[str]) -> None:
        """Take one row of the journal into account."""
        attempt = (entry.job_id, entry.attempt)
        if entry.state is AttemptState.SUBMITTING:
            account, endpoint = entry.detail.get("account"), entry.detail.get("endpoint")
            self._open[attempt] = _Sent(
                at=parse_timestamp(entry.at),
                endpoint=endpoint if isinstance(endpoint, str) else "",
                account=account if isinstance(account, str) else "",
            )
        elif entry.state is AttemptState.SUBMITTED:
            self._note_request(entry, self._open.get(attempt), wanted)
        elif entry.state is not AttemptState.UNKNOWN:
            self._note_end(entry, self._open.pop(attempt, None))

    def _note_request(self, entry: Entry, sent: _Sent | None, wanted: frozenset[str]) -> None:
        request_id = entry.request.request_id if entry.request is not None else ""
        if sent is not None and request_id in wanted:
            self.known[request_id] = sent.at
            self.accounts.update({sent.account} - {""})

    def _note_end(self, entry: Entry, sent: _Sent | None) -> None:
        if entry.request is None or sent is None or not _is_finished(entry):
            return
        if entry.request.request_id in self.known:
            self.finished.add(entry.request.request_id)
        last = self.last_finished.get(sent.endpoint, sent.at)
        self.last_finished[sent.endpoint] = max(last, sent.at)


def _is_finished(entry: Entry) -> bool:
    """Say whether a row ends a request because the service has finished it."""
    if entry.state is AttemptState.COMPLETED:
        return True
    return entry.state is AttemptState.FAILED and entry.detail.get("error_type") not in _OWN_ENDS


def trace_requests(journal: Path, ids: Iterable[str]) -> Trace:
    """Read through a journal for some request ids; it blocks.

    Args:
        journal: The file; rows that are being written are not seen.
        ids: Request ids that the history shows.
    """
    wanted = frozenset(ids)
    trace = Trace()
    for row in RowReader(journal, first_cell=JOURNAL_FIRST_CELL):
        trace.note(parse_entry(row.cells), wanted)
    return trace


def lost_from(begun: Entry) -> Lost:
    """Return a submission whose answer was lost, from its `submitting` row."""
    job = job_from(begun)
    account = begun.detail.get("account")
    return Lost(
        number=number_of(begun.job_id),
        at=parse_timestamp(begun.at),
        endpoint=job.endpoint,
        input=job.input,
        account=account if isinstance(account, str) else "",
    )


def sent_again(journal: Path) -> list[Lost]:
    """Return the submissions that were sent again because the history did not show them."""
    begun: dict[tuple[str, int], Lost] = {}
    found: list[Lost] = []
    for row in RowReader(journal, first_cell=JOURNAL_FIRST_CELL):
        entry = parse_entry(row.cells)
        attempt = (entry.job_id, entry.attempt)
        if entry.state is AttemptState.SUBMITTING:
            begun[attempt] = lost_from(entry)
        elif entry.state is not AttemptState.UNKNOWN:
            lost = begun.pop(attempt, None)
            if lost is not None and entry.detail.get("reason") == NOT_IN_HISTORY:
                found.append(lost)
    return found
