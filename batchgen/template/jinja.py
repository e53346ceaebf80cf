"""Templates with more in them than fields: conditions, loops, filters. Jinja, kept pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NoReturn, cast

import jinja2
from jinja2 import meta, nodes
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing as no_owner

from batchgen.job import Json
from batchgen.scalar import print_scalar
from batchgen.template.fields import MAX_CHARACTERS, Show, bounded, look_up
from batchgen.template.filters import (
    FILTERS,
    LOOP_FILTER,
    PRINT_FILTER,
    TESTS,
    UnprintableError,
    looped_over,
    printed,
)
from batchgen.template.mistakes import Path, TemplateError, missing, no_mapping, unprintable
from batchgen.template.syntax import chains, parse, path_of

_LOOP = frozenset({
    "index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0",
    "previtem", "nextitem",
})  # fmt: skip
_MAX_BASE = 1_000_000
_MAX_EXPONENT = 32
# Text between these would be no part of the template. Nobody writes them.
_NEVER = "\ufdd0\ufdd1\ufdd2"


# What the values of a scope can make of a template's expressions.
_FAILURES = (
    ArithmeticError,
    AttributeError,
    LookupError,
    NameError,
    RecursionError,
    TypeError,
    ValueError,
    jinja2.TemplateError,
)


class _UndefinedError(jinja2.UndefinedError):
    """A name or a key is not there: `key`, of `owner` (Jinja's `missing` for a variable)."""

    def __init__(self, message: str, *, owner: object, key: object) -> None:
        self.owner = owner
        self.key = key
        super().__init__(message)


class _Undefined(jinja2.StrictUndefined):
    """A name or a key that is not there: whatever is done with it raises `_UndefinedError`."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = no_owner,
        name: str | None = None,
        exc: type[jinja2.TemplateRuntimeError] = jinja2.UndefinedError,  # noqa: ARG002 - Jinja's order
    ) -> None:
        def fail(message: str) -> _UndefinedError:
            return _UndefinedError(message, owner=obj, key=name)

        super().__init__(hint, obj, name, fail)  # type: ignore[arg-type]  # called like a class


class _Context(Context):
    """A scope, and the steps that loops took in it."""

    steps = 0


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja without anything that a template could reach but the scope that it is given."""

    context_class = _Context
    intercepted_binops = frozenset({"*", "%", "**"})

    def __init__(self, finalize: Callable[[object], str]) -> None:
        super().__init__(
            undefined=_Undefined,
            finalize=finalize,
            autoescape=False,
            keep_trailing_newline=True,
            comment_start_string=_NEVER,
            comment_end_string=_NEVER,
            cache_size=0,
        )
        self.globals.clear()
        self.filters = {**FILTERS, PRINT_FILTER: printed, LOOP_FILTER: looped_over}
        self.tests = dict(TESTS)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return a mapping's key; `a.b` means nothing else."""
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return a mapping's key, or the entry or the slice of a list or a text."""
        if isinstance(obj, jinja2.Undefined):
            return str(obj)  # raises: undefined is strict
        if isinstance(obj, Mapping):
            return obj[argument] if argument in obj else self.undefined(obj=obj, name=argument)
        if isinstance(obj, str | Sequence) and isinstance(argument, int | slice):
            try:
                return obj[argument]
            except IndexError:
                pass
        return self.undefined(obj=obj, name=argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Calculate with numbers; with text, `*` and `%` could fill the memory."""
        if not isinstance(left, int | float) or not isinstance(right, int | float):
            raise TemplateError(f"'{operator}' is for numbers.")
        if operator == "**" and (abs(left) > _MAX_BASE or abs(right) > _MAX_EXPONENT):
            raise TemplateError(f"'**' goes up to {_MAX_BASE} ** {_MAX_EXPONENT}.")
        return super().call_binop(context, operator, left, right)

    def call(self, *_: object, **__: object) -> NoReturn:
        """Refuse: templates call nothing."""
        raise TemplateError("nothing is called in a template.")


@cache
def environment(show: Show) -> _Environment:
    """Return the environment whose expressions are printed by `show`."""

    def finalize(value: object) -> str:
        return printed(value) if show is print_scalar else show(printed(value))

    return _Environment(finalize)


class JinjaText:
    """A compiled template.

    Attributes:
        variables: The names that it reads at the top.
        only: The path that it is, if it prints one variable and holds nothing else.
    """

    def __init__(self, text: str, show: Show) -> None:
        own = environment(show)
        tree = parse(own, text)
        self.variables = frozenset(meta.find_undeclared_variables(tree))
        self.only = _only(tree)
        self._chains = tuple(chains(tree))
        try:
            self._template = own.from_string(tree)
        except (SyntaxError, RecursionError, MemoryError, jinja2.TemplateError) as error:
            raise TemplateError("it is nested too deep.") from error

    def render(self, scope: Mapping[str, Json]) -> str:
        """Return the text with a scope.

        Raises:
            TemplateError: It cannot be rendered.
        """
        # A shared scope is read where it is, and never written.
        context = self._template.new_context(cast("dict[str, Any]", scope), shared=True)
        pieces: list[str] = []
        length = 0
        try:
            for piece in self._template.root_render_func(context):
                pieces.append(piece)
                length += len(piece)
                if length > MAX_CHARACTERS:
                    break
        except _FAILURES as error:
            raise self._in_our_words(error, scope) from error
        return bounded("".join(pieces))

    def _in_our_words(self, error: Exception, scope: Mapping[str, Json]) -> TemplateError:
        line = self._line_of(error)
        match error:
            case TemplateError():
                error.line = line
                return error
            case _UndefinedError():
                return self._missing(error, scope, line)
            case UnprintableError(value=value):
                path = self._path_of(value, scope)
                return unprintable(path, value, line=line)
            case RecursionError():
                return TemplateError("it is nested too deep.", line=line)
            case NameError():  # Jinja writes an infinite number into its code as the name `inf`
                return TemplateError("a number in it is too large.", line=line)
            case _:
                return TemplateError(f"it cannot be worked out: {error}.", line=line)

    def _missing(
        self, error: _UndefinedError, scope: Mapping[str, Json], line: int | None
    ) -> TemplateError:
        """Return the error for what is not there, under the name that the template has for it."""
        if error.owner is no_owner and error.key is None:
            return TemplateError(f"{error}".rstrip(".") + ".", line=line)
        if error.owner is no_owner:
            return missing((str(error.key),), scope, line=line)
        path: Path = ("value", str(error.key))
        for chain in self._chains:
            if chain.path[-1] != error.key or len(chain.path) == 1:
                continue
            # What a loop or a set names is not in the scope: the first such name will do.
            if chain.path[0] not in scope or _value(chain.path[:-1], scope) is error.owner:
                path = chain.path
                break
        if isinstance(error.owner, Mapping):
            return missing(path, error.owner, line=line)
        return no_mapping(path, cast("Json", error.owner), line=line)

    def _path_of(self, value: object, scope: Mapping[str, Json]) -> Path:
        return next((path for path, _ in self._chains if _value(path, scope) is value), ())

    def _line_of(self, error: BaseException) -> int | None:
        """Return the line of the template at which an error arose."""
        line = None
        step = error.__traceback__
        while step is not None:
            if step.tb_frame.f_globals.get("__jinja_template__") is self._template:
                line = self._template.get_corresponding_lineno(step.tb_lineno)
            step = step.tb_next
        return line


def _only(tree: nodes.Template) -> Path | None:
    match tree.body:
        case [nodes.Output(nodes=[only])]:
            return path_of(only)
        case _:
            return None


def _value(path: Path, scope: Mapping[str, Json]) -> object:
    try:
        return look_up(path, scope)
    except TemplateError:
        return no_owner
