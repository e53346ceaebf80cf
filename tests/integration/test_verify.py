"""A batch's ledger, journal and files against each other; and what is set right without paying."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.evening import Evening, evening, manifest_of
from support.sample_images import sample_image

from batchgen.csv_file import format_row
from batchgen.errors import BusyError, LedgerError
from batchgen.job import Json
from batchgen.launch import Selection
from batchgen.verifying import Kind, Verification, repair_batch, verify_batch

TWO = manifest_of("fox", "owl")
THREE = manifest_of("fox", "owl", "cat")
PRICE = Decimal("0.06")

Damage = Callable[[Evening], object]


def found_in(verification: Verification) -> dict[str, int]:
    """Return how many findings of which kind are left."""
    return {kind.key: group.left for kind, group in verification.groups.items() if group.left}


def look(one: Evening) -> dict[str, int]:
    return found_in(verify_batch(one.batch, now=one.time.now))


async def repair(one: Evening) -> Verification:
    return await repair_batch(one.batch)


def everything(one: Evening) -> dict[str, str]:
    """Return the hash of every file of a batch."""
    return {
        path.relative_to(one.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(one.folder.rglob("*"))
        if path.is_file()
    }


def ledger_of(one: Evening) -> Path:
    return one.folder / "ledger.csv"


def journal_of(one: Evening) -> Path:
    return one.folder / "requests.csv"


def rewrite(path: Path, change: Callable[[list[list[str]]], Iterable[list[str]]]) -> None:
    """Change the rows of a table, the header among them."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    path.write_text("".join(map(format_row, change(rows))), encoding="utf-8", newline="")


def change_cell(one: Evening, column: str, value: str, *, row: int = 1) -> None:
    """Change a cell of the ledger; rows are counted from 1, behind the header."""

    def change(rows: list[list[str]]) -> list[list[str]]:
        rows[row][rows[0].index(column)] = value
        return rows

    rewrite(ledger_of(one), change)


KINDS = manifest_of(
    *("fox", "owl", "cat", "dog", "hen", "cow", "ant", "bee", "eel", "yak"),
    parameters={"resolution": "0.5K", "num_images": 2},
)


async def all_kinds(one: Evening) -> None:
    """Run a batch in which a job ends in every way that there is."""
    endings = (
        "content_policy_violation",
        "internal_server_error",
        "fewer_images",
        "gone_images",
        "data_uri",
        "no_units",
        "hostile_description",
    )
    for nth, ending in enumerate(endings, start=1):
        one.queue.faults.script(on="run", nth=nth, do=ending)
    one.queue.faults.script(on="submit", nth=8, do="lost_reply")
    one.queue.faults.script(on="submit", nth=9, do="submit_422")
    one.queue.faults.script(on="image", nth="11-", do="image_403")
    one.with_platform = False
    await one.run(KINDS, concurrency=1)
    one.queue.faults.clear()


# -- nothing is wrong ----------------------------------------------------------------------


