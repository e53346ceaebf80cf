"""A YAML text by places: lines, columns, and how a piece of it would be written in quotes."""

from __future__ import annotations

import re
from dataclasses import dataclass

_COMMENT_BEHIND = re.compile(r"\s+#(?:\s.*)?$")
_END_IN_FLOW = re.compile(r"[,\[\]{}\n]|\s#|$")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a file; both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Trap:
    """Something that YAML reads otherwise than it looks.

    Attributes:
        at: Where it is, as an index into the text; negative if it is the text as a whole.
        text: What is wrong, and what to write instead.
        patch: What to put in the place of some of the text, of the same length, so that
            reading can go on behind it; None if it cannot.
        patch_at: Where the patch goes.
    """

    at: int
    text: str
    patch: str | None = None
    patch_at: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    r"""The text of a YAML file, its line ends all `\n`.

    Attributes:
        text: As it is parsed: with the patches of all traps so far.
        original: As it was written, place for place.
    """

    text: str
    original: str

    def place(self, at: int) -> Place:
        """Return line and column of an index."""
        return Place(self.text.count("\n", 0, at) + 1, at - self.line_start(at) + 1)

    def line_start(self, at: int) -> int:
        """Return where the line of an index begins."""
        return self.text.rfind("\n", 0, at) + 1

    def line_end(self, at: int) -> int:
        r"""Return where the line of an index ends, before its `\n`."""
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end

    def value_at(self, start: int, *, flow: bool) -> str:
        """Return the value that someone meant who did not know of YAML: up to the line's end.

        Within braces or brackets it ends at the next comma or bracket.
        """
        rest = self.original[start : self.line_end(start)]
        if flow:
            end = _END_IN_FLOW.search(rest, 1)
            return rest[: end.start() if end else None].rstrip()
        return _COMMENT_BEHIND.sub("", rest).rstrip()

    def in_quotes(self, start: int, value: str, *, flow: bool) -> str:
        """Return a line, ready to copy, with a value in quotes: `prompt: "{{ style }} fox"`."""
        before = "" if flow else self.original[self.line_start(start) : start].lstrip()
        return before + quoted(value)

    def unpatched(self, span: tuple[int, int]) -> str | None:
        """Return the value that was meant, where a patch is in it; None where there is none."""
        start, end = span
        if self.text is self.original or self.text[start:end] == self.original[start:end]:
            return None
        return re.sub(r"\s*\n\s*", " ", self.original[start:end])

    def patched(self, trap: Trap) -> Source:
        """Return the text with a trap's patch in it; indexes stay what they are."""
        patch = trap.patch or ""
        behind = trap.patch_at + len(patch)
        return Source(self.text[: trap.patch_at] + patch + self.text[behind:], self.original)


def quoted(value: str) -> str:
    """Return a text as a YAML scalar in quotes, double ones where nothing must be escaped."""
    if '"' not in value and "\\" not in value:
        return f'"{value}"'
    return "'" + value.replace("'", "''") + "'"


def suggestion(words: str, line: str) -> str:
    """Return what is wrong and, on a line of its own, what to write."""
    return f"{words} Put quotes around it:\n    {line}"
