"""The rows of the journal: what is written is what is read."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.jobs import make_entry, make_job

from batchgen.attempt import (
    JOURNAL_COLUMNS,
    JOURNAL_FIRST_CELL,
    Entry,
    Request,
    job_detail,
    job_from,
    judges_input,
    parse_entry,
    parse_timestamp,
    read_detail,
    timestamp,
    write_json,
)
from batchgen.csv_file import format_row
from batchgen.job import Job, Json
from batchgen.state import AttemptState

# Any text at all: zero bytes and halves of characters too, which JSON can spell out.
# Two halves that follow each other are one character to JSON.
TEXT = st.text(st.characters(), max_size=20).filter(
    lambda text: re.search("[\ud800-\udbff][\udc00-\udfff]", text) is None
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=10,
)
DETAILS = st.dictionaries(TEXT, JSON, max_size=4)


@given(
    state=st.sampled_from(AttemptState),
    attempt=st.integers(1, 10_000),
    cost=st.one_of(st.none(), st.decimals(0, 10_000, places=6), st.decimals(0, 1, places=20)),
    request_id=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10),
    detail=DETAILS,
)
def test_an_entry_is_read_as_it_was_written(
    state: AttemptState,
    attempt: int,
    cost: Decimal | None,
    request_id: str,
    detail: dict[str, Json],
) -> None:
    entry = Entry(
        at="2026-11-22T21:30:00.123Z",
        job_id="k" * 16,
        attempt=attempt,
        state=state,
        request=Request(request_id=request_id, status_url="https://x/s") if request_id else None,
        cost_usd=cost,
        detail=detail,
    )

    assert parse_entry(entry.cells()) == entry


@pytest.mark.parametrize("request_id", ["=1+1", "+1", "-1", "@sum", "'=1", "'r"])
def test_a_name_that_the_service_gives_is_no_formula_in_the_file(request_id: str) -> None:
    entry = make_entry(AttemptState.SUBMITTED)
    entry = replace(entry, request=Request(request_id=request_id))

    cells = entry.cells()

    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in cells)
    assert parse_entry(cells) == entry


@given(DETAILS)
def test_a_detail_survives_the_file_whatever_is_in_it(detail: dict[str, Json]) -> None:
    entry = make_entry(AttemptState.UNKNOWN, all=detail)

    row = format_row(entry.cells()).encode()  # half a character would not be encoded
    cells = next(csv.reader([row.decode()], strict=True))

    assert parse_entry(cells).detail == {"all": detail}
    assert b"\0" not in row


def test_json_is_written_on_one_line_and_umlauts_as_they_are() -> None:
    assert write_json({"prompt": "ein\nFüchslein 🦊"}) == '{"prompt":"ein\\nFüchslein 🦊"}'


def test_a_row_begins_with_what_tells_it_from_a_line_of_a_prompt() -> None:
    row = format_row(make_entry(AttemptState.SUBMITTING).cells()).encode()

    assert JOURNAL_FIRST_CELL.match(row)
    assert not JOURNAL_FIRST_CELL.match(b"2026-11-22,a fox\n")


def test_there_is_a_cell_for_each_column() -> None:
    assert len(make_entry(AttemptState.SUBMITTED).cells()) == len(JOURNAL_COLUMNS)


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        pytest.param("at", "22.11.2026 21:30", id="a time as a spreadsheet writes it"),
        pytest.param("at", "2026-11-22T21:30:00Z", id="a time without milliseconds"),
        pytest.param("attempt", "one", id="an attempt that is no number"),
        pytest.param("state", "done", id="a state that there is not"),
        pytest.param("cost_usd", "NaN", id="an amount that is none"),
        pytest.param("cost_usd", "-0.08", id="an amount below nothing"),
        pytest.param("cost_usd", "8E-2", id="an amount that a spreadsheet wrote"),
        pytest.param("cost_usd", "0,08", id="an amount with a comma"),
    ],
)
def test_a_row_that_batchgen_does_not_write_is_no_entry(column: str, cell: str) -> None:
    cells = make_entry(AttemptState.SUBMITTED).cells()
    cells[JOURNAL_COLUMNS.index(column)] = cell

    with pytest.raises(ValueError, match=r".+"):
        parse_entry(cells)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", {}, id="nothing"),
        pytest.param('{"a":1}', {"a": 1}, id="an object"),
        pytest.param("not in the history", {"reason": "not in the history"}, id="plain text"),
        pytest.param("[1]", {"reason": "[1]"}, id="JSON that is no object"),
    ],
)
def test_a_detail_is_always_a_mapping(text: str, expected: dict[str, Json]) -> None:
    assert read_detail(text) == expected


JOBS = st.builds(
    make_job,
    st.integers(0, 2**64 - 1),
    prompt=TEXT,
    images=st.integers(1, 4),
    variables=st.dictionaries(TEXT, JSON, max_size=3),
)


@given(JOBS)
def test_a_job_is_finished_from_its_submitting_row_alone(job: Job) -> None:
    entry = parse_entry(make_entry(AttemptState.SUBMITTING, job=job).cells())

    assert job_from(entry) == job


def test_a_submitting_row_names_the_queue_and_the_account_and_not_the_key() -> None:
    detail = job_detail(make_job(), queue_url="https://q", simulated=True, account="0123abcd")

    assert detail["service"] == {"queue_url": "https://q", "simulated": True}
    assert detail["account"] == "0123abcd"
    assert {"endpoint", "input", "repeat", "variables", "file"} <= set(detail)
    assert json.loads(write_json(detail)) == detail


@pytest.mark.parametrize(
    ("state", "detail", "expected"),
    [
        pytest.param(AttemptState.REFUSED, {"judges_input": True}, True, id="a 422"),
        pytest.param(AttemptState.REFUSED, {"http": 429}, False, id="a 429"),
        pytest.param(AttemptState.REFUSED, {"judges_input": "yes"}, False, id="no truth value"),
        pytest.param(AttemptState.FAILED, {"judges_input": True}, False, id="not refused"),
    ],
)
def test_only_some_refusals_judge_the_input(
    state: AttemptState, detail: dict[str, Json], expected: bool
) -> None:
    assert judges_input(make_entry(state, **detail)) is expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        pytest.param(
            datetime(2026, 11, 22, 23, 4, 5, 999_999, tzinfo=UTC),
            "2026-11-22T23:04:05.999Z",
            id="never later than it was",
        ),
        pytest.param(
            datetime(2026, 11, 23, 0, 4, 5, tzinfo=timezone(timedelta(hours=1))),
            "2026-11-22T23:04:05.000Z",
            id="another zone is brought to UTC",
        ),
        pytest.param(
            datetime(2026, 1, 2, 3, 4, 5, 6000, tzinfo=UTC),
            "2026-01-02T03:04:05.006Z",
            id="with all its zeros",
        ),
    ],
)
def test_a_time_is_written_in_utc_with_milliseconds(moment: datetime, expected: str) -> None:
    assert timestamp(moment) == expected


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants them without a zone
def test_a_time_is_read_as_it_was_written_to_the_millisecond(moment: datetime) -> None:
    read = parse_timestamp(timestamp(moment))

    assert timedelta(0) <= moment - read < timedelta(milliseconds=1)
    assert timestamp(read) == timestamp(moment)
