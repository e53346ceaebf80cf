"""Short storms: the command is killed again and again, and nothing is lost or paid twice.

The long ones are run by hand: tests/benchmarks/storm_long.py.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.audit import audit
from support.shop import Shop
from support.simulated_queue import SECRET, SimulatedQueue
from support.storm import FAULTS, MANIFEST, QUEUE, RUN, Storm, rage

PLAIN = Storm(jobs=80, kills=10, seed=7)
FAULTY = Storm(jobs=50, kills=2, seed=7, faults=FAULTS, with_lock=True, max_attempts=5)
CALM = Storm(jobs=5, kills=0)


@pytest.mark.timeout(300)
def test_however_often_it_is_killed_no_image_is_lost_and_none_is_paid_twice(tmp_path: Path) -> None:
    left = rage(tmp_path, PLAIN)

    assert left.account.findings == []
    assert left.kills.total() == PLAIN.kills
    assert left.account.billed == PLAIN.jobs
    assert left.account.unknown > 0, "no kill fell between a POST and its answer"


@pytest.mark.timeout(300)
def test_faults_and_a_locked_account_beside_the_kills_change_nothing(tmp_path: Path) -> None:
    left = rage(tmp_path, FAULTY)

    assert left.account.findings == []
    assert left.account.billed == FAULTY.jobs
    assert left.codes[3] == 2, "the run under which the account was locked, and the one after it"


# -- the audit itself ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished batch of five jobs; its queue has ended."""
    folder = tmp_path_factory.mktemp("finished")
    assert rage(folder, CALM).account.findings == []
    return folder


def _replace(file: str, old: str, new: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8", newline="")

    return damage


def _accept_once_more(folder: Path) -> None:
    """Let the service have taken a request of which batchgen knows nothing."""
    path = folder / "queue" / "requests.jsonl"
    events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    again = next(event for event in events if event["event"] == "accepted")
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**again, "request_id": "another"}, separators=(",", ":")) + "\n")


def _damage_an_image(folder: Path) -> None:
    image = next((folder / "jobs/storm/images").rglob("*.png"))
    image.write_bytes(image.read_bytes()[:-1])


def _swap_two_images(folder: Path) -> None:
    """Give two rows each other's files, with the right hashes."""
    path = folder / "jobs/storm/ledger.csv"
    rows = Shop(folder, SimulatedQueue(folder)).ledger()
    text = path.read_text(encoding="utf-8")
    for name in ("file", "sha256"):
        one, other = rows[0][name], rows[1][name]
        text = text.replace(one, "\0").replace(other, one).replace("\0", other)
    path.write_text(text, encoding="utf-8", newline="")


def _send_again_without_reason(folder: Path) -> None:
    """Put a second attempt behind the first, which had ended well."""
    path = folder / "jobs/storm/requests.csv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    job_id = lines[1].split(",")[1]
    again = [line.replace(f"{job_id},1,", f"{job_id},2,") for line in lines if job_id in line]
    path.write_text("".join([*lines, *again]), encoding="utf-8", newline="")


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        pytest.param(_accept_once_more, "accepted 2, on record 1", id="paid twice"),
        pytest.param(_damage_an_image, "is not the one of the row", id="damaged image"),
        pytest.param(_swap_two_images, "is not what its request made", id="swapped images"),
        pytest.param(
            _replace("jobs/storm/ledger.csv", ",succeeded,", ",undelivered,"),
            "is undelivered",
            id="undelivered image",
        ),
        pytest.param(
            _replace("jobs/storm/ledger.csv", ",0.08,", ",0.16,"),
            "the ledger $0.48",
            id="wrong bill",
        ),
        pytest.param(
            _replace("jobs/storm/requests.csv", ",submitted,", ",unknown,"),
            "completed follows unknown",
            id="impossible move",
        ),
        pytest.param(
            _send_again_without_reason, "was sent again after completed", id="sent for no reason"
        ),
        pytest.param(
            _replace("jobs/storm/run.log", "run begins", f"run begins {SECRET}"),
            "the key stands in jobs/storm/run.log",
            id="secret in the log",
        ),
    ],
)
def test_the_audit_sees(
    finished: Path, tmp_path: Path, damage: Callable[[Path], None], finding: str
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(finished, folder)
    damage(folder)
    with SimulatedQueue(folder / "queue", QUEUE) as queue:
        account = audit(Shop(folder, queue), prompts=CALM.prompts, max_attempts=3)

    assert any(finding in one for one in account.findings), account.findings


def test_the_audit_sees_nothing_wrong_where_nothing_is(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "whole"
    shutil.copytree(finished, folder)
    with SimulatedQueue(folder / "queue", QUEUE) as queue:
        account = audit(Shop(folder, queue), prompts=CALM.prompts, max_attempts=3)

    assert account.findings == []


def test_a_run_of_a_finished_batch_sends_nothing(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    shutil.copytree(finished, folder)
    with SimulatedQueue(folder / "queue", QUEUE) as queue:
        shop = Shop(folder, queue)
        shop.manifest(MANIFEST.format(places=1))
        command = shop.run(*RUN)

        assert command.code == 0
        assert queue.counts()["calls"] == {}
