"""What the doctor finds where batches live; nothing of it stays behind."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batchgen.doctor.finding import Grade
from batchgen.doctor.storage import (
    FEW_BYTES,
    LEAST_BYTES,
    check_file_system,
    check_folder,
    check_locks,
    check_space,
    free_bytes,
    read_mounts,
)


def ticking(step_s: float) -> Callable[[], float]:
    """Return a clock that goes on by so many seconds each time it is looked at."""
    times = itertools.count()
    return lambda: next(times) * step_s


def test_a_folder_that_can_be_written_is_fine_and_stays_empty(tmp_path: Path) -> None:
    finding = check_folder(tmp_path, monotonic=ticking(0.002))

    assert finding.grade is Grade.OK
    assert "a sync takes 2.0 ms" in finding.text
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_yet_is_looked_for_above(tmp_path: Path) -> None:
    finding = check_folder(tmp_path / "jobs", monotonic=ticking(0.002))

    assert finding.grade is Grade.OK
    assert f"it will be made in {tmp_path}" in finding.text
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_syncs_slowly_is_a_warning(tmp_path: Path) -> None:
    finding = check_folder(tmp_path, monotonic=ticking(0.25))

    assert finding.grade is Grade.WARNING
    assert "--jobs-dir" in finding.mend


def test_a_folder_that_is_a_file_stops_a_run(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("", encoding="utf-8")

    finding = check_folder(tmp_path / "jobs", monotonic=ticking(0.002))

    assert finding.stops_run
    assert "cannot be written" in finding.text


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_folder_that_is_read_only_stops_a_run(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir(mode=0o555)

    finding = check_folder(tmp_path / "jobs", monotonic=ticking(0.002))

    assert finding.stops_run
    assert "chmod u+rwx" in finding.mend


@pytest.mark.parametrize(
    ("room", "grade", "stops"),
    [
        pytest.param(FEW_BYTES, Grade.OK, False, id="enough"),
        pytest.param(FEW_BYTES - 1, Grade.WARNING, False, id="little"),
        pytest.param(LEAST_BYTES - 1, Grade.WRONG, True, id="too little for a run"),
    ],
)
def test_room_on_the_disk(tmp_path: Path, room: int, grade: Grade, stops: bool) -> None:
    finding = check_space(tmp_path / "not" / "yet", free=lambda folder: room)

    assert (finding.grade, finding.stops_run) == (grade, stops)


def test_the_room_of_this_disk_can_be_told(tmp_path: Path) -> None:
    assert "GB free" in check_space(tmp_path, free=free_bytes).text


def test_locks_are_tried_and_the_trial_leaves_nothing(tmp_path: Path) -> None:
    finding = check_locks(tmp_path, now=lambda: datetime.now(UTC))

    assert finding.grade is Grade.OK
    assert list(tmp_path.iterdir()) == []


def mounted(*mounts: tuple[Path | str, str]) -> str:
    """Return mounts as Linux tells them."""
    return "".join(_line(number, str(point), kind) for number, (point, kind) in enumerate(mounts))


def _line(number: int, point: str, kind: str) -> str:
    escaped = point.replace(" ", r"\040")
    return f"{number} 1 0:{number} / {escaped} rw,relatime shared:1 - {kind} source rw\n"


@pytest.mark.parametrize(
    ("kind", "grade"),
    [
        pytest.param("ext4", Grade.OK, id="a local disk"),
        pytest.param("nfs4", Grade.WARNING, id="NFS"),
        pytest.param("cifs", Grade.WARNING, id="a Windows share"),
        pytest.param("9p", Grade.WARNING, id="a Windows disk under WSL"),
        pytest.param("fuse.sshfs", Grade.WARNING, id="sshfs"),
    ],
)
def test_a_network_file_system_is_a_warning(tmp_path: Path, kind: str, grade: Grade) -> None:
    place = tmp_path / "my jobs"
    place.mkdir()
    mounts = mounted(("/", "ext4"), (place, kind), (tmp_path / "other", "nfs"))

    finding = check_file_system(place / "zoo", mounts)

    assert finding is not None
    assert finding.grade is grade
    assert kind in finding.text


def test_the_last_of_two_mounts_on_one_place_counts(tmp_path: Path) -> None:
    finding = check_file_system(tmp_path, mounted((tmp_path, "autofs"), (tmp_path, "nfs4")))

    assert finding is not None
    assert "nfs4" in finding.text


def test_where_nobody_knows_nothing_is_said(tmp_path: Path) -> None:
    assert check_file_system(tmp_path, "") is None


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="only Linux tells")
def test_this_file_system_is_known(tmp_path: Path) -> None:
    assert check_file_system(tmp_path, read_mounts()) is not None
