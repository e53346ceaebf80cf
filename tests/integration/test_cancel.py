"""Open requests are cancelled, or saved because they completed all the same; nothing is lost."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.evening import ANIMALS, Evening, evening, manifest_of

from batchgen.cancel import cancel_open, open_standings
from batchgen.canceller import Cancellation, Fate
from batchgen.errors import AccountError, ServiceError
from batchgen.record import Record

# A runner for one request, so that the others wait: the price of an image at 0.5K is $0.06.
ONE_RUNS: dict[str, Any] = {"concurrency": 1}
PRICE = Decimal("0.06")


async def cancel(one: Evening, *, patience_s: float = 300.0) -> tuple[Cancellation, Record]:
    """Cancel what the batch has open, as the command does."""
    batch = one.batch
    with batch.lock():
        record = batch.replay()
        cancellation = await cancel_open(
            batch, record, service=one.service, patience_s=patience_s, clock=one.time.clock
        )
    return cancellation, record


def fates(cancellation: Cancellation) -> dict[str, int]:
    return {str(fate): number for fate in Fate if (number := cancellation.count(fate))}


async def test_what_has_not_begun_is_cancelled_and_costs_nothing(tmp_path: Path) -> None:
    async with evening(tmp_path, **ONE_RUNS) as one:
        one.queue.faults.script(on="run", nth="every", do="stuck_in_queue")
        await one.leave_open("fox", "owl", "cat")

        cancellation, record = await cancel(one)

    assert fates(cancellation) == {"cancelled": 3}
    ended = [entry for entry in one.entries() if entry.state == "cancelled"]
    assert [entry.cost_usd for entry in ended] == [Decimal(0)] * 3
    assert (record.bill.spent_usd, record.bill.reserved_usd) == (0, 0)
    assert one.ledger() == []


async def test_what_runs_completes_and_is_saved(tmp_path: Path) -> None:
    async with evening(tmp_path) as one:
        await one.leave_open("fox", "owl", running=2)

        cancellation, record = await cancel(one)

    assert fates(cancellation) == {"saved": 2}
    assert len(one.images()) == 2
    assert [row["status"] for row in one.ledger()] == ["succeeded"] * 2
    assert record.bill.spent_usd == 2 * PRICE
    assert sum(Decimal(row["cost_usd"]) for row in one.ledger()) == 2 * PRICE


async def test_cancelled_jobs_are_left_to_do_and_the_next_run_sends_them(tmp_path: Path) -> None:
    async with evening(tmp_path, **ONE_RUNS) as one:
        one.queue.faults.script(on="run", nth="1-3", do="stuck_in_queue")
        await one.leave_open("fox", "owl", "cat")
        await cancel(one)

        report = await one.run(manifest_of("fox", "owl", "cat"))

    assert (report.submitted, report.succeeded, report.exit_code) == (3, 3, 0)
    assert one.queue.accepted == 6
    assert [row["attempts"] for row in one.ledger()] == ["2"] * 3


async def test_a_second_time_there_is_nothing_to_cancel(tmp_path: Path) -> None:
    async with evening(tmp_path) as one:
        await one.leave_open("fox", "owl", running=2)
        await cancel(one)
        before = one.entries()

        cancellation, _ = await cancel(one)

    assert cancellation.settled == ()
    assert one.entries() == before


@pytest.mark.parametrize(
    ("run_faults", "cancel_faults", "expected"),
    [
        pytest.param(["stuck_in_queue"], ["cancel_200"], "cancelled", id="200 OK"),
        pytest.param(["stuck_in_queue"], ["cancel_success"], "cancelled", id="200 with success"),
        pytest.param(["stuck_in_queue"], ["cancel_forgets"], "cancelled", id="404 from then on"),
        pytest.param([], ["cancel_stops"], "cancelled", id="a running one is stopped: 499"),
        pytest.param([], ["cancel_400"], "saved", id="400 already completed, though it runs"),
        pytest.param([], ["cancel_404"], "saved", id="404, though it runs"),
        pytest.param([], ["cancel_ignored"], "saved", id="202, and it completes all the same"),
        pytest.param(["cancelled_status"], [], "cancelled", id="its status says CANCELLED"),
        pytest.param(["client_cancelled"], ["cancel_400"], "cancelled", id="cancelled elsewhere"),
        pytest.param(["content_policy_violation"], [], "failed", id="refused for its content"),
        pytest.param(["generation_timeout"], [], "failed", id="a failure that may pass"),
        pytest.param(["stuck"], ["cancel_ignored"], "open", id="it never ends"),
        pytest.param(["stuck_in_queue"], ["cancel_redirect"], "open", id="a redirect is no answer"),
        pytest.param(["gone_images"], [], "failed", id="its image is gone for good"),
        pytest.param(["forgotten"], ["cancel_ignored"], "saved", id="only the history has it"),
    ],
)
async def test_what_becomes_of_an_open_request(
    tmp_path: Path, run_faults: list[str], cancel_faults: list[str], expected: str
) -> None:
    async with evening(tmp_path) as one:
        for fault in run_faults:
            one.queue.faults.script(on="run", nth="every", do=fault)
        for fault in cancel_faults:
            one.queue.faults.script(on="cancel", nth="every", do=fault)
        await one.leave_open("fox", running=0 if "stuck_in_queue" in run_faults else 1)

        cancellation, record = await cancel(one)

    assert fates(cancellation) == {expected: 1}
    assert len(open_standings(record)) == (1 if expected == "open" else 0)
    assert len(one.images()) == (1 if expected == "saved" else 0)


@pytest.mark.parametrize(
    ("shade", "cost", "source"),
    [
        pytest.param([], PRICE, "table", id="the table's price, where the service is silent"),
        pytest.param(["free_failure"], Decimal(0), "billed", id="nothing, where it says so"),
        pytest.param(["charged_failure"], PRICE, "billed", id="what it says"),
    ],
)
async def test_what_was_stopped_after_it_began_costs(
    tmp_path: Path, shade: list[str], cost: Decimal, source: str
) -> None:
    async with evening(tmp_path) as one:
        for fault in shade:
            one.queue.faults.script(on="run", nth="every", do=fault)
        one.queue.faults.script(on="cancel", nth="every", do="cancel_stops")
        await one.leave_open("fox", running=1)

        cancellation, record = await cancel(one)

    assert fates(cancellation) == {"cancelled": 1}
    assert one.entries()[-1].cost_usd == cost
    assert one.entries()[-1].detail["cost_source"] == source
    assert (record.bill.spent_usd, record.bill.reserved_usd) == (cost, 0)


async def test_a_single_404_after_an_accepted_cancel_is_not_believed(tmp_path: Path) -> None:
    async with evening(tmp_path) as one:
        one.with_platform = False
        one.queue.faults.script(on="cancel", nth=1, do="cancel_ignored")
        await one.leave_open("fox")
        asked = one.queue.faults.seen["status"]
        # The look before the cancellation, then the first read after it.
        one.queue.faults.script(on="status", nth=asked + 2, do="status_404")

        cancellation, _ = await cancel(one)

    assert fates(cancellation) == {"saved": 1}


async def test_without_a_history_two_404_after_an_accepted_cancel_are_believed(
    tmp_path: Path,
) -> None:
    async with evening(tmp_path) as one:
        one.with_platform = False
        one.queue.faults.script(on="run", nth=1, do="stuck_in_queue")
        one.queue.faults.script(on="cancel", nth=1, do="cancel_forgets")
        await one.leave_open("fox")

        cancellation, record = await cancel(one)

    assert fates(cancellation) == {"cancelled": 1}
    assert record.bill.spent_usd == 0


async def test_a_failure_that_may_pass_is_left_to_the_next_run(tmp_path: Path) -> None:
    async with evening(tmp_path) as one:
        one.queue.faults.script(on="run", nth=1, do="generation_timeout")
        await one.leave_open("fox", running=1)
        await cancel(one)
        assert one.ledger() == []

        report = await one.run(manifest_of("fox"))

    assert (report.succeeded, report.exit_code) == (1, 0)


async def test_a_refusal_of_the_content_has_its_row_in_the_ledger(tmp_path: Path) -> None:
    async with evening(tmp_path) as one:
        one.queue.faults.script(on="run", nth=1, do="content_policy_violation")
        await one.leave_open("fox", running=1)

        await cancel(one)

    assert [row["error_type"] for row in one.ledger()] == ["content_policy_violation"]


@pytest.mark.parametrize("kind", ["status", "cancel", "result"])
async def test_calls_that_fail_now_and_then_lose_nothing(tmp_path: Path, kind: str) -> None:
    async with evening(tmp_path, concurrency=2) as one:
        await one.leave_open(*ANIMALS, running=2)
        for name in ("500", "502", "503", "429", "dropped", "garbled", "404", "408"):
            one.queue.faults.set_rate(f"{kind}_{name}", 0.06)

        cancellation, record = await cancel(one, patience_s=3000.0)

    assert cancellation.count(Fate.CANCELLED) + cancellation.count(Fate.SAVED) == len(ANIMALS)
    assert len(one.images()) == cancellation.count(Fate.SAVED)
    assert record.bill.spent_usd == cancellation.count(Fate.SAVED) * PRICE
    assert one.queue.accepted == len(ANIMALS)


async def test_a_locked_account_cancels_nothing_and_is_said(tmp_path: Path) -> None:
    async with evening(tmp_path) as one:
        await one.leave_open("fox", "owl")
        one.queue.lock(reads=True)

        cancellation, record = await cancel(one)

    assert cancellation.barred is not None
    assert cancellation.barred.cause == "locked"
    assert fates(cancellation) == {"open": 2}
    assert record.bill.reserved_usd == 2 * PRICE


async def test_a_service_that_is_not_there_leaves_everything_open(tmp_path: Path) -> None:
    async with evening(tmp_path) as one:
        await one.leave_open("fox", "owl")
        service = one.service
        await one.queue.aclose()
        batch = one.batch

        with batch.lock():
            cancellation = await cancel_open(
                batch, batch.replay(), service=service, patience_s=30.0, clock=one.time.clock
            )

    assert not cancellation.answered
    assert fates(cancellation) == {"open": 2}


async def test_requests_at_another_queue_are_not_asked_about_here(tmp_path: Path) -> None:
    async with evening(tmp_path) as one:
        await one.leave_open("fox")
    async with evening(tmp_path) as other:
        with pytest.raises(ServiceError, match=one.service.queue_url):
            await cancel(other)

        assert sum(other.queue.tally.calls.values()) == 0


async def test_a_key_of_another_account_cancels_nothing(tmp_path: Path) -> None:
    async with evening(tmp_path) as one:
        await one.leave_open("fox")
        one.key = "another:account"

        with pytest.raises(AccountError, match="another account"):
            await cancel(one)

    assert one.queue.tally.calls["cancel"] == 0
    assert one.states()[-1] == "submitted"


async def test_another_key_of_the_same_account_cancels(tmp_path: Path) -> None:
    async with evening(tmp_path, one_account=True) as one:
        await one.leave_open("fox", running=1)
        one.key = "another:key"

        cancellation, _ = await cancel(one)

    assert fates(cancellation) == {"saved": 1}


async def test_what_has_no_request_id_is_left_alone(tmp_path: Path) -> None:
    async with evening(tmp_path) as one:
        one.with_platform = False
        one.queue.faults.script(on="submit", nth=1, do="lost_reply")
        await one.run(manifest_of("fox"))
        before = one.entries()

        cancellation, record = await cancel(one)

    assert before[-1].state == "unknown"
    assert cancellation.settled == ()
    assert one.entries() == before
    assert record.bill.reserved_usd == PRICE
