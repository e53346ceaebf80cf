"""What the next start does: the contract's table, line by line, and what it follows from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pytest
from support.jobs import at, make_entry, make_job

from batchgen.job import Job, number_of
from batchgen.record import Record, apply
from batchgen.retry import RetryRule
from batchgen.standing import (
    NO_ROWS,
    ImageMark,
    Rows,
    Standing,
    Step,
    job_state,
    next_step,
    with_row,
)
from batchgen.state import AttemptState, JobState

SUBMITTING, REFUSED, SUBMITTED, COMPLETED, FAILED, UNKNOWN, CANCELLED = AttemptState

SAVED = ImageMark("succeeded", "", has_file=True)
NOT_DOWNLOADED = ImageMark("succeeded", "", has_file=False)
UNDELIVERED = ImageMark("undelivered", "download", has_file=False)
EXPIRED = ImageMark("failed", "expired", has_file=False)
MISSING = ImageMark("failed", "missing_image", has_file=False)

TRANSIENT, BY_HAND, NEVER = (RetryRule(mode=mode) for mode in ("transient", "failed", "none"))


def stand(
    *states: AttemptState,
    rows: Rows = NO_ROWS,
    job: Job | None = None,
    judges: bool = False,
    error_type: str = "internal_server_error",
) -> Standing:
    """Return where a job stands after one attempt; the n-th row is of second n."""
    job = job or make_job()
    record = Record()
    standing = record.own(number_of(job.job_id))
    standing.rows = rows
    for second, state in enumerate(states):
        detail: dict[str, object] = {}
        if state is REFUSED and judges:
            detail = {"judges_input": True, "error_type": error_type}
        if state is FAILED:
            detail = {"error_type": error_type}
        apply(record, standing, make_entry(state, job=job, second=second, **detail), start=0)  # type: ignore[arg-type]  # JSON
    return standing


def images(*marks: ImageMark) -> Rows:
    return Rows(images=tuple(enumerate(marks)))


def failed_row(error_type: str, *, second: int) -> Rows:
    return Rows(job_status="failed", error_type=error_type, finished_at=at(second))


OPEN = (SUBMITTING, SUBMITTED)
DONE = (*OPEN, COMPLETED)
BROKEN = (*OPEN, FAILED)
JUDGED = (SUBMITTING, REFUSED)
PAIR = make_job(images=2)
UNKNOWN_ROW = Rows(job_status="unknown")

LINES = [
    pytest.param(stand(), Step.SEND, id="nothing on record: left to do"),
    pytest.param(
        stand(rows=failed_row("template", second=0)),
        Step.RENDER,
        id="no journal row, failed by its template: rendered again",
    ),
    pytest.param(stand(SUBMITTING), Step.MARK_UNKNOWN, id="submitting: becomes unknown"),
    pytest.param(
        stand(*JUDGED, judges=True),
        Step.RECORD_FAILED,
        id="refused for its input, not closed: its failed row is written",
    ),
    pytest.param(
        stand(*JUDGED, judges=True, rows=failed_row("value_error", second=0)),
        Step.RECORD_FAILED,
        id="refused for its input, an older failed row: not closed by that",
    ),
    pytest.param(stand(*JUDGED), Step.SEND, id="refused otherwise: left to do"),
    pytest.param(stand(*OPEN, CANCELLED), Step.SEND, id="cancelled: left to do"),
    pytest.param(stand(*OPEN), Step.READ, id="submitted: read by its request id"),
    pytest.param(
        stand(SUBMITTING, UNKNOWN, SUBMITTED, rows=UNKNOWN_ROW),
        Step.READ,
        id="submitted after unknown: adopted, read by its request id",
    ),
    pytest.param(stand(SUBMITTING, UNKNOWN), Step.RECONCILE, id="unknown: reconciled"),
    pytest.param(
        stand(SUBMITTING, UNKNOWN, rows=UNKNOWN_ROW),
        Step.RECONCILE,
        id="unknown, the ledger says so too: reconciled",
    ),
    pytest.param(stand(*BROKEN), Step.DECIDE, id="failed, not closed: the retry rule decides"),
    pytest.param(
        stand(*BROKEN, rows=failed_row("internal_server_error", second=0)),
        Step.DECIDE,
        id="failed, an older failed row: not closed by that",
    ),
    pytest.param(
        stand(*BROKEN, rows=UNKNOWN_ROW),
        Step.DECIDE,
        id="failed after it was unknown, not closed: the retry rule decides",
    ),
    pytest.param(
        stand(
            *BROKEN,
            error_type="content_policy_violation",
            rows=failed_row("content_policy_violation", second=2),
        ),
        Step.LEAVE,
        id="failed, closed: left alone",
    ),
    pytest.param(
        stand(*JUDGED, judges=True, rows=failed_row("value_error", second=1)),
        Step.LEAVE,
        id="refused for its input, closed: left alone",
    ),
    pytest.param(
        stand(*BROKEN, rows=failed_row("internal_server_error", second=2)),
        Step.SEND,
        id="failed, closed, of a kind that --retry takes: sent again",
    ),
    pytest.param(stand(*DONE), Step.DOWNLOAD, id="completed, no image has a row: downloaded"),
    pytest.param(
        stand(*DONE, job=PAIR, rows=images(SAVED)),
        Step.DOWNLOAD,
        id="completed, one image of two has no row: downloaded",
    ),
    pytest.param(
        stand(*DONE, rows=images(UNDELIVERED)),
        Step.DOWNLOAD,
        id="completed, undelivered: downloaded",
    ),
    pytest.param(
        stand(*DONE, job=PAIR, rows=images(SAVED, UNDELIVERED)),
        Step.DOWNLOAD,
        id="completed, one of two undelivered: downloaded",
    ),
    pytest.param(
        stand(*DONE, job=PAIR, rows=images(EXPIRED, UNDELIVERED)),
        Step.DOWNLOAD,
        id="completed, one expired and one undelivered: downloaded",
    ),
    pytest.param(
        stand(*DONE, rows=images(NOT_DOWNLOADED)),
        Step.DOWNLOAD,
        id="completed, merely not downloaded, by a run that downloads: downloaded",
    ),
    pytest.param(
        stand(*DONE, rows=UNKNOWN_ROW),
        Step.DOWNLOAD,
        id="completed after it was unknown: downloaded",
    ),
    pytest.param(
        stand(*DONE, rows=images(EXPIRED)),
        Step.LEAVE,
        id="completed, expired: left alone",
    ),
    pytest.param(
        stand(*DONE, job=PAIR, rows=images(EXPIRED, MISSING)),
        Step.LEAVE,
        id="completed, one expired and the other never made: left alone",
    ),
    pytest.param(
        stand(*DONE, job=PAIR, rows=images(SAVED, EXPIRED)),
        Step.DONE,
        id="completed, one expired and the other on disk: done",
    ),
    pytest.param(
        stand(*DONE, job=PAIR, rows=images(SAVED, MISSING)),
        Step.DONE,
        id="completed, one was never made: done, it is not bought again",
    ),
    pytest.param(stand(*DONE, rows=images(SAVED)), Step.DONE, id="completed, on disk: done"),
]


@pytest.mark.parametrize(("standing", "expected"), LINES)
def test_the_next_start_goes_by_the_table(standing: Standing, expected: Step) -> None:
    assert next_step(standing, retry=TRANSIENT, download=True) is expected


def closed(error_type: str, *, judges: bool = False) -> Standing:
    states = JUDGED if judges else BROKEN
    rows = failed_row(error_type, second=len(states) - 1)
    return stand(*states, rows=rows, judges=judges, error_type=error_type)


@pytest.mark.parametrize(
    ("standing", "taken_by"),
    [
        pytest.param(closed("generation_timeout"), "transient failed", id="a transient failure"),
        pytest.param(closed("http_502"), "transient failed", id="a 5xx without a type"),
        pytest.param(closed("content_policy_violation"), "failed", id="a content refusal"),
        pytest.param(closed("no_media_generated"), "failed", id="no media generated"),
        pytest.param(closed("empty_result"), "failed", id="an empty result"),
        pytest.param(closed("lost"), "failed", id="a lost request"),
        pytest.param(closed("uncertain"), "failed", id="one that was given up"),
        pytest.param(closed("value_error", judges=True), "failed", id="a refused input"),
        pytest.param(stand(*DONE, rows=images(EXPIRED)), "failed", id="an image that has expired"),
        pytest.param(
            stand(*DONE, job=PAIR, rows=images(EXPIRED, SAVED)), "", id="one of two that has"
        ),
        pytest.param(
            stand(*DONE, job=PAIR, rows=images(EXPIRED, NOT_DOWNLOADED)),
            "",
            id="one of two that has, the other merely not downloaded",
        ),
        pytest.param(
            stand(*DONE, job=PAIR, rows=images(SAVED, MISSING)), "", id="an image never made"
        ),
    ],
)
def test_what_retry_takes_up_again(standing: Standing, taken_by: str) -> None:
    rules = {"none": NEVER, "transient": TRANSIENT, "failed": BY_HAND}

    taken = [
        mode
        for mode, rule in rules.items()
        if next_step(standing, retry=rule, download=False) is Step.SEND
    ]

    assert taken == taken_by.split()


@pytest.mark.parametrize("standing", [line.values[0] for line in LINES])
def test_without_retry_nothing_that_failed_and_is_closed_is_sent(standing: Standing) -> None:
    if standing.rows.is_failed and standing.is_closed:
        assert next_step(standing, retry=NEVER, download=True) is not Step.SEND
    else:
        assert next_step(standing, retry=NEVER, download=True) is next_step(
            standing, retry=TRANSIENT, download=True
        )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(images(NOT_DOWNLOADED), Step.DONE, id="not downloaded: nothing is missing"),
        pytest.param(images(UNDELIVERED), Step.DOWNLOAD, id="undelivered: recorded anew"),
        pytest.param(NO_ROWS, Step.DOWNLOAD, id="no row: its row is written"),
    ],
)
def test_a_run_without_downloads(rows: Rows, expected: Step) -> None:
    assert next_step(stand(*DONE, rows=rows), retry=TRANSIENT, download=False) is expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(images(SAVED), Step.DONE, id="an image"),
        pytest.param(images(UNDELIVERED), Step.LEAVE, id="an image whose address is lost"),
        pytest.param(UNKNOWN_ROW, Step.LEAVE, id="unknown"),
        pytest.param(failed_row("content_policy_violation", second=0), Step.LEAVE, id="failed"),
    ],
)
def test_what_the_ledger_alone_knows_is_never_sent_by_itself(rows: Rows, expected: Step) -> None:
    standing = stand(rows=rows)

    assert next_step(standing, retry=TRANSIENT, download=True) is expected
    assert standing.lacks_journal


@pytest.mark.parametrize(
    ("standing", "is_closed", "lacks_journal"),
    [
        pytest.param(stand(), False, False, id="nothing on record"),
        pytest.param(
            stand(rows=failed_row("template", second=0)), False, False, id="failed unsent"
        ),
        pytest.param(stand(*BROKEN), False, False, id="failed, no row yet"),
        pytest.param(
            Standing(state=FAILED, rows=images(EXPIRED)), False, False, id="failed, another row"
        ),
        pytest.param(closed("lost"), True, False, id="failed, with its row"),
        pytest.param(stand(rows=failed_row("lost", second=0)), False, True, id="a row alone"),
    ],
)
def test_a_failed_row_closes_an_attempt_that_is_on_record(
    standing: Standing, is_closed: bool, lacks_journal: bool
) -> None:
    assert standing.is_closed is is_closed
    assert standing.lacks_journal is lacks_journal


@pytest.mark.parametrize(
    ("mark", "counts"),
    [
        pytest.param(ImageMark("failed", "expired", False, 1), False, id="expired before"),
        pytest.param(ImageMark("failed", "expired", False, 2), True, id="expired now"),
        pytest.param(ImageMark("failed", "missing_image", False, 2), True, id="missing now"),
        pytest.param(ImageMark("failed", "expired", False), True, id="nobody knows when"),
        pytest.param(ImageMark("undelivered", "download", False, 1), True, id="undelivered"),
        pytest.param(ImageMark("succeeded", "", True, 1), True, id="on disk"),
    ],
)
def test_a_failure_before_the_last_attempt_says_nothing_of_its_result(
    mark: ImageMark, counts: bool
) -> None:
    standing = Standing(state=COMPLETED, attempts=2, rows=images(mark))

    assert standing.mark(0) == (mark if counts else None)
    assert standing.lacks_rows is (not counts or mark.status == "undelivered")


# -- rows -------------------------------------------------------------------------------------

FAILED_MARK = ImageMark("failed", "internal_server_error", has_file=False)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param(
            [(0, SAVED), (1, SAVED)], images(SAVED, SAVED), id="images of their own index add up"
        ),
        pytest.param(
            [(0, UNDELIVERED), (0, SAVED)], images(SAVED), id="the latest row of an image counts"
        ),
        pytest.param(
            [(0, EXPIRED), (1, MISSING), (None, FAILED_MARK)],
            failed_row("internal_server_error", second=7),
            id="a row for the job replaces those of its images",
        ),
        pytest.param(
            [(None, FAILED_MARK), (1, SAVED)],
            Rows(images=((1, SAVED),)),
            id="any later row replaces the row for the job",
        ),
        pytest.param(
            [(None, FAILED_MARK), (None, ImageMark("unknown", "", has_file=False))],
            Rows(job_status="unknown", finished_at=at(7)),
            id="also another row for the job",
        ),
    ],
)
def test_which_rows_of_a_job_count(
    written: Sequence[tuple[int | None, ImageMark]], expected: Rows
) -> None:
    rows = NO_ROWS
    for index, mark in written:
        rows = with_row(rows, index, mark, finished_at=at(7))

    assert rows == expected


# -- where a job stands -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        pytest.param(stand(), JobState.LEFT, id="never sent"),
        pytest.param(stand(SUBMITTING), JobState.OPEN, id="on its way"),
        pytest.param(stand(*OPEN), JobState.OPEN, id="accepted"),
        pytest.param(stand(SUBMITTING, UNKNOWN), JobState.UNKNOWN, id="nobody can tell"),
        pytest.param(stand(*JUDGED), JobState.LEFT, id="told to slow down"),
        pytest.param(stand(*OPEN, CANCELLED), JobState.LEFT, id="cancelled"),
        pytest.param(stand(*BROKEN), JobState.LEFT, id="failed, another attempt may follow"),
        pytest.param(closed("internal_server_error"), JobState.FAILED, id="failed for good"),
        pytest.param(stand(*JUDGED, judges=True), JobState.FAILED, id="refused for its input"),
        pytest.param(
            stand(rows=failed_row("template", second=0)), JobState.FAILED, id="cannot be rendered"
        ),
        pytest.param(stand(*DONE), JobState.UNDELIVERED, id="made, not fetched"),
        pytest.param(
            stand(*DONE, job=PAIR, rows=images(SAVED, UNDELIVERED)),
            JobState.UNDELIVERED,
            id="half of it fetched",
        ),
        pytest.param(stand(*DONE, rows=images(SAVED)), JobState.SUCCEEDED, id="on disk"),
        pytest.param(
            stand(*DONE, rows=images(NOT_DOWNLOADED)), JobState.SUCCEEDED, id="not to be fetched"
        ),
        pytest.param(stand(*DONE, rows=images(EXPIRED)), JobState.FAILED, id="gone for good"),
        pytest.param(
            stand(*DONE, job=PAIR, rows=images(SAVED, MISSING)),
            JobState.FAILED,
            id="one never made",
        ),
        pytest.param(stand(rows=UNKNOWN_ROW), JobState.UNKNOWN, id="unknown to the journal too"),
        pytest.param(
            stand(rows=images(UNDELIVERED)), JobState.UNDELIVERED, id="known as undelivered alone"
        ),
        pytest.param(stand(rows=images(SAVED)), JobState.SUCCEEDED, id="known by its image alone"),
    ],
)
def test_where_a_job_stands(standing: Standing, expected: JobState) -> None:
    assert job_state(standing) is expected


def test_every_last_row_leads_to_a_step_and_a_state() -> None:
    every = [NO_ROWS, UNKNOWN_ROW, images(SAVED), images(EXPIRED), failed_row("lost", second=2)]
    for state, rows, judged in product([None, *AttemptState], every, (False, True)):
        standing = Standing(state=state, rows=rows, judged=judged, at=at(2))

        assert next_step(standing, retry=TRANSIENT, download=True) in Step
        assert job_state(standing) in JobState


# -- attempts ---------------------------------------------------------------------------------

TROUBLE = "generation_timeout"
EMPTY = "no_media_generated"


@pytest.mark.parametrize(
    ("endings", "alike"),
    [
        pytest.param([EMPTY], 1, id="the first"),
        pytest.param([EMPTY, EMPTY], 2, id="the second"),
        pytest.param([EMPTY, TROUBLE], 1, id="the first of another kind"),
        pytest.param([EMPTY, TROUBLE, EMPTY], 2, id="the second, with another kind between"),
    ],
)
def test_failures_of_one_kind_are_counted_whatever_lies_between(
    endings: list[str], alike: int
) -> None:
    standing = attempts(*endings)

    assert standing.alike == alike
    assert standing.attempts == standing.fresh == len(endings)


def test_no_media_is_bought_once_more_and_not_every_other_time() -> None:
    rule = RetryRule(max_attempts=10)
    standing = attempts(EMPTY, TROUBLE, EMPTY)

    assert not rule.goes_on(
        standing.error_type, attempts=standing.fresh, alike=standing.alike, retryable=None
    )


def attempts(*endings: str) -> Standing:
    """Return where a job stands after attempts that ended so."""
    record = Record()
    standing = record.own(1)
    for number, error_type in enumerate(endings, start=1):
        for state in OPEN:
            apply(record, standing, make_entry(state, attempt=number), start=0)
        ended = make_entry(FAILED, attempt=number, error_type=error_type)
        apply(record, standing, ended, start=0)
    return standing


@pytest.mark.parametrize(
    "ending",
    [pytest.param({}, id="slowed down"), pytest.param({"judges_input": True}, id="judged")],
)
def test_an_attempt_that_was_refused_counts_for_nothing(ending: dict[str, bool]) -> None:
    record = Record()
    standing = record.own(1)
    for number in (1, 2, 3):
        apply(record, standing, make_entry(SUBMITTING, attempt=number), start=0)
        apply(record, standing, make_entry(REFUSED, attempt=number, cost="0", **ending), start=0)

    assert (standing.attempt, standing.attempts, standing.fresh) == (3, 0, 0)
    assert record.bill.spent_usd == record.bill.reserved_usd == 0


def test_an_attempt_says_itself_which_one_it_is_since_the_last_failed_row() -> None:
    record = Record()
    standing = attempts(TROUBLE, TROUBLE, TROUBLE)

    apply(record, standing, make_entry(SUBMITTING, attempt=4, since_failed=1), start=0)

    assert (standing.attempts, standing.fresh, standing.alike) == (4, 1, 0)


def test_a_result_whose_images_have_expired_is_a_failed_row_too() -> None:
    assert stand(*DONE, rows=images(EXPIRED)).next_fresh == 1
    assert stand(*BROKEN).next_fresh == 2
    assert stand().next_fresh == 1
