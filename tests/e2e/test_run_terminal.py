"""A run on a terminal: the line that shows it, Ctrl-C, colours, and a window that is closed."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest
from support.command import COMMAND, PATIENCE_S, Desk
from support.threaded_queue import ThreadedQueue

SHOTS = """\
batch: shots
prompt: "shot {{ n }}"
grid: {n: {range: [20]}}
run: {concurrency: 5, budget_usd: 20}
"""


@pytest.fixture
def queue() -> Iterator[ThreadedQueue]:
    with ThreadedQueue(settings={"seconds": 0.4}) as queue:
        yield queue


@pytest.fixture
def desk(tmp_path: Path, queue: ThreadedQueue) -> Desk:
    desk = queue.desk(tmp_path, TERM="xterm-256color")
    desk.write("shots.yaml", SHOTS)
    return desk


@contextmanager
def terminal(desk: Desk, *options: str, columns: int = 100) -> Iterator[pexpect.spawn]:
    """Run on a terminal of that width; it is ended behind the context."""
    command, *rest = (*COMMAND, "run", "shots.yaml", *options)
    child = pexpect.spawn(
        command,
        rest,
        cwd=str(desk.folder),
        env=desk.environment,
        dimensions=(40, columns),
        timeout=PATIENCE_S,
        encoding="utf-8",
    )
    try:
        yield child
    finally:
        child.close(force=True)


def ended(child: pexpect.spawn) -> str:
    """Wait for the end and return everything that was written."""
    child.expect(pexpect.EOF)
    child.close()
    return str(child.before)


def lines(said: str) -> list[str]:
    """Return what stood on the terminal's lines one after the other, without styles."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", said)
    return [line.rstrip() for line in re.split(r"[\r\n]+", plain) if line.strip()]


def test_the_line_shows_the_run_as_it_goes(desk: Desk) -> None:
    with terminal(desk) as child:
        said = ended(child)

    drawn = [line for line in lines(said) if line.startswith("shots ") and " open" in line]
    assert child.exitstatus == 0
    assert len(drawn) > 3
    assert any(
        re.fullmatch(
            r"shots +\d+%\|[ ▏▎▍▌▋▊▉█]{20}\| \d+/20  \d open( \(\d queued\))?  [\d.]+/min  "
            r"\$\d\.\d\d/20\.00  ~\d\d:\d\d",
            line,
        )
        for line in drawn
    )
    assert max(map(len, drawn)) < 100
    assert lines(said)[-3].startswith("shots: done at ")


def test_on_a_narrow_terminal_the_bar_goes_first(desk: Desk) -> None:
    with terminal(desk, columns=60) as child:
        said = ended(child)

    drawn = [line for line in lines(said) if re.match(r"shots +\d+%", line)]
    assert max(map(len, drawn)) < 60
    assert any(
        re.fullmatch(r"shots +\d+%  \d+/20  5 open.*  \$\d\.\d\d/20\.00  ~\d\d:\d\d", line)
        for line in drawn
    )


def test_a_failure_is_said_above_the_line_and_the_line_goes_on(
    desk: Desk, queue: ThreadedQueue
) -> None:
    queue.script(on="run", nth=3, do="content_policy_violation")

    with terminal(desk) as child:
        said = lines(ended(child))

    place = next(n for n, line in enumerate(said) if "(first of this kind)" in line)
    assert said[place].startswith(
        'content_policy_violation (first of this kind): shots.yaml:3 "shot'
    )
    assert any(" open" in line and "1 failed" in line for line in said[place:])
    assert child.exitstatus == 1


def test_the_name_stands_out_and_no_color_is_honoured(desk: Desk) -> None:
    with terminal(desk, "--limit", "1") as child:
        coloured = ended(child)
    desk.environ["NO_COLOR"] = "1"
    with terminal(desk, "--limit", "1") as child:
        plain = ended(child)

    assert "\x1b[1mshots\x1b[0m: done" in coloured
    assert "\x1b[1m" not in plain
    assert "shots: done" in plain


def test_where_there_is_no_terminal_nothing_is_styled(desk: Desk) -> None:
    said = desk.call("run", "shots.yaml", "--limit", "1")

    assert "\x1b" not in said.err
    assert "\r" not in said.err


def test_ctrl_c_says_what_it_does_and_a_second_one_too(desk: Desk, queue: ThreadedQueue) -> None:
    queue.script(on="run", nth="every", do="stuck")

    with terminal(desk) as child:
        child.expect(r"5 open")
        child.sendcontrol("c")
        child.expect_exact("Ctrl-C again leaves them for the next run.")
        child.expect(r"interrupted: reading the 5 open ones")
        child.sendcontrol("c")
        said = lines(ended(child))

    assert child.exitstatus == 130
    assert "Leaving what is open for the next run; it is on record." in said
    assert said[-1] == "  Go on:  batchgen run shots.yaml"


def test_why_it_does_not_go_at_full_speed_is_shown(desk: Desk, queue: ThreadedQueue) -> None:
    queue.script(on="submit", nth="4-6", do="throttled_seconds")

    with terminal(desk) as child:
        child.expect(r"slowed by 429: \d open of 5")
        said = ended(child)

    assert child.exitstatus == 0
    assert "20 images are on disk" in said


def test_a_window_that_is_closed_loses_nothing(desk: Desk, queue: ThreadedQueue) -> None:
    with terminal(desk) as child:
        child.expect(r"[1-9]\d?/20  5 open")
        child.ptyproc.fileobj.close()  # the terminal is gone; the system sends a SIGHUP
        child.ptyproc.closed = child.closed = True
        end = time.monotonic() + PATIENCE_S
        while child.isalive():
            assert time.monotonic() < end, "it does not end"
            time.sleep(0.05)

    accepted = queue.accepted
    with (desk.folder / "jobs/shots/ledger.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["succeeded"] * accepted
    said = desk.call("run", "shots.yaml")
    assert said.code == 0
    assert queue.accepted == 20
    assert queue.accepted_most == 1
