"""A batch that is watched: what was appended is counted, and is what a whole look would count."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.evening import Evening, evening, manifest_of

from batchgen import following
from batchgen.attempt import parse_timestamp
from batchgen.batch import Batch
from batchgen.csv_file import RowReader
from batchgen.following import Figures, Follower, how_it_ended
from batchgen.launch import Selection
from batchgen.lock import read_holder
from batchgen.overview import look
from batchgen.redo import Wish, make_order
from batchgen.state import JobState

ANIMALS = ("fox", "owl", "cat", "dog", "hen", "cow")


def nobody(folder: Path) -> bool:
    del folder
    return False


def follower_of(folder: Path, **given: Any) -> Follower:
    return Follower(batch=Batch(folder), monotonic=lambda: 0.0, is_busy=nobody, **given)


def counts(figures: Figures) -> dict[str, int]:
    states = figures.tally.states
    found = {
        "succeeded": states[JobState.SUCCEEDED],
        "failed": states[JobState.FAILED],
        "undelivered": figures.undelivered,
        "unknown": states[JobState.UNKNOWN],
        "open": states[JobState.OPEN],
        "left": figures.left,
    }
    return {name: number for name, number in found.items() if number}


def counted_whole(folder: Path) -> dict[str, int]:
    report = look(Batch(folder)).report
    names = ("succeeded", "failed", "undelivered", "unknown", "open", "left")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


async def troubled(one: Evening) -> None:
    """Run six animals: one fails for good, one is tried again, one is lost."""
    one.with_platform = False
    faults = one.queue.faults
    faults.script(on="run", nth=2, do="content_policy_violation")
    faults.script(on="run", nth=3, do="generation_timeout")
    faults.script(on="submit", nth=5, do="lost_reply")
    await one.run(manifest_of(*ANIMALS), concurrency=1)
    faults.clear()


def rows(path: Path) -> list[int]:
    """Return where each row of a file ends, the header's first."""
    from batchgen.attempt import JOURNAL_FIRST_CELL
    from batchgen.ledger import LEDGER_FIRST_CELL

    is_ledger = path.name == "ledger.csv"
    reader = RowReader(path, first_cell=LEDGER_FIRST_CELL if is_ledger else JOURNAL_FIRST_CELL)
    return [reader.end, *[row.end for row in reader]]


