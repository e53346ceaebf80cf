"""Rows from CSV, TSV and JSONL files, and the lines of a file of values."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchgen.errors import ManifestError
from batchgen.job import Json
from batchgen.manifest.tables import MAX_MISTAKES, Row, Table, open_table, read_lines
from batchgen.scalar import print_scalar


def table(folder: Path, name: str, content: str | bytes) -> Table:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return open_table(path, shown_as=name)


def mistakes(folder: Path, name: str, content: str | bytes) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        table(folder, name, content)
    return [str(mistake) for mistake in caught.value.mistakes]


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        pytest.param("a.csv", "a,b\n1,x\n", [(2, {"a": 1, "b": "x"})], id="CSV"),
        pytest.param("a.CSV", "\ufeffa,b\r\n1,x\r\n", [(2, {"a": 1, "b": "x"})], id="from Excel"),
        pytest.param("a.csv", "a;b,c\n1;x\n2;y", None, id="a tie is a comma"),
        pytest.param("a.csv", "a;b\n1,5;x\n", [(2, {"a": "1,5", "b": "x"})], id="semicolons"),
        pytest.param("a.csv", '"a;b;c",d\n1,2\n', [(2, {"a;b;c": 1, "d": 2})],
                     id="semicolons in quotes"),
        pytest.param("a.csv", "a\n1,2\n", None, id="one column"),
        pytest.param("a.csv", 'a,b\n"x, ""y""\nz",\n\n3,4', [
            (2, {"a": 'x, "y"\nz', "b": ""}), (5, {"a": 3, "b": 4})], id="quotes and lines"),
        pytest.param("a.csv", "\n\na,b\n1,2\n", [(4, {"a": 1, "b": 2})], id="empty lines first"),
        pytest.param("a.csv", "a,b\n,\n", [(2, {"a": "", "b": ""})], id="empty cells"),
        pytest.param("a.csv", 'a\n""\n x \n', [(2, {"a": ""}), (3, {"a": " x "})],
                     id="nothing is stripped"),
        pytest.param("a.csv", 'a,b\n27" pipe,5\'\n', [(2, {"a": '27" pipe', "b": "5'"})],
                     id="a quote within a cell"),
        pytest.param("a.csv", 'a\n" ""x"""\n', [(2, {"a": ' "x"'})], id="a blank in quotes"),
        pytest.param("a.csv", "a,b,c,d,e,f,g\n007,1e5,1.10,NA,None,null,no\n", [
            (2, {"a": "007", "b": "1e5", "c": "1.10", "d": "NA", "e": "None", "f": "null",
                 "g": "no"})], id="text stays text"),
        pytest.param("a.csv", "a,b,c,d\n0.5,-3,true,TRUE\n", [
            (2, {"a": 0.5, "b": -3, "c": True, "d": "TRUE"})], id="what prints as it is written"),
        pytest.param("a.csv", "a,b\n1:1|16:9,{{ x }}\n", [
            (2, {"a": "1:1|16:9", "b": "{{ x }}"})], id="bars and braces"),
        pytest.param("a.csv", "Product Name,é\nx,\u2028\n", [
            (2, {"Product Name": "x", "é": "\u2028"})], id="any name, any character"),
        pytest.param("a.tsv", 'a\tb\n"x\t y" \n\n1\t\n', [
            (2, {"a": '"x', "b": ' y" '}), (4, {"a": 1, "b": ""})], id="TSV has no quoting"),
        pytest.param("a.tsv", "\ufeffa\tb\r\nx\t\r\n", [(2, {"a": "x", "b": ""})], id="TSV, CRLF"),
        pytest.param("a.jsonl", '{"a": 1, "b": {"c": [1.5]}}\n\n{"d": "x", "a": null}', [
            (1, {"a": 1, "b": {"c": [1.5]}, "d": ""}), (3, {"a": "", "b": "", "d": "x"})],
                     id="JSONL"),
        pytest.param("a.ndjson", '\ufeff{"a": 1.10, "b": 2.0, "c": 1e5, "d": 12345678901234567890}'
                     '\r\n', [(1, {"a": "1.10", "b": "2.0", "c": "1e5",
                                   "d": "12345678901234567890"})], id="JSON numbers as written"),
        pytest.param("a.jsonl", '{"a": "2", "b": "true", "c": true, "d": "\\u00e9\\ud83e\\udd8a"}',
                     [(1, {"a": "2", "b": "true", "c": True, "d": "é🦊"})], id="JSON text"),
    ],
)  # fmt: skip
def test_what_a_file_holds(
    tmp_path: Path, name: str, content: str, rows: list[tuple[int, dict[str, Json]]] | None
) -> None:
    if rows is None:
        assert mistakes(tmp_path, name, content)
        return

    opened = table(tmp_path, name, content)

    assert repr(list(opened)) == repr([Row(line, cells) for line, cells in rows])
    assert len(opened) == len(rows)
    assert opened.columns == tuple(rows[0][1])


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        pytest.param("a.csv", 'a,b\nx,1\n"y" z,2\n', ['a.csv:3  there is text behind a closing '
                     'quote. A quote inside a cell is written twice (""), and the whole cell '
                     'stands in quotes.'], id="text behind a closing quote"),
        pytest.param("a.csv", 'a,b\n"x\ny" z,2\n1,2\n', ["a.csv:3  there is text behind"],
                     id="on the line where it is"),
        pytest.param("a.csv", 'a,b\n1,2\n"x\ny","z\n\n3,4\n', ["a.csv:4  a quote is opened here "
                     "and never closed."], id="an open quote"),
        pytest.param("a.csv", "a,b\n1\n1,2,3\n", [
            "a.csv:2  1 cell where the header has 2 columns: an empty cell needs its ',' too.",
            "a.csv:3  3 cells where the header has 2 columns: a cell that holds a comma stands in "
            "quotes."], id="too few and too many cells"),
        pytest.param("a.csv", "a;b\n1;2;3\n", ["a.csv:2  3 cells where the header has 2 columns: "
                     "a cell that holds a semicolon stands in quotes."], id="semicolons too many"),
        pytest.param("a.csv", 'a,b\nx, "y"\n', ["a.csv:2  there is a blank before an opening "
                     "quote: remove it, or double the quote."], id="a blank before a quote"),
        pytest.param("a.csv", "a,,a, \n1,2,3,4\n", [
            "a.csv:1  column 2 has no name.", "a.csv:1  columns 1 and 3 are both called 'a'.",
            "a.csv:1  column 4 has no name."], id="a header with gaps and doubles"),
        pytest.param("a.csv", 'a,"b" c\n1,2\n3,4,5\n', ["a.csv:1  there is text behind"],
                     id="a header that is none"),
        pytest.param("a.csv", "sep=;\na;b\n1;2\n", ["a.csv:1  Excel's 'sep=' line is no header: "
                     "delete it."], id="Excel's first line"),
        pytest.param("a.csv", "a\tb\n1\t2\n", ["a.csv:1  its header line has tabs and no commas: "
                     "name the file .tsv."], id="tabs in CSV"),
        pytest.param("a.tsv", "a\tb\n1\n", ["a.tsv:2  1 cell where the header has 2 columns: one "
                     "tab stands between two cells."], id="a tab too few"),
        pytest.param("a.csv", "", ["a.csv  is empty."], id="empty"),
        pytest.param("a.csv", "\ufeff\n\n", ["a.csv  is empty."], id="empty lines"),
        pytest.param("a.csv", "a,b\n\n", ["a.csv  has a header line and no rows."], id="no rows"),
        pytest.param("a.tsv", "a\tb", ["a.tsv  has a header line and no rows."], id="TSV, no rows"),
        pytest.param("a.jsonl", "\n", ["a.jsonl  is empty."], id="no objects"),
        pytest.param("a.csv", "a,é\n1,2\n".encode("latin-1"), ["a.csv:1  is not UTF-8 (most likely "
                     'Latin-1 or Windows-1252): save it as "CSV UTF-8".'], id="Latin-1"),
        pytest.param("a.csv", b"a\n1\n\xff\xfe\n", ["a.csv:3  is not UTF-8"], id="the line of it"),
        pytest.param("a.csv", b"a\n1\n\xc3", ["a.csv:3  is not UTF-8"], id="half a character"),
        pytest.param("a.csv", "a,b\n1,2\n".encode("utf-16"), ['a.csv  is UTF-16: save it as "CSV '
                     'UTF-8".'], id="UTF-16"),
        pytest.param("a.csv", "sku,title\n1,é\n".encode("utf-16-le"), ["a.csv  is UTF-16 without a "
                     'mark: save it as "CSV UTF-8".'], id="UTF-16 without a mark"),
        pytest.param("a.csv", "sku,title\n1,é\n".encode("utf-16-be"), ["a.csv  is UTF-16 without a "
                     'mark: save it as "CSV UTF-8".'], id="UTF-16, the other way"),
        pytest.param("a.csv", b"a,b\n1,\x002\n", ["a.csv  is a binary file, not a text file."],
                     id="a zero byte"),
        pytest.param("a.csv", b"a\n" + b"1\n" * 2000 + b"\x00", ["a.csv:2002  holds a zero byte, "
                     "which no text has: it is damaged."], id="a zero byte far behind"),
        pytest.param("a.csv", b"\x89PNG\r\n\x1a\n\x00", ["a.csv  is a PNG image, not a text file."],
                     id="an image"),
        pytest.param("a.csv", b"PK\x03\x04abc", ["a.csv  is an Excel workbook or another ZIP "
                     "archive, not a text file."], id="a workbook under another name"),
        pytest.param("a.jsonl", '[1]\n{"a": NaN}\n{"b": 1, "b": 2}\n{"c": "\\ud800"}\n{d}\n{"": 1}',
                     [
            'a.jsonl:1  it is [1], not an object: write {"name": …}.',
            "a.jsonl:2  NaN is no JSON: write null, or leave the key out.",
            "a.jsonl:3  the key 'b' stands twice.",
            "a.jsonl:4  \\ud800 is half a character.",
            "a.jsonl:5  this is no JSON object on one line: expecting property name enclosed in "
            "double quotes (column 2).",
            "a.jsonl:6  a key has no name."], id="lines that are no objects"),
        pytest.param("a.jsonl", "[" * 100_000, ["a.jsonl:1  it is nested too deep."],
                     id="nested without end"),
        pytest.param("prompts.parquet", "", ['prompts.parquet  rows can be CSV, TSV, JSONL. '
                     'pd.read_parquet("prompts.parquet").to_json("prompts.jsonl", '
                     'orient="records", lines=True, force_ascii=False) makes one.'], id="Parquet"),
        pytest.param("p.json", "[]", ["p.json  rows can be CSV, TSV, JSONL. pd.read_json("],
                     id="JSON"),
        pytest.param("p.xlsx", "", ['p.xlsx  rows can be CSV, TSV, JSONL. In Excel, save it as '
                     '"CSV UTF-8".'], id="Excel"),
        pytest.param("p.txt", "a", ["p.txt  rows can be CSV, TSV, JSONL. Name it .csv or .tsv, "
                     "with a header line; values alone, one a line, make an axis: {file: p.txt}."],
                     id="text"),
        pytest.param("p", "a", ["p  rows can be CSV, TSV, JSONL, told by the file's suffix."],
                     id="no suffix"),
    ],
)  # fmt: skip
def test_every_mistake_of_a_file_is_found_with_its_line(
    tmp_path: Path, name: str, content: str | bytes, expected: list[str]
) -> None:
    found = mistakes(tmp_path, name, content)

    assert len(found) == len(expected)
    for one, beginning in zip(found, expected, strict=True):
        assert one.startswith(beginning)


