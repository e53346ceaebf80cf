"""What is on record, read again from the two files that a run has written."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from support.jobs import PRICE, at, make_entry, make_job
from support.record_files import (
    EXPIRED,
    MISSING,
    NOT_DOWNLOADED,
    UNDELIVERED,
    Files,
    Story,
    image_file,
    read_rows,
    write_journal,
    write_ledger,
)

from batchgen.attempt import JOURNAL_COLUMNS, Entry
from batchgen.csv_file import format_row
from batchgen.errors import LedgerError
from batchgen.job import job_id_of, number_of
from batchgen.ledger import Columns, LedgerRow
from batchgen.record import Record
from batchgen.replay import replay
from batchgen.retry import RetryRule
from batchgen.standing import Standing, Step, next_step
from batchgen.state import UNSETTLED, AttemptState
from batchgen.usual_rows import UsualJournal, UsualLedger

SUBMITTING, REFUSED, SUBMITTED, COMPLETED, FAILED, UNKNOWN, CANCELLED = AttemptState

JOB = make_job(1)
PAIR = make_job(1, images=2)

REFUSAL = "content_policy_violation"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def step(standing: Standing, *, retry: str = "transient", download: bool = True) -> Step:
    return next_step(standing, retry=RetryRule(mode=retry), download=download)


# -- the contract's table, through real files -------------------------------------------------

Events = Callable[[Story], Awaitable[None]]


async def nothing(story: Story) -> None:
    pass


async def template(story: Story) -> None:
    await story.records.template_failed(JOB, story.own(JOB))


async def submitting(story: Story) -> None:
    await story.submitting(JOB)


async def judged(story: Story) -> None:
    await story.submitting(JOB)
    await story.refused(JOB, judges_input=True, error_type="value_error")


async def judged_and_closed(story: Story) -> None:
    await judged(story)
    await story.closed(JOB, "value_error")


async def slowed_down(story: Story) -> None:
    await story.submitting(JOB)
    await story.refused(JOB)


async def cancelled(story: Story) -> None:
    await story.open(JOB)
    await story.cancelled(JOB)


async def submitted(story: Story) -> None:
    await story.open(JOB)


async def unknown(story: Story) -> None:
    await story.submitting(JOB)
    await story.unknown(JOB)


async def adopted(story: Story) -> None:
    await unknown(story)
    await story.submitted(JOB)


async def not_in_the_history(story: Story) -> None:
    await unknown(story)
    await story.refused(JOB)


async def failed(story: Story) -> None:
    await story.open(JOB)
    await story.failed(JOB)


async def failed_and_closed(story: Story) -> None:
    await story.open(JOB)
    await story.failed(JOB, REFUSAL, http=422)
    await story.closed(JOB, REFUSAL)


async def failed_again_after_it_was_closed(story: Story) -> None:
    await failed_and_closed(story)
    await failed(story)


async def completed(story: Story) -> None:
    await story.open(JOB)
    await story.completed(JOB)


async def completed_after_it_had_failed(story: Story) -> None:
    await failed_and_closed(story)
    await completed(story)


async def undelivered(story: Story) -> None:
    await completed(story)
    await story.image(JOB, image=UNDELIVERED)


async def undelivered_at_first(story: Story) -> None:
    await undelivered(story)
    await story.image(JOB)


async def not_downloaded(story: Story) -> None:
    await completed(story)
    await story.image(JOB, image=NOT_DOWNLOADED)


async def on_disk(story: Story) -> None:
    await completed(story)
    await story.image(JOB)


async def expired(story: Story) -> None:
    await completed(story)
    await story.image(JOB, image=EXPIRED)


async def expired_then_failed(story: Story) -> None:
    await expired(story)
    await failed_and_closed(story)


async def expired_then_completed(story: Story) -> None:
    await expired(story)
    await completed(story)


async def expired_then_on_disk(story: Story) -> None:
    await expired(story)
    await on_disk(story)


def pair(*images: object) -> Events:
    async def tell(story: Story) -> None:
        await story.open(PAIR)
        await story.completed(PAIR)
        for index, image in enumerate(images):
            if image is not None:
                await story.image(PAIR, index, image=image)  # type: ignore[arg-type]  # what came of it

    return tell


SAVED = image_file(PAIR)

LINES = [
    pytest.param(nothing, Step.SEND, id="nothing on record: left to do"),
    pytest.param(template, Step.RENDER, id="failed by its template: rendered again"),
    pytest.param(submitting, Step.MARK_UNKNOWN, id="submitting: becomes unknown"),
    pytest.param(judged, Step.RECORD_FAILED, id="judged, not closed: its failed row is written"),
    pytest.param(slowed_down, Step.SEND, id="refused otherwise: left to do"),
    pytest.param(not_in_the_history, Step.SEND, id="unknown, then refused: left to do"),
    pytest.param(cancelled, Step.SEND, id="cancelled: left to do"),
    pytest.param(submitted, Step.READ, id="submitted: read by its request id"),
    pytest.param(adopted, Step.READ, id="adopted: read by its request id"),
    pytest.param(unknown, Step.RECONCILE, id="unknown: reconciled"),
    pytest.param(failed, Step.DECIDE, id="failed, not closed: the retry rule decides"),
    pytest.param(
        failed_again_after_it_was_closed,
        Step.DECIDE,
        id="failed again, only the first failure is closed: the retry rule decides",
    ),
    pytest.param(failed_and_closed, Step.LEAVE, id="failed, closed: left alone"),
    pytest.param(judged_and_closed, Step.LEAVE, id="judged, closed: left alone"),
    pytest.param(completed, Step.DOWNLOAD, id="completed, no row: downloaded"),
    pytest.param(
        completed_after_it_had_failed,
        Step.DOWNLOAD,
        id="completed, the row of an earlier failure says nothing of it: downloaded",
    ),
    pytest.param(
        expired_then_completed,
        Step.DOWNLOAD,
        id="completed, the row of an image that had expired says nothing of it: downloaded",
    ),
    pytest.param(undelivered, Step.DOWNLOAD, id="undelivered: downloaded"),
    pytest.param(not_downloaded, Step.DOWNLOAD, id="not downloaded so far: downloaded"),
    pytest.param(pair(SAVED), Step.DOWNLOAD, id="one of two has no row: downloaded"),
    pytest.param(pair(SAVED, UNDELIVERED), Step.DOWNLOAD, id="one of two undelivered: downloaded"),
    pytest.param(
        pair(EXPIRED, NOT_DOWNLOADED),
        Step.DOWNLOAD,
        id="one of two expired, the other not downloaded so far: downloaded",
    ),
    pytest.param(expired, Step.LEAVE, id="expired: left alone"),
    pytest.param(pair(EXPIRED, MISSING), Step.LEAVE, id="expired, the other missing: left alone"),
    pytest.param(expired_then_failed, Step.LEAVE, id="expired, bought again, failed: left alone"),
    pytest.param(pair(SAVED, EXPIRED), Step.DONE, id="one of two expired, the other there: done"),
    pytest.param(pair(SAVED, MISSING), Step.DONE, id="one of two was never made: done"),
    pytest.param(pair(MISSING, MISSING), Step.DONE, id="none was ever made: done"),
    pytest.param(on_disk, Step.DONE, id="on disk: done"),
    pytest.param(undelivered_at_first, Step.DONE, id="undelivered at first, then on disk: done"),
    pytest.param(expired_then_on_disk, Step.DONE, id="expired, bought again, on disk: done"),
]


@pytest.mark.parametrize(("events", "expected"), LINES)
async def test_the_next_start_goes_by_the_table(
    files: Files, events: Events, expected: Step
) -> None:
    with files.open() as story:
        await events(story)
        live = story.own(JOB)
        assert step(live) is expected

    assert step(files.standing(JOB)) is expected


def told(record: Record) -> tuple[object, ...]:
    """Return all that a record says, each job's standing unpacked."""
    return (
        {number: record.own(number) for number in list(record.jobs)},
        record.bill,
        *(record.billed_usd, record.foreseen_usd, record.submitted, record.superseded),
        *(record.journal_end, record.ledger_end, record.first_at, record.last_at),
    )


