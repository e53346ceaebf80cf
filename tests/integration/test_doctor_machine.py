"""What the doctor finds on this machine."""

from __future__ import annotations

from pathlib import Path

from batchgen.doctor.connection import read_key
from batchgen.doctor.finding import Grade
from batchgen.doctor.machine import check_packages, installed_version, needed_packages


def test_a_file_that_was_named_and_cannot_be_read_is_wrong(tmp_path: Path) -> None:
    service, finding = read_key({"FAL_KEY": "id:secret"}, env_file=tmp_path / "missing.env")

    assert service is None
    assert finding.stops_run
    assert "missing.env" in finding.text


def test_what_is_needed_here_is_installed_here() -> None:
    needed = needed_packages()

    assert any(one.startswith("aiohttp>=") for one in needed)
    assert not any("pytest" in one for one in needed)
    assert check_packages(needed, installed=installed_version).grade is Grade.OK
