"""What is on record about a batch, in memory: every job's standing, and the bill.

Jobs that are alike share one standing, so that a million of them cost about a hundred bytes each.
Of a result that waits for its images one number more is kept: where its rows are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from sys import intern

from batchgen.attempt import ANSWER, FRESH, Entry, judges_input
from batchgen.budget import ZERO, Budget
from batchgen.outcome import image_urls
from batchgen.place import Place
from batchgen.standing import NO_ROWS, ImageMark, Rows, Standing, with_row
from batchgen.state import NEXT_ATTEMPT_STATES, UNSETTLED, AttemptState

# Where every job of a manifest stands that nothing is on record about.
_NEVER_SENT = Standing(drawn=True, is_shared=True)


@dataclass(slots=True, kw_only=True)
class Record:
    """All that the two files say.

    Attributes:
        jobs: Each job's standing, by the number of its id; finished jobs that are alike share one.
        bill: The charges of all attempts that have ended, the reservations of all that have not.
        billed_usd: The part of what was spent that the service itself reported.
        foreseen_usd: What the price table had said of that part.
        submitted: Requests that the service accepted.
        journal_end: Where the journal's last whole row ends, in bytes; 0 if there is none.
        ledger_end: The same of the ledger.
        ledger_columns: The ledger's header; empty if there is none.
        superseded: Jobs whose ledger rows are partly replaced by later ones.
        failed_now: Jobs that this run has given up before it drew them from the manifest: what a
            run has closed it does not take up again, or a crash would give new attempts.
        first_at: The time of the first journal row, as text.
        last_at: The time of the last journal row, as text.
        download: Whether an image that was not downloaded leaves a job unfinished.
        places: Where the rows are of results that wait for their images, packed, by the same
            numbers: only of those whose standing is shared.
    """

    jobs: dict[int, Standing] = field(default_factory=dict)
    bill: Budget = field(default_factory=Budget)
    billed_usd: Decimal = ZERO
    foreseen_usd: Decimal = ZERO
    submitted: int = 0
    journal_end: int = 0
    ledger_end: int = 0
    ledger_columns: list[str] = field(default_factory=list)
    superseded: set[int] = field(default_factory=set)
    failed_now: set[int] = field(default_factory=set)
    first_at: str = ""
    last_at: str = ""
    download: bool = True
    places: dict[int, int] = field(default_factory=dict)
    _shapes: dict[Standing, Standing] = field(default_factory=dict)
    # By the shared standing's address: it stays in `_shapes`, or in here.
    _twins: dict[int, tuple[Standing, Standing]] = field(default_factory=dict)

    def find(self, number: int) -> Standing | None:
        """Return a job's standing, which may be shared; None if nothing is on record."""
        return self.jobs.get(number)

    def own(self, number: int) -> Standing:
        """Return the job's own standing, which may be changed."""
        found = self.jobs.get(number)
        if found is None:
            found = self.jobs[number] = Standing()
        elif found is _NEVER_SENT:
            found = self.jobs[number] = Standing(drawn=True)
        elif found.is_shared:
            found = self.jobs[number] = self.peek(number)
            self.places.pop(number, None)
        return found

    def peek(self, number: int) -> Standing:
        """Return all that is known of a job on record: its own standing, or a copy of one."""
        found = self.jobs[number]
        if not found.is_shared:
            return found
        packed = self.places.get(number)
        if packed is None:
            return replace(found, is_shared=False)
        place = Place.unpack(packed)
        return replace(
            found,
            is_shared=False,
            started=place.started,
            last=place.last,
            submitted_at=place.submitted_at,
            at=place.at,
        )

    def unfinished(self) -> Iterator[int]:
        """Yield the numbers of the jobs that have not ended, as far as the record tells."""
        places = self.places
        for number, standing in self.jobs.items():
            if not standing.is_shared or number in places:
                yield number

    def alike(self) -> list[tuple[Standing, int]]:
        """Return every standing that there is, and how many jobs have it."""
        standings = {id(standing): standing for standing in self.jobs.values()}
        times = Counter(map(id, self.jobs.values()))
        return [(standing, times[key]) for key, standing in standings.items()]

    def without_journal(self) -> list[int]:
        """Return the numbers of the jobs that the ledger has and the journal has not."""
        if not any(standing.lacks_journal for standing, _ in self.alike()):
            return []
        return [number for number, one in self.jobs.items() if one.lacks_journal]

    def keep(self, number: int, standing: Standing) -> None:
        """Store a standing; of a job that has ended, only what such jobs have in common."""
        if self.has_ended(standing):
            self.jobs[number] = self.shared(standing)
            self.places.pop(number, None)
        else:
            self.jobs[number] = standing

    def waits(self, standing: Standing) -> bool:
        """Say whether a job is one of the many whose results wait for their images.

        What the ledger says of the whole job belongs to an earlier attempt, and few have it.
        """
        is_result = standing.state is AttemptState.COMPLETED
        return is_result and not standing.rows.job_status and not self.has_ended(standing)

    def set_aside(self, number: int, standing: Standing) -> None:
        """Store the standing of a job whose result waits for its images, which nobody holds."""
        place = Place(
            started=standing.started,
            last=standing.last,
            submitted_at=standing.submitted_at,
            at=standing.at,
        )
        self.jobs[number] = self.placeless(standing)
        self.places[number] = place.packed()

    def mark_drawn(self, number: int) -> bool:
        """Note that the manifest has this job, and return whether it had it before."""
        found = self.jobs.get(number)
        if found is None:
            self.jobs[number] = _NEVER_SENT
            return False
        if found.drawn:
            return True
        if found.is_shared:
            self.jobs[number] = self._drawn_twin(found)
        else:
            found.drawn = True
        return False

    def note_row(
        self, number: int, index: int | None, mark: ImageMark, *, finished_at: str
    ) -> None:
        """Take one ledger row into account, before the journal has spoken of its job.

        Args:
            number: The job's.
            index: The image; None where the row speaks for the whole job.
            mark: What the row says.
            finished_at: The row's time, as text.
        """
        known = self.jobs.get(number)
        before = NO_ROWS if known is None else known.rows
        rows = with_row(before, index, mark, finished_at=finished_at)
        is_more = not before.job_status and len(rows.images) > len(before.images)
        if before is not NO_ROWS and not is_more:
            self.superseded.add(number)
        self.keep_rows(number, rows)

    def keep_rows(self, number: int, rows: Rows) -> None:
        """Store what the ledger says of a job, before the journal has spoken of it."""
        if rows.job_status and rows.error_type != "template":
            self.jobs[number] = Standing(rows=rows)  # few are alike: its time closes a journal row
        else:
            self.jobs[number] = self.intern(Standing(rows=_timeless(rows), is_shared=True))

    def forget_unknown(self, number: int) -> None:
        """Leave a job to do that the ledger calls unknown, and the journal does not know."""
        found = self.jobs[number]
        if found.lacks_journal and found.rows.job_status == "unknown":
            self.jobs[number] = Standing(drawn=found.drawn)
            self.superseded.add(number)

    def has_ended(self, standing: Standing) -> bool:
        """Say whether nothing is left to be done about a job but by `--retry`."""
        if standing.state is AttemptState.COMPLETED:
            return not standing.lacks_rows and not (self.download and standing.lacks_files)
        return standing.is_closed and (standing.judged or standing.state is AttemptState.FAILED)

    def shared(self, standing: Standing) -> Standing:
        """Return the standing that jobs share which stand like this one."""
        # Without their times a `failed` row and the journal row that it closes still agree.
        return self.intern(
            Standing(
                rows=_timeless(standing.rows),
                state=standing.state,
                attempt=standing.attempt,
                attempts=standing.attempts,
                judged=standing.judged,
                charged_usd=standing.charged_usd,
                billed=standing.billed,
                expected=standing.expected,
                drawn=standing.drawn,
                is_shared=True,
            )
        )

    def placeless(self, standing: Standing) -> Standing:
        """Return the standing that jobs share which have not ended, but for where and when."""
        return self.intern(
            replace(standing, started=0, last=0, submitted_at="", at="", is_shared=True)
        )

    def intern(self, standing: Standing) -> Standing:
        """Return the one standing of its kind that all jobs share."""
        return self._shapes.setdefault(standing, standing)

    def _drawn_twin(self, standing: Standing) -> Standing:
        known = self._twins.get(id(standing))
        if known is None:
            known = standing, self.intern(replace(standing, drawn=True))
            self._twins[id(standing)] = known
        return known[1]