def test_a_file_that_is_not_there_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        open_table(tmp_path / "no.csv", shown_as="no.csv")

    assert str(caught.value) == f"no.csv  is not there ({tmp_path / 'no.csv'})."


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()

    with pytest.raises(ManifestError, match=r"a.csv  is a folder|may not be read"):
        open_table(tmp_path / "a.csv", shown_as="a.csv")


def test_mistakes_without_end_are_counted(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        table(tmp_path, "a.csv", "a,b\n" + "1\n" * (MAX_MISTAKES + 234))

    found = caught.value.mistakes
    assert len(found) == MAX_MISTAKES + 1
    assert str(found[-1]) == "a.csv  and 234 more mistakes in this file."
    assert sum(mistake.count for mistake in found) == MAX_MISTAKES + 234


def test_a_table_is_read_anew_each_time(tmp_path: Path) -> None:
    opened = table(tmp_path, "a.csv", "a\n1\n2\n")

    first = iter(opened)
    next(first)

    assert list(opened) == list(opened) == [Row(2, {"a": 1}), Row(3, {"a": 2})]
    assert next(first) == Row(3, {"a": 2})


def test_a_file_that_changed_since_is_refused(tmp_path: Path) -> None:
    opened = table(tmp_path, "a.csv", "a,b\n1,2\n")
    opened.path.write_text("a,b\n1\n", encoding="utf-8")

    with pytest.raises(ManifestError, match=r"a.csv:2  1 cell where"):
        list(opened)


def test_a_cell_may_hold_a_whole_image(tmp_path: Path) -> None:
    uri = "data:image/png;base64," + "A" * 500_000

    (row,) = table(tmp_path, "a.csv", f'image_urls,b\n"{uri}",1\n')

    assert row.cells["image_urls"] == uri


_CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(_CELLS, min_size=2, max_size=2), min_size=1, max_size=5),
    delimiter=st.sampled_from([",", ";"]),
)
def test_what_the_standard_library_writes_is_read_back(
    tmp_path: Path, rows: list[list[str]], delimiter: str
) -> None:
    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerows([["one", "two"], *rows])

    read = list(open_table(path, shown_as="a.csv"))

    assert [[print_scalar(cell) for cell in row.cells.values()] for row in read] == rows


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    objects=st.lists(
        st.dictionaries(st.sampled_from("abc"), _CELLS | st.integers(-99, 99) | st.booleans()),
        min_size=1,
        max_size=4,
    )
)
def test_what_json_writes_is_read_back(tmp_path: Path, objects: list[dict[str, Json]]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in objects), encoding="utf-8")

    read = [row.cells for row in open_table(path, shown_as="a.jsonl")]

    columns = list(dict.fromkeys(key for each in objects for key in each))
    assert read == [{column: each.get(column, "") for column in columns} for each in objects]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60), suffix=st.sampled_from([".csv", ".tsv", ".jsonl"]))
def test_any_bytes_are_rows_or_mistakes(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    try:
        opened = open_table(path, shown_as="a")
    except ManifestError as error:
        said = error.mistakes
    else:
        said = ()
        assert len(list(opened)) == len(opened)

    assert all(mistake.text for mistake in said)


def test_lines_are_values_and_empty_ones_are_none(tmp_path: Path) -> None:
    path = tmp_path / "styles.txt"
    path.write_bytes("\ufeffwoodcut\r\n\r\n ink \n \t\nlast\u2028one".encode())

    assert read_lines(path) == [(1, "woodcut"), (3, " ink "), (5, "last\u2028one")]


def test_a_file_of_values_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "styles.txt"
    path.write_bytes("a\né".encode("latin-1"))

    with pytest.raises(ManifestError, match=r"lists/styles.txt:2  is not UTF-8"):
        read_lines(path, shown_as="lists/styles.txt")
