"""YAML events → values with their places, by the contract's few rules.

Text stays text: of all that YAML makes of a plain scalar only numbers that print as they are
written, `true`, `false` and null are left. Keys are always text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal, NoReturn, TypeAlias

import yaml

from batchgen.job import Json
from batchgen.manifest import yaml_traps
from batchgen.manifest.yaml_characters import restored
from batchgen.manifest.yaml_events import end_of, is_plain, place_of, start_of
from batchgen.manifest.yaml_source import Place, Source, Trap
from batchgen.scalar import read_scalar

MAX_DEPTH = 64
# What aliases may repeat, in all; a few lines of them can stand for more than any memory.
MAX_REPEATED = 1_000_000

_NULLS = frozenset({"", "~", "null"})

Kind = Literal["scalar", "mapping", "list"]


class TrapError(Exception):
    """Reading stops at a trap; behind its patch it can go on."""

    def __init__(self, trap: Trap) -> None:
        self.trap = trap
        super().__init__(trap.text)


class TooMuchError(Exception):
    """Reading stops for good; why is among the mistakes."""


@dataclass(slots=True, kw_only=True)
class Node:
    """A value and where it stands.

    Attributes:
        kind: What it is.
        value: As plain data. What an alias repeats is one and the same object.
        place: Where it begins.
        span: From where to where it stands, as indexes into the text.
        plain: Whether it is written without quotes, braces and brackets.
        entries: Of a mapping: key → the place of the key, and the value's node.
        items: Of a list.
        size: How many values it has in it, repeated ones counted each time.
    """

    kind: Kind
    value: Json
    place: Place
    span: tuple[int, int]
    plain: bool = True
    entries: Entries = field(default_factory=dict)
    items: list[Node] = field(default_factory=list)
    size: int = 1


Entries: TypeAlias = dict[str, tuple[Place, Node]]


class Composer:
    """Makes nodes of the events of one YAML text.

    Attributes:
        mistakes: Traps that were found and did not stop the reading.
        ended: The span of what was read last, for those who find out about a syntax error.
        last_key: The key that was read last, or "".
        flows: Where the brackets and braces begin that are open.
    """

    def __init__(self, source: Source, events: Iterator[yaml.Event]) -> None:
        self.mistakes: list[Trap] = []
        self.ended: tuple[int, int] = (0, 0)
        self.last_key = ""
        self.flows: list[int] = []
        self._source = source
        self._events = events
        self._anchors: dict[str, Node | None] = {}
        self._path: list[str] = []
        self._depth = 0
        self._repeated = 0

    def compose(self) -> Node | None:
        """Return the root of the first document, or None if there is none.

        Raises:
            TrapError: Something must be patched before reading can go on.
            TooMuchError: Reading cannot go on; see `mistakes`.
            yaml.YAMLError: A syntax error.
        """
        root = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent) and root is not None:
                words = "a second document begins here (---): a manifest is one document."
                self._mistake(event, words)
                return root
            if isinstance(event, yaml.NodeEvent):
                root = self._node(event)
        return root

    @property
    def name(self) -> str:
        """What is being read, as a message calls it: the nearest key."""
        return self._path[-1] if self._path else "value"

    def _node(self, event: yaml.Event) -> Node:
        match event:
            case yaml.AliasEvent():
                return self._alias(event)
            case yaml.ScalarEvent():
                node = self._scalar(event)
            case yaml.SequenceStartEvent():
                node = self._nested(event, self._list)
            case yaml.MappingStartEvent():
                node = self._nested(event, self._mapping)
            case _:
                raise AssertionError(event)  # the parser promises a node here
        if event.tag is not None:
            self._tag(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        self.ended = node.span
        return node

    def _nested(
        self, event: yaml.CollectionStartEvent, read: Callable[[yaml.CollectionStartEvent], Node]
    ) -> Node:
        """Return what `read` makes of a list or a mapping, which ends with its own event."""
        if self._depth == MAX_DEPTH:
            self._give_up(event, f"this is nested more than {MAX_DEPTH} deep.")
        if event.anchor is not None:
            self._anchors[event.anchor] = None  # not whole yet: it must not hold itself
        if event.flow_style:
            self._stop_at(
                yaml_traps.braces(self._source, start_of(event), name=self.name, flow=self._in_flow)
            )
            self.flows.append(start_of(event))
        self._depth += 1
        node = read(event)
        self._depth -= 1
        if event.flow_style:
            self.flows.pop()
        return node

    def _list(self, event: yaml.CollectionStartEvent) -> Node:
        flow = bool(event.flow_style)
        if flow:
            self._stop_at(yaml_traps.colour_in_list(self._source, end_of(event), first=True))
        items: list[Node] = []
        for item in self._events:
            if isinstance(item, yaml.SequenceEndEvent):
                return _whole("list", event, item, items=items)
            items.append(self._pair(item) if self._is_pair(item, flow=flow) else self._node(item))
            if flow:
                behind = items[-1].span[1]
                self._stop_at(yaml_traps.colour_in_list(self._source, behind, first=False))
        raise AssertionError(event)  # the parser promises an end

    def _mapping(self, event: yaml.CollectionStartEvent) -> Node:
        own: Entries = {}
        merged: Entries = {}
        for key_event in self._events:
            if isinstance(key_event, yaml.MappingEndEvent):
                # What is merged comes first, and what the mapping says itself wins.
                return _whole("mapping", event, key_event, entries={**merged, **own})
            key = self._key(key_event)
            self.last_key = key or "value"
            self._path.append(self.last_key)
            node = self._node(next(self._events))
            self._path.pop()
            if key == "<<" and is_plain(key_event):
                merged = {**self._merge(key_event, node), **merged}
            elif key is not None and key in own:
                first = own[key][0].line
                self._mistake(
                    key_event, f"'{key}' stands twice here; the first is on line {first}."
                )
            elif key is not None:
                if event.flow_style and node.value is None and node.span[0] == node.span[1]:
                    before = {name: entry.value for name, (_, entry) in own.items()}
                    trap = yaml_traps.key_without_value(start_of(key_event), key, before)
                    self.mistakes.append(trap)
                own[key] = (place_of(key_event), node)
        raise AssertionError(event)  # the parser promises an end

    def _scalar(self, event: yaml.ScalarEvent) -> Node:
        plain = is_plain(event)
        span = (start_of(event), end_of(event))
        text = restored(event.value)
        if plain:
            self._stop_at(yaml_traps.cut(self._source, event, name=self.name, flow=self._in_flow))
            entry = yaml_traps.entry_in_text(self._source, event)
            self.mistakes += [entry] if entry else []
            text = self._source.unpatched(span) or text
        return Node(
            kind="scalar",
            value=_plain_value(text) if plain else text,
            place=place_of(event),
            span=span,
            plain=plain,
        )

    def _alias(self, event: yaml.AliasEvent) -> Node:
        anchor = event.anchor or ""
        self.ended = (start_of(event), end_of(event))
        node = self._anchors.get(anchor)
        if node is None:
            if anchor in self._anchors:
                self._mistake(event, f"*{anchor} stands within what it repeats.")
            else:
                trap = yaml_traps.alias(self._source, event, name=self.name, flow=self._in_flow)
                self.mistakes.append(trap)
            return Node(kind="scalar", value="", place=place_of(event), span=self.ended)
        self._repeated += node.size
        if self._repeated > MAX_REPEATED:
            self._give_up(event, f"its aliases repeat more than {MAX_REPEATED:,} values.")
        return node

    def _key(self, event: yaml.Event) -> str | None:
        """Return a key's text, or None for a key that is none."""
        if isinstance(event, yaml.ScalarEvent) and event.tag is None and event.anchor is None:
            self.ended = (start_of(event), end_of(event))
            return restored(event.value)
        self._path.append("a key")
        node = self._node(event)
        self._path.pop()
        if node.kind == "scalar":
            written = event.value if isinstance(event, yaml.ScalarEvent) else str(node.value)
            return restored(written)
        self._mistake(event, f"a key is text; this one is a {node.kind}.")
        return None

    def _merge(self, event: yaml.Event, node: Node) -> Entries:
        """Return what `<<` brings in; of several mappings the first one wins."""
        merged: Entries = {}
        for mapping in node.items if node.kind == "list" else [node]:
            if mapping.kind != "mapping":
                self._mistake(event, "<< merges mappings: write <<: *name, or <<: [*one, *other].")
                break
            merged = {**mapping.entries, **merged}
        return merged

    def _is_pair(self, item: yaml.Event, *, flow: bool) -> bool:
        """Return whether an entry of a list in brackets is a mapping without braces."""
        mapping = isinstance(item, yaml.MappingStartEvent) and item.flow_style
        return flow and bool(mapping) and self._source.text[start_of(item)] not in "{&!"

    def _pair(self, event: yaml.Event) -> Node:
        """Return `1: 1` in brackets as the text that it was meant to be."""
        start = ends = start_of(event)
        depth = 0
        for inner in chain((event,), self._events):
            ends = max(ends, end_of(inner))
            depth += isinstance(inner, yaml.CollectionStartEvent)
            depth -= isinstance(inner, yaml.CollectionEndEvent)
            if not depth:
                break
        text = self._source.text[start:ends]
        self.mistakes.append(yaml_traps.pair_in_list(start, text))
        return Node(kind="scalar", value=text, place=place_of(event), span=(start, ends))

    @property
    def _in_flow(self) -> bool:
        return bool(self.flows)

    def _tag(self, event: yaml.Event) -> None:
        trap = yaml_traps.tag(self._source, event, name=self.name, flow=self._in_flow)
        self.mistakes.append(trap)

    def _stop_at(self, trap: Trap | None) -> None:
        if trap is not None:
            raise TrapError(trap)

    def _mistake(self, event: yaml.Event, text: str) -> None:
        self.mistakes.append(Trap(start_of(event), text))

    def _give_up(self, event: yaml.Event, text: str) -> NoReturn:
        self._mistake(event, text)
        raise TooMuchError


def _whole(
    kind: Literal["mapping", "list"],
    begin: yaml.CollectionStartEvent,
    end: yaml.Event,
    *,
    entries: Entries | None = None,
    items: list[Node] | None = None,
) -> Node:
    """Return the node of a list or a mapping that was read to its end."""
    entries, items = entries or {}, items or []
    below = [*items, *(node for _, node in entries.values())]
    value: Json = [node.value for node in items]
    if kind == "mapping":
        value = {key: node.value for key, (_, node) in entries.items()}
    start, ends = start_of(begin), end_of(end)
    if not begin.flow_style:
        # A block ends where the next thing begins; what it holds ends before.
        ends = max((node.span[1] for node in below if node.span[1] <= ends), default=start)
    return Node(
        kind=kind,
        value=value,
        place=place_of(begin),
        span=(start, ends),
        plain=not begin.flow_style,
        entries=entries,
        items=items,
        size=1 + sum(node.size for node in below),
    )


def _plain_value(text: str) -> Json:
    return None if text in _NULLS else read_scalar(text)
