"""A ledger as a table: what counts now, in types that analysis wants."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from batchgen.csv_file import format_row
from batchgen.errors import LedgerError, UsageError
from batchgen.job import Job, number_of
from batchgen.ledger import Columns, LedgerRow, compact
from batchgen.views import read_ledger

COLUMNS = Columns(parameters=("resolution",), variables=("sku",))


def make_row(letter: str, status: str, *, index: int | None = 0, sku: str = "007") -> LedgerRow:
    job = Job(
        job_id=letter * 16,
        endpoint="fal-ai/nano-banana-2",
        input={"prompt": 'NA, "two\nlines"', "seed": 2**31 - 1, "resolution": "1K"},
        repeat=0,
        variables={"sku": sku},
        file=f"images/{letter}",
    )
    return LedgerRow(
        job=job,
        status=status,
        image_index=index,
        cost_usd=Decimal("0.08"),
        attempts=1,
        finished_at="2026-11-22T12:00:00.250Z",
        width=1024 if status == "succeeded" else None,
    )


def write_ledger(path: Path, *rows: LedgerRow, tail: bytes = b"") -> Path:
    lines = [format_row(COLUMNS.header), *(format_row(row.cells(COLUMNS)) for row in rows)]
    path.write_bytes("".join(lines).encode() + tail)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.csv"


def test_text_stays_text_and_numbers_become_numbers(path: Path) -> None:
    table = read_ledger(write_ledger(path, make_row("k", "succeeded"), make_row("l", "failed")))

    assert list(table["sku"]) == ["007", "007"]
    assert list(table["prompt"]) == ['NA, "two\nlines"'] * 2
    assert table["seed"].dtype == "Int64"
    assert table["seed"][0] == 2**31 - 1
    assert table["width"].isna().tolist() == [False, True]
    assert table["cost_usd"].sum() == pytest.approx(0.16)
    assert str(table["finished_at"][0]) == "2026-11-22 12:00:00.250000+00:00"
    assert table["error_type"][0] == ""


def test_the_latest_row_of_an_image_counts(path: Path) -> None:
    write_ledger(path, make_row("k", "undelivered"), make_row("k", "succeeded"))

    assert list(read_ledger(path)["status"]) == ["succeeded"]
    assert list(read_ledger(path, history=True)["status"]) == ["undelivered", "succeeded"]


def test_a_row_for_the_whole_job_replaces_its_images_and_is_replaced_by_any(path: Path) -> None:
    failed_last = (make_row("k", "undelivered"), make_row("k", "failed", index=None))
    unknown_first = (make_row("l", "unknown", index=None), make_row("l", "succeeded", index=1))

    table = read_ledger(write_ledger(path, *failed_last, *unknown_first))

    assert table[["job_id", "status"]].to_numpy().tolist() == [
        ["k" * 16, "failed"],
        ["l" * 16, "succeeded"],
    ]
    assert table["image_index"].isna().tolist() == [True, False]


def test_history_holds_every_row_once_after_a_compaction(path: Path) -> None:
    rows = (make_row("k", "undelivered"), make_row("k", "succeeded"), make_row("l", "succeeded"))
    write_ledger(path, *rows)

    compact(path, path.with_name("ledger-history.csv"), jobs={number_of("k" * 16)})

    assert len(read_ledger(path)) == 2
    assert sorted(read_ledger(path.parent, history=True)["status"]) == [
        "succeeded",
        "succeeded",
        "undelivered",
    ]


@pytest.mark.parametrize("cut", [1, 40, 95], ids=["its newline", "its end", "its middle"])
def test_a_torn_last_row_is_ignored_and_the_file_is_left_alone(path: Path, cut: int) -> None:
    write_ledger(path, make_row("k", "succeeded"), make_row("l", "succeeded"))
    torn = path.read_bytes()[:-cut]
    path.write_bytes(torn)

    assert list(read_ledger(path)["job_id"]) == ["k" * 16]
    assert path.read_bytes() == torn


def test_a_file_of_another_program_is_refused(path: Path) -> None:
    path.write_text("name,age\nann,31\n", encoding="utf-8")

    with pytest.raises(LedgerError, match="not a ledger of batchgen"):
        read_ledger(path)


def test_a_missing_file_is_told(path: Path) -> None:
    with pytest.raises(UsageError, match="there is no"):
        read_ledger(path)
