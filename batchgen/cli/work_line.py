"""A line on stderr that says how far a command is, where it takes long."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from batchgen.cli.talk import say

# How often the line is drawn on a terminal, and written where there is none, in seconds; what
# takes less is not shown at all.
DRAW_S = 0.5
WRITE_S = 60.0


@contextmanager
def work_line(
    name: str, doing: Mapping[str, str], *, monotonic: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[str, int, int], None]]:
    """Give a function that is told how far the work is: its stage, what is done, and of how many.

    Args:
        name: What is worked on.
        doing: Stage → what is said of it, with `{done}` and `{total}`.
        monotonic: The clock, in seconds.
    """
    is_terminal = sys.stderr.isatty()
    shown_at = monotonic()
    width = 0

    def watch(stage: str, done: int, total: int) -> None:
        nonlocal shown_at, width
        now = monotonic()
        if now - shown_at < (DRAW_S if is_terminal else WRITE_S):
            return
        shown_at = now
        line = f"{name}: {doing[stage].format(done=done, total=total)}"
        if not is_terminal:
            say(line)
            return
        say(f"\r{line}{' ' * (width - len(line))}", end="")
        width = max(width, len(line))

    try:
        yield watch
    finally:
        if width:
            say(f"\r{' ' * width}\r", end="")
