"""`batchgen plan` as a user calls it."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pexpect
import pytest
from support.command import COMMAND, Desk, Said

DATA = Path(os.environ.get("BATCHGEN_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))

ANIMALS = """\
batch: animals
prompt: "a {{ animal }} in {{ home }}"
parameters: {resolution: 0.5K}
grid:
  animal: [fox, owl]
  home: [a barn, a wood]
"""

CONTRACT_KEYS = {
    *("batch", "folder", "simulated", "jobs", "images", "succeeded", "failed", "undelivered"),
    *("unknown", "open", "left", "again", "submitted", "spent_usd", "reserved_usd"),
    *("failed_by_type", "exit_code", "reason", "cost_usd", "folded", "reasons", "warnings"),
}
REASONS = ["done", "failed", "new", "open", "retry", "undelivered", "unknown"]

# A process that opens a socket ends with 99; one that has pandas says so.
GUARD = """\
import atexit, os, sys
sys.addaudithook(lambda event, _: event == "socket.connect" and os._exit(99))
atexit.register(lambda: "pandas" in sys.modules and os._exit(98))
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(folder=tmp_path)
    desk.write("animals.yaml", ANIMALS)
    return desk


def test_the_first_line_is_the_folder_and_nothing_is_made(desk: Desk) -> None:
    said = desk.call("plan", "animals.yaml")

    folder = desk.folder / "jobs" / "animals"
    assert said.code == 0
    assert said.out.splitlines()[0] == f"animals          {folder}      new"
    assert "new                 4       0.24  never sent" in said.out
    assert said.out.splitlines()[-1] == "Run it:          batchgen run animals.yaml"
    assert said.err == ""
    assert not folder.exists()


def test_json_is_one_object_with_the_contracts_keys(desk: Desk) -> None:
    said = desk.call("plan", "animals.yaml", "--json")

    assert set(said.document) >= CONTRACT_KEYS
    assert sorted(said.document["reasons"]) == REASONS
    assert sum(said.document["reasons"].values()) == said.document["jobs"] == 4
    assert said.document["cost_usd"] == 0.24
    assert said.document["submitted"] == said.document["exit_code"] == 0
    assert said.document["next"] == "batchgen run animals.yaml"


def test_mistakes_are_named_with_their_line_in_json_too(desk: Desk) -> None:
    desk.write("broken.yaml", "prompt: a {{ fox }}\nmatrix: {fox: [1]}\n")

    spoken, written = desk.call("plan", "broken.yaml"), desk.call("plan", "broken.yaml", "--json")

    assert spoken.code == written.code == 2
    assert "broken.yaml:2" in spoken.err
    assert spoken.out == ""
    assert {mistake["line"] for mistake in written.document["errors"]} >= {2}
    assert written.document["exit_code"] == 2


def test_planning_needs_no_network_no_key_and_no_pandas(desk: Desk, tmp_path: Path) -> None:
    guard = tmp_path / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(GUARD)
    guarded = Desk(folder=desk.folder, environ={"PYTHONPATH": str(guard)})

    assert guarded.call("plan", "animals.yaml").code == 0
    assert guarded.call("run", "animals.yaml", "--dry-run").code == 0


def test_a_dry_run_shows_the_plan(desk: Desk) -> None:
    dry, plan = desk.call("run", "animals.yaml", "-n"), desk.call("plan", "animals.yaml")

    assert dry == plan


def test_a_line_for_run_can_be_planned_as_it_is(desk: Desk) -> None:
    options = ["-j", "5", "--rate", "2/s", "--budget", "0.10", "--until", "06:30", "--yes", "-v"]
    said = desk.call("plan", "animals.yaml", *options)

    assert said.code == 0
    assert "of the budget's $0.10" in said.out
    assert "batchgen run animals.yaml --concurrency 5 --rate 2/s --budget 0.10" in said.out
    assert "warning          the budget of $0.10 ends the run after about 1 of 4 jobs" in said.out


def test_an_option_that_does_not_take_its_value_says_what_it_takes(desk: Desk) -> None:
    said = desk.call("plan", "animals.yaml", "--retry", "always", "--budget", "much")

    assert said.code == 2
    assert "failed, transient, none" in said.err
    assert "--budget is 'much'" in said.err


@pytest.mark.parametrize(
    ("options", "jobs", "cost", "sends"),
    [
        pytest.param(["--limit", "1"], 4, 0.06, 1, id="a limit sends the first ones"),
        pytest.param(["--sample", "2"], 2, 0.12, 2, id="a sample is all there is"),
        pytest.param(["--sample", "50%", "--limit", "1"], 2, 0.06, 1, id="both"),
    ],
)
def test_a_part_of_a_manifest(
    desk: Desk, options: list[str], jobs: int, cost: float, sends: int
) -> None:
    found = desk.call("plan", "animals.yaml", "--json", *options).document

    assert (found["jobs"], found["cost_usd"], found["sends"]) == (jobs, cost, sends)
    assert sum(found["reasons"].values()) == jobs
    assert shlex.split(found["next"])[3:] == options, "what is planned is what is run"


@pytest.mark.parametrize("subject", ["nothing", "nothing.yaml", "."])
def test_what_is_not_there_is_said_so(desk: Desk, subject: str) -> None:
    said = desk.call("plan", subject)

    assert said.code == 2
    assert subject in said.err
    assert "Traceback" not in said.err


