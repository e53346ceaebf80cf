"""A durable file with one writer: shared syncs, torn tails, foreign files, full disks."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.jobs import at, make_entry, make_job
from support.record_files import open_journal, read_rows, write_journal

from batchgen.attempt import JOURNAL_COLUMNS, JOURNAL_FIRST_CELL
from batchgen.csv_file import MAX_WRITE_BYTES, SECTOR_BYTES, RowReader, format_row
from batchgen.errors import LedgerError
from batchgen.journal import Journal
from batchgen.state import AttemptState

HEADER = format_row(JOURNAL_COLUMNS).encode()
SUBMITTING, SUBMITTED, UNKNOWN = (
    AttemptState.SUBMITTING,
    AttemptState.SUBMITTED,
    AttemptState.UNKNOWN,
)

NASTY = 'two\nlines, "quoted",\r\n\rand\x0bmore 🦊 \u2028 =1+1 \n"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "requests.csv"


def row(number: int, *, reason: str = "") -> list[str]:
    """Return a row of the `number`-th job, with a text in its last cell that is no JSON."""
    cells = make_entry(UNKNOWN, job=make_job(number), second=number).cells()
    return [*cells[:-1], reason]


def rows_of(path: Path) -> list[list[str]]:
    return [row.cells for row in RowReader(path, first_cell=JOURNAL_FIRST_CELL)]


def append_now(path: Path, *rows: list[str]) -> None:
    with open_journal(path) as journal:
        journal.append_now(rows)


def is_refused(path: Path) -> bool:
    """Say whether readers and writers refuse the file, and both leave it as it is."""
    before = path.read_bytes()
    refusals = 0
    for attempt in (rows_of, append_now):
        try:
            attempt(path)
        except LedgerError:
            refusals += 1
    assert path.read_bytes() == before or refusals == 0
    assert refusals in (0, 2)
    return refusals == 2


# -- a new file -------------------------------------------------------------------------------


@pytest.mark.parametrize("length", range(len(HEADER)))
def test_a_crash_at_any_byte_of_the_header_leaves_a_new_file(path: Path, length: int) -> None:
    path.write_bytes(HEADER[:length])

    append_now(path, row(1))

    assert path.read_bytes() == HEADER + format_row(row(1)).encode()


@pytest.mark.parametrize("length", [0, 7, len(HEADER) - 1])
def test_zero_bytes_in_the_headers_place_are_a_new_file_too(path: Path, length: int) -> None:
    path.write_bytes(HEADER[:length].ljust(len(HEADER), b"\0"))

    append_now(path, row(1))

    assert path.read_bytes() == HEADER + format_row(row(1)).encode()


def test_a_header_is_there_whole_or_not_at_all(path: Path) -> None:
    path.write_bytes(HEADER[:20])
    inode = path.stat().st_ino

    append_now(path)

    assert path.stat().st_ino != inode  # it was written beside it and renamed


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"at,jo\n", id="a header that ends too early"),
        pytest.param(b"Dear diary\n", id="notes"),
        pytest.param(b"Dear diary", id="notes without an end"),
        pytest.param(b"\xef\xbb\xbf" + HEADER, id="a byte order mark"),
        pytest.param(HEADER.replace(b"\n", b"\r\n"), id="other line ends"),
        pytest.param(HEADER.replace(b",", b";"), id="semicolons"),
        pytest.param(HEADER.replace(b"at,job_id", b"job_id,at"), id="columns in another order"),
        pytest.param(HEADER.replace(b",detail", b""), id="a column less"),
        pytest.param(HEADER.replace(b"detail", b"detail,more"), id="a column more"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"\0" * 5000, id="an image"),
        pytest.param(b"\0" * 5000, id="zero bytes, more than a header's"),
    ],
)
def test_a_foreign_file_is_never_written_to(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    with pytest.raises(LedgerError):
        append_now(path, row(1))

    assert path.read_bytes() == content


def test_a_folder_in_the_files_place_is_an_error_and_not_a_traceback(path: Path) -> None:
    path.mkdir()

    with pytest.raises(LedgerError, match=r"requests\.csv"):
        open_journal(path)


# -- torn tails -------------------------------------------------------------------------------


def test_a_crash_at_any_byte_loses_at_most_the_last_event(path: Path) -> None:
    write_journal(path, [])
    first, second = row(1, reason=NASTY), row(2, reason=NASTY)
    append_now(path, first)
    complete = path.read_bytes()
    append_now(path, second)
    whole = path.read_bytes()

    for length in range(len(complete), len(whole)):
        path.write_bytes(whole[:length])
        assert rows_of(path) == [first]
        assert path.read_bytes() == whole[:length]  # who only reads changes nothing

        append_now(path, second)

        assert path.read_bytes() == whole


def test_a_crash_in_a_write_of_several_rows_keeps_those_that_are_whole(path: Path) -> None:
    write_journal(path, [])
    rows = [row(number, reason=NASTY) for number in range(4)]
    append_now(path, *rows)
    whole = path.read_bytes()
    ends = [each.end for each in RowReader(path, first_cell=JOURNAL_FIRST_CELL)]

    for length in range(len(HEADER), len(whole)):
        path.write_bytes(whole[:length])
        kept = sum(end <= length for end in ends)
        assert rows_of(path) == rows[:kept]

        append_now(path, row(9))

        assert rows_of(path) == [*rows[:kept], row(9)]


def test_zero_bytes_instead_of_the_tail_are_cut_off(path: Path) -> None:
    rows = [row(number, reason=NASTY) for number in range(2)]
    append_now(path, *rows)
    whole = path.read_bytes()
    first = next(iter(RowReader(path, first_cell=JOURNAL_FIRST_CELL))).end

    for length in range(first, len(whole)):
        path.write_bytes(whole[:length].ljust(len(whole) + 3, b"\0"))
        assert rows_of(path) == rows[:1]

        append_now(path, rows[1])

        assert path.read_bytes() == whole


def test_zero_bytes_in_the_middle_of_the_last_row_are_cut_off(path: Path) -> None:
    rows = [row(number, reason=NASTY) for number in range(2)]
    append_now(path, *rows)
    whole = path.read_bytes()
    first = next(iter(RowReader(path, first_cell=JOURNAL_FIRST_CELL))).end

    for begin in range(first, len(whole) - 5):
        path.write_bytes(whole[:begin] + b"\0" * 5 + whole[begin + 5 :])
        assert rows_of(path) == rows[:1]
        append_now(path, rows[1])
        assert path.read_bytes() == whole


def long_write(path: Path) -> tuple[bytes, list[list[str]]]:
    rows = [row(number, reason=f"{number} {'x' * 200}") for number in range(12)]
    append_now(path, *rows)
    return path.read_bytes(), rows


def test_a_sector_of_the_last_write_that_never_reached_the_disk_takes_what_follows_with_it(
    path: Path,
) -> None:
    whole, rows = long_write(path)

    sectors = range(SECTOR_BYTES, len(whole) - 2 * SECTOR_BYTES, SECTOR_BYTES)
    for begin in sectors:
        lost = whole[:begin] + b"\0" * SECTOR_BYTES + whole[begin + SECTOR_BYTES :]
        path.write_bytes(lost)
        kept = len(rows_of(path))

        append_now(path, row(99))

        assert rows_of(path) == [*rows[:kept], row(99)]
        assert path.read_bytes().startswith(whole[: begin - SECTOR_BYTES])


def test_zero_bytes_that_are_no_sector_were_not_left_by_a_crash(path: Path) -> None:
    whole, _ = long_write(path)

    for begin in range(SECTOR_BYTES + 1, len(whole) - 2 * SECTOR_BYTES, 97):
        path.write_bytes(whole[:begin] + b"\0" * 20 + whole[begin + 20 :])

        assert is_refused(path)


@pytest.mark.parametrize(
    ("before", "behind"),
    [pytest.param(17, 0, id="beginning in one"), pytest.param(0, -17, id="ending in one")],
)
def test_a_part_of_a_sector_is_never_lost_alone(path: Path, before: int, behind: int) -> None:
    whole, _ = long_write(path)
    begin, end = 2 * SECTOR_BYTES + before, 3 * SECTOR_BYTES + behind

    path.write_bytes(whole[:begin] + b"\0" * (end - begin) + whole[end:])

    assert is_refused(path)


def test_a_write_whose_first_bytes_were_lost_begins_behind_a_row(path: Path) -> None:
    """Its first sector holds older rows, which are there."""
    whole, rows = long_write(path)
    starts = [each.start for each in RowReader(path, first_cell=JOURNAL_FIRST_CELL)]
    begin = starts[3]
    end = (begin // SECTOR_BYTES + 1) * SECTOR_BYTES
    path.write_bytes(whole[:begin] + b"\0" * (end - begin) + whole[end:])

    assert rows_of(path) == rows[:3]
    append_now(path, row(99))
    assert rows_of(path) == [*rows[:3], row(99)]


def test_a_lost_sector_that_more_than_one_write_lies_behind_was_not_left_by_a_crash(
    path: Path,
) -> None:
    write_journal(path, [])
    append_now(path, *(row(number, reason="x" * 10_000) for number in range(500)))
    whole = path.read_bytes()
    assert len(whole) > MAX_WRITE_BYTES + 3 * SECTOR_BYTES

    begin = 2 * SECTOR_BYTES
    path.write_bytes(whole[:begin] + b"\0" * SECTOR_BYTES + whole[begin + SECTOR_BYTES :])

    assert is_refused(path)


@pytest.mark.parametrize(
    "tail", [pytest.param(b"\n", id="an empty line"), pytest.param(b"\n\n  \n", id="some")]
)
def test_empty_lines_that_an_editor_left_are_cut_off(path: Path, tail: bytes) -> None:
    append_now(path, row(1))
    whole = path.read_bytes()
    path.write_bytes(whole + tail)

    append_now(path)

    assert path.read_bytes() == whole


def test_a_row_that_is_being_written_is_merely_not_there_yet(path: Path) -> None:
    """A reader may meet half a write, and the other half may be there a moment later."""
    append_now(path, row(1), row(2), row(3))
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    reader = iter(RowReader(path, first_cell=JOURNAL_FIRST_CELL))
    assert [next(reader).cells, next(reader).cells] == [row(1), row(2)]

    path.write_bytes(whole + format_row(row(4)).encode())

    assert [found.cells for found in reader] == [row(3), row(4)]


# -- damage that no crash explains ------------------------------------------------------------


def damaged(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[bytes], bytes]:
    return lambda content: b"".join(change(content.splitlines(keepends=True)))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            damaged(lambda lines: [*lines[:2], b"a note\n", *lines[2:]]),
            id="a line in the middle",
        ),
        pytest.param(damaged(lambda lines: [*lines, b"a note\n"]), id="a line at the end"),
        pytest.param(damaged(lambda lines: [*lines, b"a, b"]), id="a piece of one at the end"),
        pytest.param(
            damaged(lambda lines: [*lines[:2], lines[2].replace(b",", b"", 1), *lines[3:]]),
            id="a comma less",
        ),
        pytest.param(
            damaged(lambda lines: [*lines[:-1], lines[-1].replace(b",", b"", 1)]),
            id="a comma less in the last row",
        ),
        pytest.param(
            damaged(lambda lines: [*lines[:2], lines[2].replace(b",k", b',"k', 1), *lines[3:]]),
            id="a stray quote that opens",
        ),
        pytest.param(
            damaged(lambda lines: [*lines[:-2], lines[-2].replace(b",k", b',"k', 1), lines[-1]]),
            id="a stray quote that opens in the last row but one",
        ),
        pytest.param(
            damaged(lambda lines: [*lines[:2], lines[2].replace(b"kkk", b'k"k', 1), *lines[3:]]),
            id="a stray quote within a cell",
        ),
        pytest.param(
            damaged(lambda lines: [*lines[:-1], lines[-1].replace(b"kkk", b'k"k', 1)]),
            id="a stray quote within a cell of the last row",
        ),
        pytest.param(
            damaged(lambda lines: [*lines[:2], lines[2][:40], *lines[3:]]),
            id="half a row in the middle",
        ),
        pytest.param(
            damaged(lambda lines: [*lines[:3], lines[3].replace(b"\n", b"\r\n"), *lines[4:]]),
            id="another line end in the middle",
        ),
        pytest.param(
            lambda content: content.replace(b"\n", b"\r\n"), id="other line ends everywhere"
        ),
        pytest.param(
            lambda content: content[:-30] + b"\xff\xfe" + content[-28:], id="bytes that are no text"
        ),
        pytest.param(
            lambda content: content + content[: content.index(b"\n") + 1], id="a second header"
        ),
    ],
)
def test_damage_that_no_crash_explains_is_refused_and_kept(
    path: Path, change: Callable[[bytes], bytes]
) -> None:
    append_now(path, *(row(number) for number in range(1, 8)))
    path.write_bytes(change(path.read_bytes()))

    assert is_refused(path)


def test_a_quote_that_swallows_rows_of_several_lines_is_found_too(path: Path) -> None:
    append_now(path, *(row(number, reason="two\nlines") for number in range(1, 5)))
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'lines"\n', b"lines\n", 1))

    assert is_refused(path)


def test_the_error_names_the_line_and_promises_that_nothing_was_changed(path: Path) -> None:
    append_now(path, row(1, reason="two\nlines"), row(2), row(3))
    path.write_bytes(path.read_bytes().replace(format_row(row(2)).encode(), b"a note\n"))

    with pytest.raises(LedgerError, match=r"requests\.csv:4 .*\n?.*Nothing was changed"):
        append_now(path)


@given(
    rows=st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6),
            min_size=len(JOURNAL_COLUMNS) - 1,
            max_size=len(JOURNAL_COLUMNS) - 1,
        ),
        max_size=4,
    )
)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rows_are_read_as_they_were_written(path: Path, rows: list[list[str]]) -> None:
    path.unlink(missing_ok=True)
    timed = [[at(number), *cells] for number, cells in enumerate(rows)]

    append_now(path, *timed)

    assert rows_of(path) == timed


@given(data=st.data())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_befalls_the_file_no_row_is_lost_without_a_word(
    path: Path, data: st.DataObject
) -> None:
    """Whoever changes bytes in the middle is told; only what stands last can be taken for torn."""
    path.unlink(missing_ok=True)
    append_now(path, *(row(number, reason=f"{number}\n") for number in range(4)))
    whole = path.read_bytes()
    last = [each.start for each in RowReader(path, first_cell=JOURNAL_FIRST_CELL)][-1]
    place = data.draw(st.integers(0, last - 1))
    path.write_bytes(whole[:place] + data.draw(st.binary(max_size=3)) + whole[place + 1 :])

    try:
        found = rows_of(path)
    except LedgerError:
        return

    assert len(found) >= 3 or RowReader(path, first_cell=JOURNAL_FIRST_CELL).columns != list(
        JOURNAL_COLUMNS
    )


def test_a_cell_may_be_longer_than_the_standard_library_likes(path: Path) -> None:
    long = row(1, reason='"quoted"' + "x" * 1_000_000)

    append_now(path, long)

    assert rows_of(path) == [long]


def test_what_a_row_of_ours_cannot_hold_is_replaced_and_not_written(path: Path) -> None:
    append_now(path, row(1, reason="zero \0 byte, half a \ud83e character"))

    assert rows_of(path) == [row(1, reason="zero � byte, half a ? character")]


# -- group commit -----------------------------------------------------------------------------


class Syncs:
    """Counts syncs, and lets each of them wait until it is released, or fail."""

    def __init__(self, *, error: OSError | None = None) -> None:
        self.count = 0
        self.sizes: list[int] = []
        self.error = error

    def __call__(self, handle: int) -> None:
        self.count += 1
        self.sizes.append(os.fstat(handle).st_size)
        if self.error is not None:
            raise self.error
        os.fsync(handle)


async def test_many_rows_share_one_sync(path: Path) -> None:
    syncs = Syncs()
    with open_journal(path, sync=syncs) as journal:
        starts = await asyncio.gather(*(journal.append(row(number)) for number in range(100)))

        assert syncs.count <= 2
        assert [journal.read_at(start) for start in starts] == [row(n) for n in range(100)]
    assert rows_of(path) == [row(number) for number in range(100)]


async def test_a_row_is_not_durable_before_its_sync_has_returned(path: Path) -> None:
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()

    def sync(handle: int) -> None:
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(timeout=30)

    with open_journal(path, sync=sync) as journal:
        first = asyncio.create_task(journal.append(row(1)))
        while path.stat().st_size <= len(HEADER):
            await asyncio.sleep(0)  # until it is written

        assert not first.done()

        gate.set()
        await first
        assert journal.end == path.stat().st_size


async def test_rows_that_come_during_a_sync_share_the_next_one_in_order(path: Path) -> None:
    syncs = Syncs()
    with open_journal(path, sync=syncs) as journal:
        first = asyncio.create_task(journal.append(row(0)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        others = [asyncio.create_task(journal.append(row(number))) for number in range(1, 50)]
        await asyncio.gather(first, *others)

    assert syncs.count <= 3
    assert rows_of(path) == [row(number) for number in range(50)]


async def test_a_commit_is_no_larger_than_one_write_may_be(path: Path) -> None:
    syncs = Syncs()
    big = "x" * (MAX_WRITE_BYTES // 3)
    with open_journal(path, sync=syncs) as journal:
        await asyncio.gather(*(journal.append(row(n, reason=big)) for n in range(7)))

    steps = [after - before for before, after in zip([0, *syncs.sizes], syncs.sizes, strict=False)]
    assert max(steps) <= MAX_WRITE_BYTES + len(HEADER)
    assert len(rows_of(path)) == 7


async def test_whoever_stops_waiting_for_a_row_does_not_stop_the_write(path: Path) -> None:
    with open_journal(path) as journal:
        waiting = asyncio.create_task(journal.append(row(1)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await journal.append(row(2))

    assert rows_of(path) == [row(1), row(2)]


async def test_a_failed_sync_ends_the_writer_and_everybody_who_waits_is_told(path: Path) -> None:
    syncs = Syncs(error=OSError(errno.EIO, "Input/output error"))
    with open_journal(path, sync=syncs) as journal:
        results = await asyncio.gather(
            *(journal.append(row(number)) for number in range(5)), return_exceptions=True
        )

        assert [type(result) for result in results] == [LedgerError] * 5
        assert "Input/output error" in str(journal.failed)
        size = path.stat().st_size
        with pytest.raises(LedgerError):
            await journal.append(row(9))
        with pytest.raises(LedgerError):
            journal.append_now([row(9)])
        assert syncs.count == 1
        assert path.stat().st_size == size


async def test_rows_that_came_while_the_failing_write_went_on_are_told_too(path: Path) -> None:
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def sync(handle: int) -> None:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(timeout=30)
        raise OSError(errno.EIO, "Input/output error")

    with open_journal(path, sync=sync) as journal:
        waiting = [asyncio.create_task(journal.append(row(0)))]
        while path.stat().st_size <= len(HEADER):
            await asyncio.sleep(0)
        waiting += [asyncio.create_task(journal.append(row(number))) for number in range(1, 4)]
        await asyncio.sleep(0)
        release.set()
        results = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(result) for result in results] == [LedgerError] * 4


async def test_even_a_mistake_of_our_own_leaves_nobody_waiting(path: Path) -> None:
    def sync(handle: int) -> None:
        raise ZeroDivisionError

    with open_journal(path, sync=sync) as journal:
        with pytest.raises(LedgerError):
            await asyncio.wait_for(journal.append(row(1)), timeout=30)
        assert isinstance(journal.failed, LedgerError)
        assert isinstance(journal.failed.__cause__, ZeroDivisionError)


async def test_nothing_is_appended_to_a_file_that_was_closed(path: Path) -> None:
    with open_journal(path) as journal:
        pass

    with pytest.raises(LedgerError, match="is closed"):
        await journal.append(row(1))
    with pytest.raises(LedgerError, match="is closed"):
        journal.append_now([row(1)])


@pytest.mark.parametrize("change", [b"a row of somebody else\n", b""], ids=["grown", "cut"])
async def test_a_file_that_changed_behind_our_back_gets_nothing_more(
    path: Path, change: bytes
) -> None:
    with open_journal(path) as journal:
        await journal.append(row(1))
        theirs = path.read_bytes() + change if change else HEADER
        path.write_bytes(theirs)

        with pytest.raises(LedgerError, match="another program writes to it"):
            await journal.append(row(2))

        with pytest.raises(LedgerError):
            await journal.append(row(3))
        assert path.read_bytes() == theirs


@pytest.mark.skipif(os.name == "nt", reason="Windows replaces no file that is open")
async def test_a_file_that_another_one_has_taken_the_place_of_gets_nothing_more(path: Path) -> None:
    with open_journal(path) as journal:
        await journal.append(row(1))
        saved = path.with_name("saved")
        saved.write_bytes(path.read_bytes())
        saved.replace(path)  # as editors and programs that synchronise folders save a file

        with pytest.raises(LedgerError, match="taken away, or replaced"):
            await journal.append(row(2))
        with pytest.raises(LedgerError):
            await journal.append(row(3))

    assert rows_of(path) == [row(1)]


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no file that is open")
async def test_no_row_counts_as_durable_in_a_file_that_was_removed(path: Path) -> None:
    with open_journal(path) as journal:
        await journal.append(row(1))
        path.unlink()

        with pytest.raises(LedgerError, match="taken away"):
            await journal.append(row(2))


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no file that is open")
@pytest.mark.parametrize("theirs", [HEADER, None], ids=["an older copy", "nothing"])
async def test_what_a_journal_held_that_lost_its_name_is_kept_beside_it(
    path: Path, theirs: bytes | None
) -> None:
    with open_journal(path, reserve=True) as journal:
        await journal.append(row(1))
        await journal.append(row(2))
        if theirs is None:
            path.unlink()
        else:
            path.with_name("saved").write_bytes(theirs)
            path.with_name("saved").replace(path)

        with pytest.raises(LedgerError, match=r"is in requests\.kept\.csv"):
            await journal.append(row(3))

    assert rows_of(path.with_name("requests.kept.csv")) == [row(1), row(2)]
    assert (path.read_bytes() if path.exists() else None) == theirs


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no folder with open files")
async def test_a_journal_whose_folder_is_gone_ends_with_an_error_of_ours(path: Path) -> None:
    home = path.parent / "home"
    home.mkdir()
    with open_journal(home / path.name, reserve=True) as journal:
        await journal.append(row(1))
        home.rename(path.parent / "elsewhere")

        with pytest.raises(LedgerError, match="taken away, or replaced"):
            await journal.append(row(2))


def test_a_caller_who_has_read_the_file_says_where_it_ends(path: Path) -> None:
    append_now(path, row(1))
    end = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"2026-")

    with open_journal(path, end=end) as journal:
        assert journal.end == path.stat().st_size == end


# -- full disks -------------------------------------------------------------------------------

FILL = """
import asyncio, resource, signal, sys
from pathlib import Path
from support.record_files import open_journal, read_rows

