"""What the YAML parser stumbles over, in our words: what is wrong, and what to write instead."""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from batchgen.manifest.yaml_source import Source, Trap, quoted, suggestion
from batchgen.manifest.yaml_traps import comment_in_flow

# What an unquoted value cannot begin with, and what YAML takes it for.
_INDICATORS = {
    "*": "the repetition of another value",
    "&": "a name to repeat it by",
    "!": "a type",
    "|": "a text on the lines below",
    ">": "a text on the lines below",
    "-": "an entry of a list",
    "?": "a key",
    "[": "a list",
    "{": "a mapping",
    "]": "the end of a list",
    "}": "the end of a mapping",
    ",": "the next entry of a list",
    "%": "an instruction to itself",
}
_KEY_BEFORE = re.compile(r"([^\s:,{}\[\]]+): +$")
_HASH_IN_FLOW = re.compile(r"(?<=[\s\[,{])#(?=\w)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Syntax:
    """A syntax error, and what was read before it.

    Attributes:
        source: The text.
        at: Where the parser stopped, as an index.
        since: Where that began which it could not finish, or `at`.
        problem: What it says of it, context included.
        key: The key that was read last, or `""`.
        flow: Whether brackets or braces are open.
        ended: The span of the value that was read last.
    """

    source: Source
    at: int
    since: int
    problem: str
    key: str
    flow: bool
    ended: tuple[int, int]

    def name(self, start: int) -> str:
        """Return what a value is called in a message: the key before it, or the last one read."""
        before = self.source.original[self.source.line_start(start) : start]
        found = _KEY_BEFORE.search(before)
        return found[1] if found else self.key or "value"

    def trap(self) -> Trap:
        """Return what is wrong, and the patch behind which reading can go on, if there is one."""
        problem = self.problem
        if "mapping values are not allowed" in problem:
            return self._colon()
        if "simple key" in problem:
            return self._no_key(self.since)
        if "escape" in problem or "hex" in problem:
            return self._backslash()
        if "quoted scalar" in problem:
            return Trap(self.since, "the quote that is opened here is never closed.")
        if "cannot start" in problem or "entries are not allowed" in problem:
            return self._indicator(self.at)
        if "mapping keys are not allowed" in problem or "node content" in problem:
            return self._indicator(self.at)
        if re.search(r"block scalar|an alias|an anchor|a tag", problem):
            return self._indicator(self.since)
        if "directive" in problem:
            return self._indicator(self.source.line_start(self.at))
        if "flow" in problem:
            return self._in_flow()
        return self._behind() or self._indentation()

    def _colon(self) -> Trap:
        """`headline: Fish & Chips: today`."""
        start, end = self.ended
        if "\n" not in self.source.text[start : self.at]:
            behind = self._behind()
            return behind or self._colon_in_value(start)
        if not self.key:
            return self._no_key(start)
        words = (
            f"this line is indented like a part of {self.name(start)}, which has a value already "
            f"({quoted(self.source.text[start : self.source.line_end(start)])})."
        )
        return self._without_line(words, self.at) if end else Trap(self.at, words)

    def _colon_in_value(self, start: int) -> Trap:
        words = f'the {self.name(start)} has a ":" in it that YAML takes for the end of a key.'
        return Trap(self.at, self._in_quotes(words, start), "_", self.at)

    def _no_key(self, at: int) -> Trap:
        """`batch:spring`, `-woodcut`, or a line that is no part of anything."""
        begin = self.source.line_start(at)
        line = self.source.text[begin : self.source.line_end(at)].strip()
        key, colon, value = line.partition(":")
        if colon and value and " " not in key:
            words = f"'{line}' lacks the blank behind its colon: write {key}: {value}"
        elif re.match(r"-[^\s-]", line):
            words = f"'{line}' lacks the blank behind its dash: write - {line[1:]}"
        else:
            words = (
                f"'{line}' is no key with a value; if it goes on with the text above, indent it."
            )
        return self._without_line(words, at)

    def _without_line(self, words: str, at: int) -> Trap:
        """Return a trap whose line reading can do without, unless other lines hang on it."""
        text, begin = self.source.text, self.source.line_start(at)
        line = text[begin : self.source.line_end(at)]
        indent = len(line) - len(line.lstrip(" "))
        below = re.compile(r"(?:[ \t]*\n)*( *)").match(text, self.source.line_end(at) + 1)
        start = begin + indent
        if below is not None and len(below[1]) > indent:
            return Trap(start, words)
        return Trap(start, words, "#", start)

    def _backslash(self) -> Trap:
        r"""`"C:\path"`."""
        text = self.source.text
        at = text.rfind("\\", self.since, self.at + 1)
        if at < 0 or not text[at + 1 : at + 2].strip():
            return Trap(self.since, "the quote that is opened here is never closed.")
        value = text[self.since + 1 : self.source.line_end(self.since)].partition('"')[0]
        words = (
            f"in double quotes a backslash begins an escape, and \\{text[at + 1]} is "
            f"none: write it twice (\\\\), or use single quotes: {quoted(value)}"
        )
        return Trap(at, words, "/", at)

    def _indicator(self, at: int) -> Trap:
        """A value that begins with a character that means something to YAML."""
        character = self.source.text[at : at + 1]
        if character == "," and self.flow:
            return Trap(at, "nothing stands between two commas: take one away.", "_", at)
        meaning = _INDICATORS.get(character, "something of its own")
        words = f"{self.name(at)} begins with {character}, which YAML takes for {meaning}."
        return Trap(at, self._in_quotes(words, at), "_", at)

    def _in_flow(self) -> Trap:
        """Something in brackets or braces that is neither an entry nor their end."""
        text, opened = self.source.text, self.since
        for found in _HASH_IN_FLOW.finditer(text, opened, self.at):
            if text.count('"', self.source.line_start(found.start()), found.start()) % 2 == 0:
                return comment_in_flow(self.source, found.start())
        start, _ = self.ended
        here = text[self.at : self.at + 1]
        over_lines = "\n" in text[start : self.at]
        if here == ":" and not over_lines:
            return self._colon_in_value(start)
        if here in "]}" and here:
            return Trap(
                self.at, f"the {text[opened]} on line {self._line(opened)} is closed by {here}."
            )
        if here and not over_lines:
            behind = None if here in "\"'" else self._behind()
            following = text[self.at :].split()[0].rstrip(",]}")
            return behind or Trap(self.at, f"a comma is missing before {following}.")
        return Trap(opened, f"the {text[opened]} that is opened here is never closed.")

    def _behind(self) -> Trap | None:
        """`"Rock" and roll`: text behind what YAML takes for a whole value."""
        text, (start, end) = self.source.text, self.ended
        opening = text[start : start + 1]
        if opening not in "\"'[{*" or not opening or text[end : self.at].strip(" "):
            return None
        if "\n" in text[start:end]:
            words = (
                f"the quote of line {self._line(start)} is closed here, and text follows: "
                "a quote is missing in between, or one is too many."
            )
            return Trap(self.at, words)
        what = _INDICATORS.get(opening)
        words = f"{self.name(start)} goes on behind its closing quote."
        if what is not None:
            words = f"{self.name(start)} begins with {opening}, which YAML takes for {what}."
        return Trap(start, self._in_quotes(words, start), "_" * (end - start), start)

    def _indentation(self) -> Trap:
        begin = self.source.line_start(self.at)
        indent = self.at - begin
        outer = self.since - self.source.line_start(self.since)
        line = self.source.text[begin : self.source.line_end(self.at)].strip()
        if self.source.text[begin : self.at].strip():
            rest = self.source.original[self.at : self.source.line_end(self.at)]
            words = f"'{rest}' cannot stand here; a text with such characters stands in quotes."
            return Trap(self.at, words)
        if "collection" in self.problem and indent == outer:
            words = f"'{line}' stands in a list and does not begin with a dash."
        elif indent == outer:
            words = f"'{line}' is no key with a value, as the lines around it are."
        else:
            words = (
                f"'{line}' is indented by {indent}, and nothing above it is: lines that belong "
                f"together are indented alike (the ones around it by {outer})."
            )
        return Trap(self.at, words)

    def _in_quotes(self, words: str, start: int) -> str:
        value = self.source.value_at(start, flow=self.flow)
        return suggestion(words, self.source.in_quotes(start, value, flow=self.flow))

    def _line(self, at: int) -> int:
        return self.source.place(at).line


def syntax_of(
    source: Source, error: yaml.MarkedYAMLError, *, key: str, flow: bool, ended: tuple[int, int]
) -> Syntax:
    """Return a parser's error with what was read before it."""
    problem, context = error.problem_mark, error.context_mark
    at = min(problem.index if problem else 0, len(source.text))
    return Syntax(
        source=source,
        at=at,
        since=context.index if context else at,
        problem=f"{error.context or ''} {error.problem or ''}",
        key=key,
        flow=flow,
        ended=ended,
    )
