"""What an answer of the service is taken to say, whatever shape it has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.answers import load_sample, sample_names

from batchgen.answer import MAX_MESSAGE, Answer, parse_answer, plain


def answer(
    body: Any = None, *, http: int = 200, headers: Mapping[str, str] | None = None
) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_answer(http, headers or {}, content)


def of_sample(name: str) -> Answer:
    sample = load_sample(name)
    return parse_answer(sample.http, sample.headers, sample.content)


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        pytest.param(
            {"detail": [{"type": "content_policy_violation", "msg": "no"}]},
            {},
            "content_policy_violation",
            id="the type of a model error",
        ),
        pytest.param(
            {"detail": [{"msg": "no"}, {"type": "one_of", "msg": "no"}]},
            {},
            "one_of",
            id="the first entry that has a type",
        ),
        pytest.param({"detail": {"type": "one_of"}}, {}, "one_of", id="detail as a mapping"),
        pytest.param(
            {"detail": "late", "error_type": "request_timeout"},
            {},
            "request_timeout",
            id="the platform's error_type",
        ),
        pytest.param(
            {"detail": "late"},
            {"X-Fal-Error-Type": "request_timeout"},
            "request_timeout",
            id="the header, whatever its case",
        ),
        pytest.param(
            b"<html>nginx</html>",
            {"x-fal-error-type": "internal_error"},
            "internal_error",
            id="the header of an answer that is no JSON",
        ),
        pytest.param({"detail": "late"}, {}, "", id="a text alone names nothing"),
        pytest.param({"detail": []}, {}, "", id="an empty list"),
        pytest.param({"detail": ["late"]}, {}, "", id="a list of texts"),
        pytest.param({"detail": [{"type": 7}]}, {}, "", id="a type that is no text"),
        pytest.param({"error_type": None}, {}, "", id="error_type null"),
        pytest.param([{"type": "one_of"}], {}, "", id="a list is no answer of the service"),
        pytest.param(b"", {}, "", id="an empty body"),
    ],
)
def test_the_error_type_is_the_services_own_word(
    body: Any, headers: Mapping[str, str], expected: str
) -> None:
    assert answer(body, http=422, headers=headers).error_type == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({"detail": [{"msg": "Field required"}]}, "Field required", id="a model error"),
        pytest.param({"detail": "late"}, "late", id="a text"),
        pytest.param({"detail": {"message": "late"}}, "late", id="detail as a mapping"),
        pytest.param({"error": "late"}, "late", id="error"),
        pytest.param({"error": {"message": "late"}}, "late", id="error as a mapping"),
        pytest.param({"message": "late"}, "late", id="message"),
        pytest.param({"detail": ["late"]}, "", id="nothing that is known"),
        pytest.param(b"Bad Gateway", "Bad Gateway", id="plain text"),
        pytest.param(b"\xff\xfe late", "\ufffd\ufffd late", id="bytes that are no text"),
        pytest.param(b"", "", id="an empty body"),
    ],
)
def test_the_message_is_what_a_person_can_read(body: Any, expected: str) -> None:
    assert answer(body, http=500).message == expected


def test_a_message_never_echoes_the_input() -> None:
    image = "data:image/png;base64," + "A" * 100_000
    entry = {"msg": "flagged", "type": "content_policy_violation", "input": image}

    assert answer({"detail": [entry]}, http=422).message == "flagged"


@given(st.text(max_size=2 * MAX_MESSAGE))
def test_a_text_from_outside_becomes_one_short_line_that_no_terminal_obeys(text: str) -> None:
    shown = plain(text)

    assert len(shown) <= MAX_MESSAGE
    assert "\n" not in shown
    assert "\r" not in shown
    assert "\x1b" not in shown
    assert "\x9b" not in shown


def test_a_long_text_shows_that_it_was_cut() -> None:
    assert plain("x" * 5000) == "x" * (MAX_MESSAGE - 1) + "…"


@pytest.mark.parametrize(
    ("body", "http", "expected"),
    [
        pytest.param({"detail": "Request is still in progress"}, 400, True, id="as it was seen"),
        pytest.param(
            {"detail": "Request is still in progress", "error_type": "bad_request"},
            400,
            True,
            id="with a type beside it",
        ),
        pytest.param(
            {"detail": [{"msg": "Request is still in progress", "type": "bad_request"}]},
            400,
            True,
            id="as a model error",
        ),
        pytest.param({"detail": "The result is not ready"}, 400, True, id="in other words"),
        pytest.param({"status": "IN_PROGRESS"}, 200, True, id="a status in place of the result"),
        pytest.param({"status": "IN_QUEUE"}, 202, True, id="with its own code"),
        pytest.param({"status": "COMPLETED", "images": []}, 200, False, id="a result"),
        pytest.param({"detail": "Request is still in progress"}, 422, False, id="another code"),
        pytest.param(
            {"detail": [{"msg": "The image is not complete", "type": "image_load_error"}]},
            400,
            False,
            id="a model error that sounds like it",
        ),
        pytest.param({"detail": "Bad request"}, 400, False, id="another 400"),
    ],
)
def test_not_ready_is_told_from_a_failure(body: Any, http: int, expected: bool) -> None:
    assert answer(body, http=http).is_not_ready is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({"detail": "Rate limit exceeded"}, True, id="as the reference has it"),
        pytest.param({"error": "rate-limited"}, True, id="with a hyphen"),
        pytest.param({"detail": "Too Many Requests"}, True, id="too many requests"),
        pytest.param(
            {"detail": [{"msg": "", "type": "concurrent_requests_limit"}]}, True, id="by its type"
        ),
        pytest.param({"detail": "", "error_type": "rate_limit_exceeded"}, True, id="by error_type"),
        pytest.param(
            {"detail": "User is locked. Reason: Exhausted balance."}, False, id="a locked account"
        ),
        pytest.param({"detail": "no", "error_type": "not_generated"}, False, id="geneRATEd"),
        pytest.param({"detail": "Corporate accounts only"}, False, id="corpoRATE"),
        pytest.param(b"", False, id="no text at all"),
    ],
)
def test_a_403_speaks_of_the_rate_or_it_does_not(body: Any, expected: bool) -> None:
    assert answer(body, http=403).speaks_of_rate is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"X-Fal-Retryable": "true"}, True, id="older pages"),
        pytest.param({"X-Fal-needs-retry": "1"}, True, id="newer ones"),
        pytest.param({"x-fal-needs-retry": "no"}, False, id="no"),
        pytest.param({"X-FAL-RETRYABLE": " False "}, False, id="any case, blanks"),
        pytest.param({"x-fal-retryable": "perhaps"}, None, id="neither"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_what_the_headers_say_of_trying_again(
    headers: Mapping[str, str], expected: bool | None
) -> None:
    assert answer({}, headers=headers).retryable is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1", Decimal(1)),
        ("0", Decimal(0)),
        ("1.5", Decimal("1.5")),
        ("1.3333333333333333", Decimal("1.333333")),
        ("1.4999999999999998", Decimal("1.5")),
        ("1e-999999", Decimal(0)),
        ("1e999999", None),
        ("-1", None),
        ("nan", None),
        ("Infinity", None),
        ("many", None),
        ("", None),
    ],
)
def test_billed_units_are_a_number_from_0_or_nothing(value: str, expected: Decimal | None) -> None:
    assert answer({}, headers={"X-Fal-Billable-Units": value}).billable_units == expected


def test_an_answer_without_a_request_id_did_not_come_from_the_service() -> None:
    assert of_sample("submit_503").is_from_service
    assert not of_sample("submit_503_nginx").is_from_service


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_body_is_read_in_whatever_encoding_it_comes(encoding: str) -> None:
    assert answer('{"status": "ügüg"}'.encode(encoding)).body == {"status": "ügüg"}


def test_a_body_that_is_nested_to_do_harm_is_no_json() -> None:
    nested = answer(b"[" * 200_000)

    assert nested.body is None
    assert nested.text.startswith("[[[")


@given(st.binary(max_size=300))
def test_no_body_breaks_the_reading(content: bytes) -> None:
    read = parse_answer(500, {}, content)

    assert isinstance(read.message, str)
    assert isinstance(read.error_type, str)


@pytest.mark.parametrize("name", sample_names())
def test_every_sample_names_its_source_and_can_be_read(name: str) -> None:
    sample = load_sample(name)
    read = of_sample(name)

    assert sample.source
    assert sample.call == name.partition("_")[0]
    assert read.body == sample.body


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("no such key: id-1:0123456789abcdef", id="the key"),
        pytest.param("Authorization: Key id-1:0123456789abcdef", id="the header"),
        pytest.param("wrong secret 0123456789abcdef for id-1", id="the secret half"),
    ],
)
def test_an_answer_that_repeats_the_key_is_read_without_it(text: str) -> None:
    content = json.dumps({"detail": text, "seen": [text]}).encode()
    key = "id-1:0123456789abcdef"

    read = parse_answer(401, {"X-Fal-Error-Type": text}, content, key=key)
    other = parse_answer(502, {}, f"<html>{text}".encode(), key=key)

    assert "0123456789abcdef" not in repr((read, read.message, read.error_type, other))
    assert "[key]" in read.message


def test_a_secret_that_is_a_mere_word_is_taken_out_with_its_id_alone() -> None:
    read = parse_answer(401, {}, b'{"detail": "the key id:key is wrong"}', key="id:key")

    assert read.message == "the key [key] is wrong"
