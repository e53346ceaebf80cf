"""What `run` asks on a terminal, and what it does where nobody can answer."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest
from support.command import COMMAND, PATIENCE_S, Desk, Said

# A queue that is not on this machine, and nowhere else either: the name can never be resolved.
NOWHERE = {"BATCHGEN_QUEUE_URL": "https://queue.invalid", "FAL_KEY": "id:secret"}

# 200 jobs for $12.
MANY = """\
batch: many
prompt: "number {{ number }}"
parameters: {resolution: 0.5K}
grid: {number: {range: [200]}}
"""

FOUR = """\
batch: animals
prompt: "a {{ animal }}"
parameters: {resolution: 0.5K}
grid: {animal: [fox, owl, cat, dog]}
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(folder=tmp_path, environ=NOWHERE)
    desk.write("many.yaml", MANY)
    return desk


@contextmanager
def terminal(desk: Desk, *arguments: str) -> Iterator[pexpect.spawn]:
    """Call a command on a terminal; it is ended behind the context."""
    command, *rest = (*COMMAND, *arguments)
    child = pexpect.spawn(
        command, rest, cwd=str(desk.folder), env=desk.environment, timeout=PATIENCE_S
    )
    try:
        yield child
    finally:
        child.close(force=True)


def answered(desk: Desk, *arguments: str, question: str, answer: str) -> Said:
    """Answer one question, and return what the command came to."""
    with terminal(desk, *arguments) as child:
        child.expect_exact(question)
        asked = child.before.decode()
        child.sendline(answer)
        child.expect(pexpect.EOF)
        said = child.before.decode()
    return Said(code=child.exitstatus, out=asked, err=said)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, "it has not begun"
        time.sleep(0.05)


def frozen(desk: Desk, batch: str) -> int:
    """Return which manifest of a batch is current, counted from 1; 0 before the first."""
    try:
        state = json.loads((desk.folder / "jobs" / batch / "batch.json").read_text())
    except FileNotFoundError:
        return 0
    return state["frozen"]["number"] if state["frozen"] else 0


# -- much money ------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["n", "", "perhaps"])
def test_a_person_is_asked_before_much_is_spent_and_no_means_nothing_happens(
    desk: Desk, answer: str
) -> None:
    said = answered(
        desk, "run", "many.yaml", question="Spend up to $12.00 on 200 jobs? [y/N]", answer=answer
    )

    assert said.code == 2
    assert "Nothing was sent." in said.err
    assert not (desk.folder / "jobs").exists()


def test_yes_lets_it_begin(desk: Desk) -> None:
    with terminal(desk, "run", "many.yaml") as child:
        child.expect_exact("Spend up to $12.00 on 200 jobs? [y/N]")
        assert frozen(desk, "many") == 0
        child.sendline("y")
        wait_for(lambda: frozen(desk, "many") == 1)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--yes"], id="--yes"),
        pytest.param(["--limit", "100"], id="a limit"),
        pytest.param(["--sample", "50%"], id="a sample"),
        pytest.param(["--budget", "10"], id="a small budget"),
    ],
)
def test_nothing_is_asked_where_not_much_can_be_spent_or_it_was_answered(
    desk: Desk, options: list[str]
) -> None:
    with terminal(desk, "run", "many.yaml", *options):
        wait_for(lambda: frozen(desk, "many") == 1)


def test_a_budget_bounds_the_question(desk: Desk) -> None:
    said = answered(
        desk,
        *("run", "many.yaml", "--budget", "11"),
        question="Spend up to $11.00, the rest of the budget, on some of 200 jobs",
        answer="n",
    )

    assert said.code == 2


def test_a_price_that_nobody_knows_is_asked_about(desk: Desk) -> None:
    desk.write("many.yaml", MANY + "endpoint: acme/painter\n")

    said = answered(
        desk,
        *("run", "many.yaml"),
        question="Send 200 jobs whose price is not known? [y/N]",
        answer="n",
    )

    assert said.code == 2