@pytest.mark.parametrize(("events", "expected"), LINES)
async def test_rows_that_are_as_usual_are_counted_as_if_each_were_read_by_itself(
    files: Files, events: Events, expected: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    with files.open() as story:
        await events(story)
        for number in range(10, 13):
            await story.succeeded(make_job(number))
    written = [
        file.read_bytes().splitlines(keepends=True) for file in (files.journal, files.ledger)
    ]
    assert step(files.standing(JOB)) is expected

    for rows in range(1, len(written[0]) + 1):
        files.journal.write_bytes(b"".join(written[0][:rows]))
        files.ledger.write_bytes(b"".join(written[1][:rows]))
        at_once = told(files.replay())
        with monkeypatch.context() as slowly:
            for reader in (UsualJournal, UsualLedger):
                slowly.setattr(reader, "takes", lambda *row: False)
            one_by_one = told(files.replay())
        assert at_once == one_by_one


@pytest.mark.parametrize(
    ("events", "taken_by"),
    [
        pytest.param(failed_and_closed, ["failed"], id="a refusal"),
        pytest.param(judged_and_closed, ["failed"], id="a judgement"),
        pytest.param(expired, ["failed"], id="an expired image"),
        pytest.param(pair(EXPIRED, MISSING), ["failed"], id="an expired image, the other missing"),
        pytest.param(pair(SAVED, EXPIRED), [], id="an expired image, the other on disk"),
        pytest.param(pair(SAVED, MISSING), [], id="a missing image"),
        pytest.param(on_disk, [], id="an image"),
    ],
)
async def test_what_retry_takes_up_again(files: Files, events: Events, taken_by: list[str]) -> None:
    with files.open() as story:
        await events(story)

    standing = files.standing(JOB)

    modes = ("none", "transient", "failed")
    assert [mode for mode in modes if step(standing, retry=mode) is Step.SEND] == taken_by


async def test_what_was_not_to_be_downloaded_is_done_for_a_run_that_does_not(
    files: Files,
) -> None:
    with files.open(download=False) as story:
        await not_downloaded(story)

    assert step(files.standing(JOB, download=False), download=False) is Step.DONE
    assert step(files.standing(JOB, download=True), download=True) is Step.DOWNLOAD


# -- what is read is what was live ------------------------------------------------------------

OUTLIVES = (
    "state",
    "attempt",
    "attempts",
    "fresh",
    "alike",
    "error_type",
    "retryable",
    "judged",
    "charged_usd",
    "billed",
    "reserved_usd",
    "started",
    "last",
    "expected",
    "submitted_at",
    "account",
)


@pytest.mark.parametrize("events", [line.values[0] for line in LINES])
async def test_a_run_and_its_successor_see_a_job_alike(files: Files, events: Events) -> None:
    with files.open() as story:
        await events(story)
        live = story.records.record
        standing = live.find(number_of(JOB.job_id)) or Standing()

    read = files.replay()

    is_known = number_of(JOB.job_id) in read.jobs
    found = read.peek(number_of(JOB.job_id)) if is_known else Standing()
    for name in OUTLIVES:
        assert getattr(found, name) == getattr(standing, name), name
    # The time of a row matters only where it closes a row of the journal.
    assert replace(found.rows, finished_at="") == replace(standing.rows, finished_at="")
    assert found.is_closed == standing.is_closed
    assert read.bill == live.bill
    assert read.superseded == live.superseded
    assert read.submitted == live.submitted


# -- attempts ---------------------------------------------------------------------------------


async def test_a_crash_gives_a_job_no_new_attempts(files: Files) -> None:
    for number in (1, 2, 3):
        with files.open() as story:
            await failed(story)
        assert files.standing(JOB).fresh == number
    rule = RetryRule(max_attempts=3)
    last = files.standing(JOB)

    assert not rule.goes_on(last.error_type, attempts=last.fresh, alike=last.alike, retryable=None)


async def test_retry_gives_it_new_ones_and_a_crash_does_not_take_them_back(files: Files) -> None:
    with files.open() as story:
        for _ in range(3):
            await failed(story)
        await story.closed(JOB)
        await failed(story)

    standing = files.standing(JOB)

    assert (standing.attempts, standing.fresh, standing.alike) == (4, 1, 1)


async def test_not_even_when_the_failed_row_was_replaced_and_tidied_away(files: Files) -> None:
    with files.open() as story:
        for _ in range(3):
            await failed(story)
        await story.closed(JOB)
        await unknown(story)  # its row replaces the failed one
    write_ledger(files.ledger, [])  # which is in the history by now

    standing = files.standing(JOB)

    assert (standing.attempts, standing.fresh) == (4, 1)


async def test_an_expired_image_counts_as_a_failed_row(files: Files) -> None:
    with files.open() as story:
        await failed(story)
        await expired(story)
        await failed(story)

    assert files.standing(JOB).fresh == 1


async def test_refused_attempts_have_numbers_and_count_for_nothing(files: Files) -> None:
    with files.open() as story:
        for _ in range(5):
            await slowed_down(story)
        await failed(story)

    standing = files.standing(JOB)

    assert (standing.attempt, standing.attempts, standing.fresh) == (6, 1, 1)
    assert files.replay().bill.spent_usd == 0


# -- cut at every byte ------------------------------------------------------------------------


async def test_a_journal_cut_at_any_byte_forgets_at_most_its_last_event(files: Files) -> None:
    states: list[AttemptState | None] = [None]
    ends = []
    with files.open() as story:
        for event in (
            story.submitting,
            story.submitted,
            lambda job: story.failed(job, "generation_timeout"),
            story.submitting,
            story.unknown,
            story.submitted,
            story.completed,
        ):
            ends.append(files.journal.stat().st_size)
            await event(make_job(1, prompt='two\nlines, "quoted"'))
            states.append(story.own(JOB).state)
    whole = files.journal.read_bytes()
    files.ledger.unlink()

    for length in range(len(whole) + 1):
        files.journal.write_bytes(whole[:length])
        kept = sum(end <= length for end in [*ends[1:], len(whole)])
        assert files.standing(JOB).state is states[kept]
        assert files.journal.read_bytes() == whole[:length]


async def test_a_ledger_cut_at_any_byte_beside_a_whole_journal_buys_nothing(files: Files) -> None:
    jobs = [make_job(number, prompt='two\nlines, "q"') for number in range(3)]
    with files.open() as story:
        await story.succeeded(jobs[0])
        await story.open(jobs[1])
        await story.failed(jobs[1], REFUSAL, http=422)
        await story.closed(jobs[1], REFUSAL)
        await story.succeeded(jobs[2])
    whole = files.ledger.read_bytes()

    for length in range(len(whole) + 1):
        files.ledger.write_bytes(whole[:length])
        standings = [files.standing(job) for job in jobs]
        steps = [step(standing) for standing in standings]
        assert steps[0] in (Step.DONE, Step.DOWNLOAD)
        assert steps[1] in (Step.LEAVE, Step.DECIDE)
        assert steps[2] in (Step.DONE, Step.DOWNLOAD)
        assert not RetryRule().goes_on(
            REFUSAL, attempts=1, alike=standings[1].alike or 1, retryable=None
        )
        assert files.ledger.read_bytes() == whole[:length]
    assert steps == [Step.DONE, Step.LEAVE, Step.DONE]


async def test_both_cut_at_every_byte_never_make_a_settled_request_a_new_one(
    files: Files,
) -> None:
    with files.open() as story:
        await story.succeeded(JOB)
    journal, ledger = files.journal.read_bytes(), files.ledger.read_bytes()
    begun = len(format_row(JOURNAL_COLUMNS)) + len(
        format_row(list(read_rows(files.journal)[0].values())).encode()
    )

    for cut in range(begun, len(journal) + 1, 7):
        for other in range(0, len(ledger) + 1, 13):
            files.journal.write_bytes(journal[:cut])
            files.ledger.write_bytes(ledger[:other])
            assert step(files.standing(JOB)) is not Step.SEND


# -- damage -----------------------------------------------------------------------------------


def lives() -> list[Entry]:
    """Return the whole life of a job with three attempts, row by row."""
    told = [
        (1, SUBMITTING),
        (1, REFUSED),
        (2, SUBMITTING),
        (2, UNKNOWN),
        (2, SUBMITTED),
        (2, FAILED),
        (3, SUBMITTING),
        (3, SUBMITTED),
        (3, COMPLETED),
    ]
    return [
        make_entry(state, attempt=attempt, second=second, error_type="http_500")
        if state is FAILED
        else make_entry(state, attempt=attempt, second=second)
        for second, (attempt, state) in enumerate(told)
    ]


MAY_BE_MISSED = {
    4: "unknown, then failed: what giving it up looks like",
    3: "submitting, then submitted: what an answer looks like",
    8: "the last row: what a crash looks like",
}


@pytest.mark.parametrize("place", [place for place in range(9) if place not in MAY_BE_MISSED])
def test_a_row_that_was_taken_out_is_missed(files: Files, place: int) -> None:
    entries = lives()
    del entries[place]
    write_journal(files.journal, entries)

    with pytest.raises(LedgerError, match="which no run writes"):
        files.replay()


@pytest.mark.parametrize("place", range(9))
def test_a_row_that_is_there_twice_is_found(files: Files, place: int) -> None:
    entries = lives()
    entries.insert(place, entries[place])
    write_journal(files.journal, entries)

    with pytest.raises(LedgerError, match="which no run writes"):
        files.replay()


def test_two_rows_in_the_wrong_order_are_found(files: Files) -> None:
    entries = lives()
    entries[7], entries[8] = entries[8], entries[7]
    write_journal(files.journal, entries)

    with pytest.raises(LedgerError, match=f"job {JOB.job_id} goes from"):
        files.replay()


def test_the_life_of_a_job_is_read_without_a_word(files: Files) -> None:
    write_journal(files.journal, lives())

    assert files.standing(JOB).state is COMPLETED


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        pytest.param("job_id", "a1b2", id="a job id"),
        pytest.param("job_id", "k" * 15 + "a", id="a job id with a letter that none has"),
        pytest.param("attempt", "first", id="an attempt"),
        pytest.param("state", "done", id="a state"),
        pytest.param("cost_usd", "NaN", id="an amount"),
        pytest.param("cost_usd", "free", id="another amount"),
    ],
)
def test_a_cell_of_the_journal_that_batchgen_does_not_write(
    files: Files, column: str, cell: str
) -> None:
    cells = make_entry(SUBMITTING).cells()
    cells[JOURNAL_COLUMNS.index(column)] = cell
    content = format_row(JOURNAL_COLUMNS) + format_row(cells)
    files.journal.write_text(content, encoding="utf-8")

    with pytest.raises(LedgerError, match="was not written by batchgen"):
        files.replay()
    assert files.journal.read_text(encoding="utf-8") == content


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        pytest.param("image_index", "first", id="an index that is no number"),
        pytest.param("image_index", "-1", id="an index below 0"),
        pytest.param("image_index", "9" * 5000, id="an index that no result has"),
        pytest.param("status", "ok", id="a status that there is not"),
        pytest.param("status", "unknown", id="a status that no image has"),
    ],
)
def test_a_cell_of_the_ledger_that_batchgen_does_not_write(
    files: Files, column: str, cell: str
) -> None:
    columns = Columns()
    cells = LedgerRow(job=JOB, image_index=0, status="succeeded").cells(columns)
    cells[columns.header.index(column)] = cell
    files.ledger.write_text(format_row(columns.header) + format_row(cells), encoding="utf-8")

    with pytest.raises(LedgerError, match="was not written by batchgen"):
        files.replay()


