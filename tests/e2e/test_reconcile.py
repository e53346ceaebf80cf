"""`batchgen reconcile`, as a user types it; and a run that sends lost submissions again."""

from __future__ import annotations

import csv
import time
from collections import Counter as Counts
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.command import Said
from support.counter import QUICK, Counter, counter, until


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Counter]:
    with counter(tmp_path) as found:
        yield found


def with_variables(here: Counter, **changes: str | None) -> Counter:
    """Return the same desk with other variables; None takes one away."""
    environ = {**here.desk.environ, **changes}
    kept = {name: value for name, value in environ.items() if value is not None}
    return replace(here, desk=replace(here.desk, environ=kept))


def lose(
    here: Counter,
    *animals: str,
    fault: str = "lost_reply",
    nth: int | str = 1,
    concurrency: int = 1,
) -> list[str]:
    """Run a manifest without a history to ask, lose some answers, return the unknown jobs."""
    here.queue.misbehave(script=[{"on": "submit", "nth": nth, "do": fault}])
    here.write_zoo(*animals)
    blind = with_variables(here, BATCHGEN_PLATFORM_URL=None)
    said = blind.call("run", "zoo.yaml", "-j", str(concurrency))
    assert said.code == 1
    here.queue.misbehave(clear=True)
    return [row["job_id"] for row in ledger(here) if row["status"] == "unknown"]


def ledger(here: Counter) -> list[dict[str, str]]:
    path = here.desk.folder / "jobs" / "zoo" / "ledger.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def statuses(here: Counter) -> Counts[str]:
    return Counts(row["status"] for row in ledger(here))


def accepted(here: Counter) -> list[dict[str, Any]]:
    return here.queue.requests()


def test_what_the_history_shows_is_fetched_by_the_next_run(here: Counter) -> None:
    (fox,) = lose(here, "fox", "owl")

    said = here.call("reconcile", "zoo")
    run = here.call("run", "zoo.yaml")

    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        "1 request is found and open again; the next run fetches them, free:",
        f"  {fox}  {accepted(here)[0]['request_id']}",
        "  Go on:  batchgen resume zoo",
    ]
    assert run.code == 0
    assert statuses(here) == {"succeeded": 2}
    assert len(accepted(here)) == 2


def test_nothing_unknown_is_0(here: Counter) -> None:
    here.write_zoo("fox")
    here.call("run", "zoo.yaml")

    said = here.call("reconcile", "zoo")

    assert (said.code, said.out, said.err) == (0, "zoo: nothing is unknown.\n", "")


def test_what_it_does_not_show_is_held_and_every_way_on_is_named(here: Counter) -> None:
    (fox,) = lose(here, "fox", "owl", fault="lost_post")

    said = here.call("reconcile", "zoo", "--unknown-after", "0")
    run = here.call("run", "zoo.yaml")

    assert said.code == 1
    assert said.out.splitlines() == [
        "1 request is unknown: sent, and the answer was lost. It counts as paid and is not sent "
        "again by itself.",
        f"  the history does not show it; held: {fox}",
        "  Look again, free:            batchgen reconcile zoo",
        f"  You know the request id:     batchgen reconcile zoo --adopt {fox}=REQUEST_ID",
        f"  Write it off:                batchgen reconcile zoo --give-up {fox}",
        "  Send them again (may be paid twice):   batchgen resume zoo --on-unknown resubmit",
    ]
    assert (run.code, len(accepted(here))) == (1, 1)


@contextmanager
def _counter(folder: Path, *options: str) -> Iterator[Counter]:
    with counter(folder, *QUICK, *options) as found:
        yield found


def test_a_history_that_is_late_is_waited_for(tmp_path: Path) -> None:
    with _counter(tmp_path, "--history-delay", "6") as here:
        lose(here, "fox")

        early = here.call("reconcile", "zoo", "--json")
        time.sleep(6.1)
        late = here.call("reconcile", "zoo", "--json")

        (reason,) = early.document["unknown"].values()
        assert (early.code, reason) == (1, "the history may not show it yet")
        assert early.err == ""
        assert (late.code, late.document["unknown"]) == (0, {})
        assert list(late.document["adopted"].values()) == [accepted(here)[0]["request_id"]]


