"""`batchgen cancel`, as a user types it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import Desk
from support.counter import Counter, counter, until

SLOW = ("--seconds", "1.5", "--spread", "0", "--image-scale", "0.03")
STUCK_IN_QUEUE = [{"on": "run", "nth": "every", "do": "stuck_in_queue"}]
CANCEL_IS_IGNORED = [{"on": "cancel", "nth": "every", "do": "cancel_ignored"}]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Counter]:
    with counter(tmp_path, *SLOW, "--concurrency", "2") as found:
        yield found


def states(here: Counter) -> list[str]:
    """Return the last state of each job, by the journal."""
    last: dict[str, str] = {}
    for line in here.journal().splitlines()[1:]:
        cells = line.split(",")
        last[cells[1]] = cells[3]
    return sorted(last.values())


def test_a_run_is_stopped_and_what_it_has_open_is_cancelled_or_saved(here: Counter) -> None:
    here.queue.misbehave(script=[{"on": "run", "nth": "3-4", "do": "stuck_in_queue"}])
    here.write_zoo("fox", "owl", "cat", "dog", "hen")
    with here.started("run", "zoo.yaml", "-j", "4") as run:
        until(lambda: here.journal().count(",submitted,") >= 4)

        said = here.call("cancel", "zoo")

        assert run.wait(timeout=60) == 4
    assert said.code == 0
    assert said.out == ""
    assert f"is being run by process {run.pid}" in said.err
    assert "zoo: 2 cancelled" in said.err
    assert "batchgen resume zoo" in said.err
    ended = states(here)
    assert ended.count("cancelled") == 2
    assert ended.count("completed") == len(here.images()) == len(ended) - 2
    assert here.call("status", "zoo", "--json").document["open"] == 0


def test_the_next_run_sends_what_was_cancelled_and_nothing_twice(here: Counter) -> None:
    here.leave_open("fox", "owl", "cat", "dog")
    here.call("cancel", "zoo")

    said = here.call("resume", "zoo")

    assert said.code == 0
    assert len(here.images()) == 4
    assert here.queue.counts()["units_made"] == "3.00"  # four images at 0.5K


def test_a_second_time_there_is_nothing_to_cancel(here: Counter) -> None:
    here.leave_open("fox", "owl")
    here.call("cancel", "zoo")
    before = here.journal()

    said = here.call("cancel", "zoo")

    assert said.code == 0
    assert "nothing to cancel" in said.err
    assert here.journal() == before


def test_keep_open_only_stops_the_run(here: Counter) -> None:
    here.queue.misbehave(script=STUCK_IN_QUEUE)
    here.write_zoo("fox", "owl", "cat")
    with here.started("run", "zoo.yaml", "-j", "2") as run:
        until(lambda: here.journal().count(",submitted,") == 2)

        said = here.call("cancel", "zoo", "--keep-open")

        assert run.wait(timeout=60) == 4
    assert said.code == 0
    assert "its run has stopped; 2 requests stay open on record" in said.err
    assert states(here) == ["submitted", "submitted"]
    assert here.queue.seen("cancel") == 0
    assert here.call("cancel", "zoo").code == 0
    assert states(here) == ["cancelled", "cancelled"]


def test_what_neither_completes_nor_is_cancelled_stays_open_and_is_1(here: Counter) -> None:
    here.queue.misbehave(script=[*STUCK_IN_QUEUE, *CANCEL_IS_IGNORED])
    here.leave_open("fox")

    said = here.call("cancel", "zoo", "--wait", "1", "--json")

    document = said.document
    assert said.code == document["exit_code"] == 1
    assert (document["open"], document["cancelled"], document["reserved_usd"]) == (1, 0, 0.06)
    assert [one["reason"] for one in document["open_requests"]] == ["no result after 1 s"]
    assert "1 still open" in said.err
    assert states(here) == ["submitted"]


def test_a_run_that_does_not_stop_in_time_is_1_and_nothing_is_cancelled(here: Counter) -> None:
    here.leave_open("fox")
    hold = "import sys, time; from pathlib import Path; from batchgen.batch import Batch\n"
    hold += "with Batch(Path(sys.argv[1])).lock(): print(flush=True); time.sleep(60)"
    folder = str(here.desk.folder / "jobs" / "zoo")
    with subprocess.Popen(
        [sys.executable, "-c", hold, folder], stdout=subprocess.PIPE, env=here.desk.environment
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()

        said = here.call("cancel", "zoo", "--wait", "1")

        holder.kill()
    assert said.code == 1
    assert "has not stopped in time" in said.err
    assert states(here) == ["submitted"]


def test_without_a_key_nothing_can_be_cancelled(here: Counter) -> None:
    here.leave_open("fox")
    keyless = {name: value for name, value in here.desk.environ.items() if name != "FAL_KEY"}

    said = Desk(folder=here.desk.folder, environ=keyless).call("cancel", "zoo")

    assert said.code == 3
    assert "There is no key. Get one at fal.ai/dashboard/keys" in said.err
    assert states(here) == ["submitted"]


def test_the_key_may_be_in_a_file_that_is_named(here: Counter) -> None:
    here.leave_open("fox")
    environ = dict(here.desk.environ)
    here.desk.write("key.env", f'FAL_KEY="{environ.pop("FAL_KEY")}"\n')

    said = Desk(folder=here.desk.folder, environ=environ).call(
        "cancel", "zoo", "--env-file", "key.env"
    )

    assert said.code == 0


def test_where_nothing_is_open_no_key_is_needed(tmp_path: Path) -> None:
    with counter(tmp_path) as here:
        here.write_zoo("fox")
        here.call("run", "zoo.yaml")

    said = Desk(folder=here.desk.folder).call("cancel", "zoo")

    assert said.code == 0
    assert "nothing to cancel: no run is going on, and no request is open" in said.err


def test_a_locked_account_is_3(here: Counter) -> None:
    here.leave_open("fox")
    here.queue.misbehave(rates={"status_403": 1.0})

    said = here.call("cancel", "zoo")

    assert said.code == 3
    assert "fal has locked the account" in said.err
    assert states(here) == ["submitted"]


def test_a_service_that_is_not_there_is_3(here: Counter) -> None:
    here.leave_open("fox")
    here.queue.stop()

    said = here.call("cancel", "zoo", "--wait", "1")

    assert said.code == 3
    assert "no answer from the service" in said.err
    assert states(here) == ["submitted"]


def test_another_queue_is_3_before_anything_is_sent(here: Counter) -> None:
    here.leave_open("fox")
    environ = {**here.desk.environ, "BATCHGEN_QUEUE_URL": "http://127.0.0.1:9"}

    said = Desk(folder=here.desk.folder, environ=environ).call("cancel", "zoo")

    assert said.code == 3
    assert f"BATCHGEN_QUEUE_URL={here.queue.url}" in said.err


def test_a_batch_that_is_not_there_is_2(here: Counter) -> None:
    said = here.call("cancel", "zoo")

    assert said.code == 2
    assert "there is no batch 'zoo'" in said.err


def test_a_simulated_batch_starts_its_own_server(tmp_path: Path) -> None:
    desk = Desk(folder=tmp_path)
    here = Counter(desk=desk, queue=None)  # type: ignore[arg-type]  # there is none
    here.write_zoo(*(f"animal {number}" for number in range(60)))
    with here.started("run", "zoo.yaml", "--simulate", "-j", "60") as run:
        until(lambda: here.journal("zoo-simulated").count(",submitted,") == 60)
        run.kill()

    said = desk.call("cancel", "zoo-simulated", "--json")

    document = said.document
    assert said.code == 0
    assert document["cancelled"] + document["saved"] + document["undelivered"] <= 60
    assert (document["open"], document["reserved_usd"]) == (0, 0.0)
    assert document["cancelled"] > 0


@pytest.mark.skipif(sys.platform == "win32", reason="a Ctrl-C reaches no other process there")
def test_ctrl_c_leaves_what_is_not_settled_on_record(here: Counter) -> None:
    here.queue.misbehave(script=[*STUCK_IN_QUEUE, *CANCEL_IS_IGNORED])
    here.leave_open("fox", "owl")
    with here.started("cancel", "zoo") as cancelling:
        until(lambda: here.queue.seen("cancel") == 2)
        cancelling.send_signal(signal.SIGINT)
        _, err = cancelling.communicate(timeout=60)

    assert cancelling.returncode == 130
    assert b"what was not settled stays open on record" in err
    assert b"Traceback" not in err
    assert states(here) == ["submitted", "submitted"]
    here.queue.misbehave(clear=True)
    assert here.call("cancel", "zoo").code == 0
    assert states(here) == ["cancelled", "cancelled"]


def test_one_that_is_killed_can_be_called_again(here: Counter) -> None:
    here.queue.misbehave(script=[{"on": "run", "nth": "3-4", "do": "stuck_in_queue"}])
    here.leave_open("fox", "owl", "cat", "dog")
    with here.started("cancel", "zoo") as cancelling:
        until(lambda: ",cancelled," in here.journal())
        cancelling.kill()

    said = here.call("cancel", "zoo")

    assert said.code == 0
    assert set(states(here)) <= {"cancelled", "completed"}
    completed = states(here).count("completed")
    # What completed, and was not on disk yet when the first one was killed, the next run fetches.
    here.queue.misbehave(clear=True)
    here.call("resume", "zoo")
    assert len(here.images()) == 4
    assert here.queue.accepted() == 4 + 4 - completed
