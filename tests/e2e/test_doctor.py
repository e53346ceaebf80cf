"""`batchgen doctor`, as a user types it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import Desk, Said
from support.counter import QUICK, Counter, counter
from support.simulated_queue import KEY, SECRET


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Counter]:
    with counter(tmp_path, *QUICK, "--key", KEY) as found:
        yield found


def grades(said: Said) -> dict[str, str]:
    """Return the grade of each finding, by its name."""
    return {one["name"]: one["grade"] for one in said.document["findings"]}


def keyed(here: Counter, key: str) -> Desk:
    return Desk(folder=here.desk.folder, environ={**here.desk.environ, "FAL_KEY": key})


def test_where_all_is_well_a_run_can_go(here: Counter) -> None:
    said = here.call("doctor")

    assert said.code == 0
    assert said.out.splitlines()[0] == (
        "ok       key          FAL_KEY is set, and the service takes it"
    )
    assert said.out.splitlines()[-1] == "A run can go."
    # A path is never broken.
    lines = [line for line in said.out.splitlines() if str(here.desk.folder) not in line]
    assert max(map(len, lines)) <= 100
    assert said.err == ""
    assert here.queue.counts()["accepted"] == 0


def test_everything_that_a_run_needs_is_looked_at(here: Counter) -> None:
    said = here.call("doctor", "--json")

    assert set(grades(said)) >= {
        *("key", "queue", "platform", "clock", "folder", "disk", "locks"),
        *("open files", "versions", "packages", "uvloop"),
    }
    assert said.document["exit_code"] == 0


def test_nothing_is_left_behind(here: Counter) -> None:
    before = sorted(here.desk.folder.rglob("*"))

    here.call("doctor")

    assert sorted(here.desk.folder.rglob("*")) == before


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(KEY, id="a good one"),
        pytest.param(f"other:{SECRET}", id="a wrong one"),
        pytest.param(SECRET, id="half a one"),
        pytest.param(f"{SECRET} with blanks", id="none at all"),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_key_is_never_shown(here: Counter, key: str, form: list[str]) -> None:
    said = keyed(here, key).call("doctor", *form)

    assert SECRET not in said.out + said.err


@pytest.mark.parametrize(
    ("key", "text"),
    [
        pytest.param("", "there is none", id="none"),
        pytest.param("other:key", "the service does not take it", id="a wrong one"),
        pytest.param("a b", "holds a blank", id="one with a blank"),
    ],
)
def test_a_key_with_which_no_run_could_go_is_3(here: Counter, key: str, text: str) -> None:
    said = keyed(here, key).call("doctor")

    assert said.code == 3
    assert said.out.startswith("wrong    key")
    assert text in said.out
    assert 'mend:        export FAL_KEY="id:secret"' in said.out
    assert said.out.splitlines()[-1] == "A run could not go: key."


def test_the_key_may_be_in_a_file_that_is_named(here: Counter) -> None:
    here.desk.write("key.env", f"FAL_KEY={KEY}\n")

    said = keyed(here, "").call("doctor", "--env-file", "key.env")

    assert said.code == 0
    assert "the key in key.env is set" in said.out


def test_a_service_that_is_not_there_is_3(here: Counter) -> None:
    here.queue.stop()

    said = here.call("doctor")

    assert said.code == 3
    assert f"wrong    queue        {here.queue.url} gives no answer" in said.out
    assert f"mend:        curl -I {here.queue.url}" in said.out


def test_a_folder_that_cannot_be_written_is_3(here: Counter) -> None:
    here.desk.write("jobs", "not a folder")

    said = here.call("doctor", "--json")

    assert said.code == 3
    assert grades(said)["folder"] == "wrong"


def test_warnings_alone_are_0(tmp_path: Path) -> None:
    with counter(tmp_path, platform=False) as here:
        said = here.call("doctor", "--json")

    assert said.code == 0
    assert grades(said)["platform"] == "warning"


def test_a_batch_is_looked_at_too(here: Counter) -> None:
    here.write_zoo("fox")
    here.call("run", "zoo.yaml")

    said = here.call("doctor", "zoo")

    assert said.code == 0
    assert "kept in the folder: 1 job\n" in said.out
    assert "1 job on record, $0.06 spent, $0.00 reserved" in said.out
    assert "no run is going on" in said.out


def test_a_batch_whose_journal_is_damaged_is_3(here: Counter) -> None:
    here.write_zoo("fox")
    here.call("run", "zoo.yaml")
    (here.desk.folder / "jobs" / "zoo" / "requests.csv").write_text("a,b\n", encoding="utf-8")

    said = here.call("doctor", "zoo", "--json")

    assert said.code == 3
    assert grades(said)["record"] == "wrong"


def test_a_simulated_batch_needs_neither_key_nor_network(tmp_path: Path) -> None:
    desk = Desk(folder=tmp_path, environ={"BATCHGEN_QUEUE_URL": "https://queue.invalid"})
    desk.call("init")
    desk.call("run", "shots.yaml", "--simulate", "--limit", "1")

    said = desk.call("doctor", "shots-simulated")

    assert said.code == 0
    assert "a simulated batch needs neither key nor network" in said.out


def test_a_batch_that_is_not_there_is_2(here: Counter) -> None:
    said = here.call("doctor", "zoo")

    assert (said.code, said.out) == (2, "")
    assert "there is no batch 'zoo'" in said.err
