"""The user's table: its columns, how they grow, and how it is tidied."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from support.jobs import make_job
from support.record_files import Files, image_file, read_rows, write_ledger

from batchgen.csv_file import format_row
from batchgen.errors import LedgerError
from batchgen.job import Json, number_of
from batchgen.ledger import (
    HEAD,
    TAIL,
    Columns,
    LedgerRow,
    check_header,
    compact,
    grow,
    neutralised,
    variable_column,
)

JOB = make_job(1)
NASTY = 'two\nlines, "quoted",\r\n\rand 🦊 \u2028 =1+1'

ORDER = ("prompt", "num_images", "seed", "aspect_ratio", "output_format", "resolution")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.csv"


@pytest.fixture
def history(tmp_path: Path) -> Path:
    return tmp_path / "ledger-history.csv"


def row(
    number: int = 1, index: int | None = 0, status: str = "succeeded", **of: object
) -> LedgerRow:
    job = make_job(
        number,
        prompt=NASTY,
        variables={"animal": f"{number}, {NASTY}", "n": number},
        resolution="2K",
        aspect_ratio="16:9",
    )
    return LedgerRow(job=job, image_index=index, status=status, **of)  # type: ignore[arg-type]  # its fields


# -- columns ----------------------------------------------------------------------------------


def test_the_fixed_columns_are_those_of_the_contract() -> None:
    assert ",".join(HEAD) == "job_id,image_index,status,url,file,seed,prompt,endpoint,repeat"
    assert ",".join(TAIL) == (
        "request_id,content_type,width,height,bytes,sha256,cost_usd,cost_source,attempts,"
        "error_type,error,submitted_at,finished_at,inference_s"
    )


def test_parameters_stand_before_variables_between_the_fixed_columns() -> None:
    columns = Columns(parameters=("aspect_ratio", "resolution"), variables=("animal.name", "n"))

    assert columns.header == (*HEAD, "aspect_ratio", "resolution", "animal.name", "n", *TAIL)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        pytest.param("animal", "animal", id="any name"),
        pytest.param("animal.name", "animal.name", id="a part of a mapping"),
        pytest.param("status", "var.status", id="a name of the first columns"),
        pytest.param("prompt", "var.prompt", id="prompt too"),
        pytest.param("bytes", "var.bytes", id="a name of the last columns"),
    ],
)
def test_a_variable_that_is_named_like_a_fixed_column(name: str, column: str) -> None:
    assert variable_column(name) == column


def test_each_variable_stands_in_its_own_column() -> None:
    columns = Columns(parameters=("resolution",), variables=("animal", "status", "n", "missing"))
    job = make_job(1, variables={"status": "rare", "n": 2, "animal": "a fox"}, resolution="2K")

    cells = dict(
        zip(
            columns.header,
            LedgerRow(job=job, status="succeeded", image_index=0).cells(columns),
            strict=True,
        )
    )

    assert cells["status"] == "succeeded"
    assert (cells["animal"], cells["var.status"], cells["n"]) == ("a fox", "rare", "2")
    assert (cells["missing"], cells["resolution"]) == ("", "2K")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        pytest.param(None, "", id="nothing"),
        pytest.param("", "", id="an empty text"),
        pytest.param("1:1", "1:1", id="text stays text"),
        pytest.param("007", "007", id="with all its zeros"),
        pytest.param(" a ", " a ", id="and its blanks"),
        pytest.param(True, "true", id="true as it is written"),
        pytest.param(False, "false", id="false too"),
        pytest.param(2, "2", id="a number"),
        pytest.param(0.5, "0.5", id="half a one"),
        pytest.param(["a", 1], '["a",1]', id="a list as JSON"),
        pytest.param({"ä": "🦊"}, '{"ä":"🦊"}', id="a mapping as JSON, as it reads"),
    ],
)
def test_how_a_value_is_written(value: Json, cell: str) -> None:
    columns = Columns(parameters=("x",), variables=("y",))
    job = make_job(1, x=value, variables={"y": value})

    cells = LedgerRow(job=job, status="failed").cells(columns)

    assert cells[len(HEAD) : len(HEAD) + 2] == [cell, cell]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        pytest.param("plain text, 1-2", "plain text, 1-2", id="plain text"),
        pytest.param("=HYPERLINK(1)", "'=HYPERLINK(1)", id="a formula"),
        pytest.param("+1", "'+1", id="plus"),
        pytest.param("-1", "'-1", id="minus"),
        pytest.param("@SUM(1)", "'@SUM(1)", id="at"),
        pytest.param("\t=1", "' =1", id="a tab before it"),
        pytest.param("\x1b[31mred\x07", " [31mred ", id="what a terminal obeys"),
        pytest.param("two\r\nlines", "two  lines", id="line ends"),
        pytest.param("a\u202eb", "a b", id="what turns the direction of reading"),
    ],
)
def test_text_from_outside_is_tamed(text: str, cell: str) -> None:
    assert neutralised(text) == cell


# -- growing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "parameters", "variables"),
    [
        pytest.param(
            Columns(parameters=("resolution",)),
            Columns(parameters=("aspect_ratio",)),
            ("aspect_ratio", "resolution"),
            (),
            id="parameters stand in the endpoint's order",
        ),
        pytest.param(
            Columns(variables=("b", "a")),
            Columns(variables=("c", "a")),
            (),
            ("b", "a", "c"),
            id="variables in the order of their first appearance",
        ),
        pytest.param(
            Columns(parameters=("resolution",), variables=("a",)),
            Columns(),
            ("resolution",),
            ("a",),
            id="none is ever dropped",
        ),
        pytest.param(
            Columns(parameters=("strange",)),
            Columns(parameters=("resolution",)),
            ("resolution", "strange"),
            (),
            id="what the endpoint does not know comes last",
        ),
        pytest.param(
            Columns(variables=("resolution",)),
            Columns(parameters=("resolution",)),
            ("resolution",),
            (),
            id="a variable that became a parameter has that column only",
        ),
    ],
)
def test_columns_only_grow(
    old: Columns, new: Columns, parameters: tuple[str, ...], variables: tuple[str, ...]
) -> None:
    assert old.grown_by(new, order=ORDER) == Columns(parameters=parameters, variables=variables)


def test_growing_leaves_every_old_cell_as_it_was(path: Path) -> None:
    old = Columns(parameters=("resolution",), variables=("n", "animal"))
    rows = [row(number, index) for number in range(3) for index in (None, 0, 1)]
    write_ledger(path, rows, old)
    before = read_rows(path)
    new = old.grown_by(
        Columns(parameters=("aspect_ratio",), variables=("style", "status")), order=ORDER
    )

    grow(path, new)

    after = read_rows(path)
    assert list(after[0]) == list(new.header)
    for was, now in zip(before, after, strict=True):
        assert {name: now[name] for name in was} == was
        assert {now[name] for name in set(now) - set(was)} == {""}
    assert [entry.name for entry in path.parent.iterdir()] == ["ledger.csv"]


def test_growing_drops_a_torn_tail_and_nothing_else(path: Path) -> None:
    write_ledger(path, [row(1), row(2)])
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])

    grow(path, Columns(variables=("animal",)))

    assert [found["job_id"] for found in read_rows(path)] == [row(1).job.job_id]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            lambda text: text.replace(f"{JOB.endpoint},0", f"{JOB.endpoint},0,x").replace(
                "repeat,", "repeat,notes,", 1
            ),
            id="a column of somebody else",
        ),
        pytest.param(lambda text: text.replace("\n", "\na note\n", 1), id="a line that is no row"),
    ],
)
def test_a_ledger_that_somebody_has_changed_does_not_grow(
    path: Path, change: Callable[[str], str]
) -> None:
    write_ledger(path, [LedgerRow(job=make_job(number), status="failed") for number in range(3)])
    changed = change(path.read_text(encoding="utf-8"))
    path.write_text(changed, encoding="utf-8")

    with pytest.raises(LedgerError, match=r"notes|not a row") as caught:
        grow(path, Columns(variables=("animal",)))
    assert "Nothing was changed" in str(caught.value)

    assert path.read_text(encoding="utf-8") == changed
    assert [entry.name for entry in path.parent.iterdir()] == ["ledger.csv"]


# A process that dies where it would put a new file in the place of the old one.
DIES = """
import os, signal, sys
from pathlib import Path
from batchgen import ledger

