"""What a failure means: again, once more, or never; and how long to wait."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.retry import (
    MAX_RETRY_AFTER_S,
    Again,
    Backoff,
    RetryRule,
    again,
    parse_retry_after,
)

NOW = datetime(2026, 10, 21, 7, 28, 0, tzinfo=UTC)

# Tables 5.1 and 5.2 of the protocol notes, row by row: which failure is sent again.
TRANSIENT = [
    "internal_server_error",
    "generation_timeout",
    "downstream_service_error",
    "downstream_service_unavailable",
    "request_timeout",
    "startup_timeout",
    "runner_scheduling_failure",
    "runner_connection_timeout",
    "runner_disconnected",
    "runner_connection_refused",
    "runner_connection_error",
    "runner_incomplete_response",
    "runner_server_error",
    "internal_error",
    "http_500",
    "http_502",
    "http_503",
    "http_504",
]
ONCE_MORE = ["no_media_generated", "empty_result"]
NEVER = [
    "content_policy_violation",
    "image_too_small",
    "image_too_large",
    "image_load_error",
    "file_download_error",
    "file_too_large",
    "face_detection_error",
    "unsupported_image_format",
    "greater_than_equal",
    "multiple_of",
    "sequence_too_long",
    "one_of",
    "feature_not_supported",
    "missing",
    "literal_error",
    "value_error",
    "client_cancelled",
    "client_disconnected",
    "bad_request",
    "http_400",
    "http_422",
    "http_499",
    "lost",
    "expired",
    "uncertain",
    "missing_image",
    "a_word_that_nobody_knows",
    "",
]


@pytest.mark.parametrize(
    ("error_type", "expected"),
    [
        *((name, Again.TRANSIENT) for name in TRANSIENT),
        *((name, Again.ONCE_MORE) for name in ONCE_MORE),
        *((name, Again.NEVER) for name in NEVER),
    ],
)
def test_a_failure_is_sent_again_only_where_that_can_help(error_type: str, expected: Again) -> None:
    assert again(error_type) is expected


@pytest.mark.parametrize(
    ("error_type", "retryable", "expected"),
    [
        pytest.param("internal_server_error", False, Again.NEVER, id="the header rules it out"),
        pytest.param("internal_server_error", True, Again.TRANSIENT, id="the header agrees"),
        pytest.param("content_policy_violation", True, Again.NEVER, id="a refusal stays one"),
        pytest.param("no_media_generated", False, Again.ONCE_MORE, id="users measured otherwise"),
    ],
)
def test_the_answers_own_header_counts_for_failures_that_may_pass(
    error_type: str, retryable: bool, expected: Again
) -> None:
    assert again(error_type, retryable=retryable) is expected


@pytest.mark.parametrize(
    ("mode", "error_type", "expected"),
    [
        *(("transient", name, True) for name in TRANSIENT),
        *(("transient", name, False) for name in (*ONCE_MORE, *NEVER)),
        *(("failed", name, name != "missing_image") for name in (*TRANSIENT, *ONCE_MORE, *NEVER)),
        *(("none", name, False) for name in (*TRANSIENT, *ONCE_MORE, *NEVER)),
    ],
)
def test_which_closed_failures_a_run_takes_up(mode: str, error_type: str, expected: bool) -> None:
    assert RetryRule(mode=mode).takes_up(error_type) is expected


@pytest.mark.parametrize(
    ("error_type", "attempts", "alike", "expected"),
    [
        pytest.param("internal_server_error", 1, 1, True, id="a transient one after the first"),
        pytest.param("internal_server_error", 2, 2, True, id="and after the second"),
        pytest.param("internal_server_error", 3, 3, False, id="the third was the last"),
        pytest.param("no_media_generated", 1, 1, True, id="once more"),
        pytest.param("no_media_generated", 2, 2, False, id="and not twice more"),
        pytest.param("no_media_generated", 2, 1, True, id="once more, after another failure"),
        pytest.param("empty_result", 1, 1, True, id="an empty result too"),
        pytest.param("empty_result", 3, 1, False, id="but within the attempts"),
        pytest.param("content_policy_violation", 1, 1, False, id="a content refusal never"),
    ],
)
def test_whether_a_job_goes_on_at_once(
    error_type: str, attempts: int, alike: int, expected: bool
) -> None:
    rule = RetryRule(max_attempts=3)

    assert rule.goes_on(error_type, attempts=attempts, alike=alike, retryable=None) is expected


@pytest.mark.parametrize("mode", ["failed", "transient", "none"])
def test_the_mode_says_nothing_of_what_has_just_failed(mode: str) -> None:
    rule = RetryRule(mode=mode)

    assert rule.goes_on("http_503", attempts=1, alike=1, retryable=None)


def test_one_attempt_allowed_is_one_attempt() -> None:
    rule = RetryRule(max_attempts=1)

    assert not rule.goes_on("http_503", attempts=1, alike=1, retryable=None)


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        pytest.param(1, 0.5, id="the first wait is up to base_s"),
        pytest.param(2, 1.0, id="and doubles"),
        pytest.param(3, 2.0, id="again"),
        pytest.param(2000, 30.0, id="up to cap_s, however long it goes on"),
    ],
)
def test_a_wait_doubles_up_to_its_cap(failures: int, expected: float) -> None:
    assert Backoff().wait_s(failures=failures, jitter=0.5) == expected


@given(
    failures=st.integers(min_value=1, max_value=10_000),
    jitter=st.floats(min_value=0, max_value=1, exclude_max=True),
)
def test_jitter_is_full(failures: int, jitter: float) -> None:
    wait = Backoff(base_s=1.0, cap_s=60.0).wait_s(failures=failures, jitter=jitter)

    assert 0.0 <= wait <= 60.0
    assert wait == jitter * min(60.0, 2.0 ** min(failures - 1, 60))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("120", 120.0, id="seconds"),
        pytest.param(" 2 ", 2.0, id="blanks around them"),
        pytest.param("0.5", 0.5, id="a part of one"),
        pytest.param("0", 0.0, id="at once"),
        pytest.param("Wed, 21 Oct 2026 07:29:30 GMT", 90.0, id="a date"),
        pytest.param("Wed, 21 Oct 2026 09:29:30 +0200", 90.0, id="a date elsewhere"),
        pytest.param("Wednesday, 21-Oct-26 07:29:30 GMT", 90.0, id="an old form of dates"),
        pytest.param("Wed, 21 Oct 2026 07:29:30", 90.0, id="a date without a zone"),
        pytest.param("Wed, 21 Oct 2026 07:27:00 GMT", 0.0, id="a date that has passed"),
        pytest.param("-5", 0.0, id="nothing before now"),
        pytest.param("86400", MAX_RETRY_AFTER_S, id="a day is not meant"),
        pytest.param("inf", MAX_RETRY_AFTER_S, id="for ever neither"),
        pytest.param("nan", None, id="not a number"),
        pytest.param("soon", None, id="neither form"),
        pytest.param("Wed, 99 Oct 2026 07:29:30 GMT", None, id="a day that there is not"),
        pytest.param("Wed, 21 Oct 99999999999999999999 07:29:30 GMT", None, id="a year too far"),
        pytest.param("Wed, 21 Oct 2026 07:29:30 +99999999999999", None, id="a zone too far"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="no header"),
    ],
)
def test_retry_after_in_both_forms(value: str | None, expected: float | None) -> None:
    assert parse_retry_after(value, now=NOW) == expected


@given(st.text(max_size=60))
def test_no_retry_after_breaks_the_reading(value: str) -> None:
    wait = parse_retry_after(value, now=NOW)

    assert wait is None or 0.0 <= wait <= MAX_RETRY_AFTER_S
