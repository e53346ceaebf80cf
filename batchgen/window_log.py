"""How the window has changed in the course of a run: written to run.log, and read from there."""

from __future__ import annotations

import logging
import os
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batchgen.job import Json
from batchgen.pacing import Window

logger = logging.getLogger(__name__)

# A change is worth a line from this part of the window on, and so many seconds after the last one.
NOTABLE = 0.125
APART_S = 5.0

# So many changes are told, the latest; and so much of the end of the log is read for them.
MOST_TOLD = 20
END_BYTES = 1 << 20

_LINE = re.compile(rb"^(\S+) INFO window (\d+) of (\d+), (\d+) open: (.*)$", re.MULTILINE)


@dataclass(slots=True, kw_only=True)
class WindowLog:
    """What was last written of the window.

    Attributes:
        window: The window.
    """

    window: Window
    _limit: int = 0
    _at: float = float("-inf")

    def look(self, monotonic: float) -> None:
        """Write a line where the window has changed notably since the last one.

        Args:
            monotonic: The clock that never goes back, in seconds.
        """
        limit, why = self.window.limit, self.window.reason
        is_notable = abs(limit - self._limit) >= max(1.0, NOTABLE * self._limit)
        if not is_notable or monotonic - self._at < APART_S:
            return
        logger.info("window %d of %d, %d open: %s", limit, self.window.cap, self.window.open, why)
        self._limit, self._at = limit, monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowChange:
    """One line of the log.

    Attributes:
        at: When: local time with its offset, ISO 8601, as text.
        limit: How many requests could be open from then on.
        cap: How many could at most.
        open: How many were.
        why: What decided it.
    """

    at: str
    limit: int
    cap: int
    open: int
    why: str

    def as_json(self) -> dict[str, Json]:
        """Return it for a script."""
        return {
            "at": self.at,
            "limit": self.limit,
            "cap": self.cap,
            "open": self.open,
            "why": self.why,
        }


def read_changes(log: Path, *, start: int = 0) -> tuple[WindowChange, ...]:
    """Return the latest changes of the window that a run.log tells of, oldest first.

    Args:
        log: The file.
        start: Where to begin to read, in bytes.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(start, file.seek(0, os.SEEK_END) - END_BYTES))
            end = file.read()
    except OSError:
        return ()
    return tuple(map(_change, deque(_LINE.finditer(end), maxlen=MOST_TOLD)))


def each_change(log: Path) -> Iterator[WindowChange]:
    """Yield every change of the window that a run.log tells of, oldest first."""
    try:
        with log.open("rb") as file:
            yield from map(_change, filter(None, map(_LINE.match, file)))
    except OSError:
        return


def _change(found: re.Match[bytes]) -> WindowChange:
    return WindowChange(
        at=found[1].decode(errors="replace"),
        limit=int(found[2]),
        cap=int(found[3]),
        open=int(found[4]),
        why=found[5].decode(errors="replace"),
    )
