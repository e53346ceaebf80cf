"""How the tool speaks: stdout is data, stderr is talk, and losing either ends no run."""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import suppress
from typing import TextIO

import click


class _Patient(io.TextIOBase):
    """A stream that goes on when its reader has gone: a closed pipe, a lost terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_lost = False

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only there, read-only here
        return self._stream.encoding

    def write(self, text: str) -> int:
        """Write, unless nobody can read it any more."""
        if not self._is_lost:
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                encoding = self._stream.encoding or "ascii"
                self._stream.write(text.encode(encoding, "replace").decode(encoding))
            except (OSError, ValueError):
                self._lose()
        return len(text)

    def flush(self) -> None:
        """Flush, unless nobody can read it any more."""
        if not self._is_lost:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._lose()

    def isatty(self) -> bool:
        """Say whether a person is watching."""
        with suppress(OSError, ValueError):
            return not self._is_lost and self._stream.isatty()
        return False

    def fileno(self) -> int:
        """Return the stream's file descriptor."""
        return self._stream.fileno()

    def _lose(self) -> None:
        # What is still in the buffer would be written, and fail, when the process ends.
        self._is_lost = True
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def guard_streams() -> None:
    """Let no lost terminal and no closed pipe end the process."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - it stays open
        elif not isinstance(stream, _Patient):
            setattr(sys, name, _Patient(stream))


def say(text: str = "", *, end: str = "\n") -> None:
    """Say something to a person: on stderr."""
    sys.stderr.write(text + end)
    sys.stderr.flush()


def error_document(text: str, *, code: int) -> str:
    """Return what `--json` gives of a command that ended before it did anything."""
    mistake = {"file": "", "line": None, "column": None, "text": text, "count": 1}
    document = {"exit_code": code, "reason": text.partition("\n")[0], "errors": [mistake]}
    return json.dumps(document, ensure_ascii=False)


def give(text: str) -> None:
    """Give out data: on stdout."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def ask(question: str) -> bool:
    """Ask a person, and return whether the answer is yes; no answer is a no."""
    say(f"{question} [y/N] ", end="")
    try:
        answer = sys.stdin.readline()
    except (OSError, ValueError):
        return False
    return answer.strip().lower() in ("y", "yes")


def is_watched() -> bool:
    """Say whether a person can be asked: stdin and stderr are a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def has_colour() -> bool:
    """Say whether colours are wanted; `NO_COLOR` is honoured.

    Source:
        https://no-color.org
    """
    return not os.environ.get("NO_COLOR") and sys.stderr.isatty()


def strong(text: str) -> str:
    """Return a text that stands out, where colours are wanted."""
    return click.style(text, bold=True) if has_colour() else text
