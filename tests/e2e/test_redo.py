"""`batchgen redo` as a user calls it."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest
from support.command import COMMAND, PATIENCE_S, Desk
from support.simulated_queue import KEY, SimulatedQueue

from batchgen.batch import Batch

ANIMALS = """\
batch: animals
prompt: "a {{ animal }} in {{ home }}"
parameters: {resolution: 0.5K}
grid:
  animal: [fox, owl]
  home: [a barn, a wood]
"""
QUEUE = ("--seconds", "0", "--image-scale", "0.03", "--key", KEY)

# A queue that is not on this machine, and nowhere else either: the name can never be resolved.
NOWHERE = {"BATCHGEN_QUEUE_URL": "https://queue.invalid", "FAL_KEY": "id:secret"}


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedQueue]:
    with SimulatedQueue(tmp_path_factory.mktemp("queue"), QUEUE) as served:
        yield served


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, queue: SimulatedQueue) -> Desk:
    """A desk on which four images were made."""
    environ = {
        "BATCHGEN_QUEUE_URL": queue.url,
        "BATCHGEN_PLATFORM_URL": queue.platform_url,
        "FAL_KEY": KEY,
    }
    desk = Desk(folder=tmp_path_factory.mktemp("finished"), environ=environ)
    desk.write("animals.yaml", ANIMALS)
    assert desk.call("run", "animals.yaml").code == 0
    return desk


@pytest.fixture
def desk(tmp_path: Path, finished: Desk) -> Desk:
    """The same, to be worked on."""
    shutil.copytree(finished.folder, tmp_path, dirs_exist_ok=True)
    return Desk(folder=tmp_path, environ=finished.environ)


@pytest.fixture
def bought(queue: SimulatedQueue) -> Callable[[], int]:
    """Return what tells how many requests the queue has accepted since the test began."""
    before = queue.accepted()
    return lambda: queue.accepted() - before


def ledger(desk: Desk) -> list[dict[str, str]]:
    path = desk.folder / "jobs" / "animals" / "ledger.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def redo_csv(desk: Desk) -> Path:
    return desk.folder / "jobs" / "animals" / "redo.csv"


def reject(desk: Desk, *rows: dict[str, str], separator: str = ",") -> None:
    lines = [("job_id", "image_index", "verdict")]
    lines += [(row["job_id"], row["image_index"], "rejected") for row in rows]
    text = "".join(separator.join(line) + "\r\n" for line in lines)
    (desk.folder / "picks.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())


def test_rejected_images_are_made_once_more_and_their_price_is_shown_first(
    desk: Desk, bought: Callable[[], int]
) -> None:
    rows = ledger(desk)
    reject(desk, rows[0], rows[3], separator=";")

    said = desk.call("redo", "animals", "--rejected", "picks.csv")

    assert said.code == 0, said.err
    assert said.out == ""
    plan, _, end = said.err.partition("animals: done")
    assert "redo             2 jobs once more, 2 images, with new seeds" in plan
    assert "new                 2       0.12  never sent" in plan
    assert "All 2 images are on disk" in end
    new = ledger(desk)[4:]
    assert sorted((row["prompt"], row["repeat"], row["status"]) for row in new) == sorted(
        (row["prompt"], "1", "succeeded") for row in (rows[0], rows[3])
    )
    assert all((desk.folder / "jobs/animals" / row["file"]).is_file() for row in ledger(desk))
    assert ledger(desk)[:4] == rows
    assert bought() == 2


def test_the_same_file_of_picks_buys_nothing_twice(desk: Desk, bought: Callable[[], int]) -> None:
    reject(desk, ledger(desk)[0])
    assert desk.call("redo", "animals", "--rejected", "picks.csv").code == 0

    said = desk.call("redo", "animals", "--rejected", "picks.csv")

    assert said.code == 0
    assert "was redone since" in said.err
    assert bought() == 1


def test_a_dry_run_shows_the_plan_and_leaves_no_line(desk: Desk, bought: Callable[[], int]) -> None:
    said = desk.call("redo", "animals", "--where", "home=a wood", "-n")

    assert said.code == 0
    assert "this run            2      $0.12" in said.out
    assert said.out.rstrip().endswith("batchgen redo animals --where 'home=a wood'")
    assert said.err == ""
    assert not redo_csv(desk).exists()
    assert bought() == 0


def test_a_plan_that_is_declined_leaves_no_line(desk: Desk) -> None:
    dear = desk.folder / "dear.yaml"
    dear.write_text('batch: dear\nprompt: "{{ n }}"\ngrid: {n: {range: [200]}}\n')
    assert desk.call("run", "dear.yaml", "--quiet").code == 0
    environ = {**desk.environ, **NOWHERE, "FAL_KEY": KEY}
    far = Desk(folder=desk.folder, environ=environ)

    command, *rest = (*COMMAND, "redo", "dear", "--where", "endpoint=fal-ai/nano-banana-2")
    child = pexpect.spawn(
        command, rest, cwd=str(far.folder), env=far.environment, timeout=PATIENCE_S
    )
    child.expect_exact("this run          200     $16.00")
    child.expect_exact("Spend up to $16.00 on 200 jobs? [y/N] ")
    child.sendline("n")
    child.expect_exact("Nothing was sent.")
    child.expect(pexpect.EOF)
    child.close()

    assert child.exitstatus == 2
    assert not (desk.folder / "jobs" / "dear" / "redo.csv").exists()


def test_without_a_key_nothing_is_ordered(desk: Desk) -> None:
    bare = Desk(folder=desk.folder, environ={**desk.environ, "FAL_KEY": ""})

    said = bare.call("redo", "animals", "--where", "animal=fox")

    assert said.code == 3
    assert "There is no key." in said.err
    assert not redo_csv(desk).exists()


def test_json_is_one_object_that_says_what_is_a_redo_of_what(desk: Desk) -> None:
    first, second, *_ = ledger(desk)
    ids = [first["job_id"], second["job_id"]]

    planned = desk.call("redo", "animals", "--json", "-n", "--jobs", *ids).document
    made = desk.call("redo", "animals", "--json", "--jobs", ",".join(ids)).document

    assert planned["cost_usd"] == 0.12
    assert planned["redo"] == made["redo"]
    assert [line["redo_of"] for line in made["redo"]] == ids
    assert (made["jobs"], made["succeeded"], made["exit_code"]) == (2, 2, 0)
    assert {row["job_id"] for row in ledger(desk)[4:]} == {one["job_id"] for one in made["redo"]}


def test_what_is_ordered_counts_everywhere(desk: Desk) -> None:
    desk.call("redo", "animals", "--where", "animal=fox", "--limit", "1")

    status = desk.call("status", "animals", "--json").document
    plan = desk.call("plan", "animals.yaml", "--json").document
    verified = desk.call("verify", "animals")
    rest = desk.call("redo", "animals", "--json").document
    again = desk.call("redo", "animals")
    resumed = desk.call("resume", "animals", "--json").document

    assert (status["jobs"], status["succeeded"], status["left"], status["again"]) == (6, 5, 1, 1)
    assert (plan["jobs"], plan["reasons"]["new"], plan["redo"], plan["cost_usd"]) == (6, 1, 2, 0.06)
    assert verified.code == 0, verified.out
    assert (rest["jobs"], rest["succeeded"], rest["submitted"]) == (1, 1, 1)
    assert (again.code, again.err) == (
        0,
        "animals: nothing to do. All 2 that were ordered are made.\n",
    )
    assert (resumed["jobs"], resumed["succeeded"], resumed["submitted"]) == (6, 6, 0)


def test_a_batch_that_was_run_with_a_sample_stays_inside_it(
    desk: Desk, bought: Callable[[], int]
) -> None:
    desk.write("part.yaml", ANIMALS.replace("animals", "part"))
    desk.call("run", "part.yaml", "--sample", "2")

    planned = desk.call("redo", "part", "--where", "endpoint=fal-ai/nano-banana-2", "-n")
    made = desk.call("redo", "part", "--where", "endpoint=fal-ai/nano-banana-2", "--json")
    status = desk.call("status", "part", "--json").document

    assert planned.code == 0, planned.err
    assert "2 jobs once more" in planned.out
    assert "left out" in planned.out
    assert (made.document["jobs"], made.document["succeeded"]) == (2, 2)
    assert len(made.document["left_out"]["not made"]) == 2
    assert (status["sample"], status["jobs"], status["succeeded"]) == ("2", 4, 4)
    assert bought() == 4


def test_a_job_of_several_images_is_made_once_more_as_a_whole_and_that_is_said(desk: Desk) -> None:
    text = ANIMALS.replace("animals", "trios").replace("0.5K}", "0.5K, num_images: 3}")
    desk.write("trios.yaml", text)
    desk.call("run", "trios.yaml", "--limit", "1")
    path = desk.folder / "jobs" / "trios" / "ledger.csv"
    with path.open(encoding="utf-8", newline="") as file:
        row = next(iter(csv.DictReader(file)))
    reject(desk, row)

    said = desk.call("redo", "trios", "--rejected", "picks.csv")

    assert said.code == 0, said.err
    assert "1 job once more, 3 images" in said.err
    assert "1 job asks for more than one: all of them are made once more" in said.err


def test_while_another_process_has_the_batch_nothing_is_ordered(desk: Desk) -> None:
    batch = Batch(desk.folder / "jobs" / "animals")
    with batch.lock():
        said = desk.call("redo", "animals", "--where", "animal=fox")

    assert said.code == 4
    assert "is being run by process" in said.err
    assert not redo_csv(desk).exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["nothing"], "there is no batch", id="no batch"),
        pytest.param(["animals"], "--rejected picks.csv", id="nothing chosen, nothing ordered"),
        pytest.param(["animals", "fox"], "behind --jobs", id="a word too many"),
        pytest.param(
            ["animals", "--jobs", "k" * 16, "--where", "animal=fox"],
            "do not go together",
            id="both",
        ),
        pytest.param(["animals", "--jobs", "k" * 16], "there is no job", id="an unknown job"),
        pytest.param(["animals", "--where", "animal=cat"], "There are: fox, owl", id="a value"),
        pytest.param(["animals", "--rejected", "none.csv"], "is not there", id="no picks"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_ordered(
    desk: Desk, bought: Callable[[], int], arguments: list[str], said: str
) -> None:
    answer = desk.call("redo", *arguments)

    assert answer.code == 2
    assert said in answer.err
    assert "othing was sent" in answer.err
    assert not redo_csv(desk).exists()
    assert bought() == 0


def test_a_simulated_batch_is_redone_by_its_own_simulator(tmp_path: Path) -> None:
    desk = Desk(folder=tmp_path)
    desk.write("animals.yaml", ANIMALS)
    desk.call("run", "animals.yaml", "--simulate")

    said = desk.call("redo", "animals-simulated", "--where", "animal=fox")

    assert said.code == 0, said.err
    assert "nothing was paid" in said.err
    path = desk.folder / "jobs" / "animals-simulated" / "ledger.csv"
    with path.open(encoding="utf-8", newline="") as file:
        prompts = Counter(row["prompt"] for row in csv.DictReader(file))
    assert sorted(prompts.values()) == [1, 1, 2, 2]