async def test_a_finished_batch_is_well(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(THREE)
        before = everything(one)

        found = verify_batch(one.batch)

        assert found_in(found) == {}
        assert (found.exit_code, found.reason) == (0, "")
        assert (found.images, found.rows, found.entries) == (3, 3, 9)
        assert found.image_bytes == sum(path.stat().st_size for path in one.images())
        assert found.ledger_usd == found.journal_usd == 3 * PRICE
        assert everything(one) == before


async def test_a_batch_that_never_ran_is_well(tmp_path: Path) -> None:
    async with evening(tmp_path) as one:
        one.batch.create(simulated=False)

        assert look(one) == {}
        assert found_in(await repair(one)) == {}
        assert not journal_of(one).exists()


async def test_however_jobs_end_ledger_and_journal_agree(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await all_kinds(one)
        statuses = {(row["status"], row["error_type"]) for row in one.ledger()}

        assert statuses == {
            ("failed", "content_policy_violation"),
            ("succeeded", ""),
            ("failed", "missing_image"),
            ("failed", "expired"),
            ("undelivered", "download"),
            ("unknown", ""),
        }
        assert set(look(one)) == {"undelivered"}

        repaired = await repair(one)
        assert set(found_in(repaired)) == {"undelivered"}


async def test_attempts_that_were_made_again_cost_what_they_cost(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        one.queue.faults.script(on="run", nth="1-2", do=["generation_timeout", "charged_failure"])
        one.queue.faults.script(on="run", nth=4, do="content_policy_violation")
        await one.run(TWO, concurrency=1)
        await one.run(TWO, retry="failed")

        found = verify_batch(one.batch)

        assert found_in(found) == {}
        assert found.ledger_usd > 2 * PRICE
        assert found.ledger_usd == one.batch.replay().bill.spent_usd


async def test_an_edited_manifest_changes_no_row(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO)
        await one.run(
            {
                **manifest_of("owl", "cat", variables={"lens": "85 mm", "mood": 'a "b", c\n'}),
                "parameters": {"resolution": "0.5K", "aspect_ratio": "16:9"},
            }
        )

        assert look(one) == {}


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param("=1+1", id="a formula"),
        pytest.param("a\r\nb\rc\n", id="line ends"),
        pytest.param('"quoted", a\0b', id="a zero byte"),
        pytest.param("  é 🦊\u2028 ", id="blanks and other letters"),
    ],
)
async def test_prompts_are_compared_as_they_are_stored(tmp_path: Path, prompt: str) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run({"batch": "zoo", "prompt": "{{ animal }}", "grid": {"animal": [prompt]}})

        assert look(one) == {}


async def test_images_that_were_not_downloaded_are_no_finding(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO, download=False)

        assert look(one) == {}
        assert found_in(await repair(one)) == {}
        assert [row["status"] for row in one.ledger()] == ["succeeded"] * 2


async def test_what_a_run_is_about_to_write_is_no_finding(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=2.0) as one:
        seen: list[dict[str, int]] = []
        run = asyncio.create_task(one.run(manifest_of(*map(str, range(60))), concurrency=8))
        while not run.done():
            if journal_of(one).exists():
                found = await asyncio.to_thread(verify_batch, one.batch)
                if not run.done():
                    assert found.is_running
                    assert found.holder is not None
                    assert found.holder.pid == os.getpid()
                    seen.append(found_in(found))
            await asyncio.sleep(0.01)
        await run

        assert seen
        assert all(found == {} for found in seen)
        assert look(one) == {}


async def test_repair_waits_for_no_run(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO)

        with one.batch.lock(), pytest.raises(BusyError):
            await repair(one)


# -- files ---------------------------------------------------------------------------------


def remove_image(one: Evening) -> None:
    one.images()[0].unlink()


def cut_image(one: Evening) -> None:
    path = one.images()[0]
    path.write_bytes(path.read_bytes()[:-10])


def empty_image(one: Evening) -> None:
    one.images()[0].write_bytes(b"")


def flip_image(one: Evening) -> None:
    path = one.images()[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def exchange_image(one: Evening) -> None:
    one.images()[0].write_bytes(sample_image())


def exchange_by_as_long_a_file(one: Evening) -> None:
    path = one.images()[0]
    path.write_bytes(b"x" * path.stat().st_size)


@pytest.mark.parametrize(
    ("damage", "kind", "said"),
    [
        pytest.param(remove_image, "missing_file", "it is not there", id="removed"),
        pytest.param(cut_image, "damaged_file", "bytes long and was", id="cut short"),
        pytest.param(empty_image, "damaged_file", "it is 0 bytes long and was", id="emptied"),
        pytest.param(flip_image, "damaged_file", "its bytes are not those", id="one bit flipped"),
        pytest.param(
            exchange_image, "damaged_file", "another image of 64 × 48 pixels", id="exchanged"
        ),
        pytest.param(
            exchange_by_as_long_a_file, "damaged_file", "not an image", id="exchanged, as long"
        ),
    ],
)
async def test_a_bad_file_is_found_and_fetched_again_free(
    tmp_path: Path, damage: Damage, kind: str, said: str
) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO)
        good = everything(one)
        damage(one)
        bad = one.images()[0].read_bytes() if kind == "damaged_file" else None
        before = everything(one)

        found = verify_batch(one.batch)
        untouched = everything(one) == before
        repaired = await repair(one)
        row = next(row for row in one.ledger() if row["status"] == "undelivered")
        again = await repair(one)
        report = await one.run(TWO)

        assert found_in(found) == {kind: 1}
        assert said in found.groups[Kind[kind.upper()]].shown[0].text
        assert found.exit_code == 1
        assert untouched
        assert found_in(repaired) == found_in(again) == {"undelivered": 1}
        assert (row["error_type"], row["file"], row["url"][:4]) == ("download", "", "http")
        if bad is not None:
            (kept,) = repaired.kept
            assert kept.startswith("damaged/")
            assert (one.folder / kept).read_bytes() == bad
        assert (report.exit_code, one.queue.accepted) == (0, 2)
        assert look(one) == {}
        images = {name: digest for name, digest in good.items() if name.startswith("images/")}
        assert images.items() <= everything(one).items()


async def test_all_images_gone_are_all_fetched_again(tmp_path: Path) -> None:
    many = manifest_of(*map(str, range(150)))
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(many)
        shutil.rmtree(one.folder / "images")

        found = look(one)
        repaired = await repair(one)
        report = await one.run(many)

        assert found == {"missing_file": 150}
        assert found_in(repaired) == {"undelivered": 150}
        assert (report.exit_code, one.queue.accepted) == (0, 150)
        assert look(one) == {}


async def test_of_several_images_only_the_bad_one_is_fetched(tmp_path: Path) -> None:
    pairs = manifest_of("fox", parameters={"resolution": "0.5K", "num_images": 2})
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(pairs)
        remove_image(one)

        await repair(one)
        rows = {row["image_index"]: row["status"] for row in one.ledger()}
        costs = sum(Decimal(row["cost_usd"]) for row in one.ledger())
        fetched = one.queue.image_fetches
        await one.run(pairs)

        assert rows == {"0": "undelivered", "1": "succeeded"}
        assert costs == 2 * PRICE
        assert one.queue.image_fetches == fetched + 1
        assert look(one) == {}


async def test_a_file_under_another_extension_is_found_again(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO)
        path = one.images()[0]
        path.unlink()
        path.with_suffix(".webp").write_bytes(sample_image("WEBP"))

        repaired = await repair(one)

        assert found_in(repaired) == {}
        assert sum(row["file"].endswith(".webp") for row in one.ledger()) == 1
        assert look(one) == {}


async def test_an_image_that_came_inside_its_result_cannot_be_fetched_again(
    tmp_path: Path,
) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        one.queue.faults.script(on="run", nth=1, do="data_uri")
        await one.run(TWO, concurrency=1)
        row = next(row for row in one.ledger() if row["url"].startswith("data:"))
        (one.folder / row["file"]).unlink()

        repaired = await repair(one)
        report = await one.run(TWO)

        assert found_in(repaired) == {"undelivered": 1}
        assert report.failed == 1
        assert [row["error_type"] for row in one.ledger() if row["error_type"]] == ["expired"]
        assert look(one) == {}


async def test_what_is_kept_aside_never_replaces_what_was(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO)
        kept = []
        for _ in range(2):
            flip_image(one)
            kept += (await repair(one)).kept
            await one.run(TWO)

        assert len(set(kept)) == 2
        assert kept[1] == kept[0].replace(".png", "-2.png")
        assert all((one.folder / name).is_file() for name in kept)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("requests.csv", id="the journal"),
        pytest.param("../secret.txt", id="outside the batch"),
        pytest.param("/etc/hostname", id="outside altogether"),
        pytest.param("images/../requests.csv", id="by a way round"),
    ],
)
async def test_a_row_cannot_make_repair_move_another_file(tmp_path: Path, name: str) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO)
        (one.folder.parent / "secret.txt").write_text("x")
        journal = journal_of(one).read_bytes()
        change_cell(one, "file", name)

        found = look(one)
        repaired = await repair(one)

        assert set(found) == {"changed_row", "orphan_file"}
        assert repaired.kept == []
        assert found_in(repaired) == {}
        assert journal_of(one).read_bytes() == journal
        assert (one.folder.parent / "secret.txt").exists()
        assert look(one) == {}


