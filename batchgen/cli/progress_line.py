"""The line that shows a run as it goes: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import NoReturn, Self

from tqdm import tqdm

from batchgen.budget import Budget
from batchgen.cli.talk import say
from batchgen.ledger import neutralised
from batchgen.progress import FirstFailure, Progress

# How often the bar is drawn, and how often a line is written where there is no terminal, in
# seconds.
DRAW_S = 0.25
WRITE_S = 300.0

# The rate is that of the last so many seconds: a night has slow hours.
WINDOW_S = 300.0


class ProgressLine:
    """Shows a run's progress on stderr while its context lasts."""

    def __init__(self, name: str, progress: Progress, *, quiet: bool) -> None:
        """Keep what is to be shown; nothing is written yet."""
        self._name = name
        self._progress = progress
        self._quiet = quiet
        self._bill = Budget()
        self._bar: tqdm[NoReturn] | None = None
        self._moments: deque[tuple[float, int]] = deque()
        self._written_at = 0.0
        self._reason = ""
        progress.tell = self._tell

    def follow(self, bill: Budget) -> None:
        """Show this bill."""
        self._bill = bill
        if not self._quiet and sys.stderr.isatty():
            self._bar = tqdm(
                total=self._progress.total,
                bar_format="{desc}",
                file=sys.stderr,
                leave=False,
                dynamic_ncols=True,
            )
        self._written_at = time.monotonic()

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

    async def _show(self) -> None:
        while True:
            await asyncio.sleep(DRAW_S)
            now = time.monotonic()
            self._note_rate(now)
            if self._bar is not None:
                self._bar.set_description_str(self._line(self._columns()))
            elif not self._quiet and self._is_due(now):
                self._written_at, self._reason = now, self._kind_of_reason()
                say(self._pairs())

    def _is_due(self, now: float) -> bool:
        return now - self._written_at >= WRITE_S or self._kind_of_reason() != self._reason

    def _kind_of_reason(self) -> str:
        """Return the reason without its figures: a line is written when it changes, not they."""
        return "".join(letter for letter in self._progress.reason if not letter.isdigit())

    def _columns(self) -> int:
        return shutil.get_terminal_size((100, 24)).columns

    def _line(self, columns: int) -> str:
        """Return the line for a terminal of that width; on narrow ones the bar goes first."""
        shown = self._progress
        total = max(shown.total, shown.done, 1)
        share = shown.done / total
        head = f"{self._name} {share:4.0%}"
        counts = f"{shown.done:,}/{total:,}"
        failed = f"  {shown.failed:,} failed" if shown.failed else ""
        unknown = f"  {shown.unknown:,} unknown" if shown.unknown else ""
        open_ = f"  {shown.open} open"
        queued = f" ({shown.queued} queued)" if shown.queued else ""
        rate = f"  {self._per_minute():.1f}/min"
        money = f"  {self._money()}"
        last = f"  {shown.reason or self._end()}"
        room = columns - 1
        for bar in (20, 10, 0):
            for parts in (
                (open_, queued, rate, money, last),
                (open_, rate, money, last),
                (open_, money, last),
                (last,),
            ):
                gauge = f"|{self._gauge(share, bar)}| " if bar else " "
                line = head + gauge + counts + failed + unknown + "".join(parts)
                if len(line) <= room and (bar == 0 or len(parts) == 5):
                    return line
        return (head + " " + counts)[:room]

    def _gauge(self, share: float, width: int) -> str:
        full = int(share * width)
        encoding = (getattr(sys.stderr, "encoding", "") or "").lower()
        mark = "█" if "utf" in encoding else "#"
        return mark * full + " " * (width - full)

    def _pairs(self) -> str:
        """Return the line for a log: key=value, so that grep and awk work."""
        shown = self._progress
        limit = f"/{self._bill.limit_usd:.2f}" if self._bill.limit_usd is not None else ""
        pairs = {
            "done": f"{shown.done}/{shown.total}",
            "failed": shown.failed,
            "unknown": shown.unknown,
            "open": shown.open,
            "queued": shown.queued,
            "per_min": f"{self._per_minute():.1f}",
            "usd": f"{self._bill.spent_usd:.2f}{limit}",
            "eta": self._end().lstrip("~"),
        }
        line = " ".join(f"{key}={value}" for key, value in pairs.items() if value != "")
        at = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
        return f"{at} {self._name} {line}" + (f' reason="{shown.reason}"' if shown.reason else "")

    def _money(self) -> str:
        if self._bill.limit_usd is None:
            return f"${self._bill.spent_usd:.2f}"
        return f"${self._bill.spent_usd:.0f}/{self._bill.limit_usd:.0f}"

    def _note_rate(self, now: float) -> None:
        self._moments.append((now, self._progress.ended))
        while now - self._moments[0][0] > WINDOW_S:
            self._moments.popleft()

    def _per_minute(self) -> float:
        if len(self._moments) < 2:
            return 0.0
        (began, before), (now, after) = self._moments[0], self._moments[-1]
        return 60.0 * (after - before) / max(now - began, DRAW_S)

    def _end(self) -> str:
        """Return the time of day at which it will be done: people plan by the clock."""
        per_minute = self._per_minute()
        left = self._progress.total - self._progress.done
        if per_minute <= 0 or left <= 0:
            return ""
        end = datetime.now(UTC).astimezone() + timedelta(minutes=left / per_minute)
        return f"~{end:%H:%M}" if left / per_minute < 20 * 60 else f"~{end:%d %b %H:%M}"

    def _tell(self, first: FirstFailure) -> None:
        """Say the first failure of each kind, above the bar."""
        if self._quiet:
            return
        prompt = neutralised(first.job.prompt)
        shown = prompt if len(prompt) <= 60 else prompt[:59] + "…"
        text = (
            f'{neutralised(first.error_type)} (first of this kind): "{shown}": '
            f"{neutralised(first.message)[:160]}"
        )
        if self._bar is None:
            say(text)
        else:
            tqdm.write(text, file=sys.stderr)
