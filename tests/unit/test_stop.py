"""Why a run stops early, and what that means for its exit code."""

from __future__ import annotations

from decimal import Decimal

import pytest

from batchgen.errors import AccountError
from batchgen.settings import FailureLimit
from batchgen.stop import CANARY, Cause, FailureGuard, stop_for_account

CODES = {
    Cause.SIGNAL: 130,
    Cause.KEY: 3,
    Cause.LOCKED: 3,
    Cause.ENDPOINT: 3,
    Cause.ACCOUNT: 3,
    Cause.BUDGET: 3,
    Cause.DISK: 3,
    Cause.FAILURES: 3,
    Cause.NO_ANSWER: 3,
    Cause.MISTAKE: 3,
    Cause.UNTIL: 4,
    Cause.CANCELLED: 4,
}


@pytest.mark.parametrize("cause", Cause, ids=lambda cause: cause.name)
def test_every_cause_has_the_exit_code_of_the_contract(cause: Cause) -> None:
    assert cause.code == CODES[cause]
    assert cause.must_be_mended is (CODES[cause] == 3)
    assert cause.label


@pytest.mark.parametrize(
    ("cause", "expected", "mend"),
    [
        pytest.param("key", Cause.KEY, "FAL_KEY", id="a key that is not taken"),
        pytest.param("locked", Cause.LOCKED, "top up", id="a locked account"),
        pytest.param("endpoint", Cause.ENDPOINT, "endpoint", id="an endpoint that is not there"),
        pytest.param("redirect", Cause.ENDPOINT, "BATCHGEN_QUEUE_URL", id="a redirect"),
    ],
)
def test_an_account_at_fault_says_what_to_mend(cause: str, expected: Cause, mend: str) -> None:
    stop = stop_for_account(AccountError("User is locked.", cause=cause, http=403))

    assert stop.cause is expected
    assert mend in stop.mend
    assert "User is locked." in stop.text or "403" in stop.text


# -- the first jobs ---------------------------------------------------------------------------


def fail(guard: FailureGuard, *error_types: str, succeeded_first: int = 0) -> list[int]:
    """Let jobs fail one after the other, and return after which of them the guard stops."""
    return [
        failed
        for failed, error_type in enumerate(error_types, start=1)
        if guard.check(error_type, failed=failed, ended=failed + succeeded_first)
    ]


@pytest.mark.parametrize(
    "error_type", ["value_error", "missing", "literal_error", "http_422", "bad_request"]
)
def test_five_refusals_of_the_same_kind_at_the_very_start_stop_the_run(error_type: str) -> None:
    assert fail(FailureGuard(), *[error_type] * 20) == [CANARY]


@pytest.mark.parametrize(
    "error_types",
    [
        pytest.param(["value_error"] * 4, id="four of them"),
        pytest.param(["value_error"] * 4 + ["missing"] * 9, id="of different kinds"),
        pytest.param(["content_policy_violation"] * 9, id="of what single prompts say"),
        pytest.param(["template"] * 9, id="of what was never sent"),
        pytest.param(["generation_timeout"] * 9, id="of the service's own trouble"),
        pytest.param(["http_500"] * 9, id="of its trouble without a name"),
        pytest.param(["http_520"] * 9, id="of trouble on the way to it"),
        pytest.param(["no_media_generated"] * 9, id="of what another try may mend"),
        pytest.param(["lost", "uncertain"] * 9, id="of what nobody knows"),
    ],
)
def test_other_failures_at_the_start_do_not(error_types: list[str]) -> None:
    assert fail(FailureGuard(), *error_types) == []


def test_one_job_that_went_well_shows_that_the_manifest_is_right() -> None:
    assert fail(FailureGuard(), *["value_error"] * 20, succeeded_first=1) == []


def test_the_reason_names_the_failure() -> None:
    guard = FailureGuard()
    stops = [guard.check("value_error", failed=number, ended=number) for number in range(1, 6)]

    assert stops[-1] is not None
    assert stops[-1].cause is Cause.FAILURES
    assert "value_error" in stops[-1].text


# -- --max-failures ---------------------------------------------------------------------------

THREE = FailureLimit(text="3", count=3)
TENTH = FailureLimit(text="10%", percent=Decimal(10))


@pytest.mark.parametrize(
    ("limit", "failed", "ended", "stops"),
    [
        pytest.param(THREE, 2, 100, False, id="two of three"),
        pytest.param(THREE, 3, 100, True, id="three of three"),
        pytest.param(TENTH, 19, 19, False, id="a share says nothing before twenty have ended"),
        pytest.param(TENTH, 2, 20, False, id="exactly the share is allowed"),
        pytest.param(TENTH, 3, 20, True, id="more is not"),
        pytest.param(None, 10**6, 10**6, False, id="no limit"),
    ],
)
def test_too_many_failures_stop_the_run(
    limit: FailureLimit | None, failed: int, ended: int, stops: bool
) -> None:
    stop = FailureGuard(limit=limit).check("content_policy_violation", failed=failed, ended=ended)

    assert (stop is not None) is stops
    if stop is not None and limit is not None:
        assert limit.text in stop.text
