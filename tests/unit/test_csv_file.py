"""One row as text: what is written is what every reader reads."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batchgen.csv_file import format_row, is_piece

# What a file of ours can hold: zero bytes and halves of characters never reach it.
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
TRICKY = st.text(st.sampled_from('",\r\n; \t=aé🦊'), max_size=8)
ROWS = st.lists(st.one_of(CELLS, TRICKY), min_size=2, max_size=6)

HEADER = "at,job_id,state\n"


@given(ROWS)
@example(["a\rb", "c"])
@example(['"', '""'])
@example(["", ""])
@example([" a ", "NA"])
@example(["\ufeffa", "\u2028"])
@example(["\x85", "\x1c\x0b\x0c"])
def test_any_cells_are_read_by_csv_as_they_were_written(cells: list[str]) -> None:
    assert list(csv.reader(io.StringIO(format_row(cells), newline=""), strict=True)) == [cells]


@given(st.lists(st.lists(st.one_of(CELLS, TRICKY), min_size=3, max_size=3), max_size=4))
@example([["a\rb", "NA", "None"]])
@example([["", "", ""], ["007", "1e5", "1:1"]])
def test_any_cells_are_read_by_pandas_as_they_were_written(rows: list[list[str]]) -> None:
    text = format_row(["x", "y", "z"]) + "".join(map(format_row, rows))

    table = pd.read_csv(
        io.BytesIO(text.encode()), dtype=str, keep_default_na=False, skip_blank_lines=False
    )

    assert table.to_numpy().tolist() == rows


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        pytest.param(["a fox", "1:1"], "a fox,1:1\n", id="plain cells stay plain"),
        pytest.param([" a ", "'"], " a ,'\n", id="blanks and single quotes are nothing special"),
        pytest.param(['a "red" fox', "b"], '"a ""red"" fox",b\n', id="quotes are doubled"),
        pytest.param(["a,b", "c"], '"a,b",c\n', id="a comma is quoted"),
        pytest.param(["two\nlines", "c"], '"two\nlines",c\n', id="a newline is quoted"),
        pytest.param(["two\rlines", "c"], '"two\rlines",c\n', id="a lone carriage return too"),
    ],
)
def test_a_row_is_written_by_rfc_4180(cells: list[str], expected: str) -> None:
    assert format_row(cells) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"", True, id="an empty file"),
        pytest.param(b"at,jo", True, id="a piece of the header"),
        pytest.param(b"at,job_id,state", True, id="all of it but its end"),
        pytest.param(b"at,jo\0\0\0", True, id="a piece, and zero bytes for the rest"),
        pytest.param(b"\0" * len(HEADER), True, id="zero bytes alone"),
        pytest.param(HEADER.encode(), False, id="the whole header is no piece"),
        pytest.param(b"\0" * (len(HEADER) + 1), False, id="more zero bytes than the header has"),
        pytest.param(b"at,job_id,cost\n", False, id="another header"),
        pytest.param(b"notes", False, id="something else"),
        pytest.param(b"at,\0\0id", False, id="zero bytes in the middle"),
    ],
)
def test_a_piece_of_the_header_is_no_file_yet(content: bytes, expected: bool) -> None:
    assert is_piece(content, HEADER) is expected
