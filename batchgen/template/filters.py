"""The filters and tests that templates have: pure ones, that print nothing but what is written.

Jinja's own would print Python's words (`True`, `{'name': 'a fox'}`) or depend on dice, on an
address, or on the hash seed of the process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any, cast

from jinja2 import Undefined, filters, tests
from jinja2.runtime import Context
from jinja2.utils import pass_context

from batchgen.job import Json
from batchgen.scalar import print_scalar
from batchgen.template.fields import MAX_CHARACTERS
from batchgen.template.mistakes import TemplateError

MAX_STEPS = 10_000
_MAX_WIDTH = 10_000
_MAX_INDENT = 16

_PURE_FILTERS = (
    "abs", "count", "d", "default", "dictsort", "first", "float", "int", "last", "length", "list",
    "max", "min", "round", "sort", "sum",
)  # fmt: skip
_LAZY_FILTERS = ("map", "reject", "rejectattr", "reverse", "select", "selectattr", "unique")
_TEXT_FILTERS = ("capitalize", "lower", "title", "trim", "upper", "wordcount")
_PURE_TESTS = (
    "boolean", "defined", "divisibleby", "even", "false", "float", "in", "integer", "iterable",
    "lower", "mapping", "none", "number", "odd", "sequence", "string", "true", "undefined",
    "upper", "==", "eq", "equalto", "!=", "ne", ">", "gt", "greaterthan", ">=", "ge", "<", "lt",
    "lessthan", "<=", "le",
)  # fmt: skip

# What no template can name, since a name holds no blank.
PRINT_FILTER = "as printed"
LOOP_FILTER = "as looped over"


class UnprintableError(TypeError):
    """A value that cannot stand in a text was to be printed."""

    def __init__(self, value: object) -> None:
        self.value = value
        super().__init__()


def printed(value: object) -> str:
    """Return text, a number or a boolean as it is written.

    Raises:
        UnprintableError: It is something else.
        jinja2.UndefinedError: It is not there.
    """
    if type(value) is str:
        return value
    if isinstance(value, Undefined):
        return str(value)  # raises: undefined is strict
    if isinstance(value, str | int | float):
        try:
            return print_scalar(value)
        except ValueError as error:
            raise UnprintableError(value) from error
    raise UnprintableError(value)


def _of_text(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def of_text(value: object, *args: Any, **kwargs: Any) -> Any:
        return function(printed(value), *args, **kwargs)

    return of_text


def _of_lists(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that gives a list, which can be counted, where Jinja's is lazy."""

    @wraps(function)
    def of_lists(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return list(result) if isinstance(result, Iterator) else result

    return of_lists


def _replace(value: object, old: object, new: object, count: int = -1) -> str:
    text, find, put = printed(value), printed(old), printed(new)
    if len(text) + text.count(find) * len(put) > MAX_CHARACTERS:
        raise TemplateError("replace makes the text too long.")
    return text.replace(find, put, count)


def _join(value: Iterable[Any], d: object = "", attribute: str | None = None) -> str:
    if attribute is not None:
        value = (item[attribute] for item in value)
    pieces = [printed(item) for item in _values(value)]
    if sum(map(len, pieces)) + len(printed(d)) * len(pieces) > MAX_CHARACTERS:
        raise TemplateError("join makes the text too long.")
    return printed(d).join(pieces)


def _truncate(
    value: object,
    length: int = 255,
    killwords: bool = False,  # noqa: FBT001, FBT002 - Jinja's order
    end: str = "...",
) -> str:
    text = printed(value)
    if len(text) <= length:
        return text
    cut = text[: max(0, length - len(end))]
    return (cut if killwords else cut.rsplit(" ", 1)[0]) + end


def _center(value: object, width: int = 80) -> str:
    return printed(value).center(min(width, _MAX_WIDTH))


def _indent(value: object, width: int = 4, first: bool = False) -> str:  # noqa: FBT001, FBT002 - Jinja's order
    blanks = " " * min(width, _MAX_WIDTH)
    text = printed(value)
    if text.count("\n") * len(blanks) > MAX_CHARACTERS:
        raise TemplateError("indent makes the text too long.")
    return (blanks if first else "") + re.sub(r"\n(?=[^\n])", "\n" + blanks, text)


def _format(value: object, *args: object) -> str:
    text = printed(value)
    if re.search(r"%[^a-zA-Z%]*(?:[0-9]{5}|\*)", text):
        raise TemplateError("format pads to at most 9999 characters.")
    return text % tuple(
        value if isinstance(value, int | float) and not isinstance(value, bool) else printed(value)
        for value in args
    )


def _items(value: Mapping[str, Json]) -> list[tuple[str, Json]]:
    if not isinstance(value, Mapping):
        raise TypeError("items needs a mapping")
    return list(value.items())


def _tojson(value: object, indent: int | None = None) -> str:
    """Return plain JSON: no escapes for HTML, and letters stay letters."""
    plain = json_value(value)
    width = None if indent is None else min(indent, _MAX_INDENT)
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, indent=width)


def json_value(value: object) -> Json:
    """Return a value with nothing in it but JSON, numbers as they are printed."""
    match value:
        case Undefined():
            return str(value)  # raises: undefined is strict
        case bool() | int() | str() | None:
            return value
        case float() if value.is_integer():
            return int(value)
        case float():
            return value
        case Mapping():
            return {printed(key): json_value(entry) for key, entry in value.items()}
        case Iterable():
            return [json_value(entry) for entry in _values(value)]
        case _:
            raise UnprintableError(value)


@pass_context
def looped_over(context: Context, value: Any) -> list[Any]:
    """Return the values of a loop as a list, and count them: no template runs for ever."""
    values = _values(value)
    context.steps += len(values)  # type: ignore[attr-defined]  # of our own context class
    if context.steps > MAX_STEPS:  # type: ignore[attr-defined]  # the same
        raise TemplateError(f"its loops take more than {MAX_STEPS:,} steps.")
    return values


def _values(value: Any) -> list[Any]:
    if isinstance(value, str | Iterable | Iterator | Undefined):
        return list(value)
    raise TypeError(f"there is nothing to loop over in {printed(value)!r}")


FILTERS: dict[str, Callable[..., Any]] = {
    **{name: cast("Callable[..., Any]", filters.FILTERS[name]) for name in _PURE_FILTERS},
    **{
        name: _of_lists(cast("Callable[..., Any]", filters.FILTERS[name])) for name in _LAZY_FILTERS
    },
    **{name: _of_text(cast("Callable[..., Any]", filters.FILTERS[name])) for name in _TEXT_FILTERS},
    "center": _center,
    "format": _format,
    "indent": _indent,
    "items": _items,
    "join": _join,
    "replace": _replace,
    "string": printed,
    "tojson": _tojson,
    "truncate": _truncate,
}
TESTS: dict[str, Callable[..., Any]] = {
    name: cast("Callable[..., Any]", tests.TESTS[name]) for name in _PURE_TESTS
}