def test_without_a_terminal_the_budget_is_the_guard_and_nothing_waits(desk: Desk) -> None:
    with subprocess.Popen(
        [*COMMAND, "run", "many.yaml"],
        cwd=desk.folder,
        env=desk.environment,
        stdin=subprocess.PIPE,  # open, and nobody writes
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_for(lambda: frozen(desk, "many") == 1)
        finally:
            process.kill()


# -- images that were paid for ---------------------------------------------------------------------


@contextmanager
def queue() -> Iterator[str]:
    """Serve a queue on loopback and return its URL."""
    command = [*COMMAND, "simulate", "--port", "0", "--json", "--seconds", "0"]
    with subprocess.Popen(
        [*command, "--image-scale", "0.05", "--die-with-stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline())["url"]
        finally:
            server.stdin.close()
            server.wait(PATIENCE_S)


@pytest.fixture
def paid(desk: Desk) -> Desk:
    """A desk with a batch that has paid for four animals."""
    desk.write("animals.yaml", FOUR)
    with queue() as url:
        there = Desk(folder=desk.folder, environ={**NOWHERE, "BATCHGEN_QUEUE_URL": url})
        said = there.call("run", "animals.yaml", "--quiet")
    assert said.code == 0, said.err
    return desk


def edit(desk: Desk, old: str, new: str) -> None:
    desk.write("animals.yaml", FOUR.replace(old, new))


LEFT = """\
This run keeps none of the 4 images that the batch has paid for ($0.24): prompt has changed in every
job.
It would make 4 new ones for $0.24.
  It is meant:              add --yes
  Keep the two apart:       give it another name (batch: in the manifest)
  Go on as it was:          batchgen resume animals       (the manifest of """


def test_without_a_terminal_an_edit_that_leaves_most_behind_ends_the_command(paid: Desk) -> None:
    edit(paid, "a {{", "the {{")

    said = paid.call("run", "animals.yaml")

    assert said.code == 2
    assert LEFT in said.err
    assert said.err.endswith("is kept)\nNothing was sent.\n")
    assert frozen(paid, "animals") == 1


def test_on_a_terminal_it_is_asked_and_no_keeps_the_batch_as_it_was(paid: Desk) -> None:
    edit(paid, "a {{", "the {{")

    said = answered(paid, "run", "animals.yaml", question="Go on all the same? [y/N]", answer="n")

    assert said.code == 2
    assert LEFT in said.out.replace("\r\n", "\n")
    assert "Nothing was sent." in said.err
    assert frozen(paid, "animals") == 1


def test_on_a_terminal_yes_goes_on(paid: Desk) -> None:
    edit(paid, "a {{", "the {{")

    with terminal(paid, "run", "animals.yaml") as child:
        child.expect_exact("Go on all the same? [y/N]")
        child.sendline("yes")
        wait_for(lambda: frozen(paid, "animals") == 2)


@pytest.mark.parametrize(
    ("old", "new", "options"),
    [
        pytest.param("a {{", "the {{", ["--yes"], id="--yes"),
        pytest.param("[fox, owl, cat, dog]", "[fox, owl, hen]", [], id="half is kept"),
        pytest.param("[fox, owl, cat, dog]", "[fox, owl, cat, dog, hen]", [], id="a value more"),
        pytest.param("grid:", "# animals\ngrid:", [], id="a comment"),
    ],
)
def test_what_keeps_half_or_was_answered_goes_on_without_a_question(
    paid: Desk, old: str, new: str, options: list[str]
) -> None:
    edit(paid, old, new)

    with terminal(paid, "run", "animals.yaml", *options):
        wait_for(lambda: frozen(paid, "animals") == 2)


def test_a_part_of_the_manifest_leaves_nothing_behind(paid: Desk) -> None:
    edit(paid, "grid:", "# animals\ngrid:")

    with terminal(paid, "run", "animals.yaml", "--sample", "1"):
        wait_for(lambda: frozen(paid, "animals") == 2)


def test_nothing_is_asked_of_a_queue_on_loopback_or_a_simulated_batch(paid: Desk) -> None:
    edit(paid, "a {{", "the {{")

    with queue() as url:
        there = Desk(folder=paid.folder, environ={**NOWHERE, "BATCHGEN_QUEUE_URL": url})
        assert there.call("run", "animals.yaml", "--quiet").code == 0
    assert frozen(paid, "animals") == 2
    assert paid.call("run", "animals.yaml", "--simulate", "--quiet").code == 0
    edit(paid, "a {{", "one {{")
    assert paid.call("run", "animals.yaml", "--simulate", "--quiet").code == 0


def test_ctrl_c_at_a_question_is_a_no(desk: Desk) -> None:
    with terminal(desk, "run", "many.yaml") as child:
        child.expect_exact("[y/N]")
        child.kill(signal.SIGINT)
        child.expect(pexpect.EOF)

    assert child.exitstatus == 130
    assert not (desk.folder / "jobs").exists()