def spreadsheet(content: bytes) -> bytes:
    return b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(spreadsheet, id="a byte order mark and CRLF"),
        pytest.param(lambda content: b"\xef\xbb\xbf" + content, id="a byte order mark"),
        pytest.param(lambda content: content.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(lambda content: content.replace(b",", b";"), id="semicolons"),
        pytest.param(lambda content: content.replace(b",", b"\t"), id="tabs"),
        pytest.param(lambda content: content.decode().encode("utf-16"), id="UTF-16"),
        pytest.param(
            lambda content: content.replace(b"job_id,image_index", b"image_index,job_id"),
            id="fixed columns in another order",
        ),
        pytest.param(
            lambda content: content.replace(b",inference_s", b""), id="a fixed column less"
        ),
        pytest.param(lambda content: b"sep=,\n" + content, id="a line before the header"),
        pytest.param(lambda content: b"Dear diary,\n", id="notes"),
        pytest.param(lambda content: b"Dear diary", id="notes without an end"),
    ],
)
async def test_a_ledger_that_another_program_has_saved_is_refused_and_kept(
    files: Files, change: Callable[[bytes], bytes]
) -> None:
    with files.open() as story:
        await story.succeeded(JOB)
    saved = change(files.ledger.read_bytes())
    files.ledger.write_bytes(saved)

    with pytest.raises(LedgerError, match="Nothing was changed"):
        files.replay()
    with pytest.raises(LedgerError), files.open():
        pass

    assert files.ledger.read_bytes() == saved


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(spreadsheet, id="a byte order mark and CRLF"),
        pytest.param(lambda content: content.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(lambda content: b"Dear diary\n", id="notes"),
        pytest.param(lambda content: b"at,job_id\n", id="a header that ends too early"),
    ],
)
async def test_a_journal_that_another_program_has_saved_is_refused_and_kept(
    files: Files, change: Callable[[bytes], bytes]
) -> None:
    with files.open() as story:
        await story.succeeded(JOB)
    saved = change(files.journal.read_bytes())
    files.journal.write_bytes(saved)

    with pytest.raises(LedgerError, match="Nothing was changed"):
        files.replay()

    assert files.journal.read_bytes() == saved


