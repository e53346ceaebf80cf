"""What a night may bring beside kills: what the command does then, and what is left to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.audit import Account, audit, find_secret
from support.shop import PATIENCE_S, Shop, detail_of
from support.simulated_queue import SimulatedQueue
from support.storm import MANIFEST, QUEUE, Storm

RUN = ("run", "m.yaml", "--unknown-after", "1", "--verbose")
RESUBMIT = ("--on-unknown", "resubmit")
JOBS = Storm(jobs=60)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[SimulatedQueue]:
    with SimulatedQueue(tmp_path / "queue", QUEUE) as queue:
        yield queue


@pytest.fixture
def shop(tmp_path: Path, queue: SimulatedQueue) -> Shop:
    shop = Shop(tmp_path, queue)
    shop.manifest(MANIFEST.format(places=JOBS.jobs // 5))
    return shop


def wait_until(is_so: Callable[[], bool], *, for_s: float = 30.0) -> None:
    end = time.monotonic() + for_s
    while not is_so():
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.005)


def states(shop: Shop) -> list[str]:
    is_there = (shop.home / "requests.csv").exists()
    return [row["state"] for row in shop.journal()] if is_there else []


def audited(shop: Shop) -> Account:
    return audit(shop, prompts=JOBS.prompts, max_attempts=3)


def request_ids(shop: Shop) -> set[str]:
    return {row["request_id"] for row in shop.journal() if row["state"] == "submitted"}


def accepted_ids(queue: SimulatedQueue) -> set[str]:
    return {request["request_id"] for request in queue.requests()}


# -- lost answers ------------------------------------------------------------------------------


def test_what_was_sent_again_goes_on_before_the_rest_of_the_run_is_done(
    shop: Shop, queue: SimulatedQueue
) -> None:
    shop.manifest(MANIFEST.format(places=1))
    queue.misbehave(
        script=[
            {"on": "submit", "nth": 1, "do": "lost_post"},
            {"on": "run", "nth": "1-4", "do": "stuck"},
        ]
    )
    command = shop.start(*RUN, *RESUBMIT)
    try:
        wait_until(lambda: queue.accepted() == 5, for_s=15.0)
        wait_until(lambda: "completed" in states(shop))
    finally:
        command.kill()

    assert "not in the history" in [detail_of(row).get("reason") for row in shop.journal()]


def test_an_unknown_whose_ledger_row_a_crash_has_swallowed_is_shown_by_the_next_run(
    shop: Shop, queue: SimulatedQueue
) -> None:
    shop.manifest(MANIFEST.format(places=1))
    queue.misbehave(script=[{"on": "submit", "nth": 1, "do": "lost_post"}])
    assert shop.run(*RUN).code == 1
    path = shop.home / "ledger.csv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if ",unknown," not in line), encoding="utf-8")

    assert shop.run(*RUN).code == 1

    assert sorted(row["status"] for row in shop.ledger()) == ["succeeded"] * 4 + ["unknown"]


# -- money ---------------------------------------------------------------------------------------


def test_a_budget_needs_a_price_and_keeps_to_the_one_that_is_given(tmp_path: Path) -> None:
    with SimulatedQueue(tmp_path / "queue", (*QUEUE, "--endpoint", "acme/painter")) as queue:
        shop = Shop(tmp_path, queue)
        shop.manifest("endpoint: acme/painter\n" + MANIFEST.format(places=1))

        refused = shop.run(*RUN, "--budget", "1")
        calls = queue.counts()["calls"]
        priced = shop.run(*RUN, "--budget", "1", "--price", "0.40", "--json")

        assert refused.code == 2
        assert "acme/painter" in refused.text
        assert "--price USD" in refused.text
        assert calls == {}
        assert priced.code == 3
        assert queue.accepted() == 2
        assert '"spent_usd": 0.8' in priced.text


# -- closed streams ----------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows closes no stream for a child")
@pytest.mark.parametrize("numbers", [(0,), (0, 2), (0, 1, 2)], ids=str)
def test_a_run_whose_parent_has_closed_its_streams_ends_as_any_other(
    shop: Shop, queue: SimulatedQueue, numbers: tuple[int, ...]
) -> None:
    shop.manifest(MANIFEST.format(places=1))
    closing = "".join(f"os.close({number}); " for number in numbers)
    code = f"import os, sys; {closing}os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"

    command = shop.start("-m", "batchgen", *RUN, program=("-c", code))

    assert command.process.wait(timeout=PATIENCE_S) == 0
    assert queue.accepted() == 5


# -- the disk ------------------------------------------------------------------------------------


def test_a_second_writer_that_no_lock_has_stopped_ends_the_run_and_nothing_further_is_sent(
    shop: Shop, queue: SimulatedQueue
) -> None:
    journal = shop.home / "requests.csv"
    command = shop.start(*RUN, "-j", "5")
    wait_until(lambda: queue.accepted() >= 20)
    with journal.open("a", encoding="utf-8") as file:
        file.write("somebody else was here\n")

    assert command.process.wait(timeout=PATIENCE_S) == 3
    assert "another program writes to it" in command.text
    left_over = journal.read_bytes()
    accepted = queue.accepted()
    assert accepted < JOBS.jobs
    unrecorded = accepted_ids(queue) - request_ids(shop)
    assert all(request_id in command.text for request_id in unrecorded)

    refused = shop.run(*RUN)
    assert refused.code == 2
    assert (journal.read_bytes(), queue.accepted()) == (left_over, accepted)

    journal.write_bytes(left_over.replace(b"somebody else was here\n", b""))
    assert shop.run(*RUN, *RESUBMIT).code == 0
    assert audited(shop).findings == []


@pytest.mark.skipif(os.name == "nt", reason="Windows replaces no file that is open")
def test_a_journal_that_an_older_copy_takes_the_place_of_is_kept_and_nothing_is_bought_twice(
    shop: Shop, queue: SimulatedQueue
) -> None:
    journal, kept = shop.home / "requests.csv", shop.home / "requests.kept.csv"
    command = shop.start(*RUN, "-j", "5")
    wait_until(lambda: queue.accepted() >= 5)
    copy = shop.home / "copy"
    copy.write_bytes(journal.read_bytes().partition(b"\n")[0] + b"\n")
    wait_until(lambda: queue.accepted() >= 20)
    copy.replace(journal)

    assert command.process.wait(timeout=PATIENCE_S) == 3
    assert f"is in {kept.name}" in command.text
    accepted = queue.accepted()
    assert accepted < JOBS.jobs

    refused = shop.run(*RUN, *RESUBMIT)
    assert (refused.code, queue.accepted()) == (2, accepted)
    assert f"mv {kept}" in refused.text

    kept.replace(journal)
    assert shop.run(*RUN, *RESUBMIT).code == 0
    assert audited(shop).findings == []
    assert queue.accepted() == JOBS.jobs


@pytest.mark.skipif(os.name == "nt", reason="Windows moves no folder with open files")
def test_a_folder_that_is_moved_away_ends_the_run_and_goes_on_from_where_it_is_now(
    shop: Shop, queue: SimulatedQueue
) -> None:
    command = shop.start(*RUN, "-j", "5")
    wait_until(lambda: queue.accepted() >= 20)
    elsewhere = shop.home.with_name("elsewhere")
    shop.home.rename(elsewhere)

    assert command.process.wait(timeout=PATIENCE_S) == 3
    assert "Traceback" not in command.text
    assert not (shop.home / "requests.csv").exists()
    accepted = queue.accepted()
    assert accepted < JOBS.jobs

    shutil.rmtree(shop.home, ignore_errors=True)
    elsewhere.rename(shop.home)
    assert shop.run(*RUN, *RESUBMIT).code == 0
    assert audited(shop).findings == []


@pytest.mark.parametrize(
    "name", [pytest.param("requests.csv", id="journal"), pytest.param("ledger.csv", id="ledger")]
)
def test_a_file_that_an_editor_saves_during_a_run_ends_it_and_no_id_is_lost(
    shop: Shop, queue: SimulatedQueue, name: str
) -> None:
    path = shop.home / name
    command = shop.start(*RUN, "-j", "5")
    wait_until(lambda: queue.accepted() >= 20)
    saved = path.with_name("saved")
    saved.write_bytes(path.read_bytes())
    saved.replace(path)

    assert command.process.wait(timeout=PATIENCE_S) == 3
    assert f"{name} was taken away, or replaced" in command.text
    assert "Nothing further is sent.\n" in command.text
    assert queue.accepted() < JOBS.jobs
    unrecorded = accepted_ids(queue) - request_ids(shop)
    assert all(f"={request_id}" in command.text for request_id in unrecorded)

    if name == "requests.csv":
        stopped_at = queue.accepted()
        refused = shop.run(*RUN)
        assert (refused.code, queue.accepted()) == (2, stopped_at)
        assert "mv " in refused.text
        path.with_name("requests.kept.csv").replace(path)
    assert shop.run(*RUN, *RESUBMIT).code == 0
    assert audited(shop).findings == []


@pytest.fixture
def small_disk(shop: Shop) -> Iterator[Path]:
    """The place where batches live, on a file system of its own that 60 MB fill."""
    folder = shop.folder / "jobs"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or not sys.platform.startswith("linux"):
        pytest.skip("a small file system is made with Linux's mount")
    mounted = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=60m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Use up a disk to its last byte, and return the file that does."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            with suppress(OSError):
                while True:
                    file.write(b"x" * size)
    return ballast


@pytest.mark.parametrize("sent", [1, 20, 40])
def test_on_a_disk_that_another_program_fills_up_every_answered_post_is_on_record(
    shop: Shop, queue: SimulatedQueue, small_disk: Path, sent: int
) -> None:
    command = shop.start(*RUN)
    wait_until(lambda: queue.accepted() >= sent)
    ballast = fill(small_disk)

    assert command.process.wait(timeout=PATIENCE_S) == 3
    assert "No space left on device" in command.text or "the disk is full" in command.text
    stopped_at = queue.accepted()
    assert stopped_at < JOBS.jobs
    assert request_ids(shop) == accepted_ids(queue)

    assert shop.run(*RUN).code == 3, "as long as the disk is full"
    assert queue.accepted() == stopped_at

    ballast.unlink()
    assert shop.run(*RUN).code == 0
    assert audited(shop).findings == []


# Runs batchgen in a process whose files may not grow any more from the tenth POST on, the journal
# among them: other than on a full disk, no reserve helps.
LIMITED = """
import pathlib
import resource
import batchgen.worker
from batchgen.cli import main
real, sent = batchgen.worker.encode_input, []
def limited(value):
    sent.append(value)
    if len(sent) == 10:
        size = pathlib.Path("jobs/storm/requests.csv").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return real(value)