def test_every_page_of_the_history_is_read(tmp_path: Path) -> None:
    with _counter(tmp_path) as here:
        numbers = [f"number {number}" for number in range(230)]
        (job_id,) = lose(here, *numbers, nth=3, concurrency=20)

        said = here.call("reconcile", "zoo")

        (row,) = [row for row in ledger(here) if row["job_id"] == job_id]
        (request_id,) = [
            one["request_id"] for one in accepted(here) if one["input"]["prompt"] == row["prompt"]
        ]
        assert said.code == 0
        assert f"  {job_id}  {request_id}" in said.out


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param("no_payloads", "the history shows requests without their input",
                     id="payloads that are not kept"),
        pytest.param("unlisted", "the history does not show it; held",
                     id="a request that is never listed"),
    ],
)  # fmt: skip
def test_what_the_history_cannot_tell_stays_unknown(here: Counter, fault: str, reason: str) -> None:
    here.queue.misbehave(script=[{"on": "run", "nth": 1, "do": fault}])
    (fox,) = lose(here, "fox", "owl")

    said = here.call("reconcile", "zoo", "--unknown-after", "0", "--json")

    assert (said.code, said.document["unknown"]) == (1, {fox: reason})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"BATCHGEN_PLATFORM_URL": None}, "there is no history to look into",
                     id="no platform"),
        pytest.param({"FAL_KEY": "another:key"},
                     "it was sent with another key, whose history this may not be",
                     id="another account's key"),
    ],
)  # fmt: skip
def test_another_history_settles_nothing(
    here: Counter, change: dict[str, str | None], reason: str
) -> None:
    (fox,) = lose(here, "fox", "owl")

    said = with_variables(here, **change).call("reconcile", "zoo", "--unknown-after", "0", "--json")

    assert (said.code, said.document["unknown"]) == (1, {fox: reason})


def test_without_a_key_it_ends_with_3(here: Counter) -> None:
    lose(here, "fox")

    said = with_variables(here, FAL_KEY=None).call("reconcile", "zoo")

    assert (said.code, said.out) == (3, "")
    assert "there is no key to look the unknown ones up with" in said.err


def test_a_request_that_is_known_is_adopted_by_hand(here: Counter) -> None:
    (fox,) = lose(here, "fox", "owl")
    blind = with_variables(here, BATCHGEN_PLATFORM_URL=None)

    said = blind.call("reconcile", "zoo", "--adopt", f"{fox}={accepted(here)[0]['request_id']}")
    run = blind.call("run", "zoo.yaml")

    assert (said.code, run.code) == (0, 0)
    assert statuses(here) == {"succeeded": 2}
    assert len(accepted(here)) == 2


def test_what_is_given_up_counts_as_paid_and_is_sent_again_only_when_asked(
    here: Counter,
) -> None:
    (fox,) = lose(here, "fox", "owl", fault="lost_post")

    said = here.call("reconcile", "zoo", "--give-up", fox)
    held = here.call("run", "zoo.yaml", "--json")
    again = here.call("run", "zoo.yaml", "--retry", "failed")

    assert (said.code, said.out) == (0, f"1 request is given up, and counts as paid:\n  {fox}\n")
    assert (held.code, held.document["failed_by_type"]) == (1, {"uncertain": 1})
    assert held.document["spent_usd"] == 0.12
    assert (again.code, len(accepted(here))) == (0, 2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--adopt", "kkkkkkkkkkkkkkkk"], "It takes JOB_ID=REQUEST_ID", id="no id"),
        pytest.param(["--adopt", "zoo=r1"], "job zoo is not in this batch", id="no job"),
        pytest.param(["--give-up", "kkkkkkkkkkkkkkkk"], "is not in this batch", id="unknown job"),
        pytest.param(["--unknown-after", "soon"], "--unknown-after", id="no time"),
    ],
)
def test_a_mistake_is_2_and_changes_nothing(here: Counter, options: list[str], said: str) -> None:
    lose(here, "fox")
    before = here.journal()

    found = here.call("reconcile", "zoo", *options)

    assert (found.code, found.out) == (2, "")
    assert said in found.err
    assert "Traceback" not in found.err
    assert here.journal() == before