@pytest.mark.parametrize(
    ("change", "is_named"),
    [
        pytest.param(spreadsheet, True, id="a byte order mark and CRLF"),
        pytest.param(lambda content: b"\xef\xbb\xbf" + content, True, id="a byte order mark"),
        pytest.param(lambda content: content.replace(b"\n", b"\r\n"), True, id="CRLF"),
        pytest.param(lambda content: content.replace(b",", b";"), True, id="semicolons"),
        pytest.param(lambda content: content.replace(b",", b"\t"), True, id="tabs"),
        pytest.param(
            lambda content: content.replace(b",inference_s", b""), False, id="a column less"
        ),
        pytest.param(lambda content: b"a; b, c\n", False, id="notes with a semicolon"),
        pytest.param(lambda content: b"Dear diary\n", False, id="notes"),
    ],
)
def test_a_spreadsheet_at_work_is_named_and_so_is_what_helps(
    files: Files, change: Callable[[bytes], bytes], is_named: bool
) -> None:
    write_ledger(files.ledger, [LedgerRow(job=JOB, image_index=0, status="succeeded")])
    files.ledger.write_bytes(change(files.ledger.read_bytes()))

    with pytest.raises(LedgerError) as caught:
        files.replay()

    assert ("a spreadsheet, it seems" in str(caught.value)) is is_named
    assert ("verify BATCH --repair" in str(caught.value)) is is_named