async def test_files_that_no_row_names_are_told_and_never_touched(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO)
        for name in ("notes.txt", "kz/stray.png", ".DS_Store", "Thumbs.db"):
            path = one.folder / "images" / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"mine")

        found = verify_batch(one.batch)
        repaired = await repair(one)

        shown = [one.file for one in found.groups[Kind.ORPHAN_FILE].shown]
        assert sorted(shown) == ["images/kz/stray.png", "images/notes.txt"]
        assert found_in(repaired) == {"orphan_file": 2}
        assert (one.folder / "images" / "notes.txt").read_bytes() == b"mine"


async def test_the_file_of_a_job_that_is_open_is_no_orphan(tmp_path: Path) -> None:
    async with evening(tmp_path, speed=20.0) as one:
        await one.leave_open("fox")
        (job_id,) = {entry.job_id for entry in one.entries()}
        path = one.folder / "images" / job_id[:2] / f"{job_id}-0.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(sample_image())

        assert look(one) == {}


async def test_what_a_crash_has_left_of_files_is_cleared_away(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO)
        left = [one.folder / "images" / ".part" / "4711-0", one.folder / ".ledger.csv.new"]
        left[0].parent.mkdir()
        for path in left:
            path.write_bytes(b"half")

        found = verify_batch(one.batch)
        repaired = await repair(one)

        assert found_in(found) == {"left_over": 2}
        assert found.exit_code == 0
        assert found_in(repaired) == {}
        assert not any(path.exists() for path in left)


