"""`batchgen run` and `resume` as a user calls them: output, exit codes, what is on disk."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import Desk
from support.simulated_queue import KEY
from support.threaded_queue import ThreadedQueue

ROOT = Path(__file__).parent.parent.parent
FOXES = """\
batch: foxes
prompt: "fox {{ n }}"
grid: {n: {range: [6]}}
"""


@pytest.fixture
def queue() -> Iterator[ThreadedQueue]:
    with ThreadedQueue() as queue:
        yield queue


@pytest.fixture
def desk(tmp_path: Path, queue: ThreadedQueue) -> Desk:
    desk = queue.desk(tmp_path)
    desk.write("foxes.yaml", FOXES)
    return desk


def ledger(desk: Desk, batch: str = "foxes") -> list[dict[str, str]]:
    path = desk.folder / "jobs" / batch / "ledger.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_quickstart_against_the_simulator(tmp_path: Path) -> None:
    desk = Desk(folder=tmp_path)

    said = desk.call("run", str(ROOT / "sample_manifests" / "quickstart.yaml"), "--simulate")

    first, *_, last = said.err.splitlines()
    home = tmp_path / "jobs" / "quickstart-simulated"
    assert (said.code, said.out) == (0, "")
    assert first == f"{home}  (new)"
    assert "All 8 images are on disk for $0.64 (quoted $0.64)." in said.err
    assert last == "  (simulated: drawn stand-ins, nothing was paid)"
    rows = ledger(desk, "quickstart-simulated")
    assert [row["status"] for row in rows] == ["succeeded"] * 8
    assert all((home / row["file"]).stat().st_size for row in rows)
    assert (tmp_path / "jobs" / "quickstart-simulated" / "images" / "paper").is_dir()


def test_a_run_and_the_same_again(desk: Desk, queue: ThreadedQueue) -> None:
    first = desk.call("run", "foxes.yaml", "--json")
    again = desk.call("run", "foxes.yaml")

    document = first.document
    keys = {
        *("batch", "folder", "simulated", "jobs", "images", "succeeded", "failed", "undelivered"),
        *("unknown", "open", "left", "again", "submitted", "spent_usd", "reserved_usd"),
        *("failed_by_type", "exit_code", "reason"),
    }
    assert first.code == document["exit_code"] == 0
    assert keys <= set(document)
    assert document["folder"] == str(desk.folder / "jobs" / "foxes")
    assert (document["jobs"], document["succeeded"], document["spent_usd"]) == (6, 6, 0.48)
    assert "foxes: done at" in first.err
    assert again.code == 0
    assert re.search(
        r"foxes: nothing to do\. All 6 images are on disk \(\$0\.48, last one", again.err
    )
    assert re.search(r"foxes  \(begun \d+ \w+ \d\d:\d\d\)", again.err)
    assert queue.accepted == 6


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(("run", "nowhere.yaml"), 2, id="no such file"),
        pytest.param(("run", "foxes.yaml", "--budget", "much"), 2, id="a budget that is none"),
        pytest.param(("run", "foxes.yaml", "--limit", "x"), 2, id="a limit that is none"),
        pytest.param(("run", "foxes.yaml", "--nonsense"), 2, id="no such option"),
        pytest.param(("run", "foxes.yaml", "--env-file", "nowhere"), 2, id="no such key file"),
        pytest.param(("resume", "nobody"), 2, id="no such batch"),
    ],
)
def test_a_mistake_ends_with_2_is_one_json_object_and_sends_nothing(
    desk: Desk, queue: ThreadedQueue, arguments: tuple[str, ...], code: int
) -> None:
    said = desk.call(*arguments, "--json")

    assert said.code == code
    assert said.document["exit_code"] == code
    assert said.document["errors"]
    assert said.err
    assert "Traceback" not in said.err
    assert queue.accepted == 0
    assert not (desk.folder / "jobs" / "foxes").exists()


def test_without_a_key_nothing_is_sent_and_the_way_to_one_is_shown(tmp_path: Path) -> None:
    desk = Desk(folder=tmp_path)
    desk.write("foxes.yaml", FOXES)

    said = desk.call("run", "foxes.yaml", "--json")

    assert said.code == said.document["exit_code"] == 3
    assert "There is no key. Get one at fal.ai/dashboard/keys, then" in said.err
    assert said.err.endswith("Nothing was sent.\n")
    assert not (tmp_path / "jobs").exists()


def test_a_wrong_key_ends_with_3_before_anything_is_sent(tmp_path: Path) -> None:
    with ThreadedQueue(settings={"keys": ("another:key",)}) as queue:
        environ = {"FAL_KEY": KEY, "BATCHGEN_QUEUE_URL": queue.url}
        desk = Desk(folder=tmp_path, environ=environ)
        desk.write("foxes.yaml", FOXES)

        said = desk.call("run", "foxes.yaml")

        assert said.code == 3
        assert 'fal does not take the key ("invalid key credentials")' in said.err
        assert KEY not in said.err
        assert KEY.partition(":")[2] not in said.err
        assert queue.accepted == 0


def test_a_key_from_a_file_is_read_only_when_the_file_is_named(
    desk: Desk, queue: ThreadedQueue
) -> None:
    del desk.environ["FAL_KEY"]
    desk.write(".env", f'FAL_KEY="{KEY}"\n')

    without = desk.call("run", "foxes.yaml")
    with_it = desk.call("run", "foxes.yaml", "--env-file", ".env")

    assert (without.code, with_it.code) == (3, 0)
    assert queue.accepted == 6


def test_quiet_says_nothing_while_all_is_well(desk: Desk) -> None:
    said = desk.call("run", "foxes.yaml", "--quiet")

    assert (said.code, said.out, said.err) == (0, "", "")


def test_failures_end_with_1_and_say_what_to_do(desk: Desk, queue: ThreadedQueue) -> None:
    queue.script(on="run", nth="1-2", do="content_policy_violation")

    said = desk.call("run", "foxes.yaml")
    again = desk.call("run", "foxes.yaml")

    assert (said.code, again.code) == (1, 1)
    assert said.err.count("content_policy_violation (first of this kind)") == 1
    assert "  All of them:  batchgen status foxes --failed" in said.err
    assert "  batchgen status foxes --failed    the 2 that need you" in said.err
    assert "2 failed and none of them would be tried again (--retry failed does" in again.err
    assert queue.accepted == 6


def test_a_locked_account_ends_with_3_and_the_same_command_goes_on(
    desk: Desk, queue: ThreadedQueue
) -> None:
    queue.script(on="submit", nth=3, do="lock")

    said = desk.call("run", "foxes.yaml", "-j", "1")
    queue.unlock()
    again = desk.call("run", "foxes.yaml")

    assert said.code == 3
    assert 'fal has locked the account ("Exhausted balance. Top up' in said.err
    assert "2 of 6 images are on disk, $0.16. No job counts as failed for this" in said.err
    assert "  Top up, then:  batchgen run foxes.yaml       the other 4, about $0.32" in said.err
    assert again.code == 0
    assert queue.accepted == 6


def test_a_budget_ends_with_3_to_the_cent(desk: Desk, queue: ThreadedQueue) -> None:
    said = desk.call("run", "foxes.yaml", "--budget", "0.25", "--json")

    assert said.code == said.document["exit_code"] == 3
    assert "budget" in said.document["reason"]
    assert (said.document["spent_usd"], said.document["left"]) == (0.24, 3)
    assert said.document["next"] == "batchgen run foxes.yaml"
    assert queue.accepted == 3


def test_a_sample_is_part_of_the_batch_and_resume_stays_inside_it(
    desk: Desk, queue: ThreadedQueue
) -> None:
    first = desk.call("run", "foxes.yaml", "--sample", "3", "--limit", "1")
    inside = desk.call("resume", "foxes")
    whole = desk.call("resume", "foxes", "--all", "--json")

    assert "batchgen run foxes.yaml --sample 3" in first.err
    assert "foxes stays inside its sample of 3; --all lifts that." in inside.err
    assert "All 3 images are on disk" in inside.err
    assert (whole.code, whole.document["jobs"], queue.accepted) == (0, 6, 6)


def test_a_limit_ends_with_0_and_resume_needs_no_manifest(desk: Desk, queue: ThreadedQueue) -> None:
    first = desk.call("run", "foxes.yaml", "--limit", "2")
    (desk.folder / "foxes.yaml").unlink()
    second = desk.call("resume", "jobs/foxes")

    assert (first.code, second.code, queue.accepted) == (0, 0, 6)
    assert "as far as --limit let it. 2 of 6 images are on disk, $0.16." in first.err
    assert "  go on    batchgen run foxes.yaml       the other 4, about $0.32" in first.err


def test_options_of_the_file_hold_unless_the_command_line_says_otherwise(
    desk: Desk, queue: ThreadedQueue
) -> None:
    desk.write("foxes.yaml", FOXES + "run: {budget: 0.16, concurrency: 1}\n")

    by_file = desk.call("run", "foxes.yaml", "--json")
    by_line = desk.call("run", "foxes.yaml", "--json", "--budget", "0.32")

    assert (by_file.code, by_file.document["spent_usd"]) == (3, 0.16)
    assert (by_line.code, by_line.document["spent_usd"]) == (3, 0.32)
    assert queue.queue.most_open == 1


def test_a_batch_that_is_being_run_ends_with_4_and_says_by_whom(desk: Desk) -> None:
    desk.write("foxes.yaml", FOXES)
    first = subprocess.Popen(
        [sys.executable, "-m", "batchgen", "run", "foxes.yaml", "--rate", "2/s", "--quiet"],
        cwd=desk.folder,
        env=desk.environment,
    )
    try:
        journal = desk.folder / "jobs" / "foxes" / "requests.csv"
        while not journal.exists() or b"submitted" not in journal.read_bytes():
            assert first.poll() is None

        said = desk.call("run", "foxes.yaml", "--json")

        assert said.code == said.document["exit_code"] == 4
        assert f"is being run by process {first.pid}" in said.err
        assert "batchgen cancel foxes --keep-open" in said.err
    finally:
        assert first.wait(timeout=60) == 0
    assert len(ledger(desk)) == 6


def test_a_simulated_batch_is_refused_by_a_real_run_and_the_other_way_round(desk: Desk) -> None:
    desk.call("run", "foxes.yaml", "--simulate", "--limit", "0")
    desk.write("same.yaml", FOXES.replace("foxes", "foxes-simulated"))

    real = desk.call("run", "same.yaml")

    assert real.code == 2
    assert "is a simulated batch; a real run needs a folder of its own" in real.err


def test_a_folder_of_jobs_that_is_a_file_is_refused(desk: Desk) -> None:
    desk.write("file", "")

    said = desk.call("run", "foxes.yaml", "--jobs-dir", "file")

    assert said.code == 2
    assert "file/foxes is not a folder" in said.err


def test_nothing_that_takes_long_is_imported_on_the_way_to_a_submission(desk: Desk) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "batchgen", "run", "foxes.yaml", "--quiet"],
        cwd=desk.folder,
        env=desk.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0
    assert "aiohttp" in modules
    assert not {name for name in modules if name.split(".")[0] in ("pandas", "numpy", "jsonschema")}
    assert "batchgen.simulator" not in modules


def test_the_document_of_a_run_is_what_status_says_of_it(desk: Desk, queue: ThreadedQueue) -> None:
    queue.script(on="run", nth=1, do="content_policy_violation")
    run = desk.call("run", "foxes.yaml", "--json").document

    status: Any = json.loads(desk.call("status", "foxes", "--json").out)

    for key in ("jobs", "images", "succeeded", "failed", "open", "left", "again", "spent_usd"):
        assert status[key] == run[key], key
    assert status["failed_by_type"] == run["failed_by_type"] == {"content_policy_violation": 1}