batchgen.worker.encode_input = limited
main()
"""


def test_ids_that_the_disk_does_not_take_at_all_are_said_and_found_again(
    shop: Shop, queue: SimulatedQueue
) -> None:
    driver = shop.folder / "driver.py"
    driver.write_text(LIMITED)
    command = shop.start(*RUN, "-j", "8", program=(str(driver),))

    assert command.process.wait(timeout=PATIENCE_S) == 3
    unrecorded = accepted_ids(queue) - request_ids(shop)
    assert 0 < queue.accepted() < JOBS.jobs
    assert all(f"={request_id}" in command.text for request_id in unrecorded)

    assert shop.run(*RUN, *RESUBMIT).code == 0
    assert audited(shop).findings == []


# -- the key -------------------------------------------------------------------------------------

# Runs batchgen with a mistake of our own in the middle of it, so that it ends with a traceback.
MISTAKEN = """
import batchgen.worker
from batchgen.cli import main
real = batchgen.worker.encode_input
def mistaken(value):
    if "3" in value["prompt"]:
        raise RuntimeError("a mistake of ours")
    return real(value)
batchgen.worker.encode_input = mistaken
main()
"""


def test_a_traceback_does_not_hold_the_key(shop: Shop) -> None:
    driver = shop.folder / "driver.py"
    driver.write_text(MISTAKEN)
    command = shop.start(*RUN, "--json", program=(str(driver),))
    command.process.wait(timeout=PATIENCE_S)

    assert "Traceback" in command.text
    assert "a mistake of ours" in (shop.home / "run.log").read_text(encoding="utf-8")
    assert list(find_secret(shop.folder)) == []


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"on": "submit", "nth": 3, "do": "submit_401"}, id="wrong key at a POST"),
        pytest.param({"on": "submit", "nth": 3, "do": "submit_redirect"}, id="redirect"),
        pytest.param({"on": "submit", "nth": 3, "do": "foreign_urls"}, id="foreign addresses"),
        pytest.param({"on": "status", "nth": 3, "do": "status_redirect"}, id="redirected read"),
        pytest.param({"on": "history", "nth": "every", "do": "history_401"}, id="history"),
    ],
)
def test_the_key_is_in_no_file_and_no_output_and_goes_nowhere_else(
    shop: Shop, queue: SimulatedQueue, fault: dict[str, object]
) -> None:
    shop.manifest(MANIFEST.format(places=2))
    queue.misbehave(script=[fault, {"on": "submit", "nth": 1, "do": "lost_reply"}])

    for arguments in ((*RUN, "--json"), ("status", "storm", "--json"), ("reconcile", "storm")):
        shop.run(*arguments)

    assert list(find_secret(shop.folder)) == []
    counts = queue.counts()
    assert counts["seen_authorization_on_images"] == counts["seen_authorization_on_landings"] == 0
