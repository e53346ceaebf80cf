"""How an attempt ended, and what that takes to be believed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from batchgen.outcome import (
    PLATFORM_CODES,
    Completed,
    Failed,
    complete,
    failed,
    image_urls,
    judge,
)
from batchgen.reply import Failure, Fetched, Status

QUIET = Status(state="COMPLETED")
NAMED = Status(state="COMPLETED", error="the runner is gone", error_type="runner_disconnected")
ONLY_A_TEXT = Status(state="COMPLETED", error="it did not work")

NGINX_502 = Failure(http=502, error_type="", message="502 Bad Gateway", is_own=False)
BARE_500 = Failure(http=500, error_type="", message="Internal Server Error")
TYPED_500 = Failure(http=500, error_type="internal_server_error", message="Internal server error")
TYPED_504 = Failure(http=504, error_type="generation_timeout", message="late")
REFUSAL = Failure(http=422, error_type="content_policy_violation", message="flagged")
BARE_422 = Failure(http=422, error_type="", message="no")
HTML_413 = Failure(http=413, error_type="", message="too large", is_own=False)


@pytest.mark.parametrize(
    ("failure", "status", "before", "expected"),
    [
        pytest.param(NGINX_502, QUIET, None, None, id="an ingress says nothing of the request"),
        pytest.param(NGINX_502, QUIET, NGINX_502, None, id="however often it says it"),
        pytest.param(BARE_500, QUIET, BARE_500, None, id="nor does a 5xx that names nothing"),
        pytest.param(TYPED_500, QUIET, None, None, id="a named 5xx needs a second read"),
        pytest.param(
            TYPED_500, QUIET, TYPED_500, "internal_server_error", id="which says the same"
        ),
        pytest.param(TYPED_500, QUIET, TYPED_504, None, id="and nothing else"),
        pytest.param(TYPED_500, QUIET, NGINX_502, None, id="least of all the ingress"),
        pytest.param(NGINX_502, NAMED, None, None, id="a status that names it: still a 2nd read"),
        pytest.param(
            NGINX_502, NAMED, NGINX_502, "runner_disconnected", id="then the status's word counts"
        ),
        pytest.param(
            BARE_500, ONLY_A_TEXT, BARE_500, "http_500", id="a text in the status names it too"
        ),
        pytest.param(
            REFUSAL, QUIET, None, "content_policy_violation", id="a named 4xx counts at once"
        ),
        pytest.param(BARE_422, QUIET, None, None, id="an unnamed 4xx needs a second read"),
        pytest.param(BARE_422, QUIET, BARE_422, "http_422", id="and is believed then"),
        pytest.param(HTML_413, QUIET, HTML_413, None, id="a 4xx that is no JSON is no verdict"),
    ],
)
def test_a_read_is_free_and_a_wrong_verdict_is_an_image(
    failure: Failure, status: Status, before: Failure | None, expected: str | None
) -> None:
    ending = judge(failure, status=status, before=before)

    assert (ending.error_type if ending else None) == expected


@pytest.mark.parametrize("state", ["FAILED", "ERROR", "CANCELLED", "CANCELED"])
@pytest.mark.parametrize(
    "failure", [NGINX_502, BARE_500, TYPED_500, REFUSAL, HTML_413], ids=lambda one: one.message
)
def test_a_status_that_says_failed_is_final_whatever_the_result_says(
    state: str, failure: Failure
) -> None:
    ending = judge(failure, status=Status(state=state), before=None)

    assert isinstance(ending, Failed)
    assert ending.error_type == (failure.error_type or f"http_{failure.http}")


@pytest.mark.parametrize(("error_type", "http"), PLATFORM_CODES.items(), ids=str)
def test_a_failure_that_only_the_status_tells_has_the_code_of_its_kind(
    error_type: str, http: int
) -> None:
    status = Status(state="COMPLETED", error="gone", error_type=error_type)

    ending = failed(None, status)

    assert ending == Failed(error_type=error_type, message="gone", http=http)
    assert ending.is_free is (http >= 500)


def test_the_results_word_stands_above_that_of_the_status() -> None:
    ending = failed(REFUSAL, NAMED)

    assert (ending.error_type, ending.message, ending.http) == (
        "content_policy_violation",
        "flagged",
        422,
    )


def test_what_the_answer_says_of_money_and_of_trying_again_is_kept() -> None:
    failure = Failure(
        http=500, error_type="internal_error", message="", retryable=False, units=Decimal(2)
    )

    ending = failed(failure, QUIET)

    assert ending.units == 2
    assert ending.retryable is False


def test_a_failed_status_without_any_reason_is_named_by_its_code() -> None:
    assert failed(None, Status(state="FAILED")).error_type == "http_200"


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param({"images": [{"url": "a"}, {"url": "b"}]}, ["a", "b"], id="in order"),
        pytest.param({"images": [{"url": "a", "width": None}]}, ["a"], id="null beside it"),
        pytest.param({"images": ["a"]}, ["a"], id="a plain text"),
        pytest.param({"image": {"url": "a"}}, ["a"], id="a single image"),
        pytest.param({"images": {"url": "a"}}, ["a"], id="a single image where a list is due"),
        pytest.param({"images": [{"url": None}, {}, 7]}, ["", "", ""], id="no address"),
        pytest.param({"images": []}, [], id="none"),
        pytest.param({"images": None}, [], id="null"),
        pytest.param({"description": "no"}, [], id="no such key"),
    ],
)
def test_where_a_results_images_are(output: dict[str, Any], expected: list[str]) -> None:
    assert image_urls(output) == expected


@pytest.mark.parametrize(
    "output",
    [
        pytest.param({"images": []}, id="an empty list"),
        pytest.param({"description": "I cannot draw that"}, id="no images at all"),
        pytest.param({"images": [{"width": 1}]}, id="an image without an address"),
    ],
)
def test_a_result_without_images_is_a_failure_once_a_second_read_says_so(
    output: dict[str, Any],
) -> None:
    fetched = Fetched(output=output, units=Decimal(1))
    before = complete(fetched, QUIET, before=None)
    assert isinstance(before, Failure)
    assert isinstance(complete(fetched, QUIET, before=TYPED_500), Failure)

    ending = complete(fetched, QUIET, before=before)

    assert isinstance(ending, Failed)
    assert ending.error_type == "empty_result"
    assert ending.units == 1
    assert not ending.is_free


def test_a_result_keeps_what_it_says_of_its_origin_and_its_units() -> None:
    fetched = Fetched(
        output={"images": [{"url": "a"}]}, units=Decimal("1.5"), origin="another-model"
    )

    ending = complete(fetched, Status(state="COMPLETED", inference_s=3.42), before=None)

    assert ending == Completed(
        output={"images": [{"url": "a"}]},
        units=Decimal("1.5"),
        origin="another-model",
        inference_s=3.42,
    )