# -- the ledger ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        pytest.param("prompt", "a wolf", "changed_row", id="prompt"),
        pytest.param("seed", "1.2E+09", "changed_row", id="seed"),
        pytest.param("endpoint", "fal-ai/other", "changed_row", id="endpoint"),
        pytest.param("repeat", "1", "changed_row", id="take"),
        pytest.param("resolution", "00:05", "changed_row", id="parameter"),
        pytest.param("animal", "FOX", "changed_row", id="variable"),
        pytest.param("url", "https://a.example/", "changed_row", id="address"),
        pytest.param("request_id", "", "changed_row", id="request"),
        pytest.param("cost_usd", "0,06", "changed_row", id="cost that is no number"),
        pytest.param("sha256", "1.2E+30", "changed_row", id="hash that is none"),
        pytest.param("bytes", "many", "changed_row", id="size that is no number"),
        pytest.param("cost_usd", "6.00", "cost", id="cost"),
        pytest.param("cost_usd", "", "cost", id="no cost"),
    ],
)
async def test_a_changed_cell_is_found_and_set_right(
    tmp_path: Path, column: str, value: str, kind: str
) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO)
        before = sorted(
            (row | {"finished_at": ""} for row in one.ledger()), key=lambda row: row["job_id"]
        )
        change_cell(one, column, value)

        found = verify_batch(one.batch)
        repaired = await repair(one)
        report = await one.run(TWO)

        assert found_in(found) == {kind: 1}
        assert found_in(repaired) == {}
        after = sorted(
            (row | {"finished_at": ""} for row in one.ledger()), key=lambda row: row["job_id"]
        )
        assert after == before
        assert (report.exit_code, one.queue.accepted) == (0, 2)
        assert look(one) == {}


