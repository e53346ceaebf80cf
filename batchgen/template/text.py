"""A text that is a template, compiled once and rendered for every job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from batchgen.job import Json
from batchgen.scalar import print_scalar
from batchgen.template.fields import Show, is_plain, renderer, split_fields
from batchgen.template.mistakes import Path

# A CSV manifest has a template in every row, most of them of one of a few forms.
_REMEMBERED = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A compiled template.

    Attributes:
        text: As it was written.
        variables: The names that it reads at the top: `animal` of `{{ animal.name }}`.
        is_plain: Whether it is no template at all and renders to itself.
        only: The variable, and the keys below it, if it prints one variable and holds
            nothing else; else None.
    """

    text: str
    variables: frozenset[str]
    is_plain: bool
    only: Path | None
    _render: Callable[[Mapping[str, Json]], str]

    def render(self, scope: Mapping[str, Json]) -> str:
        """Return the text with a scope.

        Raises:
            UndefinedVariable: It names a variable or a key that is not there.
            TemplateError: It cannot be rendered otherwise.
        """
        return self._render(scope)


def compile_template(text: str, *, show: Show = print_scalar) -> Template:
    """Return a template, ready to be rendered.

    Args:
        text: Without `{{` or `{%` it is no template and renders to itself, byte for byte.
        show: How a variable or an expression is written into the text.

    Raises:
        TemplateError: It cannot be read; `line` is the line in `text`, from 1.
    """
    if is_plain(text):
        return Template(
            text=text, variables=frozenset(), is_plain=True, only=None, _render=lambda _: text
        )
    return _compile(text, show)


@lru_cache(maxsize=_REMEMBERED)
def _compile(text: str, show: Show) -> Template:
    split = split_fields(text)
    if split is not None:
        fields, tail = split
        alone = len(fields) == 1 and not tail and not fields[0][0]
        return Template(
            text=text,
            variables=frozenset(name for _, name, _ in fields),
            is_plain=False,
            only=(fields[0][1], *fields[0][2]) if alone else None,
            _render=renderer(fields, tail, show),
        )
    # Slow to import, and most manifests need no more than fields.
    from batchgen.template.jinja import JinjaText  # noqa: PLC0415 - see above

    compiled = JinjaText(text, show)
    return Template(
        text=text,
        variables=compiled.variables,
        is_plain=False,
        only=compiled.only,
        _render=compiled.render,
    )