async def test_columns_between_the_fixed_ones_may_stand_in_any_order(files: Files) -> None:
    files.columns = Columns(parameters=("resolution",), variables=("animal",))
    with files.open() as story:
        await story.succeeded(JOB)
    content = files.ledger.read_text(encoding="utf-8")
    files.ledger.write_text(
        content.replace("resolution,animal", "animal,resolution"), encoding="utf-8"
    )

    assert step(files.standing(JOB)) is Step.DONE


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="an empty file"),
        pytest.param(b"job_id,ima", id="a piece of the header"),
        pytest.param(b"job_id,ima\0\0\0\0\0", id="a piece and zero bytes"),
        pytest.param(b"\0" * 300, id="zero bytes"),
    ],
)
def test_a_ledger_whose_header_a_crash_has_torn_is_a_new_one(files: Files, content: bytes) -> None:
    files.ledger.write_bytes(content)

    record = files.replay()

    assert (record.jobs, record.ledger_columns, record.ledger_end) == ({}, [], 0)


def test_what_cannot_be_read_is_an_error_and_not_a_traceback(files: Files) -> None:
    files.journal.mkdir()

    with pytest.raises(LedgerError, match=r"cannot read .*requests\.csv"):
        files.replay()


def test_a_batch_without_files_has_no_record(files: Files) -> None:
    record = files.replay()

    assert record == Record()


