"""YAML means what it looks like, and each part of it knows where it stands."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.job import Json
from batchgen.manifest import yaml_events
from batchgen.manifest.yaml_text import Document, Place, parse_yaml
from batchgen.scalar import read_scalar


def parse(text: str) -> Document:
    return parse_yaml(text, "m.yaml")


def value_of(text: str) -> Json:
    document = parse(text)
    assert document.mistakes == ()
    return document.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("a: [1:1, 16:9]", {"a": ["1:1", "16:9"]}, id="ratios in a list"),
        pytest.param("a: [1:1,16:9]", {"a": ["1:1", "16:9"]}, id="without blanks"),
        pytest.param("a:\n  - 1:1\n  - 16:9", {"a": ["1:1", "16:9"]}, id="ratios line by line"),
        pytest.param("a: {r: 1:1}", {"a": {"r": "1:1"}}, id="a ratio in a map"),
        pytest.param('a: {"r":1:1}', {"a": {"r": "1:1"}}, id="behind a quoted key"),
        pytest.param("a: {16:9: 3}", {"a": {"16:9": 3}}, id="a ratio as a key"),
        pytest.param("a: 23:45", {"a": "23:45"}, id="a time of day"),
        pytest.param("a: 12:30:45", {"a": "12:30:45"}, id="a time with seconds"),
        pytest.param("a: 2024-01-01", {"a": "2024-01-01"}, id="a date"),
        pytest.param("a: [no, on, yes, off]", {"a": ["no", "on", "yes", "off"]}, id="Norway"),
        pytest.param("a: [TRUE, True, y]", {"a": ["TRUE", "True", "y"]}, id="other truths"),
        pytest.param("a: [true, false]", {"a": [True, False]}, id="booleans"),
        pytest.param("a: [NA, None, Null, NULL, nan]",
                     {"a": ["NA", "None", "Null", "NULL", "nan"]}, id="other nothings"),
        pytest.param("a: ~\nb: null\nc:", {"a": None, "b": None, "c": None}, id="nothing"),
        pytest.param("a: [2, -3, 0.5, 0]", {"a": [2, -3, 0.5, 0]}, id="numbers"),
        pytest.param("a: [007, 1_000, 0x1F, 1.10, .5, +1, 1e5, 2.0, 0o7]",
                     {"a": ["007", "1_000", "0x1F", "1.10", ".5", "+1", "1e5", "2.0", "0o7"]},
                     id="numbers that print otherwise"),
        pytest.param("a: ['2', \"true\", '']", {"a": ["2", "true", ""]}, id="quotes make text"),
        pytest.param("a: [5%, 10/s, 4K, =, <]", {"a": ["5%", "10/s", "4K", "=", "<"]}, id="signs"),
        pytest.param("1: a\ntrue: b\nno: c\n~: d", {"1": "a", "true": "b", "no": "c", "~": "d"},
                     id="keys are text"),
        pytest.param("a: one\n  two\n\n  three", {"a": "one two\nthree"}, id="folded"),
        pytest.param("a: |\n  {{ x }}\n  # y\nb: >-\n  c\n  d\n",
                     {"a": "{{ x }}\n# y\n", "b": "c d"},
                     id="blocks of text"),
        pytest.param("a: 'it''s'\nb: \"\\u00e9\\n\"", {"a": "it's", "b": "é\n"}, id="escapes"),
        pytest.param("a: x # y\n# z\nb: 1", {"a": "x", "b": 1}, id="comments"),
        pytest.param("a: x #\nb: y ## z\nc: d #---", {"a": "x", "b": "y", "c": "d"},
                     id="comments that are no text"),
        pytest.param("a: #b\n  c: 1\n", {"a": {"c": 1}}, id="a comment behind a key cuts nothing"),
        pytest.param("a: [b, #c\n  d]", {"a": ["b", "d"]}, id="nor behind a comma"),
        pytest.param("a: b#c", {"a": "b#c"}, id="no blank, no comment"),
        pytest.param("a: {'x': {b: 1}}", {"a": {"x": {"b": 1}}}, id="nested braces"),
        pytest.param("\ufeffa: 1", {"a": 1}, id="a byte order mark"),
        pytest.param("a: 1\r\nb: |\r\n  x\r\n  y\r\n", {"a": 1, "b": "x\ny\n"}, id="CRLF"),
        pytest.param("a: 1\rb: 2", {"a": 1, "b": 2}, id="CR"),
        pytest.param("a: x\u2028y\nb: \x85é\n", {"a": "x\u2028y", "b": "\x85é"},
                     id="what only YAML takes for a line's end"),
        pytest.param("---\na: 1\n...\n", {"a": 1}, id="one document"),
        pytest.param("%YAML 1.2\n---\na: 1", {"a": 1}, id="a version"),
        pytest.param("{a: 1, b: [2]}", {"a": 1, "b": [2]}, id="JSON, nearly"),
        pytest.param('a: "b\tc"\nd: \'\t\'\ne: |\n  f\tg', {"a": "b\tc", "d": "\t", "e": "f\tg"},
                     id="tabs in quotes and blocks"),
        pytest.param("a: b\t\nc: d\t# e\tf\n\t\n#\tg", {"a": "b", "c": "d"},
                     id="tabs that harm nobody"),
        pytest.param("a: 🦊 fox\n🦊: b", {"a": "🦊 fox", "🦊": "b"}, id="beyond the BMP"),
    ],
)  # fmt: skip
def test_yaml_means_what_it_looks_like(text: str, value: Json) -> None:
    result = value_of(text)

    assert result == value
    assert repr(result) == repr(value)  # 1 is not True, and keys keep their order


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}, id="an alias"),
        pytest.param("a: &x 1\nb: [*x, *x]", {"a": 1, "b": [1, 1]}, id="of a scalar"),
        pytest.param("x: &x {b: 1, c: 2}\ny: {<<: *x, b: 3}",
                     {"x": {"b": 1, "c": 2}, "y": {"b": 3, "c": 2}}, id="own keys win"),
        pytest.param("x: &x {b: 1, c: 2}\ny: {b: 3, <<: *x}",
                     {"x": {"b": 1, "c": 2}, "y": {"b": 3, "c": 2}}, id="wherever they stand"),
        pytest.param("x: &x {a: 1}\ny: &y {a: 2, b: 3}\nz:\n  <<: [*x, *y]\n  c: 4",
                     {"x": {"a": 1}, "y": {"a": 2, "b": 3}, "z": {"a": 1, "b": 3, "c": 4}},
                     id="of several the first wins"),
        pytest.param("x: {<<: {a: 1}, b: 2}", {"x": {"a": 1, "b": 2}}, id="in place"),
        pytest.param("a: &x 1\nb: &x 2\nc: *x", {"a": 1, "b": 2, "c": 2}, id="the latest anchor"),
        pytest.param('"<<": {a: 1}', {"<<": {"a": 1}}, id="in quotes it is a key"),
        pytest.param("? &k a\n: 1\nb: *k", {"a": 1, "b": "a"}, id="an anchor on a key"),
    ],
)  # fmt: skip
def test_anchors_aliases_and_merges_work(text: str, value: Json) -> None:
    assert value_of(text) == value


TEXT = """\
prompt: "a {{ b }}"
grid:
  style: [woodcut, 'ink # wash']
  animal:
    - {name: fox, home: a wood}
    - Fish & Chips: today
