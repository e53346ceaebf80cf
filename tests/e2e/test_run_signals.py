"""Ctrl-C, SIGTERM, SIGHUP, SIGKILL and closed pipes: whenever they come, nothing is paid twice."""

from __future__ import annotations

import csv
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import Desk
from support.threaded_queue import ThreadedQueue

from batchgen.simulator import Kind

SHOTS = """\
batch: shots
prompt: "shot {{ n }}"
grid: {n: {range: [40]}}
"""
PATIENCE_S = 60.0

# A POST that a kill has cut off may never have arrived.
SETTLE = ("--on-unknown", "resubmit", "--unknown-after", "1")


@pytest.fixture
def queue() -> Iterator[ThreadedQueue]:
    with ThreadedQueue(settings={"seconds": 0.4}) as queue:
        yield queue


@pytest.fixture
def desk(tmp_path: Path, queue: ThreadedQueue) -> Desk:
    desk = queue.desk(tmp_path)
    desk.write("shots.yaml", SHOTS)
    return desk


def start(desk: Desk, *options: str, **given: Any) -> subprocess.Popen[str]:
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **given}
    return subprocess.Popen(
        [sys.executable, "-m", "batchgen", "run", "shots.yaml", "-j", "5", *options],
        cwd=desk.folder,
        env=desk.environment,
        stdin=subprocess.DEVNULL,
        text=True,
        **given,
    )


def wait_until(is_so: Callable[[], bool], running: subprocess.Popen[str]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_so() and running.poll() is None:
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.002)


def ledger(desk: Desk) -> list[dict[str, str]]:
    with (desk.folder / "jobs/shots/ledger.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def states(desk: Desk) -> list[str]:
    with (desk.folder / "jobs/shots/requests.csv").open(encoding="utf-8", newline="") as file:
        return [row["state"] for row in csv.DictReader(file)]


def finish(desk: Desk, queue: ThreadedQueue) -> None:
    """Run to the end, and check that every job was bought once."""
    said = desk.call("run", "shots.yaml", *SETTLE)
    assert said.code == 0, said.err
    assert queue.accepted == 40
    assert queue.accepted_most == 1
    assert sorted({row["status"] for row in ledger(desk)}) == ["succeeded"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_the_first_signal_lets_what_is_open_finish(
    desk: Desk, queue: ThreadedQueue, name: str
) -> None:
    running = start(desk)
    wait_until(lambda: queue.accepted >= 7, running)
    running.send_signal(getattr(signal, name))
    _, said = running.communicate(timeout=PATIENCE_S)

    accepted = queue.accepted
    assert running.returncode == 130
    assert re.search(r"Stopping: nothing more is submitted; \d (open request|download)", said)
    assert "Ctrl-C again leaves them for the next run." in said
    assert f"{accepted} of 40 images are on disk" in said
    assert "nothing is lost.\n  Go on:  batchgen run shots.yaml" in said
    assert 7 <= accepted <= 12
    assert len(ledger(desk)) == accepted


def test_the_second_leaves_what_is_open_for_the_next_run(desk: Desk, queue: ThreadedQueue) -> None:
    queue.script(on="run", nth="every", do="stuck")
    running = start(desk)
    wait_until(lambda: queue.accepted >= 5, running)
    running.send_signal(signal.SIGINT)
    time.sleep(0.3)
    began = time.monotonic()
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=PATIENCE_S)

    assert running.returncode == 130
    assert time.monotonic() - began < 5.0
    assert "Leaving what is open for the next run; it is on record." in said
    assert "5 requests are still open at fal; the next run reads what is open first." in said
    assert states(desk).count("submitted") == 5
    queue.queue.faults.clear()
    queue.release()
    finish(desk, queue)


def test_the_third_ends_the_process_at_once(desk: Desk, queue: ThreadedQueue) -> None:
    queue.script(on="submit", nth="every", do="hanging_reply")
    running = start(desk)
    wait_until(lambda: queue.accepted >= 5, running)
    began = time.monotonic()
    for _ in range(3):
        running.send_signal(signal.SIGTERM)
        time.sleep(0.2)
    running.communicate(timeout=PATIENCE_S)

    assert running.returncode == 130
    assert time.monotonic() - began < 5.0
    queue.queue.faults.clear()
    finish(desk, queue)


def test_a_signal_before_anything_was_sent_ends_the_command(
    desk: Desk, queue: ThreadedQueue
) -> None:
    queue.script(on="status", nth="every", do="status_hang")  # the free look at the key
    running = start(desk)
    wait_until(lambda: queue.calls(Kind.STATUS) >= 1, running)
    running.send_signal(signal.SIGINT)
    time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=PATIENCE_S)

    assert running.returncode == 130
    assert "Traceback" not in said
    assert queue.accepted == 0


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_that_comes_before_the_run_has_begun_ends_the_command(
    tmp_path: Path, name: str
) -> None:
    desk = Desk(folder=tmp_path)
    desk.write("shots.yaml", SHOTS)
    running = start(desk, "--simulate")
    assert running.stderr is not None
    running.stderr.readline()  # the folder's name, before anything else happens
    running.send_signal(getattr(signal, name))
    _, said = running.communicate(timeout=PATIENCE_S)

    assert running.returncode == 130
    assert "Traceback" not in said


