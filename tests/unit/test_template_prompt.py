"""Prompts: texts, and mappings or lists that are sent as JSON text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.job import Json
from batchgen.template import TemplateError, UndefinedVariable, compile_prompt

SCOPE: dict[str, Json] = {
    "headline": 'Rock "n" Roll',
    "palette": ["#0b1d3a", "#f2c14e"],
    "market": {"code": "NO", "size": 2},
    "half": 0.5,
    "sale": True,
    "nothing": None,
    "row": {"Product Name": ["a", "b"]},
}


@pytest.mark.parametrize(
    ("prompt", "sent"),
    [
        pytest.param("a fox", "a fox", id="a text"),
        pytest.param("{{ headline }}!", 'Rock "n" Roll!', id="a template"),
        pytest.param(2, "2", id="a number"),
        pytest.param(0.5, "0.5", id="a fraction"),
        pytest.param(True, "true", id="a boolean"),
        pytest.param({"b": 1, "a": 2}, '{"b": 1, "a": 2}', id="keys in order"),
        pytest.param(["Ü", None, True, 0.5], '["Ü", null, true, 0.5]', id="a list, letters kept"),
        pytest.param({"t": "{{ headline }}"}, '{"t": "Rock \\"n\\" Roll"}', id="quotes escaped"),
        pytest.param(
            {"p": "{{ palette }}"}, '{"p": ["#0b1d3a", "#f2c14e"]}', id="a list stays a list"
        ),
        pytest.param({"n": "{{ market.size }}"}, '{"n": 2}', id="a number stays a number"),
        pytest.param({"n": "{{ half }}", "s": "{{sale}}"}, '{"n": 0.5, "s": true}', id="types"),
        pytest.param({"n": "{{ nothing }}"}, '{"n": null}', id="null stays null"),
        pytest.param(
            {"r": '{{ row["Product Name"] }}'}, '{"r": ["a", "b"]}', id="a column of any name"
        ),
        pytest.param({"c": "{{ palette[0] }}"}, '{"c": "#0b1d3a"}', id="an entry"),
        pytest.param({"n": " {{ market.size }}"}, '{"n": " 2"}', id="with a blank it is text"),
        pytest.param({"n": "{{ market.size | string }}"}, '{"n": "2"}', id="a filter makes text"),
        pytest.param({"{{ market.code }}": 1}, '{"NO": 1}', id="a key is a template too"),
        pytest.param({"a": [{"b": ["{{ half }}"]}]}, '{"a": [{"b": [0.5]}]}', id="deep within"),
        pytest.param({}, "{}", id="nothing in it"),
    ],
)
def test_what_is_sent(prompt: Json, sent: str) -> None:
    assert compile_prompt(prompt).render(SCOPE) == sent


def test_a_prompt_knows_its_variables_and_whether_it_is_plain() -> None:
    prompt = compile_prompt({"a": ["{{ palette }}", "x"], "{{ market.code }}": "{{ half }}!"})

    assert prompt.variables == {"palette", "market", "half"}
    assert not prompt.is_plain
    assert compile_prompt({"a": ["x", 1]}).is_plain
    assert compile_prompt("x").is_plain
    assert not compile_prompt("{{ x }}").is_plain


@pytest.mark.parametrize(
    ("prompt", "path", "words"),
    [
        ({"a": ["x", "{{ colour }}"]}, ("a", 1), "there is no variable 'colour'."),
        ({"a": {"b": "{{ market.x }}!"}}, ("a", "b"), "market has no 'x'. It has code, size."),
        ({"a": "{{ market }}!"}, ("a",), "market is a mapping (code, size): write"),
        ({"a": {"{{ no }}": 1}}, ("a", "{{ no }}"), "there is no variable 'no'."),
        ({"{{ half }}": 1, "0.5": 2}, (), "two keys render to '0.5'."),
    ],
)
def test_a_mistake_says_in_which_string_it_is(
    prompt: Json, path: tuple[str | int, ...], words: str
) -> None:
    compiled = compile_prompt(prompt)

    with pytest.raises(TemplateError) as caught:
        compiled.render(SCOPE)

    assert caught.value.path == path
    assert str(caught.value).startswith(words)


def test_a_prompt_that_cannot_be_read_says_in_which_string() -> None:
    with pytest.raises(TemplateError, match="is not closed") as caught:
        compile_prompt({"a": ["x", {"b": "{{ colour"}]})

    assert caught.value.path == ("a", 1, "b")


def test_no_prompt_at_all_is_a_mistake() -> None:
    with pytest.raises(TemplateError, match="it is empty"):
        compile_prompt(None)


def test_a_missing_variable_alone_in_a_string_is_named() -> None:
    with pytest.raises(UndefinedVariable) as caught:
        compile_prompt(["{{ pallete }}"]).render(SCOPE)

    assert caught.value.name == "pallete"
    assert str(caught.value) == "there is no variable 'pallete'. Did you mean 'palette'?"


def test_a_number_that_json_does_not_have_is_a_mistake() -> None:
    with pytest.raises(TemplateError, match="a number in it is not a number"):
        compile_prompt(["{{ x }}"]).render({"x": float("nan")})


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text().filter(lambda text: "{{" not in text and "{%" not in text),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet="abc"), inner),
    max_leaves=10,
)


@settings(deadline=None)
@given(_JSON.filter(lambda value: isinstance(value, dict | list)))
def test_a_prompt_without_templates_is_sent_as_it_is(prompt: Json) -> None:
    assert json.loads(compile_prompt(prompt).render({})) == prompt


@settings(deadline=None)
@given(_JSON)
def test_a_variable_alone_keeps_its_value(value: Json) -> None:
    assert json.loads(compile_prompt(["{{ x }}"]).render({"x": value})) == [value]