async def test_row_by_row_it_comes_to_what_a_whole_look_comes_to(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await troubled(one)
    folder = tmp_path / "copy"
    # Images without a journal would show that one is lost.
    shutil.copytree(one.folder, folder, ignore=shutil.ignore_patterns("images"))
    journal, ledger = folder / "requests.csv", folder / "ledger.csv"
    whole = {path: path.read_bytes() for path in (journal, ledger)}
    steps = max(len(rows(journal)), len(rows(ledger)))
    ends = {path: rows(path) for path in (journal, ledger)}
    for path in (journal, ledger):
        path.write_bytes(whole[path][: ends[path][0]])
    follower = follower_of(folder)
    first = follower.look()

    for step in range(1, steps):
        for path in (journal, ledger):
            end = ends[path][min(step, len(ends[path]) - 1)]
            with path.open("ab") as file:  # the same file, a row and half of the next one longer
                size = path.stat().st_size
                file.write(whole[path][size : end + 20])
        figures = follower.look()

    assert counts(first) == {"left": 6}
    assert counts(figures) == counted_whole(folder)
    assert counts(figures) == {"succeeded": 4, "failed": 1, "unknown": 1}
    expected = look(Batch(folder)).report
    assert figures.bill.spent_usd == expected.bill.spent_usd
    assert figures.bill.reserved_usd == expected.bill.reserved_usd
    assert dict(+figures.tally.failed_by_type) == {"content_policy_violation": 1}
    assert figures.exit_code == 1
    assert figures.flow.latency is not None
    assert figures.flow.latency.requests == 4
    assert "content_policy_violation" in figures.flow.errors


async def test_only_what_was_appended_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await troubled(one)
        follower = follower_of(one.folder)
        follower.look()
        starts: list[int] = []
        read = RowReader.rows_from

        def noting(reader: RowReader, start: int) -> Any:
            starts.append(start)
            return read(reader, start)

        monkeypatch.setattr(RowReader, "rows_from", noting)
        monkeypatch.setattr(Batch, "replay", None)
        follower.look()
        before = follower.look()
        size = (one.folder / "requests.csv").stat().st_size
        row = (one.folder / "requests.csv").read_bytes().splitlines(keepends=True)[-1]
        with (one.folder / "requests.csv").open("ab") as file:
            file.write(row[:10])
        again = follower.look()

    assert starts == [size]
    assert counts(again) == counts(before)


async def test_while_a_run_goes_on(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=60.0) as one:
        run = asyncio.create_task(one.run(manifest_of(*ANIMALS), concurrency=2))
        while not one.folder.joinpath("ledger.csv").exists():
            await asyncio.sleep(0.01)
        follower = Follower(batch=one.batch, monotonic=one.time.monotonic)
        seen = []
        while not run.done():
            seen.append(follower.look())
            await asyncio.sleep(0.02)
        end = follower.look()
        while end.is_running:
            await asyncio.sleep(0.02)
            end = follower.look()

    assert {figures.jobs for figures in seen} == {6}
    assert any(figures.is_running and figures.holder is not None for figures in seen)
    done = [figures.done for figures in seen]
    assert done == sorted(done)
    assert any(figures.tally.states[JobState.OPEN] for figures in seen)
    assert counts(end) == {"succeeded": 6}
    assert end.ended == "done"
    assert end.estimate_usd == end.bill.spent_usd


def edited(one: Evening) -> Any:
    return one.run(manifest_of("fox", "bat"))


def sampled(one: Evening) -> Any:
    return one.run(manifest_of(*ANIMALS), selection=Selection(sample="3"))


def redone(one: Evening) -> Any:
    batch = one.batch
    wish = Wish(where=["animal=fox"])
    order = make_order(batch, wish, record=batch.replay(), now=one.time.now())
    return one.run_loaded(batch.load_frozen(), selection=Selection(redo=order.lines))


def tidied(one: Evening) -> Any:
    return one.run(manifest_of(*ANIMALS), retry="failed")


@pytest.mark.parametrize("change", [edited, sampled, redone, tidied])
async def test_what_a_further_run_replaces_is_read_anew(
    tmp_path: Path, change: Callable[[Evening], Any]
) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await troubled(one)
        follower = follower_of(one.folder)
        follower.look()

        await change(one)

        assert counts(follower.look()) == counted_whole(one.folder)


async def test_the_window_of_the_run_that_goes_on(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await troubled(one)
    batch = Batch(one.folder)
    line = "INFO window {} of 20, 5 open: 429\n"
    with batch.lock(), batch.log_path.open("a", encoding="utf-8") as log:
        follower = Follower(batch=batch, monotonic=lambda: 0.0)
        holder = read_holder(one.folder)
        assert holder is not None
        log.write(f"2001-01-01T00:00:00+0000 {line.format(1)}")
        later = parse_timestamp(holder.started_at).isoformat(timespec="seconds")
        seen = []
        for limit in (10, 11):
            log.write(f"{later} {line.format(limit)}")
            log.flush()
            # The run before, of one request at a time, may have been in the same second.
            window = follower.look().window
            seen.append([change.limit for change in window if change.cap == 20])

    assert seen == [[10], [10, 11]]


async def test_a_ledger_that_is_replaced_while_it_is_read_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await troubled(one)
        follower = follower_of(one.folder)
        before = counts(follower.look())
        ledger = one.folder / "ledger.csv"
        content = ledger.read_bytes()
        # Longer than what was read, and no row begins where that has ended.
        new = one.folder / ".ledger.csv.new"
        new.write_bytes(content.replace(b"images/", b"images/../images/"))
        new.replace(ledger)
        now = following._version_of(one.folder)
        seen = iter([follower._read.version if follower._read else now, now, now])
        monkeypatch.setattr(following, "_version_of", lambda folder: next(seen))

        after = counts(follower.look())

    assert after == before


async def test_a_batch_that_has_never_run(tmp_path: Path) -> None:
    batch = Batch(tmp_path / "new")
    batch.create(simulated=False)
    figures = follower_of(batch.folder).look()

    assert (counts(figures), figures.jobs, figures.is_running) == ({}, 0, False)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param(None, "", id="no log"),
        pytest.param("", "", id="an empty one"),
        pytest.param("2026-11-22T21:30:00+0000 INFO run ends with 0: done\n", "done", id="done"),
        pytest.param(
            "2026-11-22T21:30:00+0000 INFO run ends with 1: 2 failed, 1 open\n",
            "2 failed, 1 open",
            id="with findings",
        ),
        pytest.param(
            "2026-11-22T21:30:00+0000 INFO run ends with 0: done\n"
            "2026-11-22T22:30:00+0000 INFO run begins: zoo, http://127.0.0.1\n",
            "",
            id="another was killed",
        ),
    ],
)
def test_how_the_last_run_has_ended(tmp_path: Path, log: str | None, expected: str) -> None:
    path = tmp_path / "run.log"
    if log is not None:
        path.write_text(log, encoding="utf-8")

    assert how_it_ended(path) == expected
