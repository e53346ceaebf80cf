"""YAML that means what it looks like: a text → plain data, and where each part of it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import yaml

from batchgen.errors import Mistake
from batchgen.job import Json
from batchgen.manifest.encoding import read_utf8
from batchgen.manifest.yaml_characters import clean, restored
from batchgen.manifest.yaml_events import events_of
from batchgen.manifest.yaml_nodes import Composer, Node, TooMuchError, TrapError
from batchgen.manifest.yaml_source import Place, Source, Trap
from batchgen.manifest.yaml_syntax import syntax_of

__all__ = ["Document", "Place", "parse_yaml", "read_yaml"]

# The way from the top of a document to one of its parts: `("grid", "style", 3)`.
Path_: TypeAlias = tuple[str | int, ...]

# A text is read anew behind each trap, at most so often, and so many characters in all.
_MAX_READINGS = 200
_MAX_CHARACTERS_READ = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A YAML document.

    Attributes:
        file: As the user named it.
        value: Its plain data; an empty mapping where there is none. To be read only: what an
            alias repeats is one and the same object.
        mistakes: All that is wrong with it as YAML, in the order of the text.
    """

    file: str
    value: Json
    mistakes: tuple[Mistake, ...] = ()
    _root: Node | None = field(default=None, repr=False)
    _source: Source = field(default_factory=lambda: Source("", ""), repr=False)

    def place(self, path: Path_) -> Place | None:
        """Return where the value at a path begins, or None if there is no such part."""
        node = self._node(path)
        return node.place if node else None

    def key_place(self, path: Path_) -> Place | None:
        """Return where the key of a path begins, or None if its last part is no key."""
        above = self._node(path[:-1]) if path else None
        entry = above.entries.get(str(path[-1])) if above else None
        return entry[0] if entry else None

    def written(self, path: Path_) -> str:
        """Return the value at a path as it is written, a scalar without its quotes.

        Raises:
            KeyError: There is no such part.
        """
        node = self._node(path)
        if node is None:
            raise KeyError(path)
        if isinstance(node.value, str):
            return node.value
        start, end = node.span
        return restored(self._source.text[start:end])

    def meant_as_text(self, path: Path_) -> str | None:
        """Return the text that a mapping was probably meant to be: `Fish & Chips: today`.

        None if it is no mapping, has several keys, or is written in braces or over lines.
        """
        node = self._node(path)
        if node is None or node.kind != "mapping" or not node.plain or len(node.entries) != 1:
            return None
        text = self.written(path)
        return None if "\n" in text else text

    def _node(self, path: Path_) -> Node | None:
        node = self._root
        for step in path:
            if node is None:
                return None
            if isinstance(step, int):
                node = node.items[step] if 0 <= step < len(node.items) else None
            else:
                node = node.entries[step][1] if step in node.entries else None
        return node


def read_yaml(path: Path, *, shown_as: str) -> Document:
    """Return the document of a file.

    Args:
        path: The file.
        shown_as: The file as the user named it.

    Raises:
        ManifestError: The file cannot be read, or is not UTF-8.
    """
    return parse_yaml(read_utf8(path, shown_as=shown_as, save_as="UTF-8"), shown_as)


def parse_yaml(text: str, file: str) -> Document:
    """Return the document of a text, which should be a mapping.

    Args:
        text: The text.
        file: The file that it is from, as the user named it.
    """
    source, traps = clean(text.removeprefix("\ufeff"))
    # Once tabs are blanks, lines may hang on other lines than was meant.
    guess = any("indented with a tab" in trap.text for trap in traps)
    root = None
    if not guess:
        root, found = _compose(source)
        traps += found
        traps += _top(root) if not found else []
    is_mapping = root is not None and root.kind == "mapping"
    return Document(
        file=file,
        value=root.value if root is not None and is_mapping else {},
        mistakes=_mistakes(traps, source, file),
        _root=root if is_mapping else None,
        _source=source,
    )


def _compose(source: Source) -> tuple[Node | None, list[Trap]]:
    """Return the root of a text and all its traps, reading it anew behind each one."""
    traps: list[Trap] = []
    readings = min(_MAX_READINGS, 1 + _MAX_CHARACTERS_READ // (len(source.text) + 1))
    patched = source
    for _ in range(readings):
        composer = Composer(patched, events_of(patched.text))
        try:
            root = composer.compose()
        except TrapError as error:
            trap = error.trap
        except TooMuchError:
            return None, [*traps, *composer.mistakes]
        except yaml.MarkedYAMLError as error:
            trap = _syntax_trap(patched, error, composer)
        else:
            return root, [*traps, *composer.mistakes]
        traps.append(trap)
        if trap.patch is None:
            return None, [*traps, *composer.mistakes]
        patched = patched.patched(trap)
    return None, traps


def _syntax_trap(source: Source, error: yaml.MarkedYAMLError, composer: Composer) -> Trap:
    flow = bool(composer.flows)
    return syntax_of(source, error, key=composer.last_key, flow=flow, ended=composer.ended).trap()


def _top(root: Node | None) -> list[Trap]:
    if root is None or (root.kind == "scalar" and root.value is None):
        return [Trap(-1, "is empty: `batchgen init` writes one to start from.")]
    if root.kind == "mapping":
        return []
    kind = "a list" if root.kind == "list" else "a text"
    return [Trap(root.span[0], f"this is {kind}; a manifest has keys: prompt: …, grid: …")]


def _mistakes(traps: list[Trap], source: Source, file: str) -> tuple[Mistake, ...]:
    mistakes: dict[tuple[int | None, str], Mistake] = {}
    for trap in sorted(traps, key=lambda trap: trap.at):
        place = source.place(trap.at) if trap.at >= 0 else None
        text = restored(trap.text)
        line, column = (place.line, place.column) if place else (None, None)
        # Two traps of one value have one cure.
        cure = text.rpartition("\n    ")[2]
        mistake = Mistake(file=file, line=line, column=column, text=text)
        mistakes.setdefault((line, cure), mistake)
    return tuple(mistakes.values())