# -- money ------------------------------------------------------------------------------------


async def test_the_bill_is_what_has_ended_and_what_may_still_cost(files: Files) -> None:
    jobs = [make_job(number) for number in range(6)]
    with files.open() as story:
        await story.succeeded(jobs[0])  # spent
        await story.open(jobs[1])  # reserved
        await story.submitting(jobs[2])
        await story.unknown(jobs[2])  # reserved
        await story.submitting(jobs[3])  # reserved: nobody knows
        await story.submitting(jobs[4])
        await story.refused(jobs[4])  # nothing
        await story.open(jobs[5])
        await story.failed(jobs[5], REFUSAL, http=422)  # spent

    record = files.replay()

    assert (record.bill.spent_usd, record.bill.reserved_usd) == (2 * PRICE, 3 * PRICE)
    assert isinstance(record.bill.spent_usd, Decimal)
    assert record.submitted == 3


async def test_the_record_knows_its_first_and_its_last_time(files: Files) -> None:
    with files.open() as story:
        await story.succeeded(JOB)
    times = [row["at"] for row in read_rows(files.journal)]

    record = files.replay()

    assert (record.first_at, record.last_at) == (times[0], times[-1])
    assert record.journal_end == files.journal.stat().st_size
    assert record.ledger_end == files.ledger.stat().st_size


