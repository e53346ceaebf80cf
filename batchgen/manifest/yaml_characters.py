"""What stands in a YAML text before it is parsed: tabs, control characters, line separators."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

import yaml

from batchgen.manifest.yaml_events import end_of, events_of, is_plain, start_of
from batchgen.manifest.yaml_source import Source, Trap

# What no YAML text may hold, and a mark in the middle of a text, which nobody sees.
_FORBIDDEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]"
)
# YAML 1.1 ends a line at each of these; no editor does, and they are text here.
_SEPARATORS = "\x85\u2028\u2029"
_STAND_INS = "\ufdd0\ufdd1\ufdd2"


def clean(text: str) -> tuple[Source, list[Trap]]:
    """Return a text that can be parsed, place for place, and what was wrong with it."""
    traps: list[Trap] = []
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if found := _FORBIDDEN.search(text):
        traps += _forbidden(text, found.start())
        text = _FORBIDDEN.sub("_", text)
    text = text.translate(str.maketrans(_SEPARATORS, _STAND_INS))
    if "\t" in text:
        text, tabs = _without_tabs(text)
        traps += tabs
    return Source(text, text), traps


def restored(text: str) -> str:
    """Return a value with its line separators back in it."""
    return text if text.isascii() else text.translate(str.maketrans(_STAND_INS, _SEPARATORS))


def _forbidden(text: str, first: int) -> list[Trap]:
    number = len(_FORBIDDEN.findall(text))
    more = f" There are {number:,} of this kind." if number > 1 else ""
    code = f"U+{ord(text[first]):04X}"
    words = f"here is a control character ({code}), which YAML refuses: delete it."
    return [Trap(first, words + more)]


def _without_tabs(text: str) -> tuple[str, list[Trap]]:
    """Return a text with a blank for each tab that is not within quotes or a block of text.

    One at the end of a line, or before or in a comment, harms nobody.
    """
    spans = _text_spans(text.replace("\t", " "))
    begins = [start for start, _ in spans]
    pieces = list(text)
    traps: list[Trap] = []
    last_line = -1
    for tab in (found.start() for found in re.finditer("\t", text)):
        at = bisect_right(begins, tab) - 1
        if at >= 0 and tab < spans[at][1]:
            continue
        pieces[tab] = " "
        line = text.rfind("\n", 0, tab) + 1
        if line != last_line and not _is_harmless(text, line, tab):
            traps.append(_tab(text, line, tab))
            last_line = line
    return "".join(pieces), traps


def _text_spans(text: str) -> list[tuple[int, int]]:
    """Return where quoted texts and blocks of text stand, as far as a text can be parsed."""
    return [(start_of(event), end_of(event)) for event in _until_error(text) if not is_plain(event)]


def _until_error(text: str) -> Iterable[yaml.ScalarEvent]:
    try:
        for event in events_of(text):
            if isinstance(event, yaml.ScalarEvent):
                yield event
    except yaml.YAMLError:
        return


def _is_harmless(text: str, line: int, tab: int) -> bool:
    end = text.find("\n", tab)
    behind = text[tab : end if end >= 0 else len(text)].strip()
    return not behind or behind.startswith("#") or bool(re.search(r"(?:^|\s)#", text[line:tab]))


def _tab(text: str, line: int, tab: int) -> Trap:
    if not text[line:tab].strip():
        return Trap(tab, "this line is indented with a tab: YAML wants blanks.")
    return Trap(tab, "here is a tab: write a blank, or put quotes around a text that needs it.")
