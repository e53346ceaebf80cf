"""What a run comes to: counts, money, and the exit code."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from batchgen.budget import Budget
from batchgen.report import Report, amount
from batchgen.standing import Step
from batchgen.state import JobState
from batchgen.stop import Cause, Stop
from batchgen.tally import Tally

KEYS = {
    "batch",
    "folder",
    "simulated",
    "jobs",
    "images",
    "succeeded",
    "failed",
    "undelivered",
    "unknown",
    "open",
    "left",
    "again",
    "submitted",
    "spent_usd",
    "reserved_usd",
    "failed_by_type",
    "exit_code",
    "reason",
    "cost_unsettled_usd",
    "quoted_usd",
    "budget_usd",
    "started_at",
    "finished_at",
    "next",
}


def report(
    stop: Cause | None = None,
    *,
    limit: int | None = None,
    undrawn: int = 0,
    bill: Budget | None = None,
    **states: int,
) -> Report:
    """Return a report of so many jobs in each state, and so many that were never drawn."""
    counted = Counter({JobState(name): number for name, number in states.items()})
    return Report(
        batch="portraits",
        folder=Path("/jobs/portraits"),
        simulated=False,
        jobs=counted.total() + undrawn,
        images=counted.total() + undrawn,
        tally=Tally(
            jobs=counted.total(),
            states=counted,
            steps=Counter({Step.SEND: states.get("left", 0)}),
            failed_by_type=Counter({"lost": states["failed"]} if "failed" in states else {}),
        ),
        bill=bill or Budget(),
        submitted=0,
        limit=limit,
        stop=Stop(cause=stop, text="because") if stop else None,
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(report(succeeded=3), 0, id="all well"),
        pytest.param(report(), 0, id="nothing to do"),
        pytest.param(report(succeeded=3, failed=1), 1, id="one failed, whichever run it was"),
        pytest.param(report(succeeded=3, undelivered=1), 1, id="one undelivered"),
        pytest.param(report(succeeded=3, unknown=1), 1, id="one unknown"),
        pytest.param(report(succeeded=3, open=1), 1, id="one still open"),
        pytest.param(report(Cause.SIGNAL, left=1), 130, id="a signal, and work is left"),
        pytest.param(report(Cause.SIGNAL, open=1), 130, id="a signal, and a request is open"),
        pytest.param(report(Cause.SIGNAL, undelivered=1), 130, id="a signal, an image not fetched"),
        pytest.param(report(Cause.SIGNAL, undrawn=1), 130, id="a signal, a job never drawn"),
        pytest.param(report(Cause.SIGNAL, succeeded=3), 0, id="a signal, when all was done"),
        pytest.param(report(Cause.SIGNAL, failed=1), 1, id="a signal, when all had ended"),
        pytest.param(report(Cause.KEY, left=3), 3, id="no key"),
        pytest.param(report(Cause.LOCKED, left=3, failed=1), 3, id="a locked account"),
        pytest.param(report(Cause.BUDGET, left=1), 3, id="the budget"),
        pytest.param(report(Cause.DISK, undelivered=1), 3, id="a full disk"),
        pytest.param(report(Cause.FAILURES, left=1, failed=5), 3, id="too many failures"),
        pytest.param(report(Cause.NO_ANSWER, open=1), 3, id="no answer"),
        pytest.param(report(Cause.MISTAKE, succeeded=1), 3, id="a mistake of our own, always"),
        pytest.param(report(Cause.UNTIL, left=1), 4, id="--until"),
        pytest.param(report(Cause.UNTIL, succeeded=1), 0, id="--until, when all was done"),
        pytest.param(report(Cause.CANCELLED, left=1), 4, id="batchgen cancel"),
        pytest.param(report(limit=2, succeeded=2, left=8), 0, id="--limit left the others"),
        pytest.param(report(limit=2, succeeded=1, failed=1, left=8), 1, id="--limit, one failed"),
        pytest.param(report(Cause.SIGNAL, limit=2, left=8), 130, id="--limit, and a signal"),
    ],
)
def test_the_exit_code_is_the_first_that_applies(found: Report, expected: int) -> None:
    assert found.exit_code == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(report(succeeded=3), "", id="none is needed"),
        pytest.param(report(failed=43, unknown=3, open=1), "43 failed, 3 unknown, 1 open", id="1"),
        pytest.param(report(left=2), "2 left", id="1, because of what was not sent"),
        pytest.param(report(Cause.LOCKED, left=1), "because", id="3, as the stop says"),
        pytest.param(report(Cause.SIGNAL, failed=1), "1 failed", id="1, in spite of a signal"),
    ],
)
def test_the_reason_belongs_to_the_exit_code(found: Report, expected: str) -> None:
    assert found.reason == expected
    assert bool(found.exit_code) is bool(found.reason)


def test_what_was_not_reached_in_a_large_manifest_is_left_too() -> None:
    found = report(Cause.SIGNAL, succeeded=10, left=1, undrawn=989)

    assert (found.jobs, found.left, found.again) == (1000, 990, 990)


def test_json_has_the_contracts_keys_and_nothing_that_json_cannot_say() -> None:
    bill = Budget(limit_usd=Decimal(20), spent_usd=Decimal("0.16"), reserved_usd=Decimal("0.08"))
    found = report(succeeded=2, failed=1, open=1, bill=bill)

    told = json.loads(json.dumps(found.as_json(next_command="batchgen run m.yaml")))

    assert set(told) >= KEYS
    assert (told["spent_usd"], told["reserved_usd"], told["budget_usd"]) == (0.16, 0.08, 20.0)
    assert told["failed_by_type"] == {"lost": 1}
    assert told["folder"] == "/jobs/portraits"
    assert told["next"] == "batchgen run m.yaml"


def test_without_a_budget_json_says_so() -> None:
    assert report().as_json()["budget_usd"] is None


@pytest.mark.parametrize(
    ("usd", "expected"),
    [
        pytest.param("0.1", 0.1, id="as people write it"),
        pytest.param("0.0266666666", 0.026667, id="to the millionth"),
        pytest.param("596.52", 596.52, id="whatever its size"),
    ],
)
def test_an_amount_in_json(usd: str, expected: float) -> None:
    assert amount(Decimal(usd)) == expected
