"""What templates may hold, and the words for what they may not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import NamedTuple

import jinja2
from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from batchgen.template.filters import FILTERS, LOOP_FILTER, PRINT_FILTER, TESTS
from batchgen.template.mistakes import Path, TemplateError, written

_ALLOWED = frozenset({
    "Template", "Output", "TemplateData", "Name", "Const", "Getattr", "Getitem", "If", "For",
    "Assign", "AssignBlock", "With", "Filter", "FilterBlock", "Test", "CondExpr", "Compare",
    "Operand", "And", "Or", "Not", "Concat", "Add", "Sub", "Mul", "Div", "FloorDiv", "Mod",
    "Pow", "Neg", "Pos", "List", "Tuple", "Dict", "Pair", "Slice", "Keyword",
})  # fmt: skip
# Jinja's own that a job must not depend on, and why.
_IMPURE = {
    "random": "it would render otherwise at every start",
    "shuffle": "it would render otherwise at every start",
    "pprint": "it prints what Python sees",
    "urlize": "it writes HTML",
    "escape": "it writes HTML",
    "e": "it writes HTML",
    "safe": "nothing is escaped here",
    "xmlattr": "it writes HTML",
}
# Written as an escape in quotes; no file and no request can hold one.
_HALF = re.compile(r"[\ud800-\udfff]")
_NAME_WITH_BLANKS = re.compile(r"\{\{-? *([^\W\d]\w*(?: +\w+)+) *(?:\||-?\}\})")


class Chain(NamedTuple):
    """A variable and the keys below it, as a template names them, and the line of it."""

    path: Path
    line: int


def check(tree: nodes.Template) -> None:
    """Refuse what a template may not hold.

    Raises:
        TemplateError: It holds something that could differ from one start to the next, or
            that calls anything.
    """
    for node in _all(tree):
        kind = type(node).__name__
        if isinstance(node, nodes.Call):
            raise TemplateError(_no_call(node), line=node.lineno)
        if kind not in _ALLOWED:
            words = f"there is no {{% {kind.lower()} %}} here, only if, for, set and with."
            raise TemplateError(words, line=node.lineno)
        if isinstance(node, nodes.Filter | nodes.Test) and node.name not in {
            *(FILTERS if isinstance(node, nodes.Filter) else TESTS)
        }:
            raise TemplateError(_no_such(node), line=node.lineno)
        if isinstance(node, nodes.Const) and _HALF.search(str(node.value)):
            raise TemplateError("an escape in it is half a character.", line=node.lineno)
        if isinstance(node, nodes.Name) and node.name == "self":
            raise TemplateError("'self' is a word of Jinja's: call it otherwise.", line=node.lineno)


def chains(tree: nodes.Template) -> Iterator[Chain]:
    """Yield every variable of a template with the keys below it, in the order of the text."""
    for node in _all(tree):
        if isinstance(node, nodes.Name | nodes.Getattr | nodes.Getitem):
            path = path_of(node)
            if path:
                yield Chain(path, node.lineno)


def path_of(node: nodes.Node) -> Path | None:
    """Return the path that an expression is, if it is a variable and fixed keys, nothing else."""
    match node:
        case nodes.Name():
            return (node.name,)
        case nodes.Getattr():
            above = path_of(node.node)
            return above and (*above, node.attr)
        case nodes.Getitem(arg=nodes.Const(value=str() | int() as key)):
            above = path_of(node.node)
            return above and (*above, key)
        case _:
            return None


class _Tidier(NodeTransformer):
    """Puts our own words in the place of Python's: what `~` joins, what a loop runs over."""

    def __init__(self, stand_in: str) -> None:
        self.stand_in = stand_in

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - Jinja's name
        self.generic_visit(node)
        node.nodes = [_filtered(child, PRINT_FILTER) for child in node.nodes]
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - Jinja's name
        self.generic_visit(node)
        node.iter = _filtered(node.iter, LOOP_FILTER)
        return node

    def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Node:  # noqa: N802 - Jinja's name
        node.data = node.data.replace(self.stand_in, "\r")
        return node

    def visit_Const(self, node: nodes.Const) -> nodes.Node:  # noqa: N802 - Jinja's name
        if isinstance(node.value, str):
            node.value = node.value.replace(self.stand_in, "\r")
        return node