async def test_a_changed_time_of_a_failed_job_does_not_send_it_again(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        one.queue.faults.script(on="run", nth=1, do="content_policy_violation")
        await one.run(manifest_of("fox"))
        change_cell(one, "finished_at", "22.11.2026 23:41")

        found = look(one)
        repaired = await repair(one)
        report = await one.run(manifest_of("fox"))

        assert set(found) == {"changed_row", "not_in_ledger"}
        assert found_in(repaired) == {}
        assert (report.failed, one.queue.accepted) == (1, 1)
        assert look(one) == {}


def lose(one: Evening) -> None:
    ledger_of(one).unlink()


def empty(one: Evening) -> None:
    ledger_of(one).write_bytes(b"")


def leave_a_piece(one: Evening) -> None:
    ledger_of(one).write_bytes(ledger_of(one).read_bytes()[:20])


def leave_the_header(one: Evening) -> None:
    rewrite(ledger_of(one), lambda rows: rows[:1])


def lose_a_row(one: Evening) -> None:
    rewrite(ledger_of(one), lambda rows: rows[:-1])


def save_with_bom(one: Evening) -> None:
    ledger_of(one).write_bytes(b"\xef\xbb\xbf" + ledger_of(one).read_bytes())


def save_with_crlf(one: Evening) -> None:
    ledger_of(one).write_bytes(ledger_of(one).read_bytes().replace(b"\n", b"\r\n"))


def save_with_semicolons(one: Evening) -> None:
    ledger_of(one).write_bytes(ledger_of(one).read_bytes().replace(b",", b";"))


def break_a_row(one: Evening) -> None:
    lines = ledger_of(one).read_bytes().splitlines(keepends=True)
    ledger_of(one).write_bytes(b"".join([lines[0], b'x"y\n', *lines[1:]]))


def write_another_status(one: Evening) -> None:
    change_cell(one, "status", "ok")


def add_a_column(one: Evening) -> None:
    def widen(rows: list[list[str]]) -> Iterable[list[str]]:
        for place, row in enumerate(rows):
            yield [*row[:10], "note" if place == 0 else "nice", *row[10:]]

    rewrite(ledger_of(one), widen)


@pytest.mark.parametrize(
    ("damage", "kind", "is_kept"),
    [
        pytest.param(lose, "ledger_lost", False, id="lost"),
        pytest.param(empty, "ledger_lost", True, id="emptied"),
        pytest.param(leave_a_piece, "ledger_lost", True, id="a piece of its header"),
        pytest.param(leave_the_header, "not_in_ledger", False, id="only its header"),
        pytest.param(lose_a_row, "not_in_ledger", False, id="a row is gone"),
        pytest.param(save_with_bom, "ledger_resaved", True, id="saved with a mark"),
        pytest.param(save_with_crlf, "ledger_resaved", True, id="saved with other line ends"),
        pytest.param(save_with_semicolons, "ledger_resaved", True, id="saved with semicolons"),
        pytest.param(break_a_row, "ledger_broken", True, id="a row that is none"),
        pytest.param(write_another_status, "ledger_broken", True, id="a status that is none"),
        pytest.param(add_a_column, "ledger_broken", True, id="a column of somebody's own"),
    ],
)
async def test_a_ledger_is_written_again_from_the_journal_and_the_files(
    tmp_path: Path, damage: Damage, kind: str, is_kept: bool
) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        one.queue.faults.script(on="run", nth=2, do="content_policy_violation")
        await one.run(THREE, concurrency=1)
        before = {row["animal"]: row | {"finished_at": ""} for row in one.ledger()}
        damage(one)
        as_found = ledger_of(one).read_bytes() if is_kept else b""

        found = verify_batch(one.batch)
        repaired = await repair(one)
        after = {row["animal"]: row | {"finished_at": ""} for row in one.ledger()}
        report = await one.run(THREE)

        assert set(found_in(found)) == {kind}
        assert found.exit_code == 1
        assert (found_in(repaired), repaired.exit_code) == ({}, 0)
        assert after == before
        assert (report.again, one.queue.accepted) == (0, 3)
        assert repaired.kept == (["ledger-set-aside.csv"] if is_kept else [])
        if is_kept:
            assert (one.folder / "ledger-set-aside.csv").read_bytes() == as_found
        assert look(one) == {}


async def test_every_kind_of_row_is_written_again(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await all_kinds(one)
        told = (
            "animal",
            "image_index",
            "status",
            "cost_usd",
            "attempts",
            "error_type",
            "request_id",
        )

        def rows() -> set[tuple[str, ...]]:
            return {tuple(row[name] for name in told) for row in one.ledger()}

        before = rows()
        lose(one)

        repaired = await repair(one)

        # That an image is gone for good is found out anew, by asking for it.
        expected = {
            tuple("undelivered" if cell == "failed" else "download" if cell == "expired" else cell
                  for cell in row) if "expired" in row else row
            for row in before
        }  # fmt: skip
        assert rows() == expected
        assert set(found_in(repaired)) == {"undelivered"}
        accepted = one.queue.accepted
        await one.run(KINDS)
        assert one.queue.accepted == accepted
        assert rows() >= {row for row in before if "undelivered" not in row}


async def test_a_failure_that_was_to_be_tried_again_stays_so(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        one.queue.faults.script(on="run", nth=1, do="generation_timeout")
        run = asyncio.create_task(one.run(manifest_of("fox")))
        while "failed" not in one.states():
            await asyncio.sleep(0.001)
        one.batch.request_stop()
        await run
        assert one.states()[-1] == "failed"
        lose(one)

        repaired = await repair(one)

        assert found_in(repaired) == {}
        assert one.ledger() == []
        report = await one.run(manifest_of("fox"))
        assert (report.exit_code, one.queue.accepted) == (0, 2)
        assert one.ledger()[0]["attempts"] == "2"


async def test_images_that_are_not_there_when_a_ledger_is_written_again_are_fetched(
    tmp_path: Path,
) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(THREE)
        lose(one)
        remove_image(one)
        cut_image(one)

        repaired = await repair(one)
        report = await one.run(THREE)

        assert found_in(repaired) == {"undelivered": 2}
        assert (report.exit_code, one.queue.accepted) == (0, 3)
        assert look(one) == {}


async def test_a_foreign_file_in_the_ledgers_place_is_never_touched(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO)
        ledger_of(one).write_text("name,phone\nAnn,5\n", encoding="utf-8")

        found = verify_batch(one.batch)
        repaired = await repair(one)

        assert found_in(found) == {"ledger_foreign": 1}
        assert found_in(repaired) == {"ledger_foreign": 1}
        assert ledger_of(one).read_text(encoding="utf-8") == "name,phone\nAnn,5\n"
        ledger_of(one).rename(tmp_path / "phones.csv")
        assert found_in(await repair(one)) == {}


@pytest.mark.parametrize("name", ["requests.csv", "ledger.csv"])
async def test_a_torn_tail_is_found_and_cut_off(tmp_path: Path, name: str) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO)
        path = one.folder / name
        whole = path.read_bytes()
        path.write_bytes(whole + whole.splitlines(keepends=True)[-1][:25])
        before = everything(one)

        found = verify_batch(one.batch)
        untouched = everything(one) == before
        repaired = await repair(one)

        assert found_in(found) == {"torn_tail": 1}
        assert untouched
        assert found_in(repaired) == {}
        assert path.read_bytes() == whole


async def test_rows_that_were_replaced_are_tidied_away(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO)
        rewrite(ledger_of(one), lambda rows: [*rows, rows[1]])

        found = verify_batch(one.batch)
        repaired = await repair(one)

        assert found_in(found) == {"superseded_row": 1}
        assert found.exit_code == 0
        assert found.ledger_usd == 2 * PRICE
        assert found_in(repaired) == {"duplicate_row": 1}  # the same row in both means nothing
        assert len(one.ledger()) == 2


async def test_a_history_that_cannot_be_trusted_is_told(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO)
        (one.folder / "ledger-history.csv").write_text("name,phone\n", encoding="utf-8")

        assert look(one) == {"history_broken": 1}
        assert found_in(await repair(one)) == {"history_broken": 1}


async def test_columns_that_a_crash_kept_from_the_ledger_are_added(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO)
        state = one.folder / "batch.json"
        state.write_text(
            state.read_text(encoding="utf-8").replace('"animal"', '"animal",\n  "mood"'),
            encoding="utf-8",
        )

        found = verify_batch(one.batch)
        repaired = await repair(one)

        assert found_in(found) == {"columns": 1}
        assert found.exit_code == 0
        assert found_in(repaired) == {}
        assert one.ledger()[0]["mood"] == ""


# -- the journal ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        pytest.param(lambda path: path.unlink(), "journal_lost", id="lost"),
        pytest.param(lambda path: path.write_bytes(b""), "journal_lost", id="emptied"),
        pytest.param(
            lambda path: path.write_bytes(path.read_bytes().split(b"\n")[0] + b"\n"),
            "journal_lost",
            id="only its header",
        ),
        pytest.param(
            lambda path: path.write_text("name,phone\n", encoding="utf-8"),
            "journal_broken",
            id="a foreign file",
        ),
        pytest.param(
            lambda path: path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes()),
            "journal_broken",
            id="saved by a spreadsheet",
        ),
        pytest.param(
            lambda path: rewrite(path, lambda rows: [*rows[:2], *rows[3:]]),
            "journal_broken",
            id="a row is gone",
        ),
    ],
)
async def test_a_journal_is_never_mended(
    tmp_path: Path, damage: Callable[[Path], Any], kind: str
) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO, concurrency=1)
        damage(journal_of(one))
        remove_image(one)
        before = everything(one)

        found = look(one)
        repaired = await repair(one)

        assert found == {kind: 1, "lost_file": 1}
        assert found_in(repaired) == found
        after = everything(one)
        for name in (".lock", "run.log"):
            before.pop(name), after.pop(name)
        assert after == before


