"""YAML's traps and its syntax errors: where they are, and what to write instead."""

from __future__ import annotations

import pytest

from batchgen.manifest.yaml_text import Document, parse_yaml


def parse(text: str) -> Document:
    return parse_yaml(text, "m.yaml")


def mistakes(text: str) -> list[str]:
    return [str(mistake) for mistake in parse(text).mistakes]


def test_braces_without_quotes() -> None:
    text = "# a manifest\n\nprompt: {{ style }} portrait of {{ animal.name }}\n"

    assert mistakes(text) == [
        "m.yaml:3:9  prompt begins with {{, which YAML takes for a mapping. Put quotes around it:\n"
        '    prompt: "{{ style }} portrait of {{ animal.name }}"'
    ]


def test_text_that_a_comment_cuts() -> None:
    assert mistakes("\n\nprompt: A poster, colour #ff0000, 50% off\n") == [
        'm.yaml:3:26  YAML takes everything from " #ff0000" on for a comment; '
        'the prompt would be "A poster, colour". Put quotes around it:\n'
        '    prompt: "A poster, colour #ff0000, 50% off"'
    ]


@pytest.mark.parametrize(
    ("text", "place", "words", "write"),
    [
        pytest.param("p: {{ x }}", "1:4", "p begins with {{", 'p: "{{ x }}"', id="braces alone"),
        pytest.param("p: {{ x }} # y", "1:4", "p begins with {{", 'p: "{{ x }}"',
                     id="braces and a comment"),
        pytest.param('p: {{ row["a: b"] }}!', "1:4", "p begins with {{",
                     "p: '{{ row[\"a: b\"] }}!'", id="braces with quotes in them"),
        pytest.param("s:\n  - a\n  - {{ x }} b", "3:5", "s begins with {{", '- "{{ x }} b"',
                     id="braces in a list"),
        pytest.param("s: [a, {{ x }} b, c]", "1:8", "s begins with {{", '"{{ x }} b"',
                     id="braces in brackets"),
        pytest.param("s: {n: {{ x }} and {{ y }}, h: b}", "1:8", "n begins with {{",
                     '"{{ x }} and {{ y }}"', id="braces in braces"),
        pytest.param("colour: #ff0000", "1:9", 'YAML takes everything from "#ff0000" on for a '
                     "comment; the colour would be empty.", 'colour: "#ff0000"', id="a colour"),
        pytest.param("s:\n  - red\n  - #fff", "3:5", 'from "#fff" on', '- "#fff"',
                     id="a colour in a list"),
        pytest.param("s: [#0b1d3a, b]", "1:5", 'from "#0b1d3a" on', '"#0b1d3a"',
                     id="a colour behind a bracket"),
        pytest.param("s: [a, #ff0000]", "1:8", 'from "#ff0000" on', '"#ff0000"',
                     id="a colour behind a comma"),
        pytest.param("s: [red #f00, b]", "1:9", 'from " #f00" on', '"red #f00"',
                     id="cut in brackets"),
        pytest.param("p: brand #{{ c }}", "1:10", 'from " #{{ c }}" on', 'p: "brand #{{ c }}"',
                     id="cut before a variable"),
        pytest.param("p: a fox\n  in a wood #7\nb: 1", "2:13", 'the p would be "a fox in a wood"',
                     'p: "a fox in a wood #7"', id="cut in a text of two lines"),
        pytest.param("p: C:\\dir #7", "1:11", 'from " #7" on', "p: 'C:\\dir #7'",
                     id="cut in a text with a backslash"),
        pytest.param("headline: Fish & Chips: today", "1:23", 'the headline has a ":" in it',
                     'headline: "Fish & Chips: today"', id="a colon"),
        pytest.param("a: b:", "1:5", 'the a has a ":" in it', 'a: "b:"', id="a colon at the end"),
        pytest.param("s: {h: Fish: today}", "1:12", 'the h has a ":" in it', '"Fish: today"',
                     id="a colon in braces"),
        pytest.param('p: "Rock" and roll', "1:4", "p goes on behind its closing quote.",
                     "p: '\"Rock\" and roll'", id="a quoted word first"),
        pytest.param("p: 'n' and 'm'", "1:4", "p goes on behind its closing quote.",
                     "p: \"'n' and 'm'\"", id="two quoted words"),
        pytest.param("p: [NEW] poster", "1:4", "p begins with [, which YAML takes for a list.",
                     'p: "[NEW] poster"', id="a word in brackets"),
        pytest.param("p: {x} poster", "1:4", "p begins with {, which YAML takes for a mapping.",
                     'p: "{x} poster"', id="a word in braces"),
        pytest.param("p: *bold* text", "1:4", "p begins with *", 'p: "*bold* text"', id="a star"),
        pytest.param("p: *bold", "1:4", "p begins with *, which YAML takes for a repetition of "
                     "&bold.", 'p: "*bold"', id="no such anchor"),
        pytest.param("p: & co", "1:4", "p begins with &", 'p: "& co"', id="an ampersand"),
        pytest.param("p: @home", "1:4", "p begins with @", 'p: "@home"', id="an at sign"),
        pytest.param("p: `x`", "1:4", "p begins with `", 'p: "`x`"', id="a backtick"),
        pytest.param("p: %5", "1:4", "p begins with %", 'p: "%5"', id="a percent sign"),
        pytest.param("p: !wow", "1:4", "p begins with !, which YAML takes for a type (!wow).",
                     'p: "!wow"', id="a tag"),
        pytest.param("p: !!python/name:os.system x", "1:4", "p begins with !, which YAML takes "
                     "for a type (!!python/name:os.system).",
                     'p: "!!python/name:os.system x"', id="Python's own tag"),
        pytest.param("p: >50 people", "1:4", "p begins with >", 'p: ">50 people"', id="greater"),
        pytest.param("p: |x|", "1:4", "p begins with |", 'p: "|x|"', id="a bar"),
        pytest.param("p: - x", "1:4", "p begins with -", 'p: "- x"', id="a dash"),
        pytest.param("p: ? x", "1:4", "p begins with ?", 'p: "? x"', id="a question mark"),
        pytest.param("p: ] x", "1:4", "p begins with ]", 'p: "] x"', id="a bracket"),
    ],
)  # fmt: skip
def test_what_needs_quotes_is_shown_with_quotes(
    text: str, place: str, words: str, write: str
) -> None:
    (mistake,) = mistakes(text)

    assert mistake.startswith(f"m.yaml:{place}  ")
    assert words in mistake
    assert mistake.endswith(f"Put quotes around it:\n    {write}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a: {aspect_ratio:1:1}", "1:5  'aspect_ratio:1:1' has no value; a blank "
                     "stands behind a colon: write aspect_ratio: 1:1", id="no blank"),
        pytest.param("a: {h: Hello, world}", "1:15  'world' is a key without a value. If the comma "
                     'is part of a text, put quotes around it: h: "Hello, world"', id="a comma"),
        pytest.param("a: {b, c: 1}", "1:5  'b' is a key without a value: write b: …, or leave it "
                     "out.", id="a word in braces"),
        pytest.param("a: {b: }", "1:5  'b' is a key without a value: write b: …, or leave it out.",
                     id="nothing behind a colon"),
        pytest.param("a: [1: 1, x]", '1:5  within brackets YAML takes "1: 1" for a mapping: write '
                     "1:1.", id="a ratio with a blank"),
        pytest.param("a: [Fish: today]", '1:5  within brackets YAML takes "Fish: today" for a '
                     'mapping: write "Fish: today".', id="a colon in brackets"),
        pytest.param("a: 1\nb:\n  c: 1\n  c: 2", "4:3  'c' stands twice here; the first is on line "
                     "3.", id="a key twice"),
        pytest.param("1:1: a\n1:1: b", "2:1  '1:1' stands twice here; the first is on line 1.",
                     id="a ratio twice"),
        pytest.param("a: 1\n---\nb: 1", "2:1  a second document begins here (---): a manifest is "
                     "one document.", id="a second document"),
        pytest.param("? [a, b]\n: 1", "1:3  a key is text; this one is a list.",
                     id="a list as key"),
        pytest.param("a: 1\n<<: 2", "2:1  << merges mappings: write <<: *name, or "
                     "<<: [*one, *other].", id="a merge of nothing"),
        pytest.param("a: &a [*a]", "1:8  *a stands within what it repeats.", id="a circle"),
        pytest.param("a:\n - b\n  - c", "3:3  this line is read as part of the text above it: "
                     "indent it like the other entries.", id="an entry too deep"),
        pytest.param("a:\n\t- b", "2:1  this line is indented with a tab: YAML wants blanks.",
                     id="a tab to indent"),
        pytest.param("a:\tb", "1:3  here is a tab: write a blank, or put quotes around a text that "
                     "needs it.", id="a tab behind a colon"),
        pytest.param("a: b\tc", "1:5  here is a tab: write a blank, or put quotes around a text "
                     "that needs it.", id="a tab in a text"),
        pytest.param("a: \x07b\x1b", "1:4  here is a control character (U+0007), which YAML "
                     "refuses: delete it. There are 2 of this kind.", id="control characters"),
        pytest.param('a: "C:\\path"', "1:7  in double quotes a backslash begins an escape, and \\p "
                     "is none: write it twice (\\\\), or use single quotes: 'C:\\path'",
                     id="a backslash"),
        pytest.param('a: "x\\', "1:4  the quote that is opened here is never closed.",
                     id="an open quote and a backslash"),
        pytest.param('a: "x\nb: 1', "1:4  the quote that is opened here is never closed.",
                     id="an open quote"),
        pytest.param('a: "x\nb: "y"', "2:5  the quote of line 1 is closed here, and text follows: "
                     "a quote is missing in between, or one is too many.", id="an odd quote"),
        pytest.param("a: [x, y\nb: 1", "1:4  the [ that is opened here is never closed.",
                     id="an open bracket"),
        pytest.param("a: {x: 1", "1:4  the { that is opened here is never closed.",
                     id="an open brace"),
        pytest.param("a: [1, 2}", "1:9  the [ on line 1 is closed by }.", id="a wrong bracket"),
        pytest.param('a: ["b" "c"]', '1:9  a comma is missing before "c".',
                     id="no comma"),
        pytest.param("a: [b,, c]", "1:7  nothing stands between two commas: take one away.",
                     id="two commas"),
        pytest.param("batch:x\nseed: 1", "1:1  'batch:x' lacks the blank behind its colon: write "
                     "batch: x", id="no blank in the first line"),
        pytest.param("seed: 1\nbatch:x\nrepeat: 2", "2:1  'batch:x' lacks the blank behind its "
                     "colon: write batch: x", id="no blank in another line"),
        pytest.param("a:\n- b\n-c\nd: 1", "3:1  '-c' lacks the blank behind its dash: write - c",
                     id="no blank behind a dash"),
        pytest.param("a: 1\nfoo bar\nb: 2", "2:1  'foo bar' is no key with a value; if it goes on "
                     "with the text above, indent it.", id="a line of nothing"),
        pytest.param("a:\n  b: 1\n c: 2", "3:2  'c: 2' is indented by 1, and nothing above it is: "
                     "lines that belong together are indented alike (the ones around it by 0).",
                     id="an indentation of its own"),
        pytest.param("a: b\n  c: d", "2:3  this line is indented like a part of a, which has a "
                     'value already ("b").', id="a value and more"),
        pytest.param("- a\nb: 1", "2:1  'b: 1' stands in a list and does not begin with a dash.",
                     id="a key in a list"),
        pytest.param("a:\n  b: c\n  - d", "3:3  '- d' is no key with a value, as the lines around "
                     "it are.", id="an entry among keys"),
        pytest.param("- a", "1:1  this is a list; a manifest has keys: prompt: …, grid: …",
                     id="a list"),
        pytest.param("a fox", "1:1  this is a text; a manifest has keys: prompt: …, grid: …",
                     id="a text"),
        pytest.param("[" * 100, "1:65  this is nested more than 64 deep.", id="too deep"),
    ],
)  # fmt: skip
def test_a_mistake_has_a_place_and_a_cure(text: str, expected: str) -> None:
    assert mistakes(text) == [f"m.yaml:{expected}"]


