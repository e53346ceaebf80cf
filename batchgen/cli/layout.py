"""Lay text out for a person: a hundred columns, labels on the left, no terminal's commands."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import datetime

from batchgen.job import Json
from batchgen.scalar import print_scalar

WIDTH = 100

# Where the text behind a label begins.
INDENT = 17


def day(at: str) -> str:
    """Return the day of a time, as people here say it: `21 Nov`."""
    moment = datetime.fromisoformat(at).astimezone()
    return f"{moment.day} {moment:%b}"


def moment(at: str) -> str:
    """Return a time as people here say it: `21 Nov 23:02`, with its year if that is another."""
    then = datetime.fromisoformat(at).astimezone()
    year = "" if then.year == datetime.now(then.tzinfo).year else f" {then.year}"
    return f"{then.day} {then:%b}{year} {then:%H:%M}"


def plain(text: str) -> str:
    """Return a text on one line that no terminal obeys."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def counted(number: int, noun: str) -> str:
    """Return `1 job`, `2,003 jobs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(minutes: float) -> str:
    """Return a time in minutes as people say it: `2 h 25 min`."""
    hours, rest = divmod(max(1, round(minutes)), 60)
    return f"{hours:,} h {rest} min" if hours else f"{rest} min"


def shown(value: Json) -> str:
    """Return a scalar as it is written; nothing for a list or a mapping."""
    if value is None or isinstance(value, dict | list):
        return ""
    return plain(print_scalar(value))


def columns(label: str, left: str, right: str = "") -> Iterator[str]:
    """Yield a labelled line of two columns; the second goes below where both do not fit."""
    line, right = f"{label:<{INDENT}}{plain(left)}", plain(right)
    if not right:
        yield line
        return
    beside = f"{line}{' ' * max(6, INDENT + 37 - len(line))}{right}"
    if len(beside) <= WIDTH:
        yield beside
    else:
        yield line
        yield from textwrap.wrap(
            right, WIDTH, initial_indent=" " * INDENT, subsequent_indent=" " * INDENT
        )


def labelled(label: str, text: str) -> Iterator[str]:
    """Yield a text behind its label, wrapped."""
    yield from textwrap.wrap(
        plain(text),
        WIDTH,
        initial_indent=f"{label:<{INDENT}}",
        subsequent_indent=" " * INDENT,
        break_on_hyphens=False,
        break_long_words=False,
    )


def shortened(line: str) -> str:
    """Return a line that fits; its end may be missing."""
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
