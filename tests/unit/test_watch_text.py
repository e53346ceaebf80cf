"""What somebody sees who watches a batch, word for word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from batchgen.attempt import Entry, timestamp
from batchgen.budget import Budget
from batchgen.cli.watch_text import PLAIN_STEPS, Screen, cut, draw, pairs, spark
from batchgen.flow import Flow
from batchgen.following import Figures
from batchgen.lock import Holder
from batchgen.state import AttemptState, JobState
from batchgen.tally import Tally
from batchgen.window_log import WindowChange

NOW = datetime(2026, 11, 22, 23, 41, tzinfo=timezone(timedelta(hours=1)))
BEGAN = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
HALFWAY = {
    JobState.SUCCEEDED: 1843,
    JobState.FAILED: 9,
    JobState.UNDELIVERED: 2,
    JobState.OPEN: 20,
    JobState.LEFT: 126,
}


def flow_of(*, each_s: int = 5) -> Flow:
    """Return a flow of one image every so many seconds of the last half hour, a minute each."""
    flow = Flow()
    for second in range(0, 1800, each_s):
        at = timestamp(NOW - timedelta(seconds=second))
        flow.note_row(
            {
                "status": "succeeded",
                "file": "a.png",
                "finished_at": at,
                "error_type": "",
                "error": "",
            }
        )
    for number in range(1, 101):
        began = NOW - timedelta(seconds=1800 - 10 * number)
        submitted, completed = timestamp(began), timestamp(began + timedelta(seconds=number))
        for state, at in (
            (AttemptState.SUBMITTED, submitted),
            (AttemptState.COMPLETED, completed),
        ):
            flow.note_entry(Entry(at=at, job_id=str(number), attempt=1, state=state))
    flow.errors["content_policy_violation"] = "The prompt \x1b[31mwas refused."
    return flow


def figures_of(
    states: Mapping[JobState, int] = HALFWAY,
    *,
    failed: Mapping[str, int] | None = None,
    limit: str | None = "620",
    **changes: Any,
) -> Figures:
    jobs = sum(states.values())
    given: dict[str, Any] = {
        "batch": "spring-shop",
        "folder": Path("/srv/data/shop/jobs/spring-shop"),
        "simulated": False,
        "jobs": 5000,
        "tally": Tally(
            jobs=jobs,
            images=jobs,
            states=Counter(states),
            failed_by_type=Counter(failed or {"content_policy_violation": 6, "lost": 3}),
        ),
        "bill": Budget(
            limit_usd=None if limit is None else Decimal(limit),
            spent_usd=Decimal("224.16"),
            reserved_usd=Decimal("2.40"),
        ),
        "estimate_usd": Decimal(600),
        "flow": flow_of(),
        "window": (),
        "is_running": True,
        "holder": Holder(host="studio-2", pid=4711, started_at=timestamp(BEGAN)),
        "began_at": BEGAN,
        "last_at": NOW,
        "ended": "",
        **changes,
    }
    return Figures(**given)


def drawn(figures: Figures, **screen: Any) -> list[str]:
    return draw(figures, screen=Screen(**screen), now=NOW, foot="Ctrl-C ends the watching.")


def test_a_run_halfway() -> None:
    assert drawn(figures_of()) == [
        "spring-shop  running since 22:00, process 4711 on studio-2",
        "",
        "done        37% |██████████████▊                         | 1,852 of 5,000  ~04:03",
        "           1,843 succeeded · 9 failed · 2 being fetched · 20 open · 3,126 left",
        "spent      $224.16 of about $600.00 for all · $2.40 reserved · budget $620.00",
        "images     12.0 a minute  ▇" + "█" * 29 + "▂  last 31 min",
        "open       20 requests    ▆▆▆▇▇▇▇▇▇▇▇▇█████▇▆▆▆▆▆▆▆▆▆▆▆▆▆  last 31 min",
        "latency    51 s half of them, 91 s nine of ten, 100 s the longest of the last 100",
        'failed     6 content_policy_violation  "The prompt  [31mwas refused."',
        "           3 lost",
        "",
        "Ctrl-C ends the watching.",
    ]


def test_the_window_and_how_it_was_before() -> None:
    changes = [
        WindowChange(at="2026-11-22T22:00:00+0100", limit=20, cap=20, open=3, why="the cap"),
        WindowChange(at="2026-11-22T23:02:09+0100", limit=10, cap=20, open=19, why="429"),
    ]
    figures = figures_of(window=tuple(changes))

    assert "window     10 of 20 since 23:02: 429  █▅" in drawn(figures)
    assert "window     10 of 20" in drawn(figures, columns=24)


def test_a_run_that_has_ended() -> None:
    done = {JobState.SUCCEEDED: 5000}
    figures = figures_of(
        done, is_running=False, holder=None, began_at=None, ended="done", simulated=True
    )

    lines = drawn(figures)

    assert lines[0] == (
        "spring-shop  no run goes on, the last one ended: done  (simulated: nothing is paid)"
    )
    assert lines[2] == f"done       100% |{'█' * 40}| 5,000 of 5,000"
    assert lines[5].endswith("  31 min")


@pytest.mark.parametrize("columns", range(20, 121))
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    flow = flow_of()
    flow.errors["lost"] = "消えた画像" * 40
    figures = figures_of(flow=flow)

    lines = drawn(figures, columns=columns, rows=24)

    assert all(len(line) <= columns - 1 for line in lines if "消" not in line)
    assert all(2 * line.count("消") < columns for line in lines)
    assert any("1,852 of 5,000" in line for line in lines)


@pytest.mark.parametrize("rows", [4, 8, 12, 24])
def test_nothing_scrolls_away(rows: int) -> None:
    kinds = {f"kind_{number}": 10 - number for number in range(10)}

    assert len(drawn(figures_of(failed=kinds), rows=rows)) < rows


def test_kinds_of_failures_for_which_there_is_no_room_are_counted() -> None:
    kinds = {f"kind_{number}": 10 - number for number in range(10)}

    lines = drawn(figures_of(failed=kinds), rows=15)

    assert lines[8:12] == [
        "failed     10 kind_0",
        "           9 kind_1",
        "           8 kind_2",
        "           28 of other kinds",
    ]


def test_a_terminal_that_knows_no_more_is_drawn_on_in_ascii() -> None:
    lines = drawn(figures_of(failed={"lost": 1}, limit=None), is_plain=True)

    assert "".join(lines).replace("·", "").isascii()


def test_styles_only_where_they_are_wanted() -> None:
    assert drawn(figures_of(), has_colour=True)[0].startswith("\x1b[1mspring-shop")
    assert "\x1b" not in "".join(drawn(figures_of(), has_colour=False))


def test_a_line_for_a_log() -> None:
    assert pairs(figures_of(), now=NOW) == (
        "2026-11-22T23:41:00+01:00 spring-shop running=yes done=1852/5000 succeeded=1843 failed=9 "
        "undelivered=2 unknown=0 open=20 left=3126 per_min=12.0 usd=224.16/620.00 "
        "reserved_usd=2.40 latency_s=51.0 eta=04:03"
    )


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        pytest.param([], "", id="nothing"),
        pytest.param([0, 0], "▁▁", id="only zeros"),
        pytest.param([0, 1, 1000], "▁▂█", id="what is there is seen"),
        pytest.param([8, 4, 0], "█▅▁", id="by its share of the most"),
    ],
)
def test_numbers_as_a_row_of_bars(numbers: list[int], expected: str) -> None:
    assert spark(numbers) == expected
    assert spark(numbers, steps=PLAIN_STEPS).isascii()


def test_wide_letters_take_two_columns() -> None:
    assert cut("a消b", 2) == "a"
    assert cut("a消b", 3) == "a消"
    assert cut("a消b", 4) == "a消b"
