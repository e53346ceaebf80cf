"""What can be wrong with a template, and the words for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TypeAlias

from batchgen.job import Json
from batchgen.scalar import kind_of, listed, print_scalar

Path: TypeAlias = tuple[str | int, ...]


# What Python calls on a text, and Jinja writes as a filter.
_METHODS = frozenset(
    {"capitalize", "center", "format", "join", "lower", "replace", "title", "upper"}
)


class TemplateError(ValueError):
    """A template that cannot be read or rendered. Its text begins small and ends with a full stop.

    Attributes:
        line: Counted from 1 in the template's text, or None.
        path: Which string it is in a prompt that is a mapping or a list; empty for a text.
    """

    def __init__(self, message: str, *, line: int | None = None) -> None:
        self.line = line
        self.path: Path = ()
        super().__init__(message)


class UndefinedVariable(TemplateError):  # noqa: N818 - what it says is what it is
    """A template names a variable, or a key of a mapping, that is not there.

    Attributes:
        name: As the template has it: `colour`, `animal.colour`.
        available: What there is instead: all variables, or the keys of the mapping.
    """

    def __init__(
        self, message: str, *, name: str, available: Sequence[str], line: int | None = None
    ) -> None:
        self.name = name
        self.available = tuple(available)
        super().__init__(message, line=line)


def missing(path: Path, available: Iterable[str], *, line: int | None) -> UndefinedVariable:
    """Return the error for a path whose last part is not there.

    Args:
        path: The variable, and the keys down to the one that is not there.
        available: What there is at that place.
        line: In the template's text, from 1.
    """
    names = list(available)
    last = str(path[-1])
    near = get_close_matches(last, names, n=1)
    guess = ""
    if near:
        whole = written((*(path[:-1] or ("row",)), near[0]))
        reach = f"'{near[0]}'" if near[0].isidentifier() else whole
        guess = f" Did you mean {reach}?"
    if len(path) == 1:
        text = f"there is no variable '{last}'.{guess}"
    else:
        has = f" It has {listed(names)}." if names else ""
        text = f"{written(path[:-1])} has no '{last}'.{guess}{has}"
    return UndefinedVariable(text, name=written(path), available=names, line=line)


def no_mapping(path: Path, value: Json, *, line: int | None) -> UndefinedVariable:
    """Return the error for a key of something that has no keys."""
    owner, key = written(path[:-1]), str(path[-1])
    hint = f": a filter is written {{{{ {owner} | {key} }}}}" if key in _METHODS else ""
    if value is None or isinstance(value, dict | list):
        kind = kind_of(value)
    else:
        kind = f"{kind_of(value)} ('{print_scalar(value)}')"
    text = f"{owner} is {kind} and has no '{key}'{hint}."
    return UndefinedVariable(text, name=written(path), available=(), line=line)


def unprintable(path: Path, value: object, *, line: int | None) -> TemplateError:
    """Return the error for a value that cannot stand in a text.

    Args:
        path: The variable and its keys, or nothing if it is not known which it was.
        value: What was to be printed.
        line: In the template's text, from 1.
    """
    name = written(path) if path else "what is printed here"
    shown = written(path) if path else "name"
    if isinstance(value, Mapping):
        what, key = f"a mapping ({listed(value)})", str(next(iter(value), "key"))
        write = f"{{{{ {written((*path, key)) if path else f'name.{key}'} }}}}"
    elif value is None:
        what, write = "empty (null)", f"{{{{ {shown} | default('', true) }}}}"
    elif isinstance(value, float):
        return TemplateError(f"{name} is {value}, which is not a number.", line=line)
    else:
        what, write = "a list", f'{{{{ {shown} | join(", ") }}}}'
    return TemplateError(f"{name} is {what}: write {write}.", line=line)


def written(path: Path) -> str:
    """Return a path as a template would have it: `row["Product Name"].a`."""
    text = str(path[0])
    for part in path[1:]:
        if isinstance(part, str) and part.isidentifier():
            text += f".{part}"
        else:
            text += f'["{part}"]' if isinstance(part, str) else f"[{part}]"
    return text
