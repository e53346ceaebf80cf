"""What a run says when it has ended, word for word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from batchgen.budget import Budget
from batchgen.cli.summary import summarise
from batchgen.errors import AccountError
from batchgen.report import Report
from batchgen.standing import Step
from batchgen.state import JobState
from batchgen.stop import Cause, Stop, stop_for_account
from batchgen.tally import Tally

COMMAND = "batchgen run shop-shots.yaml"
PLACES = """\
  images   /srv/data/shop/jobs/spring-shop/images
  table    /srv/data/shop/jobs/spring-shop/ledger.csv"""


@pytest.fixture(autouse=True)
def in_vienna(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Show times as they are shown in one place."""
    import time

    monkeypatch.setenv("TZ", "Europe/Vienna")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def about(verb: str, *options: str) -> str:
    return " ".join(["batchgen", verb, "spring-shop", *options])


def make_report(
    states: Mapping[JobState, int],
    steps: Mapping[Step, int],
    *,
    failed: Mapping[str, int] | None = None,
    on_disk: int | None = None,
    spent: str = "0",
    reserved: str = "0",
    limit: str | None = None,
    **given: Any,
) -> Report:
    jobs = sum(states.values())
    tally = Tally(
        jobs=jobs,
        states=Counter(states),
        steps=Counter(steps),
        failed_by_type=Counter(failed or {}),
        images_on_disk=states.get(JobState.SUCCEEDED, 0) if on_disk is None else on_disk,
        images=jobs,
    )
    defaults: dict[str, Any] = {
        "submitted": 10,
        "quoted_usd": jobs * Decimal("0.12"),
        "dearest_usd": Decimal("0.12"),
        "last_at": "2026-11-22T02:21:00.000Z",
        "started_at": "2026-11-21T20:30:00.000Z",
        "finished_at": "2026-11-22T02:21:00.000Z",
    }
    return Report(
        batch="spring-shop",
        folder=Path("/srv/data/shop/jobs/spring-shop"),
        simulated=False,
        jobs=jobs,
        images=jobs,
        tally=tally,
        bill=Budget(
            limit_usd=None if limit is None else Decimal(limit),
            spent_usd=Decimal(spent),
            reserved_usd=Decimal(reserved),
        ),
        **{**defaults, **given},
    )


def said(report: Report, *, command: str = COMMAND) -> str:
    return summarise(report, command=command, about=about)


ALL_WELL = make_report({JobState.SUCCEEDED: 5000}, {Step.DONE: 5000}, spent="600.00")
REMAINDER = make_report(
    {
        JobState.SUCCEEDED: 4941,
        JobState.UNDELIVERED: 9,
        JobState.FAILED: 46,
        JobState.UNKNOWN: 3,
        JobState.OPEN: 1,
    },
    {Step.DONE: 4941, Step.DOWNLOAD: 9, Step.LEAVE: 43, Step.SEND: 3, Step.RECONCILE: 3}
    | {Step.READ: 1},
    failed={"generation_timeout": 3, "content_policy_violation": 38, "no_media_generated": 5},
    spent="596.52",
    reserved="0.48",
    limit="620",
)
HALF = {JobState.SUCCEEDED: 2310, JobState.LEFT: 2690}
HALF_STEPS = {Step.DONE: 2310, Step.SEND: 2690}


def test_all_well() -> None:
    assert said(ALL_WELL) == (
        "spring-shop: done at 03:21 after 5 h 51 min. All 5,000 images are on disk for $600.00 "
        f"(quoted $600.00).\n{PLACES}"
    )


def test_what_was_made_once_more_has_its_own_price_beside_the_batchs_bill() -> None:
    done = {JobState.SUCCEEDED: 3}
    report = make_report(done, {Step.DONE: 3}, spent="600.36", redone=True)

    assert said(report).splitlines()[0] == (
        "spring-shop: done at 03:21 after 5 h 51 min. All 3 images are on disk, made once more "
        "(quoted $0.36); the batch has cost $600.36."
    )


