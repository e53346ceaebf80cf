"""Decide what became of submissions whose answer was lost, from the platform's history.

Nothing here talks to anybody: entries of the history and rows of the journal go in, verdicts
come out.

Source:
    The contract, section 5, rule 3; protocol notes, section 10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from batchgen.history import HistoryEntry
from batchgen.job import Json

# Two clocks may differ by this much: an entry that was sent earlier is not the submission.
CLOCK_SLACK = timedelta(hours=1)

# By clocks that are further apart than this, nothing is said of what the history does not show.
CLOCKS_AGREE = CLOCK_SLACK / 2

# What the history keeps.
HISTORY_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A submission whose answer was lost.

    Attributes:
        number: Of its job.
        at: When its intent was recorded, in UTC.
        ended_at: When at the latest its POST was given up on; `at` if None.
        endpoint: Where it was sent.
        input: What was sent.
        account: The digest of the key that it was sent with.
        has_later_end: Whether a request that this batch sent to the same endpoint after it has
            finished.
    """

    number: int
    at: datetime
    endpoint: str
    input: Mapping[str, Json]
    account: str
    ended_at: datetime | None = None
    has_later_end: bool = False

    @property
    def shown_from(self) -> datetime:
        """From when on the history is given its time: the service may have taken it that late."""
        return self.at if self.ended_at is None else max(self.at, self.ended_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the history of one endpoint shows, and what the journal knows of it.

    Attributes:
        entries: Its entries, from an hour before the first of the lost submissions on.
        is_whole: Whether every page was read.
        account: The digest of the key that it was read with.
        known: Request ids of the history that stand on a row of the journal, and when the intent
            of each was recorded, in UTC.
        accounts: Digests that known requests were sent under.
        finished: Known requests that the service has finished.
        ahead: How far the clock of the history is ahead of ours.
    """

    entries: Sequence[HistoryEntry]
    is_whole: bool
    account: str
    known: Mapping[str, datetime] = field(default_factory=dict)
    accounts: frozenset[str] = frozenset()
    finished: frozenset[str] = frozenset()
    ahead: timedelta = timedelta(0)


class Fate(Enum):
    """What became of a lost submission."""

    ACCEPTED = "accepted"
    NOT_ACCEPTED = "not accepted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one lost submission, and how that is known.

    Attributes:
        lost: The submission.
        fate: What became of it.
        entry: Its entry in the history, where it was accepted.
        reason: Why nothing is known, for a person.
    """

    lost: Lost
    fate: Fate
    entry: HistoryEntry | None = None
    reason: str = ""


def settle(
    submissions: Sequence[Lost], evidence: Evidence, *, now: datetime, unknown_after: timedelta
) -> list[Verdict]:
    """Return what became of each of some submissions to one endpoint.

    One entry settles one submission, the oldest first.

    Args:
        submissions: Those whose answer was lost.
        evidence: What the history shows.
        now: The time, in UTC.
        unknown_after: How long the history may take to show a request.
    """
    free = [entry for entry in evidence.entries if entry.request_id not in evidence.known]
    free.sort(key=lambda entry: (entry.sent_at is None, entry.sent_at or now))
    verdicts = []
    for lost in sorted(submissions, key=lambda one: one.at):
        entry = next((entry for entry in free if is_entry_of(entry, lost)), None)
        if entry is not None:
            free.remove(entry)
            verdicts.append(Verdict(lost=lost, fate=Fate.ACCEPTED, entry=entry))
            continue
        doubt = _doubt(lost, free, evidence, now=now, unknown_after=unknown_after)
        fate = Fate.UNKNOWN if doubt else Fate.NOT_ACCEPTED
        verdicts.append(Verdict(lost=lost, fate=fate, reason=doubt))
    return verdicts


def is_entry_of(entry: HistoryEntry, lost: Lost) -> bool:
    """Say whether an entry of the history is this submission.

    Every key and value that was sent is in its input (the service may have added others), and it
    was sent no earlier than an hour before the intent was recorded. One that names no request
    cannot be gone on with.
    """
    return bool(entry.request_id) and _is_whole(entry) and could_be(entry, lost)


def _is_whole(entry: HistoryEntry) -> bool:
    return entry.input is not None and entry.sent_at is not None


def could_be(entry: HistoryEntry, lost: Lost) -> bool:
    """Say whether nothing that an entry says speaks against its being this submission."""
    if entry.sent_at is not None and entry.sent_at < lost.at - CLOCK_SLACK:
        return False
    if entry.input is None:
        return True
    given = entry.input
    return all(key in given and _is_same(given[key], value) for key, value in lost.input.items())


def _is_same(one: Json, other: Json) -> bool:
    """Compare as JSON does: `true` is no 1, and 1.0 is one."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    return one == other


def _doubt(
    lost: Lost,
    free: Sequence[HistoryEntry],
    evidence: Evidence,
    *,
    now: datetime,
    unknown_after: timedelta,
) -> str:
    """Return why it is not proved that a submission was not accepted; `""` if it is."""
    if now - lost.shown_from < unknown_after:
        return "the history may not show it yet"
    if now - lost.at >= HISTORY_KEPT:
        return "it is older than what the history keeps"
    if not evidence.is_whole:
        return "the history could not be read whole"
    if abs(evidence.ahead) > CLOCKS_AGREE:
        return "this machine's clock and the service's are too far apart"
    if lost.account not in (evidence.account, *evidence.accounts):
        return "it was sent with another key, whose history this may not be"
    doubtful = next((entry for entry in free if could_be(entry, lost)), None)
    if doubtful is not None and not _is_whole(doubtful):
        return "the history shows requests without their input"
    if doubtful is not None:
        return "the history shows it without a request id"
    if lost.has_later_end and not any(
        sent_at > lost.at and request_id in evidence.finished
        for request_id, sent_at in evidence.known.items()
    ):
        return "the history does not show what was sent after it either"
    return ""