def _timeless(rows: Rows) -> Rows:
    return replace(rows, finished_at="") if rows.finished_at else rows


def follows(standing: Standing, entry: Entry) -> bool:
    """Say whether a run writes a journal row after those that led to a standing."""
    if entry.state is AttemptState.SUBMITTING:
        return standing.state not in UNSETTLED and entry.attempt == standing.attempt + 1
    return (
        standing.state is not None
        and entry.attempt == standing.attempt
        and entry.state in NEXT_ATTEMPT_STATES[standing.state]
    )


def apply(record: Record, standing: Standing, entry: Entry, *, start: int) -> None:
    """Take one journal row into account: of the job, and of the bill.

    Args:
        record: The sums.
        standing: The job's own.
        entry: The row.
        start: Where it begins in the file, in bytes.
    """
    standing.state = entry.state
    standing.at = entry.at
    standing.attempt = entry.attempt
    standing.last = start
    standing.judged = judges_input(entry)
    if entry.state is AttemptState.SUBMITTING:
        _begin_attempt(record, standing, entry, start)
    elif entry.state is AttemptState.SUBMITTED:
        standing.submitted_at = entry.at
        record.submitted += 1
    elif entry.state not in UNSETTLED:
        _end_attempt(record, standing, entry)


def _begin_attempt(record: Record, standing: Standing, entry: Entry, start: int) -> None:
    standing.started = start
    standing.attempts += 1
    fresh = entry.detail.get(FRESH)
    standing.fresh = fresh if isinstance(fresh, int) else standing.fresh + 1
    if standing.fresh == 1:
        standing.failures = ()
    standing.reserved_usd = entry.cost_usd or ZERO
    record.bill.reserve(standing.reserved_usd)
    account = entry.detail.get("account")
    standing.account = account if isinstance(account, str) else ""
    images = entry.detail.get("images")
    standing.expected = images if isinstance(images, int) else 1