async def test_an_older_copy_of_the_journal_is_told(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox"))
        copy = journal_of(one).read_bytes()
        await one.run(TWO)
        journal_of(one).write_bytes(copy)

        found = verify_batch(one.batch)

        assert found_in(found) == {"no_journal": 1}
        assert found_in(await repair(one)) == {"no_journal": 1}
        with pytest.raises(LedgerError, match="lacks 1 jobs"):
            await one.run(TWO)


async def test_both_tables_lost_while_images_are_there_is_a_lost_journal(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO)
        journal_of(one).unlink()
        ledger_of(one).unlink()

        assert look(one) == {"journal_lost": 1}
        with pytest.raises(LedgerError, match="is lost"):
            await one.run(TWO)
        assert one.queue.accepted == 2


# -- a lost journal, and a run that goes on all the same -----------------------------------


async def test_only_resubmit_goes_on_without_the_journal(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO)
        journal_of(one).unlink()

        with pytest.raises(LedgerError, match="is lost, while ledger"):
            await one.run(THREE)
        went_on = await one.run(THREE, on_unknown="resubmit")
        hold = await one.run(THREE)

        assert (went_on.exit_code, hold.exit_code) == (0, 0)
        assert one.queue.accepted == 3
        assert {row["status"] for row in one.ledger()} == {"succeeded"}
        found = verify_batch(one.batch)
        assert found_in(found) == {"unjournalled": 2}
        assert found.exit_code == 0
        # What the journal does not know any more still counts.
        assert one.batch.replay().bill.spent_usd == 3 * PRICE


async def test_what_the_ledger_does_not_settle_is_sent_again(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        one.with_platform = False
        one.queue.faults.script(on="submit", nth=1, do="lost_reply")
        one.queue.faults.script(on="run", nth=2, do="content_policy_violation")
        one.queue.faults.script(on="image", nth="every", do="image_403")
        await one.run(THREE, concurrency=1)
        one.queue.faults.clear()
        before = {row["animal"]: row["status"] for row in one.ledger()}
        journal_of(one).unlink()

        report = await one.run(THREE, on_unknown="resubmit")

        assert before == {"fox": "unknown", "owl": "failed", "cat": "undelivered"}
        after = {row["animal"]: row["status"] for row in one.ledger()}
        # Only the fox's row tells of nothing that is settled; the cat's result is lost.
        assert after == {"fox": "succeeded", "owl": "failed", "cat": "undelivered"}
        assert one.queue.accepted == 4
        assert (report.failed, report.undelivered, report.again) == (1, 1, 0)


async def test_a_journal_that_is_lost_again_is_told_again(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO)
        journal_of(one).unlink()
        await one.run(THREE, on_unknown="resubmit")
        journal_of(one).unlink()

        with pytest.raises(LedgerError, match="is lost"):
            await one.run(THREE)


async def test_the_budget_counts_what_the_lost_journal_had(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(TWO)
        journal_of(one).unlink()

        report = await one.run(THREE, on_unknown="resubmit", budget_usd=Decimal("0.15"))

        assert report.exit_code == 3
        assert one.queue.accepted == 2


async def test_a_limit_and_a_sample_are_kept_to_without_the_journal(tmp_path: Path) -> None:
    many: dict[str, Json] = manifest_of(*map(str, range(10)))
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(many, selection=Selection(limit=2))
        journal_of(one).unlink()

        await one.run(many, on_unknown="resubmit", selection=Selection(limit=3))

        assert one.queue.accepted == 5
