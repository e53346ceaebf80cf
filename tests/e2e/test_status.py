"""`batchgen status`, as a user types it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from support.command import COMMAND, Desk
from support.counter import Counter, counter, until

from batchgen.batch import Batch
from batchgen.manifest import load_manifest

CONTRACT_KEYS = {
    *("batch", "folder", "simulated", "jobs", "images", "succeeded", "failed", "undelivered"),
    *("unknown", "open", "left", "again", "submitted", "spent_usd", "reserved_usd"),
    *("failed_by_type", "exit_code", "reason"),
}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Counter]:
    with counter(tmp_path) as found:
        yield found


def run_with_a_refusal(here: Counter) -> None:
    """Run three animals of which one is refused."""
    here.queue.misbehave(script=[{"on": "run", "nth": 2, "do": "content_policy_violation"}])
    here.write_zoo("fox", "owl", "cat")
    assert here.call("run", "zoo.yaml", "-j", "1").code == 1


def test_where_there_are_no_batches_that_is_said(tmp_path: Path) -> None:
    said = Desk(folder=tmp_path).call("status")

    assert (said.code, said.out) == (0, "")
    assert f"There are no batches in {tmp_path / 'jobs'}" in said.err


def test_no_batches_are_an_empty_list_for_a_script(tmp_path: Path) -> None:
    said = Desk(folder=tmp_path).call("status", "--json")

    assert said.document == {"batches": [], "exit_code": 0}


def test_a_batch_that_is_not_there_is_2_and_those_there_are_are_named(here: Counter) -> None:
    here.write_zoo("fox")
    here.call("run", "zoo.yaml")

    said = here.call("status", "zo")

    assert (said.code, said.out) == (2, "")
    assert "there is no batch 'zo'" in said.err
    assert "There are: zoo." in said.err
    assert "Traceback" not in said.err


def test_a_finished_batch_is_0(here: Counter) -> None:
    here.write_zoo("fox", "owl")
    here.call("run", "zoo.yaml")

    said = here.call("status", "zoo")

    assert said.code == 0
    assert f"zoo              {here.desk.folder / 'jobs' / 'zoo'}      begun" in said.out
    assert "manifest         2 jobs, 2 images, 2 on disk" in said.out
    assert "spent           $0.12    $0.12 as the service billed it (estimated $0.12)" in said.out
    assert said.err == ""


def test_a_failed_job_is_1_and_its_reason_is_shown_with_failed(here: Counter) -> None:
    run_with_a_refusal(here)

    status, failed = here.call("status", "zoo"), here.call("status", "zoo", "--failed")

    assert (status.code, failed.code) == (1, 1)
    assert "failed              1    content_policy_violation 1" in status.out
    assert "batchgen status zoo --failed" in status.out
    head, reason, job = failed.out.splitlines()
    assert head == "content_policy_violation: 1 job"
    assert "flagged by a content checker" in reason
    assert job.endswith("  a owl")


def test_json_is_one_object_on_stdout_with_the_keys_of_the_contract(here: Counter) -> None:
    run_with_a_refusal(here)

    said = here.call("status", "zoo", "--failed", "--json")

    document = said.document
    assert said.err == ""
    assert said.code == document["exit_code"] == 1
    assert set(document) >= CONTRACT_KEYS
    assert (document["succeeded"], document["failed"], document["again"]) == (2, 1, 0)
    assert document["failed_by_type"] == {"content_policy_violation": 1}
    assert [job["prompt"] for job in document["failed_jobs"]] == ["a owl"]


def test_all_batches_have_one_line_each_and_the_worst_counts(here: Counter) -> None:
    run_with_a_refusal(here)
    here.desk.write("solo.yaml", 'prompt: "a hen"\nparameters: {resolution: 0.5K}\n')
    here.call("run", "solo.yaml")

    said, document = here.call("status"), here.call("status", "--json").document

    assert said.code == document["exit_code"] == 1
    head, solo, zoo = said.out.splitlines()
    assert head.split() == [
        "batch",
        "jobs",
        "done",
        "failed",
        "unknown",
        "open",
        "left",
        "spent",
        "last",
    ]
    assert solo.split()[:7] == ["solo", "1", "1", "0", "0", "0", "0"]
    assert zoo.split()[:7] == ["zoo", "3", "2", "1", "0", "0", "0"]
    assert [one["batch"] for one in document["batches"]] == ["solo", "zoo"]
    assert all(set(one) >= CONTRACT_KEYS for one in document["batches"])


def test_a_batch_that_cannot_be_read_hides_no_other(here: Counter) -> None:
    here.write_zoo("fox")
    here.call("run", "zoo.yaml")
    broken = here.desk.folder / "jobs" / "broken"
    broken.mkdir()
    (broken / "batch.json").write_text("{", encoding="utf-8")

    said = here.call("status")

    assert said.code == 1
    assert said.out.splitlines()[1].startswith("zoo")
    assert said.err.startswith("broken cannot be read:")


def test_a_batch_is_found_by_its_folder_and_commands_name_it_so(here: Counter) -> None:
    run_with_a_refusal(here)
    folder = here.desk.folder / "jobs" / "zoo"

    said = here.desk.call("status", str(folder), folder=folder)

    assert said.code == 1
    assert f"batchgen status {folder} --failed" in said.out


def test_another_place_for_batches_is_part_of_the_commands(here: Counter) -> None:
    here.queue.misbehave(script=[{"on": "run", "nth": 1, "do": "content_policy_violation"}])
    here.write_zoo("fox")
    here.call("run", "zoo.yaml", "--jobs-dir", "my jobs")

    said = here.call("status", "zoo", "--jobs-dir", "my jobs")

    assert "batchgen status zoo --failed --jobs-dir 'my jobs'" in said.out


def test_a_run_that_goes_on_is_seen_and_not_disturbed(tmp_path: Path) -> None:
    with counter(tmp_path) as here:
        here.queue.misbehave(script=[{"on": "run", "nth": "1-2", "do": "stuck"}])
        here.write_zoo("fox", "owl", "cat")
        with here.started("run", "zoo.yaml", "-j", "2") as run:
            until(lambda: here.journal().count(",submitted,") == 2)

            said, document = here.call("status", "zoo"), here.call("status", "zoo", "--json")
            here.queue.release()

            assert run.wait(timeout=60) == 0
    assert said.code == 0
    assert f"process {run.pid} on " in said.out
    assert "batchgen cancel zoo --keep-open" in said.out
    assert document.document["running"]["pid"] == run.pid
    assert document.document["open"] == 2


def test_lost_answers_are_shown_with_the_commands_that_settle_them(tmp_path: Path) -> None:
    with counter(tmp_path, platform=False) as here:
        here.queue.misbehave(script=[{"on": "submit", "nth": 1, "do": "lost_reply"}])
        here.write_zoo("fox")
        here.call("run", "zoo.yaml")

        said = here.call("status", "zoo")

        assert said.code == 1
        assert "1 request was sent at" in said.out
        for command in ("reconcile zoo", "reconcile zoo --adopt", "resume zoo --on-unknown"):
            assert f"batchgen {command}" in said.out


def test_nothing_is_written_by_looking(here: Counter) -> None:
    run_with_a_refusal(here)
    before = _stamps(here.desk.folder)

    here.call("status")
    here.call("status", "zoo", "--failed")
    here.call("status", "zoo", "--json")

    assert _stamps(here.desk.folder) == before


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_neither_a_key_nor_a_network_is_needed(here: Counter) -> None:
    run_with_a_refusal(here)
    alone = Desk(folder=here.desk.folder, environ={"BATCHGEN_QUEUE_URL": "https://queue.invalid"})

    assert json.loads(alone.call("status", "zoo", "--json").out)["failed"] == 1


def test_on_a_terminal_counting_many_jobs_is_shown_and_wiped_away(tmp_path: Path) -> None:
    manifest = load_manifest(
        {"batch": "many", "prompt": "{{ n }}", "grid": {"n": {"range": [60000]}}}
    )
    batch = Batch(tmp_path / "jobs" / "many")
    batch.create(simulated=False)
    batch.freeze(manifest, sample="")
    command, *rest = (*COMMAND, "status", "many")
    environment = Desk(folder=tmp_path).environment
    with pexpect.spawn(command, rest, cwd=str(tmp_path), env=environment, timeout=60) as child:
        child.expect(pexpect.EOF)
        said = child.before.decode()

    assert "many: 53,248 jobs counted" in said
    assert "\x1b[Kmany             " in said
    assert "left           60,000    not sent yet" in said
