"""What the line says that shows a run as it goes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.budget import Budget
from batchgen.cli.progress_line import WINDOW_S, Pace
from batchgen.cli.progress_text import PLAIN, Moment, first_failure
from batchgen.job import Job
from batchgen.progress import FirstFailure, Progress

NIGHT = datetime(2026, 11, 22, 23, 41, 0, tzinfo=timezone(timedelta(hours=1)))
BUDGET = Budget(limit_usd=Decimal(620), spent_usd=Decimal("224.16"))


def make_moment(
    *,
    name: str = "spring-shop",
    bill: Budget = BUDGET,
    per_minute: float = 14.2,
    now: datetime = NIGHT,
    **shown: Any,
) -> Moment:
    defaults: dict[str, Any] = {
        "total": 5000,
        "succeeded": 1843,
        "failed": 9,
        "open": 20,
        "queued": 13,
    }
    progress = Progress(**{**defaults, **shown})
    return Moment(name=name, progress=progress, bill=bill, per_minute=per_minute, now=now)


# -- on a terminal -----------------------------------------------------------------------


def test_the_line_on_a_terminal_of_120_columns() -> None:
    assert make_moment().line(120) == (
        "spring-shop  37%|███████▍            | 1,852/5,000  9 failed  20 open (13 queued)  "
        "14.2/min  $224/620  ~03:22"
    )


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        pytest.param(
            108,
            "spring-shop  37%|███▋      | 1,852/5,000  9 failed  20 open (13 queued)  14.2/min  "
            "$224/620  ~03:22",
            id="a shorter bar",
        ),
        pytest.param(
            96,
            "spring-shop  37%  1,852/5,000  9 failed  20 open (13 queued)  14.2/min  $224/620  "
            "~03:22",
            id="the bar goes first",
        ),
        pytest.param(
            80,
            "spring-shop  37%  1,852/5,000  9 failed  20 open  14.2/min  $224/620  ~03:22",
            id="then what is queued",
        ),
        pytest.param(
            70,
            "spring-shop  37%  1,852/5,000  9 failed  20 open  $224/620  ~03:22",
            id="then the rate",
        ),
        pytest.param(
            60, "spring-shop  37%  1,852/5,000  9 failed  $224/620  ~03:22", id="then what is open"
        ),
        pytest.param(50, "spring-shop  37%  1,852/5,000  9 failed  ~03:22", id="then the money"),
        pytest.param(40, "spring-shop  37%  1,852/5,000  9 failed", id="then the end"),
        pytest.param(20, "spring-shop  37%  1", id="and then it is cut"),
    ],
)
def test_what_goes_first_on_narrower_ones(columns: int, expected: str) -> None:
    assert make_moment().line(columns) == expected


@given(
    columns=st.integers(min_value=1, max_value=200),
    succeeded=st.integers(min_value=0, max_value=10**7),
    reason=st.text(max_size=80),
)
def test_no_line_is_as_wide_as_its_terminal_or_breaks(
    columns: int, succeeded: int, reason: str
) -> None:
    line = make_moment(succeeded=succeeded, total=10**7, notice=reason).line(columns)

    assert len(line) < columns
    assert line.isprintable()


@pytest.mark.parametrize(
    ("done", "total", "expected"),
    [
        pytest.param(0, 8, "  0%|                    | 0/8", id="nothing"),
        pytest.param(1, 8, " 12%|##                  | 1/8", id="an eighth"),
        pytest.param(8, 8, "100%|####################| 8/8", id="all"),
        pytest.param(9999, 10_000, " 99%|################### | 9,999/10,000", id="not quite all"),
        pytest.param(0, 0, "  0%|                    | 0/0", id="nothing to do"),
        pytest.param(9, 8, "100%|####################| 9/9", id="more than was counted"),
    ],
)
def test_a_bar_in_ascii(done: int, total: int, expected: str) -> None:
    moment = make_moment(succeeded=done, failed=0, total=total, open=0, queued=0)

    assert moment.line(120, marks=PLAIN).startswith(f"spring-shop {expected}")


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        pytest.param({}, "~03:22", id="the end, by the clock"),
        pytest.param({"ahead": 12_654}, "fal: 12,654 ahead of us", id="others are ahead"),
        pytest.param({"ahead": 0}, "~03:22", id="nobody is ahead"),
        pytest.param(
            {"reason": "slowed by 429: 11 open of 20", "ahead": 5},
            "slowed by 429: 11 open of 20",
            id="slowed down",
        ),
        pytest.param(
            {"notice": "no answer since 01:12", "reason": "slowed by no connection"},
            "no answer since 01:12",
            id="what concerns the whole run stands above",
        ),
    ],
)
def test_the_last_field_is_the_end_or_why_there_is_none(
    shown: dict[str, Any], expected: str
) -> None:
    assert make_moment(**shown).line(200).endswith(f"  $224/620  {expected}")


@pytest.mark.parametrize(
    ("per_minute", "expected"),
    [
        pytest.param(0.0, "", id="not known"),
        pytest.param(3148.0, "~23:42", id="in a minute"),
        pytest.param(3.2, "~16:04", id="tomorrow afternoon"),
        pytest.param(1.0, "~25 Nov 04:09", id="in some days"),
        pytest.param(0.001, "", id="in years"),
    ],
)
def test_the_end_is_a_time_of_day(per_minute: float, expected: str) -> None:
    line = make_moment(per_minute=per_minute).line(200)

    assert line.endswith(f"$224/620  {expected}".rstrip())


@pytest.mark.parametrize(
    ("bill", "expected"),
    [
        pytest.param(Budget(spent_usd=Decimal("224.16")), "$224.16", id="no budget"),
        pytest.param(
            Budget(limit_usd=Decimal(20), spent_usd=Decimal("2.16")), "$2.16/20.00", id="small"
        ),
        pytest.param(
            Budget(limit_usd=Decimal(6200), spent_usd=Decimal("2241.6")), "$2,242/6,200", id="large"
        ),
    ],
)
def test_money_is_shown_as_finely_as_it_matters(bill: Budget, expected: str) -> None:
    assert f"  {expected}  ~" in make_moment(bill=bill).line(200)


def test_what_there_is_none_of_is_not_shown() -> None:
    line = make_moment(failed=0, queued=0, per_minute=0.0).line(200)

    assert line == "spring-shop  36%|███████▎            | 1,843/5,000  20 open  $224/620"


def test_what_is_unknown_is_shown() -> None:
    assert "  9 failed  3 unknown  20 open" in make_moment(unknown=3).line(200)


# -- in a log ----------------------------------------------------------------------------


def test_the_line_in_a_log_is_made_for_grep_and_awk() -> None:
    assert make_moment().pairs() == (
        "2026-11-22T23:41:00+01:00 spring-shop done=1852/5000 failed=9 unknown=0 open=20 queued=13 "
        "per_min=14.2 usd=224.16/620.00 eta=03:22"
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"bill": Budget(spent_usd=Decimal("1.5"))}, " usd=1.50 ", id="no budget"),
        pytest.param({"per_minute": 1.0}, " eta=25_Nov_04:09", id="an end without blanks"),
        pytest.param({"per_minute": 0.0}, " per_min=0.0 usd=224.16/620.00", id="no end"),
        pytest.param(
            {"notice": 'no "answer"\nat all'}, " reason=\"no 'answer' at all\"", id="a reason"
        ),
    ],
)
def test_every_field_of_it_is_one_word(given: dict[str, Any], expected: str) -> None:
    pairs = make_moment(**given).pairs()

    assert expected in f"{pairs} "
    assert "\n" not in pairs


# -- the pace ----------------------------------------------------------------------------


def test_the_pace_is_that_of_the_last_minutes() -> None:
    pace = Pace()
    for minute in range(60):
        pace.note(60.0 * minute, 10 * minute if minute < 30 else 300)

    assert pace.per_minute == 0.0


def test_a_steady_pace_is_known_after_two_looks() -> None:
    pace = Pace()
    before = pace.per_minute
    pace.note(100.0, 0)
    pace.note(130.0, 7)

    assert (before, pace.per_minute) == (0.0, 14.0)


def test_a_night_of_looks_takes_no_memory() -> None:
    pace = Pace()

    for look in range(200_000):
        pace.note(0.25 * look, look)

    assert len(pace._moments) <= WINDOW_S / 0.25 + 2


# -- the first failure of a kind ---------------------------------------------------------


def make_failure(**given: Any) -> FirstFailure:
    job = Job(
        job_id="k" * 16,
        endpoint="fal-ai/nano-banana-2",
        input={"prompt": given.pop("prompt", "a fox")},
        repeat=0,
        variables={},
        file="images/kk/k",
        line=given.pop("line", "products.csv:217"),
    )
    defaults = {"error_type": "content_policy_violation", "message": "It was flagged."}
    return FirstFailure(job=job, **{**defaults, **given})


def test_the_first_failure_names_its_row_its_reason_and_the_command() -> None:
    assert first_failure(make_failure(), command="batchgen status spring-shop --failed") == (
        'content_policy_violation (first of this kind): products.csv:217 "a fox": It was flagged.\n'
        "  All of them:  batchgen status spring-shop --failed"
    )


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"prompt": "x" * 5000}, id="a long prompt"),
        pytest.param({"message": "x" * 5000}, id="a long reason"),
        pytest.param(
            {"prompt": "a\x1b[2J\nb", "message": "\x07\u202e", "error_type": "\x1b"}, id="hostile"
        ),
        pytest.param({"line": "", "message": ""}, id="nothing known"),
    ],
)
def test_whatever_it_says_fits_and_obeys_nobody(given: dict[str, Any]) -> None:
    first, second = first_failure(make_failure(**given), command="c").split("\n")

    assert len(first) < 320
    assert first.isprintable()
    assert second == "  All of them:  c"
