"""`batchgen status BATCH --watch` as a user calls it: on a terminal, and in a log."""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
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
parameters: {resolution: 0.5K}
grid: {n: {range: [30]}}
run: {concurrency: 5, budget_usd: 20}
"""
ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


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
def running(desk: Desk, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Begin a run, wait until it has sent something, and see it to its end."""
    run = subprocess.Popen(
        [*COMMAND, "run", "shots.yaml", "--quiet", *options],
        cwd=desk.folder,
        env=desk.environment,
        stdin=subprocess.DEVNULL,
    )
    try:
        journal = desk.folder / "jobs" / "shots" / "requests.csv"
        while not journal.exists() or b",submitted," not in journal.read_bytes():
            assert run.poll() is None
            time.sleep(0.02)
        yield run
        run.wait(timeout=PATIENCE_S)
    finally:
        run.kill()
        run.wait()


@contextmanager
def watching(desk: Desk, *options: str, columns: int = 100) -> Iterator[pexpect.spawn]:
    command, *rest = (*COMMAND, "status", "shots", "--watch", *options)
    child = pexpect.spawn(
        command,
        rest,
        cwd=str(desk.folder),
        env=desk.environment,
        dimensions=(24, columns),
        timeout=PATIENCE_S,
        encoding="utf-8",
    )
    try:
        yield child
    finally:
        child.close(force=True)


def ended(child: pexpect.spawn) -> tuple[list[list[str]], list[str]]:
    """Press Ctrl-C; return the pictures that were drawn, and what stands there at the end."""
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    shown = str(child.logfile_read.getvalue())
    drawn, _, rest = shown.partition(LEAVE)
    pictures = [lines(one) for one in drawn.partition(ENTER)[2].split("\x1b[H")[1:]]
    return pictures, lines(rest)


def lines(text: str) -> list[str]:
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return [line for line in re.split(r"[\r\n]+", plain) if line.strip()]


def log_of(child: pexpect.spawn) -> None:
    """Keep everything that is written from now on."""
    child.logfile_read = io.StringIO()


def files_of(desk: Desk) -> dict[str, str]:
    folder = desk.folder / "jobs" / "shots"
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_on_a_terminal_it_is_drawn_anew_until_ctrl_c_and_says_that_the_run_has_ended(
    desk: Desk,
) -> None:
    with running(desk), watching(desk, "--interval", "0.2") as child:
        log_of(child)
        child.expect_exact("running since")
        child.expect_exact("no run goes on, the last one ended: done")
        before = files_of(desk)
        pictures, last = ended(child)

    assert child.exitstatus == 0
    assert len(pictures) > 5
    done = [
        int(found[1])
        for picture in pictures
        for line in picture
        if (found := re.match(r"done +\d+% .*?(\d+) of 30", line))
    ]
    assert done == sorted(done)
    assert len(set(done)) > 2
    speed = re.compile(r"images +[\d.,]+ a minute  [▁-█]+  last")
    assert any(speed.search("\n".join(picture)) for picture in pictures)
    # The terminal may have echoed the Ctrl-C.
    assert last[0].removeprefix("^C") == "shots  no run goes on, the last one ended: done"
    assert any("30 of 30" in line for line in last)
    assert any(line.startswith("latency ") for line in last)
    assert files_of(desk) == before


def test_on_a_narrow_terminal_nothing_is_wider_than_it(desk: Desk) -> None:
    with running(desk), watching(desk, "--interval", "0.2", columns=40) as child:
        log_of(child)
        child.expect_exact("no run goes on")
        pictures, _ = ended(child)

    assert pictures
    assert all(len(line) < 40 for picture in pictures for line in picture)


def test_without_colours_there_are_no_styles(desk: Desk) -> None:
    desk.call("run", "shots.yaml", "--quiet")
    plain = Desk(folder=desk.folder, environ={**desk.environ, "NO_COLOR": "1"})
    with watching(plain) as child:
        log_of(child)
        child.expect_exact("30 of 30")
        child.sendintr()
        child.expect(pexpect.EOF)

    assert not re.search(r"\x1b\[[0-9;]*m", str(child.logfile_read.getvalue()))


def test_what_needs_somebody_is_its_exit_code(desk: Desk, queue: ThreadedQueue) -> None:
    queue.script(on="run", nth=2, do="content_policy_violation")
    desk.call("run", "shots.yaml", "--quiet")
    with watching(desk) as child:
        log_of(child)
        child.expect_exact("content_policy_violation")
        _, last = ended(child)

    assert child.exitstatus == 1
    assert any(line.startswith("failed     1 content_policy_violation") for line in last)
    assert last[-1] == "More:  batchgen status shots"


def test_in_a_log_it_writes_pairs_and_ends_with_the_run(desk: Desk) -> None:
    with running(desk):
        said = desk.call("status", "shots", "--watch", "--interval", "0.5")

    assert said.code == 0, said.err
    assert "\x1b" not in said.out
    first, *_, last = said.out.splitlines()
    assert re.match(r"\S+ shots running=yes done=\d+/30 succeeded=\d+ ", first)
    assert " running=no done=30/30 succeeded=30 failed=0 " in last


def test_without_a_run_a_log_gets_one_line(desk: Desk) -> None:
    desk.call("run", "shots.yaml", "--quiet", "--limit", "2")

    said = desk.call("status", "shots", "--watch")

    assert said.code == 0
    (line,) = said.out.splitlines()
    assert (
        " running=no done=2/30 succeeded=2 failed=0 undelivered=0 unknown=0 open=0 left=28 " in line
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--watch"], "--watch takes one batch", id="no batch"),
        pytest.param(["nothing", "--watch"], "there is no batch", id="an unknown batch"),
        pytest.param(["shots", "--watch", "--json"], "do not go together", id="json"),
        pytest.param(["shots", "--watch", "--failed"], "do not go together", id="failed"),
        pytest.param(["shots", "--interval", "5"], "goes with --watch", id="an interval alone"),
        pytest.param(["shots", "--watch", "--interval", "0"], "--interval", id="no interval"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path: Path, arguments: list[str], said: str) -> None:
    answer = Desk(folder=tmp_path).call("status", *arguments)

    assert answer.code == 2
    assert said in answer.err
