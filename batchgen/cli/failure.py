"""How a command ends that cannot go on: what is wrong, what would be right, and its exit code."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from batchgen.cli.talk import give, say
from batchgen.errors import (
    AccountError,
    BatchgenError,
    BusyError,
    ExportError,
    ManifestError,
    Mistake,
    QueueError,
)

MOST_SHOWN = 20

P = ParamSpec("P")


def answering(command: Callable[P, int]) -> Callable[P, int]:
    """Let a command's foreseen errors become a message and an exit code."""

    @wraps(command)
    def answer(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return command(*args, **kwargs)
        except BatchgenError as error:
            code = exit_code_of(error)
            if kwargs.get("as_json"):
                give(json.dumps(_as_json(error, code), ensure_ascii=False))
            show_error(error)
            return code

    return answer


def exit_code_of(error: BatchgenError) -> int:
    """Return the exit code of a command that ended with this error before it sent anything."""
    if isinstance(error, BusyError):
        return 4
    if isinstance(error, AccountError | QueueError):
        return 3
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return 3
    return 2


def show_error(error: BatchgenError) -> None:
    """Say what is wrong; the last line says what was sent."""
    if not isinstance(error, ManifestError):
        text = str(error)
        say(text)
        if "othing was sent" not in text and not isinstance(error, BusyError | ExportError):
            say("Nothing was sent.")
        return
    for mistake in error.mistakes[:MOST_SHOWN]:
        say(str(mistake))
    total = sum(mistake.count for mistake in error.mistakes)
    hidden = len(error.mistakes) - MOST_SHOWN
    more = f" ({hidden} more are not shown; --json has all)" if hidden > 0 else ""
    noun = "mistake" if total == 1 else "mistakes"
    say(f"{total:,} {noun}{more}; nothing was sent.")


def _as_json(error: BatchgenError, code: int) -> dict[str, object]:
    mistakes = (
        error.mistakes if isinstance(error, ManifestError) else (Mistake(file="", text=str(error)),)
    )
    return {
        "exit_code": code,
        "reason": str(error).splitlines()[0] if str(error) else type(error).__name__,
        "errors": [
            {
                "file": mistake.file,
                "line": mistake.line,
                "column": mistake.column,
                "text": mistake.text,
                "count": mistake.count,
            }
            for mistake in mistakes
        ],
    }