class Dying(type(Path())):
    def replace(self, target):
        if self.name == sys.argv[2]:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().replace(target)

folder = Dying(sys.argv[1])
if sys.argv[3] == "grow":
    ledger.grow(folder / "ledger.csv", ledger.Columns(variables=("animal", "n", "style")))
else:
    jobs = {int(number) for number in sys.argv[3].split()}
    ledger.compact(folder / "ledger.csv", folder / "ledger-history.csv", jobs=jobs)
"""


def die(folder: Path, new_name: str, work: str) -> None:
    """Let a process grow or tidy a ledger and be killed before a file is renamed."""
    package = Path(__file__).parents[2]
    died = subprocess.run(
        [sys.executable, "-c", DIES, str(folder), new_name, work],
        env={**os.environ, "PYTHONPATH": str(package)},
        check=False,
        timeout=60,
    )
    assert died.returncode == -9


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")
def test_a_crash_while_it_grows_leaves_the_old_file_and_the_next_try_the_new_one(
    path: Path,
) -> None:
    write_ledger(path, [row(1), row(2)], Columns(variables=("animal", "n")))
    before = path.read_bytes()

    die(path.parent, ".ledger.csv.new", "grow")

    assert path.read_bytes() == before
    grow(path, Columns(variables=("animal", "n", "style")))
    assert [entry.name for entry in path.parent.iterdir()] == ["ledger.csv"]
    assert [found["style"] for found in read_rows(path)] == ["", ""]


# -- tidying ----------------------------------------------------------------------------------

COLUMNS = Columns(parameters=("resolution",), variables=("animal", "n"))


def of(number: int, *rows: tuple[int | None, str]) -> list[LedgerRow]:
    """Return rows of a job, each with a time of its own."""
    return [
        row(number, index, status, finished_at=f"{number}.{place}", cost_usd=Decimal("0.08"))
        for place, (index, status) in enumerate(rows)
    ]


CASES = [
    pytest.param(of(1, (0, "succeeded")), ["1.0"], id="nothing to move"),
    pytest.param(
        of(1, (0, "undelivered"), (0, "succeeded")), ["1.1"], id="an image that was fetched later"
    ),
    pytest.param(
        of(1, (None, "failed"), (0, "succeeded"), (1, "succeeded")),
        ["1.1", "1.2"],
        id="a job that went well later",
    ),
    pytest.param(
        of(1, (0, "failed"), (1, "failed"), (None, "failed")),
        ["1.2"],
        id="a job that failed after its images had expired",
    ),
    pytest.param(
        of(1, (None, "unknown"), (None, "failed"), (None, "unknown")),
        ["1.2"],
        id="a job that changed its mind",
    ),
    pytest.param(
        [*of(1, (None, "failed")), *of(2, (None, "failed")), *of(1, (0, "succeeded"))],
        ["2.0", "1.0"],
        id="another job is not touched",
    ),
]


def numbers(rows: list[LedgerRow]) -> set[int]:
    return {number_of(each.job.job_id) for each in rows}


@pytest.mark.parametrize(("rows", "current"), CASES)
def test_superseded_rows_move_to_the_history_and_the_others_stay_in_order(
    path: Path, history: Path, rows: list[LedgerRow], current: list[str]
) -> None:
    write_ledger(path, rows, COLUMNS)
    before = read_rows(path)

    moved = compact(path, history, jobs=numbers(rows))

    after = read_rows(path)
    past = read_rows(history) if history.exists() else []
    assert [found["finished_at"] for found in after] == current
    assert moved == len(past) == len(before) - len(after)
    assert history.exists() is bool(moved)
    assert all(found in before for found in past)
    assert len(after) + len(past) == len(before)


def test_only_the_jobs_that_are_named_are_tidied(path: Path, history: Path) -> None:
    rows = [*of(1, (None, "failed"), (0, "succeeded")), *of(2, (None, "failed"), (None, "failed"))]
    write_ledger(path, rows, COLUMNS)

    assert compact(path, history, jobs={1}) == 1

    assert [found["finished_at"] for found in read_rows(path)] == ["1.1", "2.0", "2.1"]


@pytest.mark.parametrize(("rows", "current"), CASES)
def test_tidying_twice_is_tidying_once(
    path: Path, history: Path, rows: list[LedgerRow], current: list[str]
) -> None:
    write_ledger(path, rows, COLUMNS)
    compact(path, history, jobs=numbers(rows))
    once = path.read_bytes(), history.read_bytes() if history.exists() else None

    assert compact(path, history, jobs=numbers(rows)) == 0

    assert once == (path.read_bytes(), history.read_bytes() if history.exists() else None)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")
@pytest.mark.parametrize("new_name", [".ledger-history.csv.new", ".ledger.csv.new"])
def test_a_crash_while_it_is_tidied_loses_nothing_and_doubles_nothing(
    path: Path, history: Path, new_name: str
) -> None:
    rows = [
        *of(1, (None, "failed"), (0, "undelivered"), (0, "succeeded")),
        *of(2, (None, "unknown"), (None, "failed")),
        *of(3, (0, "succeeded")),
    ]
    write_ledger(path, rows, COLUMNS)
    before = path.read_bytes()
    whole = read_rows(path)

    die(path.parent, new_name, "1 2")

    assert path.read_bytes() == before
    assert compact(path, history, jobs={1, 2}) == 3
    assert [found["finished_at"] for found in read_rows(path)] == ["1.2", "2.1", "3.0"]
    assert [found["finished_at"] for found in read_rows(history)] == ["1.0", "1.1", "2.0"]
    assert sorted(map(str, [*read_rows(path), *read_rows(history)])) == sorted(map(str, whole))
    assert {entry.name for entry in path.parent.iterdir()} == {"ledger.csv", "ledger-history.csv"}


def test_the_history_grows_with_each_tidying_and_with_the_ledgers_columns(
    path: Path, history: Path
) -> None:
    write_ledger(path, of(1, (None, "failed"), (0, "succeeded")), Columns(variables=("n",)))
    compact(path, history, jobs={1})
    grow(path, COLUMNS)
    later = [replace(each, cost_usd=Decimal("0.16")) for each in of(2, (None, "failed"), (0, "x"))]
    with path.open("a", encoding="utf-8", newline="") as file:
        file.writelines(format_row(each.cells(COLUMNS)) for each in later)

    compact(path, history, jobs={2})

    past = read_rows(history)
    assert list(past[0]) == list(COLUMNS.header)
    assert [(each["finished_at"], each["n"], each["resolution"]) for each in past] == [
        ("1.0", "1", ""),
        ("2.0", "2", "2K"),
    ]


def test_rows_that_are_equal_to_the_last_letter_are_all_kept(path: Path, history: Path) -> None:
    twice = of(1, (None, "failed"))
    write_ledger(path, [*twice, *twice, *of(1, (0, "succeeded"))], COLUMNS)

    assert compact(path, history, jobs={1}) == 2

    assert len(read_rows(path)) == 1
    assert len(read_rows(history)) == 2


@pytest.mark.parametrize("name", ["ledger.csv", "ledger-history.csv"])
def test_a_file_of_somebody_else_is_not_tidied(path: Path, history: Path, name: str) -> None:
    write_ledger(path, of(1, (None, "failed"), (0, "succeeded")), COLUMNS)
    foreign = path.parent / name
    foreign.write_text("Dear diary\n", encoding="utf-8")
    before = path.read_bytes()

    with pytest.raises(LedgerError):
        compact(path, history, jobs={1})

    assert foreign.read_text(encoding="utf-8") == "Dear diary\n"
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["ledger.csv", "ledger-history.csv"])
def test_a_file_that_cannot_be_written_is_an_error_and_the_ledger_means_the_same(
    path: Path, history: Path, name: str
) -> None:
    write_ledger(path, of(1, (None, "failed"), (0, "succeeded")), COLUMNS)
    before = path.read_bytes()
    (path.parent / f".{name}.new").mkdir()  # where the new file would be written

    with pytest.raises(LedgerError, match=f"cannot write .*{name}"):
        compact(path, history, jobs={1})

    assert path.read_bytes() == before


async def test_whoever_sums_the_tidied_ledger_gets_the_bill_of_what_is_finished(
    tmp_path: Path,
) -> None:
    files = Files(tmp_path)
    pair = make_job(2, images=2)
    with files.open() as story:
        await story.open(JOB)
        await story.failed(JOB, "content_policy_violation", http=422)
        await story.closed(JOB, "content_policy_violation")
        await story.succeeded(JOB)
        await story.succeeded(pair)
        superseded = set(story.records.record.superseded)
    bill = files.replay().bill

    compact(files.ledger, tmp_path / "ledger-history.csv", jobs=superseded)

    table = pd.read_csv(files.ledger, dtype=str, keep_default_na=False)
    assert sum(map(Decimal, table["cost_usd"])) == bill.spent_usd == Decimal("0.32")
    assert list(table["file"]) == [
        image_file(JOB).file,
        image_file(pair, 0).file,
        image_file(pair, 1).file,
    ]
    assert files.replay().superseded == set()


def test_a_header_is_a_ledgers_if_it_begins_and_ends_with_the_fixed_columns(path: Path) -> None:
    path.write_text(",".join(COLUMNS.header) + "\n", encoding="utf-8")

    check_header(path, COLUMNS.header)
    check_header(path, (*HEAD, *TAIL))
    with pytest.raises(LedgerError, match="job_id, image_index, status"):
        check_header(path, (*HEAD[1:], *TAIL))
    with pytest.raises(LedgerError, match="inference_s"):
        check_header(path, (*HEAD, *TAIL[:-1]))
