"""The options of a run: what they take, what they say, and what stands above what."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from batchgen.job import Json
from batchgen.settings import (
    OPTIONS,
    FailureLimit,
    Rate,
    RunSettings,
    Setting,
    next_time,
    parse_portion,
    settle,
)


@pytest.mark.parametrize(
    ("option", "written", "settled"),
    [
        pytest.param("concurrency", 4, 4, id="a number"),
        pytest.param("concurrency", "4", 4, id="a number from text"),
        pytest.param("rate", "5/s", Rate(text="5/s", per_s=5), id="a rate in seconds"),
        pytest.param("rate", "90/min", Rate(text="90/min", per_s=1.5), id="a rate in minutes"),
        pytest.param("rate", "0.5/s", Rate(text="0.5/s", per_s=0.5), id="a slow rate"),
        pytest.param("budget_usd", 25, Decimal(25), id="a budget"),
        pytest.param("budget_usd", 12.5, Decimal("12.5"), id="a budget with cents"),
        pytest.param("budget_usd", "$12.50", Decimal("12.50"), id="a budget with its sign"),
        pytest.param("budget_usd", 0, Decimal(0), id="a budget of nothing"),
        pytest.param("timeout", "90.5", 90.5, id="seconds"),
        pytest.param("max_failures", 10, FailureLimit(text="10", count=10), id="failures"),
        pytest.param(
            "max_failures", "2%", FailureLimit(text="2%", percent=Decimal(2)), id="a share"
        ),
        pytest.param("download", False, False, id="a switch"),
        pytest.param("download", "true", True, id="a switch from text"),
        pytest.param("retry", "none", "none", id="a choice"),
        pytest.param("unknown_after", 0, 0.0, id="no wait"),
        pytest.param("until", "06:30", time(6, 30), id="a time of day"),
        pytest.param("until", "6:05", time(6, 5), id="a short time of day"),
    ],
)
def test_an_option_takes_its_type(option: str, written: Json, settled: Setting) -> None:
    assert settle(option, written) == settled


@pytest.mark.parametrize(
    ("option", "written", "told"),
    [
        ("concurrency", 0, "concurrency is '0'. It takes a whole number from 1 on."),
        ("concurrency", 2.5, "concurrency is '2.5'. It takes a whole number from 1 on."),
        ("concurrency", True, "concurrency is 'true'. It takes a whole number from 1 on."),
        ("rate", "0/s", "rate is '0/s'. It takes submissions in a second or a minute, as in 5/s"),
        ("rate", "5", "rate is '5'. It takes submissions in a second or a minute, as in 5/s"),
        ("budget_usd", "-3", "budget_usd is '-3'. It takes an amount in USD, as in 25 or 12.50."),
        ("timeout", 0, "timeout is '0'. It takes a number of seconds, as in 3600."),
        ("max_attempts", "x", "max_attempts is 'x'. It takes a whole number from 1 on."),
        ("max_failures", "101%", "max_failures is '101%'. It takes a number of jobs (10) or"),
        ("max_failures", 0, "max_failures is '0'. It takes a number of jobs (10) or"),
        ("download", "yes", "download is 'yes'. It takes true or false."),
        ("retry", "all", "retry is 'all'. It takes failed, transient, none."),
        ("on_unknown", None, "on_unknown is empty. It takes hold, resubmit."),
        ("unknown_after", [1], "unknown_after is a list of 1. It takes a number of seconds"),
        ("until", "24:00", "until is '24:00'. It takes a local time of day, as in 06:30."),
    ],
)
def test_what_an_option_does_not_take_is_told_with_what_it_takes(
    option: str, written: Json, told: str
) -> None:
    with pytest.raises(ValueError, match="It takes") as caught:
        settle(option, written)

    assert str(caught.value).startswith(told)


def test_the_defaults_are_those_of_the_command_line() -> None:
    assert RunSettings.merged() == RunSettings(
        concurrency=20,
        timeout_s=3600,
        max_attempts=3,
        download=True,
        retry="transient",
        on_unknown="hold",
        unknown_after_s=60,
    )


def test_the_command_line_stands_above_the_file() -> None:
    file = {name: settle(name, text) for name, text in [("timeout", "60"), ("concurrency", 3)]}

    merged = RunSettings.merged(file, {"concurrency": settle("concurrency", 7)})

    assert (merged.timeout_s, merged.concurrency, merged.retry) == (60, 7, "transient")


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_has_a_place_in_the_settings(option: str) -> None:
    written = {"rate": "3/s", "until": "05:00", "retry": "none", "on_unknown": "resubmit"}
    value = settle(option, written.get(option, "true" if option == "download" else "7"))

    changed = RunSettings.merged({option: value})

    assert changed != RunSettings() or option == "download"


@pytest.mark.parametrize(
    ("limit", "failed", "ended", "reached"),
    [
        pytest.param("3", 2, 2, False, id="fewer than the number"),
        pytest.param("3", 3, 3, True, id="the number"),
        pytest.param("10%", 10, 19, False, id="a share says nothing of fewer than 20"),
        pytest.param("10%", 2, 20, False, id="the share itself is allowed"),
        pytest.param("10%", 3, 20, True, id="more than the share"),
        pytest.param("0%", 1, 20, True, id="no failure at all"),
    ],
)
def test_a_failure_limit_is_reached(limit: str, failed: int, ended: int, reached: bool) -> None:
    found = settle("max_failures", limit)

    assert isinstance(found, FailureLimit)
    assert found.is_reached(failed=failed, ended=ended) is reached


@pytest.mark.parametrize(
    ("text", "jobs", "expected"),
    [
        pytest.param("40", 1000, 40, id="a number"),
        pytest.param("40", 7, 7, id="no more than there are"),
        pytest.param("5%", 1000, 50, id="a share"),
        pytest.param("2.5%", 101, 3, id="a share is rounded up"),
        pytest.param("0.001%", 7, 1, id="at least one"),
        pytest.param("100%", 7, 7, id="all"),
    ],
)
def test_a_portion_of_so_many_jobs(text: str, jobs: int, expected: int) -> None:
    assert parse_portion(text).of(jobs) == expected


@pytest.mark.parametrize("text", ["", "0", "-1", "0%", "101%", "half", "1e3", "5 jobs"])
def test_what_is_no_portion_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="It takes a number of jobs"):
        parse_portion(text)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param("2026-11-22T05:00", "2026-11-22T06:30", id="later today"),
        pytest.param("2026-11-22T23:00", "2026-11-23T06:30", id="tomorrow"),
        pytest.param("2026-11-22T06:30", "2026-11-23T06:30", id="not at this very moment"),
        pytest.param("2026-12-31T12:00", "2027-01-01T06:30", id="over the end of a year"),
    ],
)
def test_the_next_time_that_the_clock_shows(now: str, expected: str) -> None:
    found = next_time(time(6, 30), now=datetime.fromisoformat(now).replace(tzinfo=UTC), zone=UTC)

    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_the_wall_counts_in_a_night_in_which_the_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    evening = datetime(2026, 10, 24, 23, 0, tzinfo=berlin)

    assert next_time(time(6, 30), now=evening, zone=berlin).isoformat() == (
        "2026-10-25T06:30:00+01:00"
    )


def test_the_wall_is_that_of_this_machine_if_no_other_is_named() -> None:
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    found = next_time(time(6, 30), now=now)

    local = found.astimezone()
    assert now < found <= now + timedelta(days=1)
    assert (local.hour, local.minute) == (6, 30)
