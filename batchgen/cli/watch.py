"""`batchgen status BATCH --watch`: where a batch stands, again and again."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from batchgen.batch import Batch
from batchgen.cli.talk import give
from batchgen.cli.watch_text import Screen, draw, pairs
from batchgen.following import Figures, Follower

# How often it is looked, in seconds: where somebody watches, and where a log is written.
WATCHED_S = 1.0
LOGGED_S = 60.0

# So short a time is slept at once, in seconds, so that a Ctrl-C is heard.
NAP_S = 0.5

FOOT = "Ctrl-C ends the watching, not the run."

# The terminal's other screen, so that what stood on it is there again afterwards; its cursor.
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _END_OF_LINE, _BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


def watch(batch: Batch, *, interval_s: float | None, next_command: str) -> int:
    """Show where a batch stands until Ctrl-C; in a log, until its run has ended.

    Args:
        batch: Its folder, which is only read.
        interval_s: Seconds from one look to the next; None for what suits the place.
        next_command: The command that tells more, shown when no run goes on.

    Returns:
        The exit code, as of `status`.

    Raises:
        BatchgenError: The batch's files cannot be trusted.
    """
    follower = Follower(batch=batch, monotonic=time.monotonic)
    if is_terminal():
        return _watch_on_terminal(follower, interval_s or WATCHED_S, next_command)
    return _watch_in_log(follower, interval_s or LOGGED_S)


def is_terminal() -> bool:
    """Say whether stdout is a terminal on which lines can be drawn anew."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def _watch_on_terminal(follower: Follower, interval_s: float, next_command: str) -> int:
    look = _Look(follower=follower, next_command=next_command)
    figures = follower.look()  # what is wrong with the batch is said on the usual screen
    try:
        with _other_screen():
            while True:
                figures = look.show(full=True)
                _sleep(interval_s)
    except KeyboardInterrupt:
        look.show(full=False)
    return figures.exit_code


def _watch_in_log(follower: Follower, interval_s: float) -> int:
    figures = follower.look()
    with suppress(KeyboardInterrupt):
        give(pairs(figures, now=_now()))
        while figures.is_running:
            figures = _look_until(follower, time.monotonic() + interval_s)
            give(pairs(figures, now=_now()))
    return figures.exit_code


def _look_until(follower: Follower, end: float) -> Figures:
    """Look now and then until it is time, or the run has ended; return what was seen last."""
    while True:
        _sleep(min(WATCHED_S, max(0.0, end - time.monotonic())))
        figures = follower.look()
        if time.monotonic() >= end or not figures.is_running:
            return figures


@dataclass(slots=True, kw_only=True)
class _Look:
    """Draws what a follower sees.

    Attributes:
        follower: Follows the batch.
        next_command: The command that tells more.
    """

    follower: Follower
    next_command: str

    def show(self, *, full: bool) -> Figures:
        """Draw where the batch stands now.

        Args:
            full: On a screen of its own, over what stands there; else below what was said.
        """
        figures = self.follower.look()
        size = shutil.get_terminal_size((100, 24))
        encoding = (getattr(sys.stdout, "encoding", "") or "").lower()
        screen = Screen(
            columns=size.columns,
            rows=size.lines if full else max(size.lines, 24),
            is_plain="utf" not in encoding,
            has_colour=not os.environ.get("NO_COLOR"),
        )
        foot = FOOT if figures.is_running else f"More:  {self.next_command}"
        lines = draw(figures, screen=screen, now=_now(), foot=foot)
        if full:
            text = "".join(f"{line}{_END_OF_LINE}\r\n" for line in lines)
            sys.stdout.write(f"{_HOME}{text}{_BELOW}")
            sys.stdout.flush()
        else:
            give("\n".join(lines))
        return figures


@contextmanager
def _other_screen() -> Iterator[None]:
    sys.stdout.write(_ENTER)
    sys.stdout.flush()
    try:
        yield
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()


def _sleep(seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(NAP_S, left))


def _now() -> datetime:
    return datetime.now(UTC).astimezone()