def test_a_remainder_with_what_a_further_run_would_do() -> None:
    assert said(REMAINDER) == (
        "spring-shop: finished at 03:21 after 5 h 51 min. 4,941 of 5,000 images are on disk.\n"
        "\n"
        "  4,941  succeeded\n"
        "      9  undelivered   made and paid, the file could not be fetched; fetched next time, "
        "free\n"
        "     46  failed        content_policy_violation 38 · no_media_generated 5 · "
        "generation_timeout 3\n"
        "      3  unknown       sent, the answer was lost, not in fal's history so far; held, not "
        "sent again\n"
        "      1  open          still at fal; asked for next time\n"
        "\n"
        "  bill     $596.52     quoted $600.00; at most $0.48 more for the 4 that are not "
        "settled; budget $620.00\n"
        f"{PLACES}\n"
        "\n"
        "next\n"
        "  batchgen run shop-shots.yaml            16 of them: fetches 9, asks for 1, looks up 3, "
        "tries 3 again (at most $0.36)\n"
        "  batchgen status spring-shop --failed    the 43 that need you, with prompts and fal's "
        "reasons\n"
        "  batchgen reconcile spring-shop          looks the 3 lost ones up again, free\n"
        "  batchgen run shop-shots.yaml --on-unknown resubmit\n"
        "                                          sends them again (may be paid twice)"
    )


def test_a_locked_account() -> None:
    locked = AccountError(
        "User is locked. Reason: Exhausted balance. Top up at fal.ai.", cause="locked", http=403
    )
    report = make_report(HALF, HALF_STEPS, spent="277.20", stop=stop_for_account(locked))

    assert said(report) == (
        'spring-shop: stopped at 03:21: fal has locked the account ("Exhausted balance. Top up at '
        'fal.ai.").\n'
        "  2,310 of 5,000 images are on disk, $277.20. No job counts as failed for this; what was "
        "open has been fetched.\n"
        "  Top up, then:  batchgen run shop-shots.yaml       the other 2,690, about $322.80"
    )


def test_an_interruption() -> None:
    states = {JobState.SUCCEEDED: 1852, JobState.LEFT: 3128, JobState.OPEN: 20}
    steps = {Step.DONE: 1852, Step.SEND: 3128, Step.READ: 20}
    stop = Stop(cause=Cause.SIGNAL, text="interrupted")

    assert said(make_report(states, steps, spent="224.16", stop=stop)) == (
        "spring-shop: interrupted at 03:21. 1,852 of 5,000 images are on disk, $224.16; nothing is "
        "lost.\n"
        "  20 requests are still open at fal; the next run reads what is open first.\n"
        "  Go on:  batchgen run shop-shots.yaml"
    )


def test_nothing_to_do() -> None:
    assert said(replace(ALL_WELL, submitted=0)) == (
        "spring-shop: nothing to do. All 5,000 images are on disk ($600.00, last one 22 Nov 03:21)."
    )


def test_nothing_that_a_further_run_would_try() -> None:
    states = {JobState.SUCCEEDED: 4957, JobState.FAILED: 43}
    report = make_report(
        states,
        {Step.DONE: 4957, Step.LEAVE: 43},
        failed={"content_policy_violation": 43},
        submitted=0,
    )

    assert said(report) == (
        "spring-shop: nothing to do. 4,957 of 5,000 images are on disk; 43 failed and none of them "
        "would be tried again (--retry failed does, and may cost $5.16).\n"
        "  batchgen run shop-shots.yaml --retry failed\n"
        "                                          tries them again\n"
        "  batchgen status spring-shop --failed    what needs you, with prompts and fal's reasons"
    )


