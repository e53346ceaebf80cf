"""Prompt templates: strict, pure, and nothing in a prompt but what is written."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.job import Json
from batchgen.scalar import print_scalar
from batchgen.template import TemplateError, UndefinedVariable, compile_template
from batchgen.template.fields import MAX_CHARACTERS, split_fields
from batchgen.template.jinja import JinjaText

SCOPE: dict[str, Json] = {
    "style": "woodcut",
    "animal": {"name": "a fox", "home": "a wood", "items": "leaves"},
    "half": 0.5,
    "two": 2,
    "yes": True,
    "nothing": None,
    "empty": "",
    "palette": ["#0b1d3a", "#f2c14e"],
    "row": {"Product Name": "Jug", "it's": "x"},
    "braces": "{{ style }} {% if x %}",
    "label": {"index": 7},
}


def render(text: str) -> str:
    return compile_template(text).render(SCOPE)


def mistake_in(text: str) -> TemplateError:
    with pytest.raises(TemplateError) as caught:
        compile_template(text).render(SCOPE)
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a fox", id="words"),
        pytest.param('{"subject": {"name": "fox"}}', id="JSON"),
        pytest.param("{# no comment #} {style} }} %}", id="other braces"),
        pytest.param("two\r\nlines\rand\n", id="line ends"),
        pytest.param("# for x in y\n## also no statement", id="line statements"),
        pytest.param("", id="nothing"),
        pytest.param(" \t ", id="blanks"),
    ],
)
def test_text_without_a_template_stays_byte_for_byte(text: str) -> None:
    template = compile_template(text)

    assert template.is_plain
    assert template.variables == frozenset()
    assert template.render({}) == text


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("A {{ style }} {{animal.name}}.", "A woodcut a fox."),
        ("{{ half }} {{ two }} {{ yes }}", "0.5 2 true"),
        ('{{ row["Product Name"] }} {{ row[\'Product Name\'] }}', "Jug Jug"),
        ('{{ row["it\'s"] }}', "x"),
        ("{{ animal.items }}", "leaves"),
        ("{{ animal['items'] | upper }}", "LEAVES"),
        ("{{ label.index }}", "7"),
        ("{{ empty }}|", "|"),
        ("{{ braces }}", "{{ style }} {% if x %}"),
        ("{{ style }}\n", "woodcut\n"),
        ("\r\n{{ style }}\r\n\r", "\r\nwoodcut\r\n\r"),
        ("a\r\n{{ style | upper }}\r\n{% if yes %}\rb{% endif %}\n", "a\r\nWOODCUT\r\n\rb\n"),
        ("{% if\r\n yes -%}\r\n b{% endif %}", "b"),
        ("{# kept #}{{ style }}", "{# kept #}woodcut"),
        ("{# kept #}{{ style | upper }}", "{# kept #}WOODCUT"),
        ("{ {{ style }} }", "{ woodcut }"),
        ('{"a": {"b":{{ two }}}}', '{"a": {"b":2}}'),
        ("{% if empty %}a{% else %}b{% endif %}", "b"),
        ("{% for colour in palette %}{{ colour }}{{ ', ' if not loop.last }}{% endfor %}",
         "#0b1d3a, #f2c14e"),
        ("{% for key, value in animal | items %}{{ loop.index }}{{ key }} {% endfor %}",
         "1name 2home 3items "),
        ("{% set x = style ~ two ~ yes %}{{ x }}", "woodcut2true"),
        ("{% with x = 1 %}{{ x }}{% endwith %}", "1"),
        ("{% raw %}{{ style }}{% endraw %}", "{{ style }}"),
        ("{{ palette | join(', ') }}", "#0b1d3a, #f2c14e"),
        ("{{ [half, yes, 'a'] | join('-') }}", "0.5-true-a"),
        ("{{ palette | length }}", "2"),
        ("{{ yes | upper }}", "TRUE"),
        ("{{ yes | string | replace('t', 'b') }}", "brue"),
        ("{{ style | title }} {{ style | capitalize }}", "Woodcut Woodcut"),
        ("{{ ' a ' | trim }}|", "a|"),
        ("{{ style | replace('wood', 'lino') }}", "linocut"),
        ("{{ style | truncate(5, true, '…') }}", "wood…"),
        ("{{ colour | default('red') }}", "red"),
        ("{{ animal.colour | default('red') }}", "red"),
        ("{{ 'known' if colour is defined else 'unknown' }}", "unknown"),
        ("{{ 'x' if empty }}|", "|"),
        ("{{ 3.7 | round }}", "4"),
        ("{{ 3.14159 | round(2) }}", "3.14"),
        ("{{ '7' | int + 1 }}", "8"),
        ("{{ 7 / 2 }} {{ 8 / 2 }} {{ 2 ** 10 }} {{ 7 % 4 }}", "3.5 4 1024 3"),
        ("{{ '%03d' | format(two) }}", "002"),
        ("{{ '%s' | format(yes) }}", "true"),
        ("{{ palette[0] }} {{ style[:4] }}", "#0b1d3a wood"),
        ("{{ palette | first }} {{ palette | map('upper') | last }}", "#0b1d3a #F2C14E"),
        ("{{ ['b', 'a'] | sort | join }}", "ab"),
        ("{{ palette | tojson }}", '["#0b1d3a", "#f2c14e"]'),
        ("{{ '<Ü & \"x\">' | tojson }}", '"<Ü & \\"x\\">"'),
        ("{{ {'b': 1, 'a': [half, none]} | tojson }}", '{"b": 1, "a": [0.5, null]}'),
        ("{{ 4.0 | tojson }}", "4"),
        ("{{ true }} {{ 0.50 }}", "true 0.5"),
    ],
)  # fmt: skip
def test_what_a_template_renders(text: str, rendered: str) -> None:
    assert render(text) == rendered


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("{{ colour }}", "colour", "there is no variable 'colour'."),
        ("{{ stile }}", "stile", "there is no variable 'stile'. Did you mean 'style'?"),
        ("{{ stile | upper }}", "stile", "there is no variable 'stile'. Did you mean 'style'?"),
        ("{% if colour %}x{% endif %}", "colour", "there is no variable 'colour'."),
        ("{% for c in colours %}{% endfor %}", "colours", "there is no variable 'colours'."),
        ("{{ colour ~ 'x' }}", "colour", "there is no variable 'colour'."),
        ("{{ [colour] | tojson }}", "colour", "there is no variable 'colour'."),
        ("{{ Product_Name }}", "Product_Name", "there is no variable 'Product_Name'."),
        ('{{ row["Product-Name"] }}', 'row["Product-Name"]', "row has no 'Product-Name'. "
         "Did you mean row[\"Product Name\"]? It has Product Name, it's."),
        ("{{ animal.nme }}", "animal.nme",
         "animal has no 'nme'. Did you mean 'name'? It has name, home, items."),
        ("{{ animal.colour | upper }}", "animal.colour",
         "animal has no 'colour'. It has name, home, items."),
        ("{{ animal.colour.hex }}", "animal.colour",
         "animal has no 'colour'. It has name, home, items."),
        ('{{ row["Name"] }}', "row.Name", "row has no 'Name'. It has Product Name, it's."),
        ('{{ row["No such"] | upper }}', 'row["No such"]',
         "row has no 'No such'. It has Product Name, it's."),
        ("{{ style.upper }}", "style.upper",
         "style is text ('woodcut') and has no 'upper': a filter is written {{ style | upper }}."),
        ("{{ style.upper | title }}", "style.upper",
         "style is text ('woodcut') and has no 'upper': a filter is written {{ style | upper }}."),
        ("{{ style.__class__ }}", "style.__class__",
         "style is text ('woodcut') and has no '__class__'."),
        ("{{ half.real }}", "half.real", "half is a number ('0.5') and has no 'real'."),
        ("{{ palette.append }}", "palette.append", "palette is a list of 2 and has no 'append'."),
        ("{{ nothing.name }}", "nothing.name", "nothing is empty and has no 'name'."),
        ("{{ animal.keys }}", "animal.keys", "animal has no 'keys'. It has name, home, items."),
        ("{% for c in palette %}{{ c.hex }}{% endfor %}", "c.hex",
         "c is text ('#0b1d3a') and has no 'hex'."),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named_and_what_there_is(text: str, name: str, words: str) -> None:
    error = mistake_in(text)

    assert isinstance(error, UndefinedVariable)
    assert error.name == name
    assert str(error) == words
    assert error.line == 1


def test_a_column_with_blanks_is_proposed_through_its_row() -> None:
    with pytest.raises(UndefinedVariable, match=r'Did you mean row\["Product Name"\]\?'):
        compile_template("{{ ProductName }}").render({"Product Name": "x", "row": {}})


def test_many_names_are_cut_short() -> None:
    columns: dict[str, Json] = {f"c{number}": "" for number in range(100)}

    with pytest.raises(TemplateError) as caught:
        compile_template("{{ row }}").render({"row": columns})

    assert str(caught.value).startswith("row is a mapping (c0, c1,")
    assert ", c15, …): write {{ row.c0 }}." in str(caught.value)


def test_an_undefined_variable_lists_all_there_are() -> None:
    error = mistake_in("{{ colour }}")

    assert isinstance(error, UndefinedVariable)
    assert error.available == tuple(SCOPE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ animal }}", "animal is a mapping (name, home, items): write {{ animal.name }}."),
        ("{{ animal | string }}",
         "animal is a mapping (name, home, items): write {{ animal.name }}."),
        ("{{ 'a' ~ animal }}", "animal is a mapping (name, home, items): write {{ animal.name }}."),
        ("{{ row }}", 'row is a mapping (Product Name, it\'s): write {{ row["Product Name"] }}.'),
        ("{{ palette }}", 'palette is a list: write {{ palette | join(", ") }}.'),
        ("{{ palette | upper }}", 'palette is a list: write {{ palette | join(", ") }}.'),
        ("{{ palette | map('upper') }}",
         'what is printed here is a list: write {{ name | join(", ") }}.'),
        ("{{ nothing }}", "nothing is empty (null): write {{ nothing | default('', true) }}."),
        ("{{ style.upper() }}",
         "nothing is called in a template, style.upper() neither: write {{ style | upper }}."),
        ("{{ range(3) }}",
         "there is no range() here: a template sees its variables and nothing else."),
        ("{{ lipsum() }}",
         "there is no lipsum() here: a template sees its variables and nothing else."),
        ("{{ palette | random }}",
         "there is no filter 'random' here: it would render otherwise at every start."),
        ("{{ style | uper }}", "there is no filter 'uper'. Did you mean 'upper'? There are"),
        ("{% if style is callable %}{% endif %}", "there is no test 'callable'. There are boolean"),
        ("{% macro a() %}{% endmacro %}", "there is no {% macro %} here, only if, for, set"),
        ("{% include 'x' %}", "there is no {% include %} here, only if, for, set and with."),
        ("{% foo %}", "there is no {% foo %} here, only if, for, set and with."),
        ("{% endif %}", "{% endif %} closes nothing: there is no {% if %} or {% for %} before."),
        ("{{ self }}", "'self' is a word of Jinja's: call it otherwise."),
        ("{{ Product Name }}",
         'a name with blanks is reached through its row: write {{ row["Product Name"] }}.'),
        ("{{ style", "{{ is not closed: write }} behind the name."),
        ("{% if yes", "{% is not closed: write %} at its end."),
        ("{% if yes %}a", "{% if %} is not closed: write {% endif %} where it ends."),
        ("{{{ style }}}", "what stands between the braces in '{{{ style }}}' cannot be read"),
        ("{{ }}", "what stands between the braces in '{{ }}' cannot be read"),
        ("{{ 'x' * 1000000000 }}", "'*' is for numbers."),
        ("{{ '%999999999d' % 1 }}", "'%' is for numbers."),
        ("{{ 9 ** 999999999 }}", "'**' goes up to"),
        ("{{ 'x' | replace('x', 'y' | center(9999)) | replace('y', 'z') | replace(' ', "
         "'a' | center(9999)) }}", "replace makes the text too long."),
        ("{{ '%999999d' | format(1) }}", "format pads to at most 9999 characters."),
        ("{% for a in 'x' | center(9999) %}{% for b in 'x' | center(9999) %}{% endfor %}"
         "{% endfor %}", "its loops take more than 10,000 steps."),
        ("{{ 1 / 0 }}", "it cannot be worked out: division by zero."),
        (r"{{ '\ud83d' }}", "an escape in it is half a character."),
        (r"{{ style | replace('a', '\udc00') }}", "an escape in it is half a character."),
        ("{{ 1e999 }}", "a number in it is too large."),
        ("{{ style + 1 }}", "it cannot be worked out: "),
        ("{{ style | items }}", "it cannot be worked out: items needs a mapping."),
        ("{{ " + "(" * 300 + "1" + ")" * 300 + " }}", "it is nested too deep"),
        ("{{ 1 " + "+ 1" * 3000 + " }}", "it is nested too deep"),
        ("{{ " + "9" * 5000 + " }}", "it is nested too deep, or holds a number too long."),
    ],
)  # fmt: skip
def test_what_a_template_may_not_do_is_said_with_what_to_write(text: str, words: str) -> None:
    assert str(mistake_in(text)).startswith(words)


def test_what_renders_without_end_is_stopped() -> None:
    block = "{% for a in x %}{{ long }}{% endfor %}"
    template = compile_template(block)

    with pytest.raises(TemplateError, match=f"more than {MAX_CHARACTERS:,} characters"):
        template.render({"x": ["a"] * 5000, "long": "x" * 1000})
    with pytest.raises(TemplateError, match=f"more than {MAX_CHARACTERS:,} characters"):
        compile_template("{{ long }}{{ long }}").render({"long": "x" * 600_000})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("one\ntwo {{ colour }}", 2),
        ("one\ntwo {{ style | upper }}\n\n{{ colour }}", 4),
        ("one\n{{ animal.colour }}\n{{ style | upper }}", 2),
        ("\n\n{{ animal }}", 3),
        ("\n\n{{ animal | upper }}", 3),
        ("one\n{{ style | nonsense }}", 2),
        ("one\n{% if style %}\n{{ style }", 3),
        ("one\n\n{{ style.upper() }}", 3),
        ("\r\n\r\n{{ colour | upper }}", 3),
    ],
)
def test_a_mistake_knows_its_line(text: str, line: int) -> None:
    assert mistake_in(text).line == line


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("{{ style }} {{ animal.name }} {{ style }}", {"style", "animal"}),
        ("{% if a %}{{ b | default(c) }}{% endif %}", {"a", "b", "c"}),
        ("{% for x in xs %}{{ x }}{{ loop.index }}{% endfor %}", {"xs"}),
        ("{% set x = y %}{{ x }}", {"y"}),
        ('{{ row["Product Name"] }}', {"row"}),
    ],
)
def test_a_template_knows_the_variables_that_it_reads(text: str, variables: set[str]) -> None:
    assert compile_template(text).variables == variables


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{{ palette }}", ("palette",)),
        ("{{ animal.name }}", ("animal", "name")),
        ('{{ row["Product Name"] }}', ("row", "Product Name")),
        ("{{ palette[0] }}", ("palette", 0)),
        (" {{ palette }}", None),
        ("{{ palette }}\n", None),
        ("{{ palette | first }}", None),
        ("{{ a }}{{ b }}", None),
    ],
)
def test_a_template_knows_whether_it_is_one_variable_alone(
    text: str, path: tuple[str | int, ...] | None
) -> None:
    assert compile_template(text).only == path


def test_a_template_is_compiled_once() -> None:
    assert compile_template("{{ style }}!") is compile_template("{{ style }}!")


_NAMES = st.sampled_from(["style", "animal", "half", "yes", "nothing", "palette", "colour", "row"])
_KEYS = st.sampled_from(["", ".name", ".colour", '["Product Name"]', "['home']", "[0]", ".x.y"])
_PIECES = st.one_of(
    st.builds(lambda name, key, blank: f"{{{{{blank}{name}{key}{blank}}}}}", _NAMES, _KEYS,
              st.sampled_from(["", " ", "  "])),
    st.sampled_from(["{", "}", "{#", "#}", "}}", "\n", "\r\n", " - ", "é", "{'a'}", "not", "{{{"]),
    st.text(max_size=5),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(_PIECES, max_size=6).map("".join))
def test_fields_render_as_jinja_renders_them(text: str) -> None:
    """What is read without Jinja must mean the same with it."""
    if split_fields(text) is None:
        return

    def outcome(compile_: object) -> tuple[str, object]:
        try:
            return "text", compile_(text).render(SCOPE)  # type: ignore[operator]  # either one
        except UndefinedVariable as error:
            return str(error), (error.name, error.line)
        except TemplateError as error:
            return str(error), error.line

    # A separator stands in for "\r" while Jinja reads; it strips none from data.
    if re.search(r"[\x1c-\x1f\x85\u2028\u2029\x0b\x0c]", text):
        return
    assert outcome(compile_template) == outcome(lambda it: JinjaText(it, print_scalar))


@settings(deadline=None)
@given(st.text() | st.lists(_PIECES, max_size=4).map("".join))
def test_any_text_compiles_and_renders_or_says_why_not(text: str) -> None:
    try:
        said = compile_template(text).render(SCOPE)
    except TemplateError as error:
        said = str(error)

    assert isinstance(said, str)


@settings(deadline=None)
@given(st.text())
def test_a_value_is_never_rendered_again_nor_changed(value: str) -> None:
    assert compile_template("{{ value }}").render({"value": value}) == value
    assert compile_template("{{ value }}{% if 1 %}{% endif %}").render({"value": value}) == value
