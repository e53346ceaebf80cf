"""YAML's traps: what it reads otherwise than it looks, and what to write instead."""

from __future__ import annotations

import re

import yaml

from batchgen.job import Json
from batchgen.manifest.yaml_events import end_of, start_of
from batchgen.manifest.yaml_source import Source, Trap, quoted, suggestion

# A "#" that begins a word, not a comment or a line of dashes.
_CUT = re.compile(r" +#(?![\s#=*~+.!/-]|\Z)")
_COLOUR_FIRST = re.compile(r"#(?=\w)")
_COLOUR_NEXT = re.compile(r" *, *#(?=[0-9A-Fa-f]{3,8}\b)")
_DASH_BELOW = re.compile(r"\n *-(?= )")
_BRACES = re.compile(r"\{\{.*?\}\}|\{\{")
_BRACED_IN_FLOW = re.compile(r"\{\{.*?\}\}(?:[^,{}\[\]\n]*\{\{.*?\}\})*[^,{}\[\]\n]*")


def braces(source: Source, start: int, *, name: str, flow: bool) -> Trap | None:
    """Return the trap of an unquoted value that begins with `{{`, if this is one."""
    if not source.text.startswith("{{", start):
        return None
    value = source.value_at(start, flow=False)
    if flow:
        region = _BRACED_IN_FLOW.match(source.text, start)
        value = region[0].rstrip() if region else "{{"
    words = f"{name} begins with {{{{, which YAML takes for a mapping."
    patch = _BRACES.sub(lambda found: "_" * len(found[0]), value)
    line = source.in_quotes(start, value, flow=flow)
    return Trap(start, suggestion(words, line), patch, start)


def cut(source: Source, event: yaml.ScalarEvent, *, name: str, flow: bool) -> Trap | None:
    """Return the trap of a value that YAML would cut, `colour #ff0000`, if this is one."""
    start, end = start_of(event), end_of(event)
    found = _CUT.match(source.text, end, source.line_end(end))
    if found is None:
        return None
    at = found.end() - 1
    rest = source.value_at(at, flow=flow)
    text = source.unpatched((start, end)) or event.value
    if text:
        shown, kept = f" {rest}", f'would be "{text}"'
        value = text + source.text[end:at] + rest
    else:
        shown, kept, value, start = rest, "would be empty", rest, at
    words = (
        f'YAML takes everything from "{shown.split(",")[0]}" on for a comment; the {name} {kept}.'
    )
    line = source.in_quotes(start, value, flow=flow)
    return Trap(at, suggestion(words, line), "_", at)


def entry_in_text(source: Source, event: yaml.ScalarEvent) -> Trap | None:
    """Return the trap of an entry that is indented too deep and joins the text above it."""
    start, end = start_of(event), end_of(event)
    found = _DASH_BELOW.search(source.text, start, end)
    if found is None:
        return None
    at = found.end() - 1
    words = "this line is read as part of the text above it: indent it like the other entries."
    return Trap(at, words)


def colour_in_list(source: Source, behind: int, *, first: bool) -> Trap | None:
    """Return the trap of `[#0b1d3a, #fff]`, if what stands behind a bracket or an entry is one."""
    found = (_COLOUR_FIRST if first else _COLOUR_NEXT).match(source.text, behind)
    return comment_in_flow(source, found.end() - 1) if found else None


def comment_in_flow(source: Source, at: int) -> Trap:
    """Return the trap of a `#` in brackets or braces that begins a text, not a comment."""
    rest = source.value_at(at, flow=True)
    words = f'YAML takes everything from "{rest}" on for a comment.'
    return Trap(at, suggestion(words, quoted(rest)), "_", at)


def pair_in_list(start: int, text: str) -> Trap:
    """Return the trap of `[1: 1]`."""
    tight = re.sub(r":\s+", ":", text)
    write = tight if tight[:1].isdigit() else quoted(text)
    words = f'within brackets YAML takes "{text}" for a mapping: write {write}.'
    return Trap(start, words)


def key_without_value(start: int, key: str, before: dict[str, Json]) -> Trap:
    """Return the trap of a key without a value in braces.

    A blank is missing behind its colon, or it is no key: the comma before it is part of a text.

    Args:
        start: Where the key begins.
        key: The key.
        before: The keys before it in the same braces, and their values.
    """
    name, colon, value = key.partition(":")
    last = next(reversed(before), None)
    if colon and value:
        words = f"'{key}' has no value; a blank stands behind a colon: write {name}: {value}"
    elif last is not None and isinstance(before[last], str):
        text = f"{before[last]}, {key}"
        words = (
            f"'{key}' is a key without a value. If the comma is part of a text, put quotes "
            f"around it: {last}: {quoted(text)}"
        )
    else:
        words = f"'{key}' is a key without a value: write {key}: …, or leave it out."
    return Trap(start, words)


def alias(source: Source, event: yaml.AliasEvent, *, name: str, flow: bool) -> Trap:
    """Return the trap of an unquoted value that begins with `*` and repeats nothing."""
    words = f"{name} begins with *, which YAML takes for a repetition of &{event.anchor}."
    return _in_quotes(source, start_of(event), words, flow=flow)


def tag(source: Source, event: yaml.Event, *, name: str, flow: bool) -> Trap:
    """Return the trap of an unquoted value that begins with `!`."""
    start = start_of(event)
    written = source.text[start : source.line_end(start)].split()[0]
    words = f"{name} begins with !, which YAML takes for a type ({written})."
    return _in_quotes(source, start, words, flow=flow)


def _in_quotes(source: Source, start: int, words: str, *, flow: bool) -> Trap:
    value = source.value_at(start, flow=flow)
    return Trap(start, suggestion(words, source.in_quotes(start, value, flow=flow)))
