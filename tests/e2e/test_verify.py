"""`batchgen verify`, as a user types it; and a run whose tables are damaged or lost."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pexpect
import pytest
from support.command import COMMAND, PATIENCE_S, Desk
from support.counter import Counter, counter, until

# A queue that is not on this machine, and nowhere else either: the name can never be resolved.
NOWHERE = {"BATCHGEN_QUEUE_URL": "https://queue.invalid", "FAL_KEY": "id:secret"}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Counter]:
    with counter(tmp_path) as found:
        found.write_zoo("fox", "owl", "cat")
        assert found.call("run", "zoo.yaml").code == 0
        yield found


def batch_of(here: Counter) -> Path:
    return here.desk.folder / "jobs" / "zoo"


def ledger(here: Counter) -> list[dict[str, str]]:
    with (batch_of(here) / "ledger.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def sent(here: Counter) -> int:
    return len(here.queue.requests())


def test_a_batch_that_is_well_is_0(here: Counter) -> None:
    said = here.call("verify", "zoo")

    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[0] == f"zoo              {batch_of(here)}"
    assert re.search(
        r"checked          3 images \(0\.0 MB\), 3 rows of ledger.csv, 9 rows of", said.out
    )
    assert "cost             $0.18 in ledger.csv, $0.18 in requests.csv" in said.out
    assert "All is well." in said.out


def test_json_is_one_object_and_nothing_else(here: Counter) -> None:
    here.images()[0].unlink()

    said = here.call("verify", "zoo", "--json")

    assert (said.code, said.err) == (1, "")
    document = said.document
    assert document["findings"] == {"missing_file": 1}
    assert (document["exit_code"], document["reason"]) == (1, "1 missing_file")
    assert (document["running"], document["repair"], document["simulated"]) == (False,) * 3
    (shown,) = document["shown"]
    assert shown["file"].startswith("images/")
    assert document["next"] == ["batchgen verify zoo --repair"]


def test_a_batch_that_is_not_there_is_2(here: Counter) -> None:
    said = here.call("verify", "zo", "--json")

    assert said.code == 2
    assert "there is no batch 'zo'" in said.document["reason"]


def test_what_is_damaged_is_found_set_aside_and_fetched_free(here: Counter) -> None:
    missing, damaged, _ = here.images()
    missing.unlink()
    damaged.write_bytes(b"no image at all")
    (batch_of(here) / "images" / "notes.txt").write_text("mine", encoding="utf-8")

    found = here.call("verify", "zoo")
    repaired = here.call("verify", "zoo", "--repair")
    run = here.call("run", "zoo.yaml")
    (batch_of(here) / "images" / "notes.txt").unlink()
    well = here.call("verify", "zoo")

    assert (found.code, repaired.code, run.code, well.code) == (1, 1, 0, 0)
    for text in (
        "1 file is missing\n",
        "1 file is damaged\n",
        "1 file is named by no row: left alone\n  images/notes.txt",
        "batchgen verify zoo --repair",
    ):
        assert text in found.out
    for text in (
        "1 file is missing: mended",
        "1 file is damaged: mended",
        "2 images are made and paid, and not on disk: fetched by the next run, free",
        "kept aside       damaged/",
        "batchgen resume zoo    fetches 2 images, free",
    ):
        assert text in repaired.out
    assert sent(here) == 3
    assert missing.exists()
    assert damaged.read_bytes() != b"no image at all"


def test_a_running_batch_is_said_to_run_and_is_not_repaired(tmp_path: Path) -> None:
    with counter(tmp_path, "--seconds", "60", "--image-scale", "0.03") as here:
        here.write_zoo("fox")
        with here.started("run", "zoo.yaml") as run:
            until(lambda: ",submitted," in here.journal())

            looked = here.call("verify", "zoo")
            as_json = here.call("verify", "zoo", "--json")
            repair = here.call("verify", "zoo", "--repair")

        assert (looked.code, repair.code) == (0, 4)
        assert f"running          process {run.pid} on " in looked.out
        assert as_json.document["running"] is True
        assert "is being run by process" in repair.err


def test_a_simulated_batch_is_verified_like_any_other(tmp_path: Path) -> None:
    desk = Desk(folder=tmp_path)
    desk.write("zoo.yaml", "prompt: a fox\nparameters: {resolution: 0.5K}\n")
    desk.call("run", "zoo.yaml", "--simulate")
    (image,) = (tmp_path / "jobs" / "zoo-simulated" / "images").rglob("*.png")
    image.unlink()

    repaired = desk.call("verify", "zoo-simulated", "--repair")
    resumed = desk.call("resume", "zoo-simulated")

    assert (repaired.code, resumed.code) == (1, 0)
    assert "drawn stand-ins" in repaired.out
    assert image.exists()


# -- a ledger that is lost or was saved by a spreadsheet -----------------------------------


def lose(path: Path) -> None:
    path.unlink()


def save_as_a_spreadsheet_does(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))


def save_with_other_cells(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b",0.5K,", b",00:05,"))


@pytest.mark.parametrize(
    ("damage", "runs", "found"),
    [
        pytest.param(lose, False, "ledger_lost", id="lost"),
        pytest.param(save_as_a_spreadsheet_does, False, "ledger_resaved", id="saved elsewhere"),
        pytest.param(save_with_other_cells, True, "changed_row", id="with other cells"),
    ],
)
def test_a_ledger_is_written_again_and_nothing_is_sent(
    here: Counter, damage: Callable[[Path], None], runs: bool, found: str
) -> None:
    before = sorted(row["sha256"] for row in ledger(here))
    damage(batch_of(here) / "ledger.csv")

    refused = here.call("run", "zoo.yaml")
    looked = here.call("verify", "zoo", "--json")
    repaired = here.call("verify", "zoo", "--repair")
    run = here.call("run", "zoo.yaml", "--json")

    assert refused.code == (0 if runs else 2)
    assert runs or "--repair" in refused.err
    assert list(looked.document["findings"]) == [found]
    assert (looked.code, repaired.code, run.code) == (1, 0, 0)
    assert (run.document["submitted"], run.document["succeeded"]) == (0, 3)
    assert sent(here) == 3
    assert sorted(row["sha256"] for row in ledger(here)) == before
    assert {row["resolution"] for row in ledger(here)} == {"0.5K"}


@pytest.mark.parametrize("name", ["ledger.csv", "requests.csv"])
def test_a_foreign_file_in_a_tables_place_is_refused_and_never_touched(
    here: Counter, name: str
) -> None:
    path = batch_of(here) / name
    path.write_text("name,phone\nAnn,5\n", encoding="utf-8")

    run = here.call("run", "zoo.yaml")
    looked = here.call("verify", "zoo")
    repaired = here.call("verify", "zoo", "--repair")

    assert (run.code, looked.code, repaired.code) == (2, 1, 1)
    assert "Traceback" not in run.err + looked.err + repaired.err
    assert path.read_text(encoding="utf-8") == "name,phone\nAnn,5\n"
    assert sent(here) == 3


# -- a journal that is lost ----------------------------------------------------------------


def lose_the_journal(here: Counter, *more: str) -> None:
    """Lose the journal of three finished jobs, and ask for more."""
    (batch_of(here) / "requests.csv").unlink()
    here.write_zoo("fox", "owl", "cat", *more)


def test_a_lost_journal_is_said_to_be_lost_and_stops_every_run(here: Counter) -> None:
    lose_the_journal(here, "dog")

    run = here.call("run", "zoo.yaml")
    looked = here.call("verify", "zoo")
    repaired = here.call("verify", "zoo", "--repair")

    assert (run.code, looked.code, repaired.code) == (2, 1, 1)
    assert "requests.csv is lost, while ledger.csv has rows" in run.err
    assert "batchgen resume zoo --on-unknown resubmit" in run.err
    assert "requests.csv is lost: it cannot be written again" in looked.out
    assert sent(here) == 3


def test_only_resubmit_goes_on_and_names_each_possible_second_purchase(here: Counter) -> None:
    lose_the_journal(here, "dog", "hen")

    plan = here.call("run", "zoo.yaml", "--on-unknown", "resubmit", "-n", "--json")
    run = here.call("run", "zoo.yaml", "--on-unknown", "resubmit", "--json")
    later = here.call("run", "zoo.yaml")
    looked = here.call("verify", "zoo")

    for said in (plan, run):
        assert said.code == 0
        assert "ledger.csv settles 3 jobs." in said.err
        assert "the 2 jobs that this run sends" in said.err
        assert "possible second purchase ($0.12 in all):" in said.err
        assert re.search(r"^  [k-z]{16}  a dog$", said.err, re.MULTILINE)
        assert re.search(r"^  [k-z]{16}  a hen$", said.err, re.MULTILINE)
    assert plan.document["reasons"]["new"] == 2
    assert (run.document["submitted"], run.document["spent_usd"]) == (2, 0.30)
    assert (later.code, looked.code, sent(here)) == (0, 0, 5)
    assert "second purchase" not in later.err
    assert "note: 3 jobs are older than requests.csv, which was lost" in looked.out


def test_where_nothing_is_sent_nothing_is_bought_twice(here: Counter) -> None:
    lose_the_journal(here)

    said = here.call("run", "zoo.yaml", "--on-unknown", "resubmit")

    assert said.code == 0
    assert "It settles all that this run is about" in said.err
    assert sent(here) == 3


def test_where_it_costs_money_and_nobody_can_answer_it_ends_with_2(here: Counter) -> None:
    lose_the_journal(here, "dog")
    elsewhere = replace(here.desk, environ=NOWHERE)

    said = elsewhere.call("run", "zoo.yaml", "--on-unknown", "resubmit", "--json")

    assert said.code == 2
    assert "a possible second purchase" in said.err
    assert "add --yes" in said.err
    assert said.document["exit_code"] == 2


def test_on_a_terminal_it_asks(here: Counter) -> None:
    lose_the_journal(here, "dog")
    elsewhere = replace(here.desk, environ=NOWHERE)
    command, *rest = (*COMMAND, "run", "zoo.yaml", "--on-unknown", "resubmit")
    child = pexpect.spawn(
        command, rest, cwd=str(elsewhere.folder), env=elsewhere.environment, timeout=PATIENCE_S
    )

    child.expect_exact("Send them all the same? [y/N]")
    child.sendline("n")
    child.expect_exact("Not confirmed. Nothing was sent.")
    child.expect(pexpect.EOF)
    child.close()

    assert child.exitstatus == 2
    assert not (batch_of(here) / "requests.csv").exists()
