"""Why a run ends before its work is done, what becomes of the rest, and how it goes on."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.night import Night, night, shots
from support.queues import KEY
from support.wire import refused_url

from batchgen.batch import Batch
from batchgen.report import Report
from batchgen.runner import Runner
from batchgen.service import Service
from batchgen.settings import settle
from batchgen.simulator import Kind
from batchgen.stop import Cause, Stop


@pytest.fixture
async def tonight(tmp_path: Path) -> AsyncIterator[Night]:
    async with night(tmp_path) as tonight:
        yield tonight
        tonight.check_books()


async def run_until(
    tonight: Night,
    manifest: dict[str, Any],
    *,
    accepted: int,
    do: Callable[[Runner], Awaitable[None] | None],
    **settings: Any,
) -> Report:
    """Run, and do something once so many requests were accepted."""
    runners: list[Runner] = []
    before = tonight.queue.accepted
    running = asyncio.create_task(tonight.run(manifest, began=runners.append, **settings))
    while not running.done() and (not runners or tonight.queue.accepted - before < accepted):
        await asyncio.sleep(0.001)
    result = do(runners[0])
    if result is not None:
        await result
    return await running


def interrupt(runner: Runner) -> None:
    runner.course.stop(Stop(cause=Cause.SIGNAL, text="interrupted"))


def interrupt_twice(runner: Runner) -> None:
    interrupt(runner)
    runner.course.hurry()


# -- signals -----------------------------------------------------------------------------


async def test_a_first_signal_submits_nothing_more_and_saves_what_is_open(
    tonight: Night,
) -> None:
    report = await run_until(tonight, shots(40), accepted=5, do=interrupt, concurrency=4)

    accepted = tonight.queue.accepted
    assert report.exit_code == 130
    assert report.open == 0
    assert report.succeeded == accepted < 40
    assert report.left == 40 - accepted


async def test_a_second_signal_leaves_what_is_open_for_the_next_run(tonight: Night) -> None:
    tonight.queue.faults.script(on="run", nth="every", do="slow_run")

    report = await run_until(tonight, shots(40), accepted=5, do=interrupt_twice, concurrency=4)

    accepted = tonight.queue.accepted
    assert report.exit_code == 130
    assert report.open >= 1
    assert report.open + report.undelivered + report.succeeded == accepted
    second = await tonight.run(shots(40))
    assert (second.exit_code, second.succeeded) == (0, 40)
    assert tonight.accepted_most == 1


async def test_after_a_second_signal_the_answers_to_posts_are_still_recorded(
    tonight: Night,
) -> None:
    tonight.queue.faults.script(on="submit", nth="every", do="slow_submit")

    async def interrupt_while_posts_are_out(runner: Runner) -> None:
        while tonight.queue.tally.calls[Kind.SUBMIT] < 4:
            await asyncio.sleep(0.001)
        interrupt_twice(runner)

    report = await run_until(
        tonight, shots(40), accepted=0, do=interrupt_while_posts_are_out, concurrency=4
    )

    assert report.exit_code == 130
    assert tonight.states()["submitted"] == tonight.queue.accepted == 4
    assert report.unknown == 0
    assert report.open == tonight.queue.accepted


async def test_a_signal_with_nothing_left_is_no_failure(tonight: Night) -> None:
    report = await run_until(tonight, shots(3), accepted=3, do=interrupt)

    assert (report.exit_code, report.succeeded) == (0, 3)


@pytest.mark.parametrize("accepted", [1, 2, 3, 5, 8])
async def test_whenever_a_run_is_interrupted_the_next_one_buys_nothing_twice(
    tonight: Night, accepted: int
) -> None:
    for _ in range(3):
        await run_until(
            tonight, shots(20), accepted=accepted, do=interrupt_twice, concurrency=accepted
        )

    report = await tonight.run(shots(20))

    assert report.exit_code == 0
    assert tonight.accepted_most == 1
    assert tonight.queue.accepted == 20
    assert tonight.statuses() == {"succeeded": 20}


# -- a request to stop, and --until ------------------------------------------------------


async def test_a_request_to_stop_from_elsewhere_is_seen_within_a_second(tonight: Night) -> None:
    tonight.queue.faults.script(on="run", nth="every", do="stuck")
    began: list[float] = []

    def ask(runner: Runner) -> None:
        Batch(tonight.folder).request_stop()
        began.append(tonight.time.monotonic())

    report = await run_until(tonight, shots(40), accepted=4, do=ask, concurrency=4)

    assert report.exit_code == 4
    assert "batchgen cancel" in report.reason
    assert tonight.time.monotonic() - began[0] < 10.0
    assert (report.open, report.left) == (4, 36)


async def test_only_a_second_signal_leaves_posts_without_their_answers(
    tonight: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What would be the end of them, if anything but a person in a hurry could bring it about.
    monkeypatch.setattr("batchgen.dispatcher.LAST_ANSWERS_S", 0.0)
    tonight.queue.faults.script(on="submit", nth="every", do="slow_submit")

    async def ask_while_posts_are_out(runner: Runner) -> None:
        while tonight.queue.tally.calls[Kind.SUBMIT] < 4:
            await asyncio.sleep(0.001)
        Batch(tonight.folder).request_stop()

    report = await run_until(
        tonight, shots(40), accepted=0, do=ask_while_posts_are_out, concurrency=4
    )

    assert report.exit_code == 4
    assert tonight.states() == {"submitting": 4, "submitted": 4}
    assert (report.open, report.unknown, tonight.queue.accepted) == (4, 0, 4)


async def test_a_request_to_stop_that_came_too_late_stops_nothing(tonight: Night) -> None:
    await tonight.run(shots(2))
    Batch(tonight.folder).request_stop()

    report = await tonight.run(shots(4))

    assert report.exit_code == 0


async def test_nothing_is_sent_after_until(tonight: Night) -> None:
    end = (tonight.time.now() + timedelta(seconds=61)).astimezone()
    end -= timedelta(seconds=end.second, microseconds=end.microsecond)

    report = await tonight.run(shots(200), until=end.time(), concurrency=2)

    last = max(row["at"] for row in tonight.journal if row["state"] == "submitting")
    assert report.exit_code == 4
    assert "--until" in report.reason
    assert 0 < report.succeeded == tonight.queue.accepted < 200
    assert report.open == 0
    assert last < f"{end.astimezone(tonight.time.now().tzinfo):%Y-%m-%dT%H:%M:%S.000Z}"


# -- the account -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "cause", "said"),
    [
        pytest.param("locked_balance", Cause.LOCKED, "Exhausted balance", id="balance"),
        pytest.param("locked_top_up", Cause.LOCKED, "TOP_UP", id="top up"),
        pytest.param("locked_admin", Cause.LOCKED, "Admin lock", id="admin"),
        pytest.param("forbidden", Cause.LOCKED, "no access", id="no access"),
        pytest.param("submit_402", Cause.LOCKED, "Payment required", id="402"),
        pytest.param("submit_401", Cause.KEY, "invalid key", id="401"),
        pytest.param("submit_404", Cause.ENDPOINT, "not found", id="404"),
        pytest.param("submit_405", Cause.ENDPOINT, "Not Allowed", id="405"),
        pytest.param("submit_redirect", Cause.ENDPOINT, "redirect", id="a redirect"),
    ],
)
async def test_an_account_error_stops_the_run_fails_no_job_and_saves_what_is_open(
    tonight: Night, fault: str, cause: Cause, said: str
) -> None:
    tonight.queue.faults.script(on="submit", nth="6-", do=fault)

    report = await tonight.run(shots(20), concurrency=4)

    assert report.exit_code == 3
    assert report.stop is not None
    assert report.stop.cause is cause
    assert said in report.stop.text
    assert (report.failed, report.open, report.unknown) == (0, 0, 0)
    assert report.succeeded == 5 == tonight.queue.accepted
    assert report.left == 15
    assert tonight.states()["refused"] <= 4


async def test_a_lock_that_flaps_is_never_probed_with_a_submission(tonight: Night) -> None:
    tonight.queue.faults.script(on="submit", nth=6, do="locked_top_up")  # the next would be taken

    first = await tonight.run(shots(20), concurrency=1)
    calls = Counter(tonight.queue.tally.calls)
    second = await tonight.run(shots(20))

    assert (first.exit_code, first.succeeded, first.failed, first.open) == (3, 5, 0, 0)
    assert calls[Kind.SUBMIT] == 6
    assert (second.exit_code, second.succeeded) == (0, 20)
    assert tonight.accepted_most == 1


async def test_when_the_lock_is_lifted_the_same_run_goes_on(tonight: Night) -> None:
    tonight.queue.faults.script(on="submit", nth=6, do="lock")
    await tonight.run(shots(20), concurrency=4)
    tonight.queue.unlock()

    report = await tonight.run(shots(20))

    assert (report.exit_code, report.succeeded) == (0, 20)
    assert tonight.accepted_most == 1


async def test_a_lock_on_reads_too_leaves_what_is_open_on_record(tonight: Night) -> None:
    tonight.queue.faults.script(on="submit", nth=6, do="lock_with_reads")
    tonight.queue.faults.script(on="run", nth="1-5", do="slow_run")
    first = await tonight.run(shots(20), concurrency=6)
    tonight.queue.unlock()

    report = await tonight.run(shots(20))

    assert first.exit_code == 3
    assert (first.open, first.failed, first.left) == (5, 0, 15)
    assert (report.exit_code, report.succeeded) == (0, 20)
    assert tonight.queue.accepted == 20


async def test_an_account_that_is_locked_from_the_start_costs_one_post(tonight: Night) -> None:
    tonight.queue.lock()

    report = await tonight.run(shots(20), concurrency=1)

    assert report.exit_code == 3
    assert (report.left, tonight.queue.accepted) == (20, 0)


async def test_a_wrong_key_is_found_before_anything_is_sent(tmp_path: Path) -> None:
    async with night(tmp_path, keys=("other:key",)) as tonight:
        report = await tonight.run(shots(20))

        assert report.exit_code == 3
        assert report.stop is not None
        assert report.stop.cause is Cause.KEY
        assert tonight.journal == []
        assert tonight.queue.tally.calls[Kind.SUBMIT] == 0


async def test_without_a_key_nothing_is_sent(tonight: Night) -> None:
    report = await tonight.run(shots(3), service=replace(tonight.service, key=""))

    assert report.exit_code == 3
    assert report.stop is not None
    assert report.stop.cause is Cause.KEY
    assert tonight.journal == []


async def test_without_a_key_there_is_nothing_to_complain_of_when_all_is_done(
    tonight: Night,
) -> None:
    await tonight.run(shots(3))

    report = await tonight.run(shots(3), service=replace(tonight.service, key=""))

    assert report.exit_code == 0


async def test_open_requests_of_another_account_are_not_taken_for_lost(tmp_path: Path) -> None:
    async with night(tmp_path) as tonight:
        tonight.queue.faults.script(on="run", nth="1-2", do="stuck")
        await tonight.run(shots(2), timeout_s=5.0)

        report = await tonight.run(shots(4), service=replace(tonight.service, key="b:c"))

        assert report.exit_code == 3
        assert "another account" in report.reason
        assert (report.open, report.failed, tonight.queue.accepted) == (2, 0, 2)


# -- the service -------------------------------------------------------------------------


async def test_a_service_that_is_not_there_is_given_up_after_a_minute(tmp_path: Path) -> None:
    nowhere = Service(queue_url=refused_url(), platform_url="", key=KEY)
    async with night(tmp_path, speed=15.0) as tonight:  # what a busy machine adds counts less
        began = tonight.time.monotonic()

        report = await tonight.run(shots(3), service=nowhere)

        assert report.exit_code == 3
        assert report.stop is not None
        assert report.stop.cause is Cause.NO_ANSWER
        assert 55.0 <= tonight.time.monotonic() - began <= 90.0
        assert tonight.journal == []
        assert report.left == 3


async def test_a_service_that_goes_away_is_waited_for_and_then_left(tmp_path: Path) -> None:
    async with night(tmp_path, speed=900.0) as tonight:
        tonight.queue.faults.script(on="run", nth="every", do="stuck")

        async def leave(runner: Runner) -> None:
            while tonight.states()["submitted"] < 4:
                await asyncio.sleep(0.001)
            tonight.queue._responder.close()  # type: ignore[union-attr]  # no door for that
            await tonight.queue._runner.cleanup()  # type: ignore[union-attr]  # the same

        began = tonight.time.monotonic()
        report = await run_until(
            tonight, shots(8), accepted=4, do=leave, concurrency=4, timeout_s=86_400.0
        )

        assert report.exit_code == 3
        assert report.stop is not None
        assert report.stop.cause is Cause.NO_ANSWER
        assert (report.open, report.left) == (4, 4)
        assert 1750.0 <= tonight.time.monotonic() - began <= 2400.0


async def test_a_service_that_answers_no_post_for_half_an_hour_is_left(tmp_path: Path) -> None:
    async with night(tmp_path, speed=900.0) as tonight:
        tonight.queue.faults.script(on="submit", nth="every", do="lost_post")

        report = await tonight.run(shots(60), rate=settle("rate", "1/min"))

        assert report.exit_code == 3
        assert report.stop is not None
        assert report.stop.cause is Cause.NO_ANSWER
        assert 25 <= report.unknown <= 40
        assert report.unknown + report.left == 60


async def test_an_answer_that_leaves_a_post_unknown_is_an_answer(tmp_path: Path) -> None:
    async with night(tmp_path, speed=900.0) as tonight:
        tonight.queue.faults.script(on="submit", nth="every", do="submit_500")

        report = await tonight.run(shots(40), rate=settle("rate", "1/min"))

        assert (report.exit_code, report.stop, report.unknown) == (1, None, 40)


# -- our own mistakes, and the disk ------------------------------------------------------


async def test_a_mistake_of_our_own_drains_the_run_and_is_loud(
    tonight: Night, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        """Polling that fails for one request."""

        def __init__(self, polling: Any) -> None:
            self._polling = polling
            self._calls = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self._polling, name)

        def watch(self, *given: Any, **named: Any) -> Any:
            self._calls += 1
            if self._calls == 6:
                raise RuntimeError("a mistake")
            return self._polling.watch(*given, **named)

    def spoil(runner: Runner) -> None:
        runner.dispatcher.worker.polling = Broken(runner.dispatcher.worker.polling)  # type: ignore[assignment]  # on purpose

    with caplog.at_level(logging.ERROR, "batchgen"), pytest.raises(ExceptionGroup) as caught:
        await tonight.run(shots(20), began=spoil, concurrency=4)

    assert "a mistake" in repr(caught.value.exceptions)
    accepted = tonight.queue.accepted
    assert accepted < 20
    states = Counter(row["state"] for row in tonight.journal)
    assert states["submitted"] == accepted
    assert states["completed"] == accepted - 1
    report = await tonight.run(shots(20))
    assert (report.exit_code, report.succeeded) == (0, 20)
    assert tonight.accepted_most == 1


async def test_a_full_disk_stops_the_run_before_a_post(tonight: Night) -> None:
    def fill(runner: Runner) -> None:
        runner.dispatcher.gate.free_bytes = lambda folder: 1000

    report = await tonight.run(shots(3), began=fill)

    assert report.exit_code == 3
    assert report.stop is not None
    assert report.stop.cause is Cause.DISK
    assert (tonight.queue.accepted, tonight.journal, report.left) == (0, [], 3)


async def test_a_disk_that_fills_up_lets_what_is_open_be_saved(tonight: Night) -> None:
    def fill(runner: Runner) -> None:
        runner.dispatcher.gate.free_bytes = lambda folder: 1000

    report = await run_until(tonight, shots(20), accepted=3, do=fill, concurrency=3)

    assert report.exit_code == 3
    assert report.succeeded == tonight.queue.accepted < 20
    assert report.open == 0


async def test_a_folder_that_takes_no_images_stops_the_run_and_loses_none(
    tonight: Night,
) -> None:
    await tonight.run(shots(1))
    (tonight.folder / "images").rename(tonight.folder / "kept")
    (tonight.folder / "images").write_text("in the way")

    report = await tonight.run(shots(6), concurrency=2)

    assert report.exit_code == 3
    assert report.stop is not None
    assert report.stop.cause is Cause.DISK
    assert report.undelivered >= 1
    (tonight.folder / "images").unlink()
    (tonight.folder / "kept").rename(tonight.folder / "images")
    second = await tonight.run(shots(6))
    assert (second.exit_code, second.succeeded) == (0, 6)
    assert tonight.accepted_most == 1


async def test_images_inside_results_that_no_folder_takes_stop_the_run(tonight: Night) -> None:
    await tonight.run(shots(1))
    (tonight.folder / "images").rename(tonight.folder / "kept")
    (tonight.folder / "images").write_text("in the way")
    manifest = shots(9, parameters={"sync_mode": True})

    report = await tonight.run(manifest, concurrency=2)

    assert report.exit_code == 3
    assert report.stop is not None
    assert report.stop.cause is Cause.DISK
    assert report.left >= 5, "what cannot be kept is not bought"
    (tonight.folder / "images").unlink()
    (tonight.folder / "kept").rename(tonight.folder / "images")
    second = await tonight.run(manifest)
    assert (second.exit_code, second.succeeded) == (0, 9)
    assert tonight.accepted_most == 1


async def test_a_clock_that_jumps_is_logged_and_fails_nothing(
    tonight: Night, caplog: pytest.LogCaptureFixture
) -> None:
    ahead = timedelta(0)

    def jump(runner: Runner) -> None:
        nonlocal ahead
        ahead = timedelta(hours=5)

    clock = replace(tonight.time.clock, now=lambda: tonight.time.now() + ahead)
    with caplog.at_level(logging.WARNING, "batchgen"):
        report = await run_until(
            tonight, shots(6), accepted=1, do=jump, concurrency=1, clock=clock, timeout_s=600.0
        )

    assert (report.exit_code, report.succeeded) == (0, 6)
    assert "the clock has jumped by 18000 s" in caplog.text