def test_under_nohup_a_lost_terminal_ends_nothing(desk: Desk, queue: ThreadedQueue) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    running = start(desk, preexec_fn=ignore)
    wait_until(lambda: queue.accepted >= 5, running)
    running.send_signal(signal.SIGHUP)
    running.communicate(timeout=PATIENCE_S)

    assert running.returncode == 0
    assert len(ledger(desk)) == 40


@pytest.mark.parametrize("end", ["stdout", "both"])
def test_a_pipe_that_is_closed_ends_no_run(desk: Desk, queue: ThreadedQueue, end: str) -> None:
    running = start(desk, "--json", "--verbose")
    wait_until(lambda: queue.accepted >= 3, running)
    for name in ("stdout", "stderr"):
        if end in (name, "both"):
            getattr(running, name).close()
    if end == "stdout":
        assert running.stderr is not None
        running.stderr.read()

    assert running.wait(timeout=PATIENCE_S) == 0
    assert len(ledger(desk)) == 40
    assert queue.accepted_most == 1
    for name in ("stdout", "stderr"):
        getattr(running, name).close()


def test_killed_in_the_middle_and_run_again_nothing_is_paid_twice(
    desk: Desk, queue: ThreadedQueue
) -> None:
    for accepted in (6, 23):
        running = start(desk, "--quiet")
        wait_until(lambda so_many=accepted: queue.accepted >= so_many, running)
        running.kill()
        running.communicate(timeout=PATIENCE_S)
        assert running.returncode == -signal.SIGKILL

    finish(desk, queue)


def test_interrupted_at_any_moment_and_run_again_nothing_is_paid_twice(
    desk: Desk, queue: ThreadedQueue
) -> None:
    draw = random.Random(11)
    for _ in range(3):
        running = start(desk, "--quiet")
        calls = queue.calls(Kind.SUBMIT) + queue.calls(Kind.STATUS)
        wait_until(
            lambda before=calls: queue.calls(Kind.SUBMIT) + queue.calls(Kind.STATUS) > before,
            running,
        )
        for _ in range(draw.randint(1, 3)):
            time.sleep(draw.uniform(0.0, 0.15))
            running.send_signal(signal.SIGINT)
        running.communicate(timeout=PATIENCE_S)
        assert running.returncode in (0, 130)

    finish(desk, queue)


def test_the_simulator_of_a_run_ends_with_it_however_it_ends(tmp_path: Path) -> None:
    if not Path("/proc/self").is_dir():
        pytest.skip("this system does not show its processes")
    desk = Desk(folder=tmp_path)
    desk.write("shots.yaml", SHOTS.replace("40", "6") + "parameters: {resolution: 0.5K}\n")
    running = start(desk, "--simulate", "--quiet")
    journal = tmp_path / "jobs" / "shots-simulated" / "requests.csv"
    wait_until(lambda: journal.exists() and b"submitted" in journal.read_bytes(), running)
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    running.kill()
    running.communicate(timeout=PATIENCE_S)

    assert len(children) == 1
    end = time.monotonic() + PATIENCE_S
    while is_alive(int(children[0])):
        assert time.monotonic() < end, "the simulator lives on"
        time.sleep(0.05)

    said = desk.call("run", "shots.yaml", "--simulate", "--json", *SETTLE)
    assert (said.code, said.document["succeeded"]) == (0, 6)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
