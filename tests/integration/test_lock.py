"""One process at a time: held, told of, and free again whatever became of its holder."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batchgen.errors import BusyError, LedgerError
from batchgen.lock import BETWEEN_S, TRIES, Lock, is_locked, read_holder

NOW = datetime(2026, 11, 22, 21, 30, tzinfo=UTC)

PACKAGE = Path(__file__).parents[2]

HOLDS = """
import subprocess, sys
from datetime import UTC, datetime
from pathlib import Path
from batchgen.lock import Lock

with Lock(Path(sys.argv[1]), now=lambda: datetime(2026, 11, 22, 20, 0, tzinfo=UTC)):
    if sys.argv[2] == "child":
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        print(child.pid, flush=True)
    else:
        print("held", flush=True)
    sys.stdin.readline()
print("free", flush=True)
"""


@contextmanager
def holder(folder: Path, *, how: str = "alone") -> Iterator[subprocess.Popen[str]]:
    """Let another process hold the lock; it lets go when a line is sent to it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder), how],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.said = process.stdout.readline().strip()  # type: ignore[attr-defined]  # what it said first
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def patient(folder: Path) -> Lock:
    return Lock(folder, now=lambda: NOW, sleep=lambda seconds: None)


def test_the_lock_names_its_holder(tmp_path: Path) -> None:
    with patient(tmp_path):
        found = read_holder(tmp_path)

        assert found is not None
        assert (found.host, found.pid) == (platform.node(), os.getpid())
        assert found.started_at == "2026-11-22T21:30:00.000Z"


def test_a_lock_that_another_process_has_is_busy_and_says_whose_it_is(tmp_path: Path) -> None:
    with holder(tmp_path) as process, pytest.raises(BusyError) as caught, patient(tmp_path):
        pass

    text = str(caught.value)
    assert f"process {process.pid} on {platform.node()} since 2026-11-22T20:00:00.000Z" in text
    assert str(tmp_path) in text
    assert f"batchgen status {tmp_path.name}" in text
    assert f"batchgen cancel {tmp_path.name} --keep-open" in text


def test_whoever_fails_to_get_it_leaves_its_holder_named(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        before = (tmp_path / ".lock").read_bytes()

        with pytest.raises(BusyError), patient(tmp_path):
            pass

        assert (tmp_path / ".lock").read_bytes() == before
        found = read_holder(tmp_path)
        assert found is not None
        assert found.pid == process.pid


def test_the_same_process_cannot_have_it_twice(tmp_path: Path) -> None:
    with patient(tmp_path), pytest.raises(BusyError), patient(tmp_path):
        pass


def test_it_is_free_when_its_holder_lets_go_and_its_file_stays(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline() == "free\n"

        with patient(tmp_path):
            assert is_locked(tmp_path)

    assert not is_locked(tmp_path)
    assert (tmp_path / ".lock").exists()


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")
def test_it_is_free_when_its_holder_was_killed(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        assert is_locked(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait()

        assert not is_locked(tmp_path)
        with patient(tmp_path):
            found = read_holder(tmp_path)
            assert found is not None
            assert found.pid == os.getpid()


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")
def test_a_child_of_its_holder_does_not_inherit_it(tmp_path: Path) -> None:
    with holder(tmp_path, how="child") as process:
        child = int(process.said)  # type: ignore[attr-defined]  # its pid
        process.send_signal(signal.SIGKILL)
        process.wait()

        os.kill(child, 0)  # it lives on
        try:
            with patient(tmp_path):
                assert is_locked(tmp_path)
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_busy_lock_is_tried_a_few_times_and_not_for_long(tmp_path: Path) -> None:
    waits: list[float] = []
    with patient(tmp_path), pytest.raises(BusyError):
        Lock(tmp_path, now=lambda: NOW, sleep=waits.append).__enter__()

    assert waits == [BETWEEN_S] * (TRIES - 1)
    assert sum(waits) < 0.5


def test_whoever_merely_looks_whether_it_is_held_turns_nobody_away(tmp_path: Path) -> None:
    look = patient(tmp_path)  # a look holds it too, for a moment
    look.__enter__()

    with Lock(tmp_path, now=lambda: NOW, sleep=lambda _: look.__exit__(None, None, None)):
        assert is_locked(tmp_path)


def test_a_look_changes_nothing(tmp_path: Path) -> None:
    with patient(tmp_path):
        before = (tmp_path / ".lock").read_bytes()
        assert is_locked(tmp_path)

    assert not is_locked(tmp_path)
    assert (tmp_path / ".lock").read_bytes() == before


def test_a_look_at_a_batch_that_was_never_run_makes_nothing(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    assert read_holder(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"4711", id="a number"),
        pytest.param(b'{"host": "x"}', id="half of it"),
        pytest.param(b'{"host": "x", "pid": null, "started_at": 1}', id="no process"),
        pytest.param(b"\xff\xfe", id="no text"),
    ],
)
def test_a_file_that_names_nobody_is_no_obstacle(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".lock").write_bytes(content)

    assert read_holder(tmp_path) is None
    with patient(tmp_path):
        with pytest.raises(BusyError), patient(tmp_path):
            pass
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()


def test_a_folder_that_cannot_be_written_is_told_apart_from_a_busy_one(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()

    with pytest.raises(LedgerError, match="cannot write") as caught, patient(tmp_path):
        pass
    assert not isinstance(caught.value, BusyError)
