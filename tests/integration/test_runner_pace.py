"""How fast a run goes, and how much it may cost: window, rate, limit, budget."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.night import Night, night, shots

from batchgen.attempt import parse_timestamp
from batchgen.runner import Runner
from batchgen.settings import Rate


@pytest.fixture
async def tonight(tmp_path: Path) -> AsyncIterator[Night]:
    async with night(tmp_path) as tonight:
        yield tonight
        tonight.check_books()


# -- the window --------------------------------------------------------------------------


@pytest.mark.parametrize("cap", [1, 3, 8])
async def test_never_more_requests_are_open_than_the_cap(tonight: Night, cap: int) -> None:
    report = await tonight.run(shots(16), concurrency=cap)

    assert report.exit_code == 0
    assert tonight.queue.most_open == cap


async def test_the_next_is_sent_as_soon_as_the_service_shows_that_it_runs_more(
    tmp_path: Path,
) -> None:
    async with night(tmp_path, seconds=30.0, speed=20.0) as tonight:
        report = await tonight.run(shots(14), concurrency=14)
        states = [row["state"] for row in tonight.journal]

    assert report.exit_code == 0
    # All are sent before the first has ended, and not when it has.
    assert states[: states.index("completed")].count("submitted") == 14


@pytest.mark.parametrize(
    "fault",
    [
        "throttled",
        "throttled_seconds",
        "throttled_date",
        "throttled_needs_retry",
        "submit_425",
        "rate_403",
        "submit_503",
        "submit_503_retry_after",
    ],
)
async def test_slow_down_sends_again_uncounted_and_loses_nothing(
    tonight: Night, fault: str
) -> None:
    tonight.queue.faults.script(on="submit", nth="3-6", do=fault)

    report = await tonight.run(shots(12), concurrency=6)

    assert report.exit_code == 0
    assert tonight.queue.accepted == 12
    assert tonight.queue.most_open <= 6
    assert {row["attempts"] for row in tonight.ledger} == {"1"}
    assert tonight.states()["refused"] == 4
    assert report.bill.spent_usd == Decimal("0.96")


async def test_a_service_that_takes_few_at_a_time_is_not_hammered(tmp_path: Path) -> None:
    # Not too quick a clock: on a busy machine the pauses between two tries would shrink to nothing.
    async with night(tmp_path, max_open=3, speed=20.0) as tonight:
        report = await tonight.run(shots(20), concurrency=20)

        assert report.exit_code == 0
        assert tonight.queue.most_open == 3
        assert tonight.queue.accepted == 20
        assert tonight.states()["refused"] <= 40


async def test_a_slow_down_is_shown_and_ends_by_itself(tonight: Night) -> None:
    tonight.queue.faults.script(on="submit", nth="5-8", do="throttled_seconds")
    runners: list[Runner] = []

    report = await tonight.run(shots(60), concurrency=8, began=runners.append)

    window = runners[0].dispatcher.gate.window
    assert report.exit_code == 0
    assert 4 < window.limit <= 8
    assert window.open == 0


async def test_nothing_is_sent_while_the_service_asks_to_wait(tmp_path: Path) -> None:
    async with night(tmp_path, retry_after_s=20.0, speed=60.0) as tonight:
        tonight.queue.faults.script(on="submit", nth=2, do="throttled_seconds")

        await tonight.run(shots(4), concurrency=1)

        sent = [
            parse_timestamp(row["at"]) for row in tonight.journal if row["state"] == "submitting"
        ]
        gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(sent)]
        assert max(gaps) >= 20.0


async def test_an_unreachable_service_slows_down_and_loses_nothing(tonight: Night) -> None:
    tonight.queue.faults.script(on="submit", nth="2-3", do="submit_503")

    report = await tonight.run(shots(3), concurrency=3)

    assert report.exit_code == 0
    assert tonight.queue.accepted == 3


# -- the rate ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "least_s"),
    [
        pytest.param(Rate(text="2/s", per_s=2.0), 0.5, id="two a second"),
        pytest.param(Rate(text="20/min", per_s=20 / 60), 3.0, id="twenty a minute"),
    ],
)
async def test_submissions_keep_to_the_rate(tonight: Night, rate: Rate, least_s: float) -> None:
    report = await tonight.run(shots(8), rate=rate)

    sent = [parse_timestamp(row["at"]) for row in tonight.journal if row["state"] == "submitting"]
    assert report.exit_code == 0
    assert (sent[-1] - sent[0]).total_seconds() >= 7 * least_s - 0.2


# -- the limit ---------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, 1, 3])
async def test_at_most_so_many_new_jobs_are_sent(tonight: Night, limit: int) -> None:
    report = await tonight.run(shots(8), limit=limit)

    assert report.exit_code == 0
    assert (report.succeeded, report.left, report.submitted) == (limit, 8 - limit, limit)
    assert tonight.queue.accepted == limit


async def test_the_next_limit_goes_on_behind_the_last(tonight: Night) -> None:
    await tonight.run(shots(8), limit=3)

    report = await tonight.run(shots(8), limit=3)

    assert (report.succeeded, report.left, tonight.queue.accepted) == (6, 2, 6)


async def test_further_attempts_are_not_new_jobs(tonight: Night) -> None:
    tonight.queue.faults.script(on="run", nth="1-2", do="internal_server_error")

    report = await tonight.run(shots(8), limit=2)

    assert report.exit_code == 0
    assert (report.succeeded, report.left, tonight.queue.accepted) == (2, 6, 4)


async def test_what_is_on_record_does_not_count_against_the_limit(tonight: Night) -> None:
    tonight.queue.faults.script(on="run", nth="1-3", do="stuck")
    await tonight.run(shots(8), limit=3, timeout_s=5.0)
    tonight.queue.release()

    report = await tonight.run(shots(8), limit=2)

    assert (report.succeeded, report.left, tonight.queue.accepted) == (5, 3, 5)


async def test_a_sample_is_run_and_then_the_rest(tonight: Night) -> None:
    first = await tonight.run(shots(20), sample="5")
    second = await tonight.run(shots(20))

    assert (first.jobs, first.succeeded, first.exit_code) == (5, 5, 0)
    assert (second.jobs, second.succeeded, second.submitted) == (20, 20, 15)
    assert tonight.accepted_most == 1


# -- the budget --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "bought"),
    [
        pytest.param("0.40", 5, id="to the cent"),
        pytest.param("0.39", 4, id="one cent less"),
        pytest.param("0.4799", 5, id="a fraction less than six"),
        pytest.param("0.07", 0, id="less than one"),
        pytest.param("0", 0, id="nothing"),
    ],
)
@pytest.mark.parametrize("concurrency", [1, 20])
async def test_the_budget_is_never_exceeded_by_a_cent(
    tonight: Night, budget: str, bought: int, concurrency: int
) -> None:
    report = await tonight.run(shots(9), budget_usd=Decimal(budget), concurrency=concurrency)

    assert report.exit_code == 3
    assert "budget" in report.reason
    assert tonight.queue.accepted == bought
    assert report.bill.spent_usd == bought * Decimal("0.08")
    assert (report.succeeded, report.left, report.failed) == (bought, 9 - bought, 0)


async def test_the_budget_is_that_of_all_runs_together(tonight: Night) -> None:
    await tonight.run(shots(9), budget_usd=Decimal("0.24"))

    report = await tonight.run(shots(9), budget_usd=Decimal("0.40"))

    assert tonight.queue.accepted == 5
    assert report.bill.spent_usd == Decimal("0.40")


async def test_a_budget_is_not_remembered(tonight: Night) -> None:
    await tonight.run(shots(4), budget_usd=Decimal("0.16"))

    report = await tonight.run(shots(4))

    assert (report.exit_code, report.succeeded) == (0, 4)


async def test_a_budget_that_is_just_enough_is_enough(tonight: Night) -> None:
    report = await tonight.run(shots(5), budget_usd=Decimal("0.40"))

    assert (report.exit_code, report.succeeded) == (0, 5)


async def test_what_is_open_counts_against_the_budget(tonight: Night) -> None:
    tonight.queue.faults.script(on="run", nth="1-2", do="stuck")
    await tonight.run(shots(2), timeout_s=5.0)

    report = await tonight.run(shots(9), budget_usd=Decimal("0.32"), timeout_s=5.0)

    assert tonight.queue.accepted == 4
    assert (report.bill.spent_usd, report.bill.reserved_usd) == (Decimal("0.16"), Decimal("0.16"))


async def test_what_is_unknown_counts_against_the_budget(tmp_path: Path) -> None:
    async with night(tmp_path, platform=False) as tonight:
        tonight.queue.faults.script(on="submit", nth=1, do="lost_post")

        report = await tonight.run(shots(5), budget_usd=Decimal("0.24"))

        assert (report.succeeded, report.unknown, report.left) == (2, 1, 2)
        assert tonight.queue.accepted == 2
        assert report.bill.reserved_usd == Decimal("0.08")


async def test_a_failure_that_costs_nothing_gives_its_money_back(tonight: Night) -> None:
    tonight.queue.faults.script(on="run", nth="1-4", do="internal_server_error")

    report = await tonight.run(shots(2), budget_usd=Decimal("0.16"))

    assert (report.exit_code, report.succeeded) == (0, 2)
    assert tonight.queue.accepted == 6


async def test_a_failure_that_is_charged_uses_the_budget_up(tonight: Night) -> None:
    tonight.queue.faults.script(on="run", nth="1-2", do=["no_media_generated", "charged_failure"])

    report = await tonight.run(shots(3), budget_usd=Decimal("0.24"), concurrency=1)

    assert report.exit_code == 3
    assert tonight.queue.accepted == 3
    assert report.bill.spent_usd == Decimal("0.24")


@pytest.mark.parametrize(
    ("resolutions", "budget", "bought"),
    [
        pytest.param(["4K", "1K", "0.5K"], "0.24", 2, id="dear ones first"),
        pytest.param(["0.5K", "2K", "4K"], "0.30", 2, id="cheap ones first"),
    ],
)
async def test_jobs_of_different_prices_are_reserved_at_theirs(
    tonight: Night, resolutions: Sequence[str], budget: str, bought: int
) -> None:
    manifest: dict[str, Any] = {
        "batch": "night",
        "prompt": "a fox",
        "grid": {"resolution": [*resolutions]},
    }

    report = await tonight.run(manifest, budget_usd=Decimal(budget))

    assert tonight.queue.accepted == bought
    assert report.bill.spent_usd <= Decimal(budget)
    assert report.exit_code == 3


async def test_an_endpoint_without_a_price_is_reserved_at_the_price_that_was_given(
    tmp_path: Path,
) -> None:
    async with night(tmp_path, endpoints=("owner/model",)) as tonight:
        report = await tonight.run(
            shots(5, endpoint="owner/model"),
            price_usd=Decimal("0.5"),
            budget_usd=Decimal("1.20"),
        )

        assert report.exit_code == 3
        assert tonight.queue.accepted == 2
        assert report.bill.spent_usd == Decimal("1.00")