sys.path.insert(0, sys.argv[1])
from test_journal import row

path = Path(sys.argv[2]) / "requests.csv"
reserve = path.parent / ".requests.csv.reserve"

async def fill(journal):
    rows, was_calm = 0, True
    while True:
        try:
            await journal.append(row(rows, reason="x" * 5000))
        except Exception as error:
            print("error", type(error).__name__)
            return rows
        rows += 1
        if was_calm and journal.strained:
            was_calm = False
            print("strained", rows, reserve.exists())

with open_journal(path, reserve=True) as journal:
    assert reserve.stat().st_size >= 256 * 1024
    if len(sys.argv) > 3:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
    print("written", asyncio.run(fill(journal)))
print("reserve", reserve.exists())
print("found", len(read_rows(path)))
"""

FULL = """
import sys
from pathlib import Path
from support.record_files import open_journal, read_rows

sys.path.insert(0, sys.argv[1])
from test_journal import row

folder = Path(sys.argv[2])
(folder / "ballast").write_bytes(b"1" * (900 * 1024))
try:
    open_journal(folder / "requests.csv", reserve=True)
except Exception as error:
    print("error", type(error).__name__, error)
(folder / "ballast").unlink()
with open_journal(folder / "requests.csv", reserve=True) as journal:
    journal.append_now([row(1)])