base: &base {lens: 0.50}
x: *base
y:
  <<: *base
  z: 1
"""


@pytest.mark.parametrize(
    ("path", "place", "key_place", "written"),
    [
        (("prompt",), (1, 9), (1, 1), "a {{ b }}"),
        (("grid",), (3, 3), (2, 1), None),
        (("grid", "style"), (3, 10), (3, 3), "[woodcut, 'ink # wash']"),
        (("grid", "style", 0), (3, 11), None, "woodcut"),
        (("grid", "style", 1), (3, 20), None, "ink # wash"),
        (("grid", "animal", 0, "home"), (5, 25), (5, 19), "a wood"),
        (("grid", "animal", 1), (6, 7), None, "Fish & Chips: today"),
        (("base", "lens"), (7, 20), (7, 14), "0.50"),
        (("x",), (7, 7), (8, 1), None),
        (("x", "lens"), (7, 20), (7, 14), "0.50"),
        (("y", "lens"), (7, 20), (7, 14), "0.50"),
        (("y", "z"), (11, 6), (11, 3), "1"),
        ((), (1, 1), None, None),
    ],
)
def test_every_part_knows_where_it_stands_and_how_it_was_written(
    path: tuple[str | int, ...],
    place: tuple[int, int],
    key_place: tuple[int, int] | None,
    written: str | None,
) -> None:
    document = parse(TEXT)

    assert document.place(path) == Place(*place)
    assert document.key_place(path) == (Place(*key_place) if key_place else None)
    if written is not None:
        assert document.written(path) == written


@pytest.mark.parametrize(
    "path", [("nothing",), ("grid", "style", 2), ("grid", "style", -1), ("prompt", "x"), (0,)]
)
def test_what_is_not_there_has_no_place(path: tuple[str | int, ...]) -> None:
    document = parse(TEXT)

    assert document.place(path) is None
    assert document.key_place(path) is None
    with pytest.raises(KeyError):
        document.written(path)


def test_a_mapping_that_was_meant_as_text_can_be_told() -> None:
    document = parse(
        "a:\n  - Fish & Chips: today\n  - {b: c}\n  - d: e\n    f: g\n  - h:\n     i: j\n"
    )

    assert document.meant_as_text(("a", 0)) == "Fish & Chips: today"
    assert [document.meant_as_text(("a", index)) for index in (1, 2, 3, 4)] == [None] * 4


def test_the_place_of_a_column_counts_characters() -> None:
    assert parse("é: [🦊, x]").place(("é", 1)) == Place(1, 8)


def test_a_text_without_a_mapping_is_an_empty_one() -> None:
    document = parse("- a")

    assert document.value == {}
    assert document.place((0,)) is None


_SCALARS = st.text(alphabet="abc 0123456789.:-_%/+~", min_size=1, max_size=12)


@settings(deadline=None)
@given(st.lists(_SCALARS, max_size=5))
def test_what_is_quoted_is_text_and_stays_as_it_is(texts: list[str]) -> None:
    quoted = ", ".join("'" + text.replace("'", "''") + "'" for text in texts)

    assert value_of(f"a: [{quoted}]") == {"a": texts}


@settings(deadline=None)
@given(st.from_regex(r"[a-z0-9.]([a-z0-9.:/_%+-]*[a-z0-9.%])?", fullmatch=True))
def test_a_word_without_quotes_is_what_a_cell_of_a_table_is(word: str) -> None:
    expected = None if word == "null" else read_scalar(word)

    assert value_of(f"a: {word}\nb: [{word}]") == {"a": expected, "b": [expected]}


_FRAGMENTS = st.sampled_from(
    ["{{ a }}", "{", "}", "[", "]", ": ", " #x", "# y", "\t", "- ", "\n", "\n  ", "'", '"', "*a",
     "&a ", "!x ", "|", ">", "---\n", "<<: ", "é", "\u2028", "\x07", "@", "%", "\\", ",", "a",
     "b: 1", "0.5", "16:9"]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(_FRAGMENTS, max_size=25).map("".join))
def test_any_text_is_read_or_has_mistakes_with_places(text: str) -> None:
    document = parse(text)

    assert isinstance(document.value, dict)
    lines = text.replace("\r\n", "\n").split("\n")
    for mistake in document.mistakes:
        assert mistake.file == "m.yaml"
        assert mistake.line is None or 1 <= mistake.line <= len(lines)
        assert mistake.text


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML is without its C parser here")
@settings(deadline=None)
@given(st.lists(_FRAGMENTS, max_size=12).map("".join))
def test_both_parsers_read_the_same(text: str) -> None:
    """Where one of them finds nothing wrong, the other one may refuse, never read otherwise."""
    fast = parse(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml_events, "_LOADER", yaml.BaseLoader)
        slow = parse(text)

    if not fast.mistakes and not slow.mistakes:
        assert fast.value == slow.value
        assert fast.place(()) == slow.place(())
