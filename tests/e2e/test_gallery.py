"""`batchgen gallery`, as a user types it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.command import COMMAND, Desk
from support.counter import counter
from support.exhibition import exhibit

from batchgen.lock import Lock


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    manifest = {"batch": "zoo", "prompt": "{{ a }}", "grid": {"a": ["a fox", "an owl"]}}
    exhibit(tmp_path / "jobs" / "zoo", manifest, simulated=True)
    return Desk(folder=tmp_path)


def test_the_page_is_named_on_stdout_and_talked_of_on_stderr(desk: Desk) -> None:
    said = desk.call("gallery", "zoo")

    page = desk.folder / "jobs" / "zoo" / "gallery" / "index.html"
    assert (said.code, said.out) == (0, f"{page}\n")
    assert re.match(r"zoo: 2 images; the page takes [\d.]+ MB\.\n", said.err)
    assert "(simulated: drawn stand-ins, nothing was paid)" in said.err
    assert re.search(r'<p class="badge"\s+title=', page.read_text(encoding="utf-8"))


def test_a_script_is_told_where_it_is_and_what_it_shows(desk: Desk) -> None:
    said = desk.call("gallery", "zoo", "--share", "--json")

    told = said.document
    assert told.pop("bytes") > 1000
    folder = desk.folder / "jobs" / "zoo" / "gallery-share"
    assert told == {
        "batch": "zoo",
        "folder": str(folder),
        "page": str(folder / "index.html"),
        "simulated": True,
        "share": True,
        "images": 2,
        "holes": 0,
        "thumbnails_made": 2,
        "notes": [],
        "exit_code": 0,
    }


def test_a_batch_that_is_not_there_is_2(desk: Desk) -> None:
    said = desk.call("gallery", "zo", "--json")

    assert said.code == said.document["exit_code"] == 2
    assert "There are: zoo." in said.err


def test_a_page_is_made_while_another_process_runs_the_batch(desk: Desk) -> None:
    from datetime import UTC, datetime

    with Lock(desk.folder / "jobs" / "zoo", now=lambda: datetime(2026, 11, 22, tzinfo=UTC)):
        said = desk.call("gallery", "zoo")

    assert said.code == 0, said.err
    page = Path(said.out.strip()).read_text(encoding="utf-8")
    assert "while a run was going on" in page


def test_a_page_of_a_batch_as_it_ran(tmp_path: Path) -> None:
    with counter(tmp_path) as here:
        here.write_zoo("fox", "owl", "cat")
        assert here.call("run", "zoo.yaml", "--limit", "2").code == 0
        said = here.call("gallery", "zoo", "--json")

    assert (said.document["images"], said.document["holes"]) == (2, 1)


def test_a_browser_that_is_not_there_is_no_failure(desk: Desk) -> None:
    nowhere = Desk(folder=desk.folder, environ={"BROWSER": "no-such-browser-here"})

    said = nowhere.call("gallery", "zoo", "--open")

    assert said.code == 0, said.err
    assert COMMAND[0] not in said.err
    assert Path(said.out.strip()).exists()