async def test_a_job_is_drawn_once_whatever_is_on_record_of_it(files: Files) -> None:
    done, begun, never = (make_job(number) for number in (1, 2, 3))
    with files.open() as story:
        await story.succeeded(done)
        await story.open(begun)
    record = files.replay()

    for job in (done, begun, never):
        number = number_of(job.job_id)
        assert [record.mark_drawn(number) for _ in range(3)] == [False, True, True]


# -- memory -----------------------------------------------------------------------------------

MANY = 10_000
MOST_BYTES = 200


def write_many(files: Files, *, kind: str) -> None:
    """Write the files of so many jobs as their runs would leave them."""
    url = '{"images":[{"url":"https://x/y.png"}],"_answer":{"cost_source":"table"}}'
    columns = Columns()
    begun = make_entry(SUBMITTING, job=make_job(0)).cells()
    row = LedgerRow(job=make_job(0), image_index=0, status="succeeded", file="images/x.png")
    image = row.cells(columns)
    bare = [*image]
    bare[columns.header.index("file")] = ""
    broken = LedgerRow(job=make_job(0), status="failed", error_type=REFUSAL).cells(columns)
    with (
        files.journal.open("w", encoding="utf-8") as journal,
        files.ledger.open("w", encoding="utf-8") as ledger,
    ):
        journal.write(format_row(JOURNAL_COLUMNS))
        ledger.write(format_row(columns.header))
        for number in range(MANY):
            job_id = job_id_of(number * 0x9E3779B97F4A7C15 % 2**64)
            ended_at = at(3 * number + 2)
            rows = [[at(3 * number), job_id, *begun[2:]]]
            rows.append([at(3 * number + 1), job_id, "1", "submitted", f"r{number}", *[""] * 5])
            if kind == "failed":
                detail = f'{{"error_type":"{REFUSAL}"}}'
                rows.append(
                    [ended_at, job_id, "1", "failed", f"r{number}", "", "", "", "0.00", detail]
                )
                cells = [job_id, *broken[1:]]
                cells[columns.header.index("finished_at")] = ended_at
            else:
                rows.append(
                    [ended_at, job_id, "1", "completed", f"r{number}", "", "", "", "0.08", url]
                )
                cells = [job_id, *(image if kind == "downloaded" else bare)[1:]]
            journal.writelines(map(format_row, rows))
            ledger.write(format_row(cells))


@pytest.mark.parametrize(
    ("kind", "download"),
    [
        pytest.param("downloaded", True, id="with their images"),
        pytest.param("not downloaded", False, id="without downloads"),
        pytest.param("failed", True, id="failed for good"),
    ],
)
def test_thousands_of_jobs_that_have_ended_take_little_memory_each(
    files: Files, kind: str, download: bool
) -> None:
    write_many(files, kind=kind)
    gc.collect()

    tracemalloc.start()
    try:
        record = replay(files.journal, files.ledger, download=download)
        for number in list(record.jobs):
            record.mark_drawn(number)
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(record.jobs) == MANY
    assert used / MANY < MOST_BYTES
    assert all(step.is_shared for step in record.jobs.values())


def test_results_that_wait_for_their_images_take_little_more(files: Files) -> None:
    write_many(files, kind="not downloaded")
    gc.collect()

    tracemalloc.start()
    try:
        record = replay(files.journal, files.ledger)
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(list(record.unfinished())) == MANY
    assert used / MANY < MOST_BYTES


def test_jobs_that_were_only_drawn_take_even_less() -> None:
    record = Record()
    tracemalloc.start()
    try:
        for number in range(MANY):
            record.mark_drawn(number * 0x9E3779B97F4A7C15 % 2**64)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert used / MANY < MOST_BYTES


async def test_what_alike_jobs_share_changes_with_none_of_them(files: Files) -> None:
    one, other = make_job(1), make_job(2)
    with files.open() as story:
        for job in (one, other):
            await story.open(job)
            await story.completed(job)
            await story.image(job, image=EXPIRED)
    with files.open() as story:
        await story.open(one)

        assert story.own(one).state in UNSETTLED
        assert step(files.standing(other)) is Step.LEAVE
        assert story.records.record.jobs[number_of(other.job_id)].state is COMPLETED
