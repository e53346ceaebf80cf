"""`batchgen init`, as a user types it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from support.command import Desk

from batchgen.manifest import load_manifest


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(folder=tmp_path)


def test_the_starter_fits_one_screen_costs_under_a_dollar_and_loads_without_warnings(
    desk: Desk,
) -> None:
    said = desk.call("init")

    path = desk.folder / "shots.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    manifest = load_manifest(path)
    cost = sum((job.price_usd or Decimal(0) for job in manifest.jobs()), Decimal(0))
    assert said.code == 0
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert manifest.warnings == ()
    assert manifest.batch == "shots"
    assert 0 < cost < 1
    assert f"{manifest.count()} images, ${cost}" in said.err
    assert f"= {manifest.count()} images of $0.08, ${cost} in all" in lines[0]


def test_the_next_two_commands_are_said_and_work(desk: Desk) -> None:
    said = desk.call("init")

    commands = [
        line.split("    ")[0].split()[1:]
        for line in said.err.splitlines()
        if line.strip().startswith("batchgen ")
    ]
    assert [command[0] for command in commands] == ["plan", "run"]
    assert [desk.call(*command).code for command in commands] == [0, 0]
    assert len(list((desk.folder / "jobs").rglob("*.png"))) == 8


def test_what_is_there_is_not_overwritten(desk: Desk) -> None:
    mine = desk.write("shots.yaml", "prompt: mine\n")
    desk.write("shots-2.yaml", "")

    said = desk.call("init")

    assert said.code == 2
    assert "shots.yaml exists already, and nothing was written" in said.err
    assert "batchgen init shots-3.yaml" in said.err
    assert mine.read_text(encoding="utf-8") == "prompt: mine\n"


def test_another_name_stands_in_the_commands_of_the_comments_too(desk: Desk) -> None:
    (desk.folder / "my shots").mkdir()

    said = desk.call("init", "my shots/night owls.yml")

    path = desk.folder / "my shots" / "night owls.yml"
    text = path.read_text(encoding="utf-8")
    assert said.code == 0
    assert "batchgen plan 'my shots/night owls.yml'" in said.err
    assert "#   batchgen plan 'night owls.yml'" in text
    assert "jobs/night owls/images/" in text
    assert load_manifest(path).batch == "night owls"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("shots.csv", "the starter is YAML", id="a table"),
        pytest.param("shots", "such a name: shots.yaml", id="no ending"),
        pytest.param("aux.yaml", "the name of a device", id="no name for a folder"),
        pytest.param("missing/shots.yaml", "cannot be written", id="a folder that is not there"),
    ],
)
def test_a_name_that_does_not_fit_writes_nothing(desk: Desk, name: str, said: str) -> None:
    ended = desk.call("init", name)

    assert ended.code == 2
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert list(desk.folder.iterdir()) == []
