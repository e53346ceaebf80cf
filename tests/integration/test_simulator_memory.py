"""What a simulator knows after it was ended, or killed, and started again."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from simulator_calls import TINY, ManualClock, simulated

from batchgen.errors import UsageError
from batchgen.simulator.memory import FILE_NAME, open_memory

SERVE = "from batchgen.cli.simulate import command; command()"
SMALL_FILES = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000));"


async def test_a_restart_finds_what_was_accepted_on_another_port(tmp_path: Path) -> None:
    async with simulated(folder=tmp_path) as (queue, caller):
        submitted = await caller.run(seed=5)
        before = (await caller.call("GET", submitted["response_url"])).body
        first_url = queue.url
    async with simulated(folder=tmp_path) as (queue, caller):
        url = submitted["response_url"].replace(first_url, queue.url)
        after = (await caller.call("GET", url)).body
        image = await caller.call("GET", after["images"][0]["url"], key=None)

        assert queue.accepted == 1
        assert after == json.loads(json.dumps(before).replace(first_url, queue.url))
        assert image.status == 200


async def test_what_had_not_ended_runs_again_and_what_was_cancelled_stays_so(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    settings: dict[str, Any] = {"folder": tmp_path, "clock": clock, "seconds": 10.0}
    async with simulated(**settings) as (_, caller):
        running = (await caller.submit()).body["request_id"]
        clock.now += 5.0
        cancelled = (await caller.submit()).body
        await caller.call("PUT", cancelled["cancel_url"])
    async with simulated(**settings) as (queue, caller):
        states = {r.request_id: str(r.phase) for r in queue.requests}
        clock.now += 20.0
        later = {r.request_id: str(r.ending) for r in queue.requests}

    assert states == {running: "IN_QUEUE", cancelled["request_id"]: "COMPLETED"}
    assert later == {running: "done", cancelled["request_id"]: "cancelled"}


async def test_a_restart_keeps_what_faults_had_decided_and_the_account(tmp_path: Path) -> None:
    async with simulated(folder=tmp_path) as (queue, caller):
        queue.faults.script(on="run", nth=1, do="content_policy_violation")
        submitted = await caller.run()
        name = submitted["response_url"].replace(queue.url, "")
    async with simulated(folder=tmp_path) as (_, caller):
        assert (await caller.call("GET", name)).status == 422
        assert (await caller.call("GET", name, key="other:key")).status == 404


async def test_a_restart_meets_other_faults_than_the_first_start(tmp_path: Path) -> None:
    hit = []
    for _ in range(2):
        async with simulated(folder=tmp_path, faults={"throttled": 0.5}) as (_, caller):
            hit.append([(await caller.submit()).status for _ in range(20)])

    assert hit[0] != hit[1]


async def test_no_key_is_kept(tmp_path: Path) -> None:
    async with simulated(folder=tmp_path) as (_, caller):
        assert (await caller.submit(key="very:secret")).status == 200

    assert "secret" not in (tmp_path / FILE_NAME).read_text()


async def test_a_last_line_that_was_cut_short_at_any_byte_is_dropped(tmp_path: Path) -> None:
    async with simulated(folder=tmp_path) as (_, caller):
        await caller.run(prompt="two\nlines")
    file = tmp_path / FILE_NAME
    whole = file.read_bytes()
    starts = [0, *(i + 1 for i, byte in enumerate(whole) if byte == ord("\n"))]

    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        memory = open_memory(tmp_path)
        assert memory is not None
        memory.close()
        kept = max(start for start in starts if start <= length)
        assert file.read_bytes().startswith(whole[:kept])
        assert len(file.read_bytes()[kept:].splitlines()) == 1  # that it was started


@pytest.mark.parametrize(
    "content",
    [b"not json\n", b"[]\n", b'{"event": "else"}\n', b'{"event": "ended"}\n', b"\xff\xfe\n"],
)
def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)

    with pytest.raises(UsageError, match="no memory of a simulator"):
        open_memory(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == content
    (tmp_path / FILE_NAME).unlink()
    memory = open_memory(tmp_path)  # and the folder is not left locked
    assert memory is not None
    memory.close()


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match="cannot be used"):
        open_memory(tmp_path / "file" / "below")


def test_a_folder_has_one_user(tmp_path: Path) -> None:
    first = open_memory(tmp_path)
    assert first is not None

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_can_open, (tmp_path,)) is False
        first.close()
        assert pool.apply(_can_open, (tmp_path,)) is True


def _can_open(folder: Path) -> bool:
    memory = open_memory(folder)
    if memory is not None:
        memory.close()
    return memory is not None


def started(folder: Path, *, program: str = SERVE) -> tuple[subprocess.Popen[str], str]:
    arguments = [
        *(sys.executable, "-c", program, "--port", "0", "--folder", str(folder)),
        *("--image-scale", str(TINY), "--seconds", "0"),
    ]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
async def test_every_answered_submission_survives_sigkill(tmp_path: Path) -> None:
    answered: list[str] = []
    async with simulated() as (_, caller):
        for _ in range(3):
            process, url = started(tmp_path)
            for seed in range(10):
                given = {"prompt": "a fox", "seed": seed}
                said = await caller.call("POST", f"{url}/fal-ai/nano-banana-2", json=given)
                answered.append(said.body["request_id"])
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        process, url = started(tmp_path)
        known = await caller.call("GET", f"{url}/_simulator/requests", key=None)
        counts = await caller.call("GET", f"{url}/_simulator", key=None)
        process.terminate()
        process.communicate()

    assert [request["request_id"] for request in known.body["requests"]] == answered
    assert counts.body["accepted"] == 30
    assert set(counts.body["accepted_inputs"].values()) == {3}
    assert process.returncode == 0


@pytest.mark.skipif(os.name != "posix", reason="limits as POSIX has them")
async def test_on_a_full_disk_a_submission_is_refused_and_the_accepted_ones_are_kept(
    tmp_path: Path,
) -> None:
    async with simulated() as (_, caller):
        process, url = started(tmp_path, program=SMALL_FILES + SERVE)
        said = [
            await caller.call("POST", f"{url}/fal-ai/nano-banana-2", json={"prompt": "a fox"})
            for _ in range(20)
        ]
        read = await caller.call("GET", said[0].body["status_url"])
        process.kill()
        process.communicate()
        process, url = started(tmp_path)
        known = await caller.call("GET", f"{url}/_simulator/requests", key=None)
        process.kill()
        process.communicate()

    accepted = [answer.body["request_id"] for answer in said if answer.status == 200]
    assert 0 < len(accepted) < 20
    assert {answer.status for answer in said} == {200, 500}
    assert read.status == 200
    assert [request["request_id"] for request in known.body["requests"]] == accepted