@pytest.mark.parametrize("text", ["", "\n \n", "# nothing\n", "---\n", "~", "\ufeff"])
def test_an_empty_text_says_how_to_begin(text: str) -> None:
    assert mistakes(text) == ["m.yaml  is empty: `batchgen init` writes one to start from."]


def test_an_alias_bomb_does_not_go_off() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]")

    (mistake,) = mistakes("\n".join(lines))

    assert mistake.endswith("its aliases repeat more than 1,000,000 values.")


def test_all_mistakes_are_found_at_once_and_in_order() -> None:
    text = """\
prompt: {{ style }} fox
headline: Fish & Chips: today
colour: red #ff0000
seed:7
at: @home
grid:
  style: [{{ a }}, #0b1d3a]
  size: {aspect_ratio:1:1}
  style: b
"""

    document = parse(text)

    assert [mistake.line for mistake in document.mistakes] == [1, 2, 3, 4, 5, 7, 7, 8, 9]


def test_two_hundred_mistakes_are_two_hundred_mistakes() -> None:
    text = "".join(f"key{number}: {{{{ a }}}} b\n" for number in range(199)) + "x: @y\n"

    assert len(parse(text).mistakes) == 200


def test_what_is_sound_is_read_in_spite_of_what_is_not() -> None:
    document = parse('a: 1\nb: @x\nc: [1: 1, 2]\na: 2\nd: {{ x }} #1\ne: F: 2\nf: {g: "h" i}\n')

    assert document.value == {
        "a": 1, "b": "@x", "c": ["1: 1", 2], "d": "{{ x }} #1", "e": "F: 2", "f": {"g": '"h" i'}
    }  # fmt: skip
    assert len(document.mistakes) == 6


@pytest.mark.parametrize("value", ["{{b}}: c", "a #b #c", "{{ a }} #b", "[a] b: c"])
def test_several_traps_of_one_value_have_one_cure(value: str) -> None:
    (mistake,) = mistakes(f"a: {value}")

    assert mistake.endswith(f'a: "{value}"')


def test_a_tab_that_changes_what_hangs_on_what_leaves_nothing_to_read() -> None:
    document = parse("a: 1\nb:\n\tc: 1\n\td: {{ x }}\n")

    assert document.value == {}
    assert [mistake.line for mistake in document.mistakes] == [3, 4]
