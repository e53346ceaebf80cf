"""The line that shows a run as it goes: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import NoReturn, Self

from tqdm import tqdm

from batchgen.budget import Budget
from batchgen.cli.progress_text import EIGHTHS, PLAIN, Moment, first_failure
from batchgen.cli.talk import say
from batchgen.progress import FirstFailure, Progress

# How often the bar is drawn; how often a line is written where there is no terminal, and how
# often at the most if the reason for a delay changes all the time. In seconds.
DRAW_S = 0.25
WRITE_S = 300.0
LEAST_WRITE_S = 5.0

# The rate is that of the last so many seconds: a night has slow hours.
WINDOW_S = 300.0


class Pace:
    """How many jobs end in a minute, by the last five."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._moments: deque[tuple[float, int]] = deque()

    def note(self, now: float, ended: int) -> None:
        """Take note of how many jobs have ended by now.

        Args:
            now: A clock, in seconds.
            ended: Jobs that ended in this run.
        """
        self._moments.append((now, ended))
        while now - self._moments[0][0] > WINDOW_S:
            self._moments.popleft()

    @property
    def per_minute(self) -> float:
        """Jobs that end in a minute; 0 while that is not known."""
        if len(self._moments) < 2:
            return 0.0
        (began, before), (now, after) = self._moments[0], self._moments[-1]
        return 60.0 * (after - before) / max(now - began, DRAW_S)


class ProgressLine:
    """Shows a run's progress on stderr while its context lasts."""

    def __init__(
        self, name: str, progress: Progress, *, quiet: bool, failures_command: str
    ) -> None:
        """Keep what is to be shown; nothing is written yet.

        Args:
            name: The batch's.
            progress: Where the run stands.
            quiet: Show nothing.
            failures_command: The command that lists what has failed.
        """
        self._name = name
        self._progress = progress
        self._quiet = quiet
        self._failures_command = failures_command
        self._bill = Budget()
        self._bar: tqdm[NoReturn] | None = None
        self._pace = Pace()
        self._written_at = 0.0
        self._reason = ""
        progress.tell = self._tell

    def follow(self, bill: Budget) -> None:
        """Show this bill."""
        self._bill = bill
        self._pace.note(time.monotonic(), self._progress.ended)
        if not self._quiet and sys.stderr.isatty():
            self._bar = tqdm(
                total=self._progress.total,
                bar_format="{desc}",
                file=sys.stderr,
                leave=False,
                dynamic_ncols=True,
            )
        self._written_at = time.monotonic()

    def say(self, text: str) -> None:
        """Say something above the line."""
        if self._bar is None:
            say(text)
            return
        # The terminal may have echoed a ^C behind the line.
        say("\r" + " " * (_columns() - 1) + "\r", end="")
        tqdm.write(text, file=sys.stderr)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._show())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    async def _show(self) -> None:
        while True:
            await asyncio.sleep(DRAW_S)
            now = time.monotonic()
            self._pace.note(now, self._progress.ended)
            moment = Moment(
                name=self._name,
                progress=self._progress,
                bill=self._bill,
                per_minute=self._pace.per_minute,
                now=datetime.now(UTC).astimezone(),
            )
            if self._bar is not None:
                self._bar.set_description_str(moment.line(_columns(), marks=_marks()))
            elif not self._quiet and self._is_due(now, moment):
                self._written_at, self._reason = now, _kind(moment.reason)
                say(moment.pairs())

    def _is_due(self, now: float, moment: Moment) -> bool:
        """Say whether a line is to be written to a log: now and then, and at a new reason."""
        since = now - self._written_at
        has_changed = _kind(moment.reason) != self._reason
        return since >= WRITE_S or (has_changed and since >= LEAST_WRITE_S)

    def _tell(self, first: FirstFailure) -> None:
        """Say the first failure of each kind, above the bar."""
        if not self._quiet:
            self.say(first_failure(first, command=self._failures_command))


def _kind(reason: str) -> str:
    """Return a reason without its figures: a line is written when it changes, not they."""
    return re.sub(r"\d+", "", reason)


def _columns() -> int:
    return shutil.get_terminal_size((100, 24)).columns


def _marks() -> str:
    encoding = (getattr(sys.stderr, "encoding", "") or "").lower()
    return EIGHTHS if "utf" in encoding else PLAIN