print("found", len(read_rows(folder / "requests.csv")))
"""

# Mounts a file system of one megabyte that only this command and its children see.
SMALL_DISK = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
SMALL_DISK += ['mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"']


def tell(script: str, folder: Path, *limit: str, small: bool = False) -> dict[str, list[str]]:
    """Run a script in another process, and return what it said: first word → the others."""
    here = Path(__file__).parent
    command = [sys.executable, "-c", script, str(here), str(folder), *limit]
    found = subprocess.run(
        [*SMALL_DISK, str(folder), *command] if small else command,
        env={**os.environ, "PYTHONPATH": f"{here.parent}:{here.parents[1]}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return {word: others for word, *others in map(str.split, found.stdout.splitlines())}


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """Return a folder where a small file system can be mounted, if this machine lets us."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare command here")
    probe = [*SMALL_DISK, str(tmp_path), "true"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    return tmp_path


@pytest.mark.skipif(os.name == "nt", reason="limits of this kind are POSIX's")
def test_a_write_that_the_system_refuses_ends_the_writer_and_no_row_before_it_is_lost(
    tmp_path: Path,
) -> None:
    said = tell(FILL, tmp_path, "400000")

    written = int(said["written"][0])
    assert said["error"] == ["LedgerError"]
    assert written > 50
    assert int(said["found"][0]) == written
    append_now(tmp_path / "requests.csv", row(written))
    assert len(read_rows(tmp_path / "requests.csv")) == written + 1


def test_on_a_full_disk_the_reserve_makes_room_for_the_rows_that_must_be_kept(
    small_disk: Path,
) -> None:
    said = tell(FILL, small_disk, small=True)

    strained, has_reserve = said["strained"]
    assert has_reserve == "False"
    assert int(said["written"][0]) - int(strained) > 20  # so many more rows it had room for
    assert said["error"] == ["LedgerError"]  # then nothing further
    assert said["found"] == said["written"]
    assert said["reserve"] == ["False"]


def test_a_disk_that_is_full_from_the_start_takes_no_journal(small_disk: Path) -> None:
    said = tell(FULL, small_disk, small=True)

    assert said["error"][0] == "LedgerError"
    assert "No space left" in " ".join(said["error"])
    assert said["found"] == ["1"]


def test_the_reserve_is_given_back_when_the_file_is_closed(path: Path) -> None:
    with open_journal(path, reserve=True):
        assert (path.parent / ".requests.csv.reserve").exists()

    assert list(path.parent.iterdir()) == [path]


def test_a_reserve_that_a_killed_run_has_left_is_used_again(path: Path) -> None:
    reserve = path.parent / ".requests.csv.reserve"
    reserve.write_bytes(b"x")

    with open_journal(path, reserve=True):
        assert reserve.stat().st_size == 256 * 1024


def test_a_journal_is_one_of_its_own_kind(path: Path) -> None:
    """The same file under other columns is refused: nobody mistakes a ledger for a journal."""
    append_now(path, row(1))

    with pytest.raises(LedgerError, match="columns"):
        Journal(path, columns=("job_id", "status"), first_cell=JOURNAL_FIRST_CELL)