def test_a_batch_that_is_being_run_is_left_alone(tmp_path: Path) -> None:
    with counter(tmp_path, "--seconds", "60", "--image-scale", "0.03") as here:
        here.write_zoo("fox")
        with here.started("run", "zoo.yaml"):
            until(lambda: ",submitted," in here.journal())

            said = here.call("reconcile", "zoo")

        assert said.code == 4
        assert "is being run by process" in said.err


# -- a run that sends again what was not accepted ------------------------------------------


def test_resubmit_sends_again_what_never_arrived_once_its_time_has_passed(
    here: Counter,
) -> None:
    here.queue.misbehave(script=[{"on": "submit", "nth": 1, "do": "lost_post"}])
    here.write_zoo("fox", "owl")
    began = time.monotonic()

    said = here.call(
        "run", "zoo.yaml", "-j", "1", "--on-unknown", "resubmit", "--unknown-after", "2"
    )

    assert said.code == 0
    assert time.monotonic() - began > 2
    assert statuses(here) == {"succeeded": 2}
    assert len(accepted(here)) == 2
    assert "not in the history" in here.journal()


def test_resubmit_sends_nothing_again_that_was_accepted(here: Counter) -> None:
    here.queue.misbehave(script=[{"on": "submit", "nth": "1-2", "do": "lost_reply"}])
    here.write_zoo("fox", "owl", "cat")

    said = here.call(
        "run", "zoo.yaml", "-j", "1", "--on-unknown", "resubmit", "--unknown-after", "1"
    )

    assert said.code == 0
    assert len(accepted(here)) == 3
    assert here.journal().count(",submitting,") == 3


def test_hold_ends_with_what_is_unknown_and_resubmit_goes_on_from_there(here: Counter) -> None:
    here.queue.misbehave(script=[{"on": "submit", "nth": 1, "do": "lost_post"}])
    here.write_zoo("fox", "owl")

    held = here.call("run", "zoo.yaml", "-j", "1", "--json")
    sent = here.call("resume", "zoo", "--on-unknown", "resubmit", "--unknown-after", "1", "--json")

    assert (held.code, held.document["unknown"], held.document["reserved_usd"]) == (1, 1, 0.06)
    assert (sent.code, sent.document["unknown"], sent.document["reserved_usd"]) == (0, 0, 0)
    assert len(accepted(here)) == 2


def test_a_first_attempt_that_turns_up_late_is_reported_as_paid_twice(tmp_path: Path) -> None:
    with _counter(tmp_path, "--history-delay", "6") as here:
        here.queue.misbehave(script=[{"on": "submit", "nth": 1, "do": "lost_reply"}])
        here.write_zoo("fox")
        run = here.call("run", "zoo.yaml", "--on-unknown", "resubmit", "--unknown-after", "1")
        early = here.call("reconcile", "zoo", "--json")
        until(lambda: here.call("reconcile", "zoo").code == 1)

        said: Said = here.call("reconcile", "zoo")
        found = here.call("reconcile", "zoo", "--json").document

        assert run.code == 0
        assert (early.code, early.document["paid_twice"]) == (0, [])
        first, second = accepted(here)
        (row,) = ledger(here)
        assert row["request_id"] == second["request_id"]
        (twice,) = found["paid_twice"]
        assert (twice["job_id"], twice["request_id"]) == (row["job_id"], first["request_id"])
        assert [str(first["request_id"]) in url for url in twice["urls"]] == [True]
        assert said.out.startswith(f"{row['job_id']} was paid twice: {first['request_id']}  http")
