"""A redo that is killed again and again: what was ordered is made, and bought once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from support.audit import audit
from support.shop import PATIENCE_S, Command, Shop, read_rows
from support.simulated_queue import SimulatedQueue
from support.storm import ANIMALS, MANIFEST, QUEUE

SETTLING = ("--on-unknown", "resubmit", "--unknown-after", "1", "--concurrency", "2")
REDO = ("redo", "storm", "--rejected", "picks.csv", *SETTLING)
RESUME = ("resume", "storm", *SETTLING)
LOOK_S = 0.001

# A life is over after so many seconds at the most, wherever it is.
LONGEST_S = 20.0


def reject_all(shop: Shop) -> None:
    rows = [f"{row['job_id']},{row['image_index']},rejected\n" for row in shop.ledger()]
    text = "job_id,image_index,verdict\n" + "".join(rows)
    (shop.folder / "picks.csv").write_text(text, encoding="utf-8")


def wait(command: Command, until: Callable[[], bool]) -> None:
    """Wait until something is so, or the command has ended."""
    end = time.monotonic() + LONGEST_S
    while command.code is None and not until() and time.monotonic() < end:
        time.sleep(LOOK_S)


def ordered(shop: Shop) -> list[dict[str, str]]:
    path = shop.home / "redo.csv"
    return read_rows(path) if path.exists() else []


def kill_when(shop: Shop, until: Callable[[], bool], *arguments: str) -> bool:
    """Begin a command, kill it at a moment, and say whether it was alive then."""
    command = shop.start(*arguments)
    wait(command, until)
    return command.kill()


@pytest.mark.timeout(300)
def test_a_redo_killed_between_its_lines_and_its_posts_buys_each_image_once(tmp_path: Path) -> None:
    with SimulatedQueue(tmp_path / "queue", QUEUE) as queue:
        shop = Shop(tmp_path, queue)
        shop.manifest(MANIFEST.format(places=2))
        assert shop.run("run", "m.yaml").code == 0
        reject_all(shop)
        before = queue.accepted()

        def submissions_after(count: int) -> Callable[[], bool]:
            seen = queue.seen("submit")
            return lambda: queue.seen("submit") >= seen + count

        kills = Counter[str]()
        # Before anything is read, and when its lines are there and nothing was sent.
        kills["at once"] += kill_when(shop, lambda: True, *REDO)
        assert ordered(shop) == []
        queue.misbehave(script=[{"on": "submit", "nth": "every", "do": "slow_submit"}])
        kills["ordered"] += kill_when(shop, lambda: bool(ordered(shop)), *REDO)
        assert len(ordered(shop)) == 10
        lines = (shop.home / "redo.csv").read_bytes()
        # POSTs that have arrived and are not taken; taken and not answered; just taken.
        for fault, arguments in (
            ("slow_submit", REDO),
            ("hanging_reply", RESUME),
            ("hanging_reply", REDO),
        ):
            first = queue.seen("submit") + 1
            queue.misbehave(
                clear=True, script=[{"on": "submit", "nth": f"{first}-{first + 1}", "do": fault}]
            )
            kills[fault] += kill_when(shop, submissions_after(1), *arguments)
        queue.misbehave(clear=True)
        taken = queue.accepted()
        kills["accepted"] += kill_when(shop, lambda: queue.accepted() > taken, *REDO)

        for _ in range(5):
            command = shop.start(*RESUME)
            command.process.wait(timeout=PATIENCE_S)
            if command.code == 0:
                break
        last = shop.run(*REDO)
        account = audit(shop, prompts=all_prompts() * 2, max_attempts=8)
        requests = queue.requests()

    assert kills["ordered"] == 1
    assert kills.total() >= 5, kills  # on a slow machine one may have ended by itself
    assert (shop.home / "redo.csv").read_bytes() == lines
    assert last.code == 0
    assert "redone since" in last.text
    assert account.findings == []
    assert taken_twice(requests) == []
    assert len(requests) == before + 10


def all_prompts() -> list[str]:
    return [f"{animal}, {place}" for place in range(2) for animal in ANIMALS]


def taken_twice(requests: list[dict[str, object]]) -> list[str]:
    """Return the inputs that the service has taken more than once."""
    inputs = Counter(str(request["input"]) for request in requests)
    return [text for text, count in inputs.items() if count > 1]


@pytest.mark.timeout(300)
def test_what_was_ordered_by_a_redo_that_was_killed_is_made_by_resume(tmp_path: Path) -> None:
    with SimulatedQueue(tmp_path / "queue", QUEUE) as queue:
        shop = Shop(tmp_path, queue)
        shop.manifest(MANIFEST.format(places=1))
        assert shop.run("run", "m.yaml").code == 0
        command = ("redo", "storm", "--where", "animal=a fox")
        queue.misbehave(script=[{"on": "submit", "nth": "every", "do": "slow_submit"}])

        assert kill_when(shop, lambda: bool(ordered(shop)), *command)
        queue.misbehave(clear=True)
        assert shop.run("resume", "storm", *SETTLING).code == 0

        assert len(ordered(shop)) == 1
        assert taken_twice(queue.requests()) == []
        assert Counter(row["prompt"] for row in shop.ledger())["a fox, 0"] == 2
