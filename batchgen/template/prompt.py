"""A prompt: a text, or a mapping or a list that is sent as JSON text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from batchgen.job import Json
from batchgen.scalar import print_scalar
from batchgen.template.fields import bounded, look_up
from batchgen.template.mistakes import Path, TemplateError
from batchgen.template.text import Template, compile_template

_Render: TypeAlias = Callable[[Mapping[str, Json]], Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTemplate:
    """A compiled prompt.

    Attributes:
        variables: The names that it reads at the top.
        is_plain: Whether nothing in it is a template.
    """

    variables: frozenset[str]
    is_plain: bool
    _render: Callable[[Mapping[str, Json]], str]

    def render(self, scope: Mapping[str, Json]) -> str:
        """Return the text that is sent.

        Raises:
            UndefinedVariable: It names a variable or a key that is not there; `path` says
                in which string of a mapping or a list.
            TemplateError: It cannot be rendered otherwise.
        """
        return self._render(scope)


def compile_prompt(prompt: Json) -> PromptTemplate:
    """Return a prompt, ready to be rendered.

    Args:
        prompt: A text, a number or a boolean, printed as written; or a mapping or a list,
            whose strings are templates and which is sent as JSON text: UTF-8, keys in
            order. A string that is one variable alone keeps the type of its value.

    Raises:
        TemplateError: It cannot be read.
    """
    if isinstance(prompt, dict | list):
        return _compile_tree(prompt)
    if prompt is None:
        raise TemplateError("it is empty.")
    text = compile_template(print_scalar(prompt))
    return PromptTemplate(variables=text.variables, is_plain=text.is_plain, _render=text.render)


def _compile_tree(prompt: Json) -> PromptTemplate:
    strings = list(_strings(prompt, ()))
    render = _renderer(prompt, ())

    def to_json(scope: Mapping[str, Json]) -> str:
        rendered = render(scope)
        try:
            text = json.dumps(rendered, ensure_ascii=False, allow_nan=False)
        except RecursionError as error:
            raise TemplateError("it is nested too deep.") from error
        except ValueError as error:
            raise TemplateError("a number in it is not a number.") from error
        return bounded(text)

    plain = all(template.is_plain for template in strings)
    sent = to_json({}) if plain else ""
    return PromptTemplate(
        variables=frozenset[str]().union(*(template.variables for template in strings)),
        is_plain=plain,
        _render=(lambda _: sent) if plain else to_json,
    )


def _strings(prompt: Json, path: Path) -> Iterator[Template]:
    """Yield the template of every string of a prompt, keys included."""
    if isinstance(prompt, str):
        yield _compile_at(path, prompt)
    elif isinstance(prompt, dict):
        for key, value in prompt.items():
            yield _compile_at((*path, key), key)
            yield from _strings(value, (*path, key))
    elif isinstance(prompt, list):
        for index, value in enumerate(prompt):
            yield from _strings(value, (*path, index))


def _compile_at(path: Path, text: str) -> Template:
    try:
        return compile_template(text)
    except TemplateError as error:
        error.path = path
        raise


def _renderer(prompt: Json, path: Path) -> _Render:
    """Return the function that renders a part of a prompt."""
    if isinstance(prompt, str):
        return _string_renderer(_compile_at(path, prompt), path)
    if isinstance(prompt, list):
        entries = [_renderer(value, (*path, index)) for index, value in enumerate(prompt)]
        return lambda scope: [render(scope) for render in entries]
    if isinstance(prompt, dict):
        pairs = [
            (
                _string_renderer(_compile_at((*path, key), key), (*path, key)),
                _renderer(value, (*path, key)),
            )
            for key, value in prompt.items()
        ]
        return lambda scope: _mapping(pairs, scope, path)
    return lambda _: prompt


def _mapping(pairs: list[tuple[_Render, _Render]], scope: Mapping[str, Json], path: Path) -> Json:
    mapping: dict[str, Json] = {}
    for render_key, render_value in pairs:
        key = str(render_key(scope))
        if key in mapping:
            error = TemplateError(f"two keys render to '{key}'.")
            error.path = path
            raise error
        mapping[key] = render_value(scope)
    return mapping


def _string_renderer(template: Template, path: Path) -> _Render:
    if template.is_plain:
        return lambda _: template.text

    def render(scope: Mapping[str, Json]) -> Json:
        try:
            return look_up(template.only, scope) if template.only else template.render(scope)
        except TemplateError as error:
            error.path = path
            raise

    return render
