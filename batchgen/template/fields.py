"""Text with fields: the templates that only print variables, `A {{ style }} {{ animal.name }}`.

Nearly all templates are of this kind, and rendering them takes a tenth of the time that Jinja
takes, and no import of it. What this module reads, Jinja reads alike; a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from batchgen.job import Json
from batchgen.template.mistakes import Path, TemplateError, missing, no_mapping, unprintable

# The text before a variable, the variable, and the keys below it.
Field: TypeAlias = tuple[str, str, tuple[str, ...]]
Show: TypeAlias = Callable[[Json], str]

# What a prompt or a file name can be at most; a service takes far less.
MAX_CHARACTERS = 1_000_000

_KEY = r"""\.[^\W\d]\w*|\["[^"\\{}\n\r]*"\]|\['[^'\\{}\n\r]*'\]"""
_FIELD = re.compile(r"\{\{ *([^\W\d]\w*(?:" + _KEY + r")*) *\}\}")
_PARTS = re.compile(r"""[^\W\d]\w*|\["([^"]*)"\]|\['([^']*)'\]""")
# What is not a variable to Jinja.
_WORDS = frozenset({
    "true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if",
    "else", "self", "loop", "caller",
})  # fmt: skip


def is_plain(text: str) -> bool:
    """Return whether a text is no template at all."""
    return "{{" not in text and "{%" not in text


def split_fields(text: str) -> tuple[list[Field], str] | None:
    """Return the fields of a text and what stands behind the last one.

    None if the text has more of Jinja in it than fields.
    """
    pieces = _FIELD.split(text)
    *data, tail = pieces[0::2]
    if not is_plain(tail) or not all(_is_data(before) for before in data):
        return None
    fields: list[Field] = []
    for before, written in zip(data, pieces[1::2], strict=True):
        name, *keys = _path(written)
        if name in _WORDS:
            return None
        fields.append((before, name, tuple(keys)))
    return fields, tail


def _path(written: str) -> list[str]:
    return [
        match[0] if match[0][0] != "[" else match[1] or match[2] or ""
        for match in _PARTS.finditer(written)
    ]


def _is_data(before: str) -> bool:
    # Jinja reads "{{{ a }}" from its first brace on.
    return is_plain(before) and not before.endswith("{")


def renderer(fields: list[Field], tail: str, show: Show) -> Callable[[Mapping[str, Json]], str]:
    """Return the function that renders fields with a scope."""

    def render(scope: Mapping[str, Json]) -> str:
        chunks: list[str] = []
        try:
            for before, name, keys in fields:
                value = scope[name]
                for key in keys:
                    value = value[key]  # type: ignore[index, call-overload]  # see below
                chunks += before, show(value)
        except (KeyError, TypeError, ValueError):
            # Found out what was wrong only where something was.
            raise _explain(fields, tail, scope, show) from None
        chunks.append(tail)
        return bounded("".join(chunks))

    return render


def bounded(text: str) -> str:
    """Return a rendered text, unless it is longer than any text that can be meant."""
    if len(text) > MAX_CHARACTERS:
        raise TemplateError(f"it renders more than {MAX_CHARACTERS:,} characters.")
    return text


def look_up(path: Path, scope: Mapping[str, Json], *, line: int | None = None) -> Json:
    """Return the value at a path of the scope.

    Raises:
        UndefinedVariable: It is not there.
    """
    if path[0] not in scope:
        raise missing(path[:1], scope, line=line)
    value = scope[str(path[0])]
    for depth, key in enumerate(path[1:], start=2):
        if isinstance(value, Mapping):
            if key not in value:
                raise missing(path[:depth], value, line=line)
            value = value[str(key)]
        elif isinstance(value, list) and isinstance(key, int):
            if not -len(value) <= key < len(value):
                raise missing(path[:depth], (), line=line)
            value = value[key]
        else:
            raise no_mapping(path[:depth], value, line=line)
    return value


def _explain(
    fields: list[Field], tail: str, scope: Mapping[str, Json], show: Show
) -> TemplateError:
    """Return the first thing that is wrong with fields and a scope."""
    line = 1
    for before, name, keys in fields:
        line += before.count("\n")
        path = (name, *keys)
        try:
            value = look_up(path, scope, line=line)
        except TemplateError as error:
            return error
        try:
            show(value)
        except ValueError:
            return unprintable(path, value, line=line)
    raise AssertionError((fields, tail))  # rendering raised, and nothing is wrong