def parse(environment: jinja2.Environment, text: str) -> nodes.Template:
    """Return the checked tree of a template.

    Raises:
        TemplateError: It cannot be read, or holds what it may not.
    """
    # Jinja turns every line end into "\n". Its lexer takes a separator for a blank, so one
    # that the text does not have can stand in for "\r" until the text is read.
    stand_in = next((mark for mark in "\x1c\x1d\x1e\x1f" if mark not in text), "\r")
    try:
        tree = environment.parse(text.replace("\r", stand_in))
        check(tree)
        _Tidier(stand_in).visit(tree)
    except jinja2.TemplateSyntaxError as error:
        raise _readable(error, text) from None
    except TemplateError:
        raise
    except (RecursionError, ValueError) as error:
        raise TemplateError("it is nested too deep, or holds a number too long.") from error
    return tree


def _filtered(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _all(tree: nodes.Node) -> Iterator[nodes.Node]:
    """Yield a node and all below it, in the order of the text."""
    yield tree
    for child in tree.iter_child_nodes():
        yield from _all(child)


def _no_call(node: nodes.Call) -> str:
    match node.node:
        case nodes.Getattr(attr=attr, node=owner):
            name = written(path_of(owner) or ("value",))
            write = f"{{{{ {name} | {attr} }}}}" if attr in FILTERS else f"{{{{ {name} | upper }}}}"
            return f"nothing is called in a template, {name}.{attr}() neither: write {write}."
        case nodes.Name(name=name):
            return f"there is no {name}() here: a template sees its variables and nothing else."
        case _:
            return "nothing is called in a template."


def _no_such(node: nodes.Filter | nodes.Test) -> str:
    kind, known = ("filter", FILTERS) if isinstance(node, nodes.Filter) else ("test", TESTS)
    names = sorted(name for name in known if name.isidentifier())
    reason = _IMPURE.get(node.name)
    if reason:
        return f"there is no {kind} '{node.name}' here: {reason}."
    near = get_close_matches(node.name, names, n=1)
    guess = f" Did you mean '{near[0]}'?" if near else ""
    return f"there is no {kind} '{node.name}'.{guess} There are {', '.join(names)}."


def _readable(error: jinja2.TemplateSyntaxError, text: str) -> TemplateError:
    """Return Jinja's syntax error in our words."""
    lines = text.splitlines()
    source = lines[error.lineno - 1].strip() if error.lineno <= len(lines) else ""
    return TemplateError(_words(error.message or "", text, source), line=error.lineno)


def _words(message: str, text: str, source: str) -> str:
    if blanks := _NAME_WITH_BLANKS.search(text):
        name = " ".join(blanks[1].split())
        return f'a name with blanks is reached through its row: write {{{{ row["{name}"] }}}}.'
    if tag := re.match(r"Encountered unknown tag '(\w+)'", message):
        if tag[1].startswith("e") and "innermost" not in message:
            return f"{{% {tag[1]} %}} closes nothing: there is no {{% if %}} or {{% for %}} before."
        return f"there is no {{% {tag[1]} %}} here, only if, for, set and with."
    if block := re.search(r"innermost block that needs to be closed is '(\w+)'", message):
        return f"{{% {block[1]} %}} is not closed: write {{% end{block[1]} %}} where it ends."
    if "unexpected end of template" in message or message.startswith("unexpected char"):
        if text.count("{{") > text.count("}}"):
            return "{{ is not closed: write }} behind the name."
        if text.count("{%") > text.count("%}"):
            return "{% is not closed: write %} at its end."
    braces = " Three braces in a row: put a blank between them." if "{{{" in text else ""
    plain = message[:1].lower() + message[1:].rstrip(".")
    return f"what stands between the braces in '{source}' cannot be read: {plain}.{braces}"
