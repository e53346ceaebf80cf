"""How the window's changes get into run.log, and out of it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from support.night import night, shots

from batchgen.batch import Batch
from batchgen.overview import look
from batchgen.pacing import Window
from batchgen.window_log import APART_S, MOST_TOLD, WindowLog, each_change, read_changes


def written(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_notable_change_is_a_line_and_a_small_one_is_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    window = Window(cap=40)
    window.backlog.start.is_over = True
    log = WindowLog(window=window)
    with caplog.at_level(logging.INFO, "batchgen"):
        for step, allowed in enumerate((40, 39, 20, 21, 40)):
            window.allowed, window.why = allowed, "429"
            log.look(100.0 + step * APART_S)

    assert written(caplog) == [
        "window 40 of 40, 0 open: the cap",
        "window 20 of 40, 0 open: slowed by 429",
        "window 40 of 40, 0 open: the cap",
    ]


def test_a_window_that_swings_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    window = Window(cap=40)
    window.backlog.start.is_over = True
    log = WindowLog(window=window)
    with caplog.at_level(logging.INFO, "batchgen"):
        for step in range(100):
            window.allowed = 10 if step % 2 else 40
            log.look(100.0 + step * APART_S / 50)

    assert len(written(caplog)) <= 3


def test_only_the_latest_changes_are_told(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    lines = [
        f"2026-11-22T23:{minute:02}:00+0100 INFO window {minute} of 60, 7 open: slowed by 429\n"
        f"2026-11-22T23:{minute:02}:01+0100 INFO something else\n"
        for minute in range(50)
    ]
    log.write_text("".join(lines), encoding="utf-8")

    changes = read_changes(log)

    assert len(changes) == MOST_TOLD
    assert [change.limit for change in each_change(log)] == list(range(50))
    assert changes[-1].as_json() == {
        "at": "2026-11-22T23:49:00+0100",
        "limit": 49,
        "cap": 60,
        "open": 7,
        "why": "slowed by 429",
    }


def test_without_a_log_nothing_is_told(tmp_path: Path) -> None:
    assert read_changes(tmp_path / "run.log") == ()
    assert list(each_change(tmp_path / "run.log")) == []


async def test_status_tells_of_the_window_of_a_run(tmp_path: Path) -> None:
    async with night(tmp_path, max_open=3) as tonight:
        await tonight.run(shots(20), concurrency=20)

        told = look(Batch(tonight.folder)).as_json()["window"]

    assert isinstance(told, list)
    assert told
    assert isinstance(told[0], dict)
    assert told[0]["cap"] == 20