def test_a_job_that_cannot_be_rendered_is_listed_with_its_line(desk: Desk) -> None:
    desk.write("rows.csv", "prompt,resolution\na fox,0.5K\n,0.5K\n")

    said, found = desk.call("plan", "rows.csv"), desk.call("plan", "rows.csv", "--json").document

    assert "rows.csv:3  prompt: it is empty." in said.out
    assert (found["reasons"]["failed"], found["reasons"]["new"]) == (1, 1)
    assert found["failed_by_type"] == {"template": 1}
    assert found["cost_usd"] == 0.06


# -- a batch that has begun ------------------------------------------------------------------


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A folder in which half of the animals were drawn by the simulator."""
    desk = Desk(folder=tmp_path_factory.mktemp("begun"))
    desk.write("animals.yaml", ANIMALS)
    said = desk.call("run", "animals.yaml", "--simulate", "--sample", "2", "--quiet")
    assert said.code == 0, said.err
    return desk


def test_a_later_plan_keeps_what_is_done(begun: Desk) -> None:
    said = begun.call("plan", "animals.yaml", "--simulate")

    folder = begun.folder / "jobs" / "animals-simulated"
    first = said.out.splitlines()[0]
    assert re.fullmatch(
        rf"animals-simulated {re.escape(str(folder))}      begun \d+ \w+, \$0\.12 paid "
        r"\(simulated: nothing is paid\)",
        first,
    )
    assert "done                2             kept" in said.out
    assert "new                 2       0.12  never sent" in said.out


@pytest.mark.parametrize("subject", ["animals-simulated", "jobs/animals-simulated", "animals"])
def test_a_batch_is_planned_from_its_own_manifest_and_sample(begun: Desk, subject: str) -> None:
    simulate = ["--simulate"] if subject == "animals" else []

    said = begun.call("plan", subject, *simulate)
    whole = begun.call("plan", subject, *simulate, "--all", "--json").document

    assert said.out.splitlines()[-1] == "Nothing to do."
    assert "stays inside its sample of 2; --all lifts that." in said.err
    assert whole["reasons"] == {**dict.fromkeys(REASONS, 0), "done": 2, "new": 2}
    assert re.fullmatch(r"batchgen resume \S+ --all", whole["next"])


def test_what_was_drawn_by_the_simulator_is_not_paid_for(begun: Desk) -> None:
    found = begun.call("plan", "animals.yaml", "--json").document

    assert found["reasons"]["new"] == 4
    assert found["neighbours"] == {}


def test_an_edit_is_shown_above_the_table(begun: Desk) -> None:
    begun.write("animals.yaml", ANIMALS.replace("[fox, owl]", "[fox, owl, cat]"))

    said = begun.call("plan", "animals.yaml", "--simulate")
    begun.write("animals.yaml", ANIMALS)

    changed = next(line for line in said.out.splitlines() if line.startswith("changed"))
    assert re.search(r"since \d+ \w+: grid\.animal · kept 2 · new 4$", changed)


def test_a_run_from_elsewhere_would_buy_everything_again_and_is_stopped(begun: Desk) -> None:
    elsewhere = begun.folder / "elsewhere"
    elsewhere.mkdir(exist_ok=True)

    said = begun.call("plan", "../animals.yaml", "--simulate", folder=elsewhere)

    assert said.code == 2
    assert str(elsewhere / "jobs" / "animals-simulated") in said.err
    assert str(begun.folder / "jobs" / "animals-simulated") in said.err


# -- a terminal --------------------------------------------------------------------------------


def on_a_terminal(desk: Desk, *arguments: str) -> Said:
    command, *rest = (*COMMAND, *arguments)
    child = pexpect.spawn(
        command, rest, cwd=str(desk.folder), env=desk.environment, dimensions=(24, 100), timeout=60
    )
    child.expect(pexpect.EOF)
    child.close()
    return Said(code=child.exitstatus, out=child.before.decode(), err="")


def test_on_a_terminal_counting_much_is_shown_while_it_lasts(desk: Desk) -> None:
    numbers = "{range: [400]}"
    desk.write(
        "many.yaml", f"prompt: a {{{{ a }}}} {{{{ b }}}}\ngrid: {{a: {numbers}, b: {numbers}}}\n"
    )

    said = on_a_terminal(desk, "plan", "many.yaml")

    assert re.search(r"\rcounting [\d,]+ of 160,000 jobs", said.out)
    assert "\r      " in said.out, "the line is wiped"
    assert "counting" not in desk.call("plan", "many.yaml").err


# -- manifests as people write them --------------------------------------------------------------


@pytest.mark.skipif(not DATA.is_dir(), reason=f"there is no {DATA}: set BATCHGEN_SHARED_DATA")
@pytest.mark.parametrize(
    ("name", "jobs", "quote"),
    [
        ("1-weather-set.yaml", 20_000, 1200.00),
        ("2-shop-shots.yaml", 5000, 601.92),
        ("3-json-prompts.yaml", 40, 3.20),
        ("3b-json-text.yaml", 40, 3.20),
        ("4-campaign.yaml", 114, 13.44),
        ("5-retakes.csv", 15, 1.62),
        ("6-model-ab.yaml", 9246, 745.84),
    ],
)
def test_the_quote_of_a_real_manifest(desk: Desk, name: str, jobs: int, quote: float) -> None:
    path = str(DATA / "manifests" / name)

    found = desk.call("plan", path, "--json").document
    text = desk.call("plan", path)

    assert (found["jobs"], found["reasons"]["new"]) == (jobs, jobs)
    assert round(found["cost_usd"], 2) == quote
    assert max(map(len, text.out.splitlines()[1:-1])) <= 100
    assert text.code == 0