def test_a_limit_that_has_ended_a_run() -> None:
    report = make_report(
        {JobState.SUCCEEDED: 3, JobState.LEFT: 7},
        {Step.DONE: 3, Step.SEND: 7},
        spent="0.36",
        limit=None,
    )

    assert said(replace(report, limit=3)) == (
        "spring-shop: done after 5 h 51 min, as far as --limit let it. 3 of 10 images are on disk, "
        f"$0.36.\n{PLACES}\n"
        "  go on    batchgen run shop-shots.yaml       the other 7, about $0.84"
    )


def test_too_many_failures() -> None:
    states = {JobState.SUCCEEDED: 90, JobState.FAILED: 10, JobState.LEFT: 900}
    text = "10 jobs have failed in this run (--max-failures 10)"
    report = make_report(
        states,
        {Step.DONE: 90, Step.LEAVE: 10, Step.SEND: 900},
        failed={"value_error": 10},
        spent="10.80",
        stop=Stop(cause=Cause.FAILURES, text=text, mend="look at the failures"),
    )

    assert said(report) == (
        f"spring-shop: stopped at 03:21: {text}.\n"
        "  90 of 1,000 images are on disk, $10.80.\n"
        "  10 failed: value_error 10       batchgen status spring-shop --failed\n"
        "  Look at the failures, then:  batchgen run shop-shots.yaml       the other 900, about "
        "$108.00"
    )


def test_a_time_that_has_come_needs_no_mending() -> None:
    stop = Stop(cause=Cause.UNTIL, text="the time given by --until has come")

    text = said(make_report(HALF, HALF_STEPS, stop=stop))

    assert "  Go on:  batchgen run shop-shots.yaml       the other 2,690" in text
    assert "No job counts as failed" not in text


def test_ids_that_the_disk_did_not_take_are_said() -> None:
    stop = Stop(cause=Cause.DISK, text="cannot write requests.csv", mend="make room")
    report = make_report(HALF, HALF_STEPS, stop=stop, unrecorded=("kkkkkkkkkkkkkkkk=r1",))

    assert "    batchgen reconcile spring-shop --adopt kkkkkkkkkkkkkkkk=r1" in said(report)


def test_images_that_were_not_downloaded_are_not_said_to_be_on_disk() -> None:
    report = make_report({JobState.SUCCEEDED: 10}, {Step.DONE: 10}, on_disk=0, spent="1.20")

    assert "All 10 jobs are done, nothing was downloaded for $1.20" in said(report)


def test_a_simulated_batch_is_marked() -> None:
    text = said(replace(ALL_WELL, simulated=True))

    assert text.endswith("\n  (simulated: drawn stand-ins, nothing was paid)")


def test_one_of_each_reads_like_one() -> None:
    report = make_report(
        {JobState.UNKNOWN: 1}, {Step.RECONCILE: 1}, spent="0", reserved="0.12", on_disk=0
    )

    text = said(report)

    assert "0 of 1 image is on disk" in text
    assert "for the one that is not settled" in text
    assert "looks the lost one up again, free" in text
    assert "sends it again (may be paid twice)" in text


@pytest.mark.parametrize(
    ("started_at", "expected"),
    [
        ("2026-11-22T02:20:48.000Z", "after 12 s"),
        ("2026-11-22T02:19:00.000Z", "after 2 min"),
        ("2026-11-22T01:20:00.000Z", "after 1 h 1 min"),
        ("2026-11-20T02:21:00.000Z", "after 48 h 0 min"),
    ],
)
def test_a_duration_as_people_say_it(started_at: str, expected: str) -> None:
    assert expected in said(replace(ALL_WELL, started_at=started_at))


def test_what_the_service_calls_a_failure_does_not_move_the_terminal() -> None:
    report = make_report(
        {JobState.FAILED: 1}, {Step.LEAVE: 1}, failed={"bad\x1b[2Jtype": 1}, on_disk=0
    )

    assert "\x1b" not in said(report)


def test_a_long_command_has_its_explanation_below() -> None:
    text = said(REMAINDER, command=f"batchgen run {'x' * 60}.yaml")

    assert f"  batchgen run {'x' * 60}.yaml\n" in text
