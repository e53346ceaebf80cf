"""Whether a run goes on: who is woken, who is cut, and who is left alone."""

from __future__ import annotations

import asyncio

import pytest

from batchgen.course import Course
from batchgen.errors import LedgerError
from batchgen.stop import Cause


async def for_ever(_: float = 0.0) -> None:
    await asyncio.Event().wait()


async def at_once(_: float) -> None:
    pass


def make_course() -> Course:
    return Course(sleep=for_ever)


async def turns(count: int = 5) -> None:
    """Let everything else get on."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_pause_ends_when_its_time_is_over() -> None:
    await Course(sleep=at_once).pause(60.0)


async def test_everybody_who_pauses_is_woken_by_a_change() -> None:
    course = make_course()
    pauses = [asyncio.create_task(course.pause(60.0)) for _ in range(3)]
    await turns()
    assert not any(pause.done() for pause in pauses)

    course.wake()

    await asyncio.gather(*pauses)


async def test_a_change_before_a_pause_does_not_end_it() -> None:
    course = make_course()
    course.wake()
    pause = asyncio.create_task(course.pause(60.0))
    await turns()

    assert not pause.done()

    course.wake()
    await pause


async def test_an_abort_cuts_a_read_and_nothing_behind_it() -> None:
    course = make_course()
    done: list[str] = []

    async def work() -> None:
        found = await course.unless_aborted(for_ever())
        await asyncio.sleep(0)
        done.append(f"read {found}, went on")

    task = asyncio.create_task(work())
    await turns()
    course.abort()
    await task

    assert done == ["read None, went on"]
    assert task.cancelling() == 0


@pytest.mark.parametrize("aborts", [1, 2], ids=["once", "twice"])
async def test_who_is_cancelled_besides_ends_though_an_abort_has_cut_the_read(aborts: int) -> None:
    course = make_course()

    async def slow_to_end() -> None:
        try:
            await for_ever()
        finally:
            await turns(3)

    async def work() -> None:
        while True:
            await course.unless_aborted(slow_to_end())
            await for_ever()

    task = asyncio.create_task(work())
    await turns()
    for _ in range(aborts):
        course.abort()
    await turns(1)
    task.cancel()
    await turns(10)

    assert task.cancelled()


async def test_a_second_abort_cuts_nobody_twice() -> None:
    course = make_course()
    done: list[int] = []

    async def work() -> None:
        await course.unless_aborted(for_ever())
        task = asyncio.current_task()
        assert task is not None
        done.append(task.cancelling())

    task = asyncio.create_task(work())
    await turns()
    course.abort()
    course.hurry()
    await task

    assert done == [0]


async def test_after_an_abort_no_read_begins() -> None:
    course = make_course()
    course.abort()

    assert await course.unless_aborted(for_ever()) is None


async def test_an_abort_cuts_nobody_who_reads_nothing() -> None:
    course = make_course()
    post = asyncio.create_task(for_ever())
    reading = asyncio.create_task(course.unless_aborted(asyncio.sleep(0, "an answer")))

    assert await reading == "an answer"
    course.abort()
    await turns()

    assert not post.done()
    post.cancel()


async def test_who_is_cancelled_by_somebody_else_ends() -> None:
    course = make_course()
    task = asyncio.create_task(course.unless_aborted(for_ever()))
    await turns()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_records_that_the_disk_refuses_stop_the_run_and_cut_the_other_reads() -> None:
    course = make_course()
    other = asyncio.create_task(course.unless_aborted(for_ever()))
    await turns()

    async def write() -> None:
        raise LedgerError("no room")

    await course.guarded(course.unless_aborted(write()))

    assert await other is None
    assert course.stopped is not None
    assert course.stopped.cause is Cause.DISK
