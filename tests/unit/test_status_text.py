"""How a batch's standing reads."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from batchgen.budget import Budget
from batchgen.cli.status_text import describe, list_batches, list_failures, local_time
from batchgen.failures import FailedJob
from batchgen.lock import Holder
from batchgen.overview import Overview, UnknownJob
from batchgen.planning.changes import Left
from batchgen.report import Report
from batchgen.standing import Step
from batchgen.state import JobState
from batchgen.tally import Tally

NOW = datetime(2026, 11, 23, 3, 21, tzinfo=timezone(timedelta(hours=1)))
LOST = UnknownJob(
    job_id="kzmxlwvqpronstuy", sent_at="2026-11-22T22:02:00.000Z", cost_usd=Decimal("0.12")
)


def tally_of(states: dict[JobState, int], steps: dict[Step, int], **failed: int) -> Tally:
    return Tally(
        jobs=sum(states.values()),
        states=Counter(states),
        steps=Counter(steps),
        failed_by_type=Counter(failed),
        images_on_disk=states.get(JobState.SUCCEEDED, 0),
    )


ALL_WELL = tally_of({JobState.SUCCEEDED: 5000}, {Step.DONE: 5000})
REMAINDER = tally_of(
    {
        JobState.SUCCEEDED: 4941,
        JobState.UNDELIVERED: 9,
        JobState.FAILED: 46,
        JobState.UNKNOWN: 3,
        JobState.OPEN: 1,
    },
    {
        Step.DONE: 4941,
        Step.DOWNLOAD: 9,
        Step.LEAVE: 43,
        Step.SEND: 3,
        Step.RECONCILE: 3,
        Step.READ: 1,
    },
    content_policy_violation=38,
    no_media_generated=5,
    generation_timeout=3,
)


def overview_of(tally: Tally, **changes: Any) -> Overview:
    report = Report(
        batch="spring-shop",
        folder=Path("/srv/data/shop/jobs/spring-shop"),
        simulated=False,
        jobs=5000,
        images=5000,
        tally=tally,
        bill=Budget(spent_usd=Decimal("596.52"), reserved_usd=changes.pop("reserved", Decimal(0))),
        submitted=5000,
    )
    given: dict[str, Any] = {
        "report": replace(report, **changes.pop("report", {})),
        "billed_usd": Decimal("590.00"),
        "foreseen_usd": Decimal("585.60"),
        "is_running": False,
        "holder": None,
        "sample": "",
        "former": Left(),
        "unknowns": (),
        "failures": None,
        "begun_at": "2026-11-21T20:30:00.000Z",
        "last_at": "2026-11-23T02:20:00.000Z",
        **changes,
    }
    return Overview(**given)


def command(verb: str, *options: str) -> str:
    return " ".join(("batchgen", verb, "spring-shop", *options))


def said(overview: Overview) -> str:
    return describe(overview, command=command, now=NOW)


def test_jobs_that_are_made_once_more_are_said_to_be_among_the_others() -> None:
    text = said(overview_of(ALL_WELL, redone=3))

    assert "redo             3 jobs of these once more, by redo.csv" in text.splitlines()


def test_a_batch_that_is_done_says_so_and_asks_for_nothing() -> None:
    assert said(overview_of(ALL_WELL)) == (
        "spring-shop      /srv/data/shop/jobs/spring-shop      begun 21 Nov 21:30\n"
        "\n"
        "manifest         5,000 jobs, 5,000 images, 5,000 on disk\n"
        "succeeded       5,000\n"
        "\n"
        "spent         $596.52    $590.00 as the service billed it (estimated $585.60), "
        "$6.52 estimated by the price table"
    )


def test_a_remainder_is_told_with_what_it_means_and_what_to_do() -> None:
    unknowns = (LOST, LOST, replace(LOST, sent_at="2026-11-22T22:04:00.000Z"))
    overview = overview_of(REMAINDER, unknowns=unknowns, reserved=Decimal("0.48"))

    text = said(overview)

    assert (
        "failed             46    content_policy_violation 38 · no_media_generated 5 · "
        "generation_timeout 3"
    ) in text
    assert "reserved        $0.48    set aside for what is open or unknown" in text
    assert (
        "3 requests were sent between 22 Nov 23:02 and 22 Nov 23:04, and their answers were lost.\n"
        "They count as paid ($0.36) and are not sent again by themselves."
    ) in text
    assert "Look again, free:                 batchgen reconcile spring-shop\n" in text
    assert "batchgen reconcile spring-shop --adopt kzmxlwvqpronstuy=REQUEST_ID" in text
    assert "16 of them: fetches 9, asks for 1, looks up 3, tries 3 again" in text
    assert "batchgen status spring-shop --failed    the 46 that failed" in text


def test_of_many_kinds_of_failures_the_rarest_are_only_counted() -> None:
    tally = tally_of({JobState.FAILED: 15}, {}, a=5, b=4, c=3, d=2, e=1)

    assert "a 5 · b 4 · c 3 · others 3\n" in said(overview_of(tally))


def test_a_single_lost_answer_is_told_in_the_singular() -> None:
    tally = tally_of({JobState.UNKNOWN: 1}, {Step.RECONCILE: 1})

    text = said(overview_of(tally, unknowns=(LOST,)))

    assert (
        "1 request was sent at 22 Nov 23:02, and its answer was lost.\n"
        "It counts as paid ($0.12) and is not sent again by itself."
    ) in text


def test_a_run_that_goes_on_is_named_and_can_be_stopped() -> None:
    tally = tally_of({JobState.SUCCEEDED: 1852, JobState.OPEN: 20}, {Step.READ: 20})
    holder = Holder(host="studio-2", pid=4711, started_at="2026-11-22T20:30:00.000Z")

    text = said(overview_of(tally, is_running=True, holder=holder))

    assert (
        "running          process 4711 on studio-2 since 22 Nov 21:30: 1,852 of 5,000, 20 open"
    ) in text
    assert "batchgen cancel spring-shop --keep-open    stop it" in text
    assert "batchgen resume" not in text


def test_images_are_on_their_way_and_not_undelivered_while_a_run_goes_on() -> None:
    tally = tally_of({JobState.UNDELIVERED: 3}, {Step.DOWNLOAD: 3})

    running, ended = overview_of(tally, is_running=True), overview_of(tally)

    assert "on their way to disk" in said(running)
    assert "fetched next time, free" in said(ended)
    assert (running.exit_code, ended.exit_code) == (0, 1)


def test_what_only_retry_failed_would_try_is_said() -> None:
    tally = tally_of({JobState.FAILED: 43}, {Step.LEAVE: 43}, content_policy_violation=43)

    text = said(overview_of(tally, report={"jobs": 43}))

    assert "batchgen resume spring-shop --retry failed    tries what failed once more" in text


def test_former_jobs_stand_apart_with_what_is_unfinished_of_them() -> None:
    text = said(overview_of(ALL_WELL, former=Left(jobs=12, open=2)))

    assert (
        "former             12    no longer in the manifest; their images stay (2 open)"
    ) in text


def test_a_simulated_batch_and_a_sample_are_marked() -> None:
    text = said(overview_of(ALL_WELL, sample="5%", report={"simulated": True}))

    assert "simulated        drawn stand-ins; nothing was paid" in text
    assert "sample           5% of the manifest; resume stays inside it" in text
    assert "as the simulator billed it" in text


def test_every_batch_has_one_line_and_the_columns_stand_under_their_names() -> None:
    overviews = [
        overview_of(ALL_WELL),
        overview_of(REMAINDER, unknowns=(LOST,), report={"batch": "zoo"}),
        overview_of(ALL_WELL, is_running=True, report={"batch": "night", "simulated": True}),
    ]

    head, *lines = list_batches(overviews, now=NOW)

    assert len(lines) == 3
    for name, value in (("jobs", "5,000"), ("done", "4,941"), ("failed", "46"), ("unknown", "1")):
        end = head.index(name) + len(name)
        assert lines[1][:end].endswith(value)
    assert lines[0].endswith("$596.52  03:20")
    assert lines[2].endswith("running")
    assert max(map(len, lines)) <= 100


def failure(number: int, error_type: str, error: str, **changes: Any) -> FailedJob:
    given: dict[str, Any] = {
        "job_id": "kzmxlwvqpronst" + "klmnopqrst"[number] + "y",
        "line": f"products.csv:{number + 2}",
        "prompt": f"a fox, {number}",
        "seed": str(number),
        "error_type": error_type,
        "error": error,
        **changes,
    }
    return FailedJob(**given)


def test_failures_are_grouped_by_type_and_reason_the_most_frequent_first() -> None:
    lines = list_failures(
        [
            failure(0, "generation_timeout", "too long"),
            failure(1, "content_policy_violation", "flagged"),
            failure(2, "content_policy_violation", "flagged"),
            failure(3, "content_policy_violation", "refused"),
        ]
    )

    assert lines == [
        "content_policy_violation: 3 jobs",
        '  "flagged"',
        "    kzmxlwvqpronstly  products.csv:3  seed 1  a fox, 1",
        "    kzmxlwvqpronstmy  products.csv:4  seed 2  a fox, 2",
        '  "refused"',
        "    kzmxlwvqpronstny  products.csv:5  seed 3  a fox, 3",
        "",
        "generation_timeout: 1 job",
        '  "too long"',
        "    kzmxlwvqpronstky  products.csv:2  seed 0  a fox, 0",
    ]


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param("a\x1b[2Jfox\nat\u2028night\u202e", id="control characters"),
        pytest.param("a fox " * 1000, id="very long"),
        pytest.param("", id="none at all"),
    ],
)
def test_a_prompt_takes_one_line_and_commands_no_terminal(prompt: str) -> None:
    *_, line = list_failures([failure(0, "x", "y" * 1000, prompt=prompt)])

    assert line.isprintable()
    assert len(line) <= 100


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param("2026-11-23T01:05:00.000Z", "02:05", id="today: the time of day"),
        pytest.param("2026-11-22T22:59:00.000Z", "22 Nov 23:59", id="yesterday: the date too"),
        pytest.param("2025-11-22T22:59:00.000Z", "22 Nov 2025 23:59", id="long ago: the year too"),
    ],
)
def test_times_are_local_and_no_longer_than_needed(at: str, expected: str) -> None:
    assert local_time(at, now=NOW) == expected


def test_a_time_in_the_same_hour_of_another_zone_is_the_same_time() -> None:
    assert local_time("2026-11-23T01:05:00.000Z", now=NOW.astimezone(UTC)) == "01:05"