def _end_attempt(record: Record, standing: Standing, entry: Entry) -> None:
    charge = entry.cost_usd or ZERO
    foreseen, standing.reserved_usd = standing.reserved_usd, ZERO
    record.bill.settle(reserved_usd=foreseen, charged_usd=charge)
    standing.charged_usd += charge
    if charge:
        answer = entry.detail.get(ANSWER, entry.detail)
        source = answer.get("cost_source") if isinstance(answer, Mapping) else None
        standing.billed = standing.billed and source == "billed"
        if source == "billed":
            record.billed_usd += charge
            record.foreseen_usd += foreseen
    if entry.state is AttemptState.REFUSED:
        standing.attempts -= 1
        standing.fresh -= 1
    elif entry.state is AttemptState.COMPLETED:
        standing.expected = max(standing.expected, len(image_urls(entry.detail)))
    if entry.state is AttemptState.FAILED or standing.judged:
        _note_failure(standing, entry)


def _note_failure(standing: Standing, entry: Entry) -> None:
    standing.error_type = intern(str(entry.detail.get("error_type", "")))
    standing.failures += (standing.error_type,)
    retryable = entry.detail.get("retryable")
    standing.retryable = retryable if isinstance(retryable, bool) else None
    if standing.is_closed:
        close(standing)


def close(standing: Standing) -> None:
    """Begin to count a job's attempts anew: its failure is in the ledger."""
    standing.fresh = 0
    standing.failures = ()
