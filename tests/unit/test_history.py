from datetime import UTC, datetime

import pytest

from batchgen.errors import ReadError
from batchgen.history import HistoryEntry, parse_page
from batchgen.job import Json

SENT = datetime(2026, 11, 22, 21, 30, 5, 123000, tzinfo=UTC)


def entry_of(**fields: Json) -> HistoryEntry:
    [entry] = parse_page({"items": [{"request_id": "r1", **fields}]}).entries
    return entry


def test_a_whole_entry() -> None:
    entry = entry_of(
        endpoint_id="fal-ai/nano-banana-2",
        sent_at="2026-11-22T21:30:05.123Z",
        started_at="2026-11-22T21:30:06Z",
        ended_at="2026-11-22T21:30:09Z",
        status_code=200,
        duration=3.0,
        json_input={"prompt": "a fox", "seed": 7},
        json_output={"images": []},
    )

    assert entry == HistoryEntry(
        request_id="r1",
        sent_at=SENT,
        ended_at=datetime(2026, 11, 22, 21, 30, 9, tzinfo=UTC),
        status_code=200,
        input={"prompt": "a fox", "seed": 7},
        output={"images": []},
    )


def test_an_entry_may_lack_anything() -> None:
    assert entry_of() == HistoryEntry(request_id="r1")
    assert parse_page({"items": [{}, None, "what"]}).entries == (HistoryEntry(request_id=""),) * 3
    assert entry_of(request_id="a\x1b[2J\nb") == HistoryEntry(request_id="")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-11-22T21:30:05.123Z", SENT, id="UTC"),
        pytest.param("2026-11-22T22:30:05.123+01:00", SENT, id="another zone"),
        pytest.param("2026-11-22T21:30:05.123000", SENT, id="no zone is UTC"),
        pytest.param("2026-11-22T21:30:05.123000999Z", SENT, id="nanoseconds"),
        pytest.param("yesterday", None, id="no time"),
        pytest.param("0001-01-01T00:00:00+01:00", None, id="before all time"),
        pytest.param("", None, id="nothing"),
        pytest.param(1763847005, None, id="a number"),
        pytest.param(None, None, id="null"),
    ],
)
def test_times_are_utc(text: Json, expected: datetime | None) -> None:
    assert entry_of(sent_at=text).sent_at == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"a": 1}, {"a": 1}, id="an object"),
        pytest.param('{"a": 1}', {"a": 1}, id="an object as text"),
        pytest.param("{", None, id="a text that is none"),
        pytest.param("[1]", None, id="a list as text"),
        pytest.param([1], None, id="a list"),
        pytest.param(None, None, id="not kept"),
    ],
)
def test_a_payload_is_an_object_or_was_not_kept(
    value: Json, expected: dict[str, Json] | None
) -> None:
    assert entry_of(json_input=value).input == expected
    assert entry_of(json_output=value).output == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(422, 422, id="a number"),
        pytest.param("500", 500, id="as text"),
        pytest.param(None, None, id="null"),
        pytest.param(True, None, id="true"),
        pytest.param("²", None, id="no digits"),
        pytest.param("9" * 5000, None, id="more digits than any code has"),
    ],
)
def test_the_code_is_a_number_or_not_told(value: Json, expected: int | None) -> None:
    assert entry_of(status_code=value).status_code == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param(200, {"images": []}, id="a success"),
        pytest.param(None, {"images": []}, id="not told"),
        pytest.param(422, None, id="the error of a failure"),
        pytest.param(500, None, id="the error of the service"),
    ],
)
def test_the_output_of_a_failed_request_is_no_result(
    code: int | None, expected: dict[str, Json] | None
) -> None:
    assert entry_of(status_code=code, json_output={"images": []}).result == expected


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        pytest.param({}, None, id="nothing said"),
        pytest.param({"next_cursor": None, "has_more": False}, None, id="the end"),
        pytest.param({"next_cursor": ""}, None, id="an empty cursor"),
        pytest.param({"next_cursor": False}, None, id="a cursor that is none"),
        pytest.param(
            {"next_cursor": "Mg==", "has_more": False}, None, id="no more, in so many words"
        ),
        pytest.param({"next_cursor": "Mg==", "has_more": True}, "Mg==", id="more"),
        pytest.param({"next_cursor": "Mg=="}, "Mg==", id="a cursor alone"),
        pytest.param({"next_cursor": 2}, "2", id="a cursor that is a number"),
    ],
)
def test_where_the_next_page_is(rest: dict[str, Json], expected: str | None) -> None:
    assert parse_page({"items": [], **rest}).next_cursor == expected


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="no JSON object"),
        pytest.param({}, id="no items"),
        pytest.param({"items": {}}, id="items that are no list"),
        pytest.param({"detail": "no"}, id="an error"),
        pytest.param({"items": [], "has_more": True}, id="more, but nobody says where"),
        pytest.param({"items": [], "has_more": True, "next_cursor": ""}, id="more, without a name"),
    ],
)
def test_what_is_no_page_is_not_taken_for_an_empty_history(body: dict[str, Json] | None) -> None:
    with pytest.raises(ReadError):
        parse_page(body)
