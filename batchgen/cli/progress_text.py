"""What the line says that shows a run as it goes: on a terminal, and in a log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from batchgen.budget import Budget
from batchgen.cli.layout import plain
from batchgen.progress import FirstFailure, Progress

# Widths of the bar, in characters, from the widest to none.
BARS = (20, 10, 0)

# A bar grows by an eighth of a character where the terminal can show that.
EIGHTHS = " ▏▎▍▌▋▊▉█"
PLAIN = " #"

# Below this a budget is shown to the cent, in USD.
CENTS_BELOW_USD = Decimal(100)

# What is shown of a prompt and of a reason, in characters.
PROMPT = 60
REASON = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A run at a moment.

    Attributes:
        name: The batch's.
        progress: Where it stands.
        bill: What was spent, and may be spent.
        per_minute: Jobs that end in a minute; 0 while that is not known.
        now: The time, in the zone in which times are shown.
    """

    name: str
    progress: Progress
    bill: Budget
    per_minute: float
    now: datetime

    def line(self, columns: int, *, marks: str = EIGHTHS) -> str:
        """Return the line for a terminal of that width; on narrow ones the bar goes first.

        Args:
            columns: The terminal's width, in characters.
            marks: What the bar is drawn with, from empty to full.
        """
        shown = self.progress
        counts = f"{shown.done:,}/{self._total:,}"
        counts += _counted(shown.failed, "failed") + _counted(shown.unknown, "unknown")
        open_ = f"  {shown.open} open"
        queued = f" ({shown.queued} queued)" if shown.queued else ""
        rate = f"  {self.per_minute:.1f}/min" if self.per_minute else ""
        money = f"  {self._money()}"
        last = f"  {self.reason or self._end()}".rstrip()
        tails = (
            open_ + queued + rate + money + last,
            open_ + rate + money + last,
            open_ + money + last,
            money + last,
            last,
            "",
        )
        lines = [self._head(bar, marks) + counts + tails[0] for bar in BARS]
        lines += [self._head(0, marks) + counts + tail for tail in tails[1:]]
        room = columns - 1  # a full line would break into the next on some terminals
        return next((line for line in lines if len(line) <= room), lines[-1][:room])

    def pairs(self) -> str:
        """Return the line for a log: key=value, so that grep and awk work."""
        shown = self.progress
        limit = f"/{self.bill.limit_usd:.2f}" if self.bill.limit_usd is not None else ""
        pairs = {
            "done": f"{shown.done}/{self._total}",
            "failed": shown.failed,
            "unknown": shown.unknown,
            "open": shown.open,
            "queued": shown.queued,
            "per_min": f"{self.per_minute:.1f}",
            "usd": f"{self.bill.spent_usd:.2f}{limit}",
            "eta": self._end().lstrip("~").replace(" ", "_"),
        }
        line = " ".join(f"{key}={value}" for key, value in pairs.items() if value != "")
        reason = self.reason.replace('"', "'")
        said = f' reason="{reason}"' if reason else ""
        return f"{self.now.isoformat(timespec='seconds')} {self.name} {line}{said}"

    @property
    def reason(self) -> str:
        """Why it does not go at full speed, or `""`."""
        shown = self.progress
        queue = f"fal: {shown.ahead:,} ahead of us" if shown.ahead else ""
        return plain(shown.notice or shown.reason or queue)

    @property
    def _total(self) -> int:
        return max(self.progress.total, self.progress.done)

    def _head(self, bar: int, marks: str) -> str:
        share = self.progress.done / max(self._total, 1)
        # Not done is never shown as done.
        percent = f"{min(int(share * 100), 99) if share < 1 else 100:3}%"
        drawn = f"|{gauge(share, bar, marks)}| " if bar else "  "
        return f"{self.name} {percent}{drawn}"

    def _money(self) -> str:
        spent, limit = self.bill.spent_usd, self.bill.limit_usd
        if limit is None:
            return f"${spent:,.2f}"
        if limit < CENTS_BELOW_USD:
            return f"${spent:,.2f}/{limit:,.2f}"
        return f"${spent:,.0f}/{limit:,.0f}"

    def _end(self) -> str:
        """Return the time of day at which it will be done: people plan by the clock."""
        left = self._total - self.progress.done
        if self.per_minute <= 0 or left <= 0:
            return ""
        minutes = left / self.per_minute
        if minutes > 100 * 24 * 60:
            return ""
        end = self.now + timedelta(minutes=minutes)
        return f"~{end:%H:%M}" if minutes < 20 * 60 else f"~{end.day} {end:%b %H:%M}"


def first_failure(first: FirstFailure, *, command: str) -> str:
    """Return what is said of the first failure of a kind.

    Args:
        first: The failure.
        command: The command that lists all failures.
    """
    prompt = plain(first.job.prompt)
    shown = prompt if len(prompt) <= PROMPT else f"{prompt[: PROMPT - 1]}…"
    where = f"{first.job.line} " if first.job.line else ""
    reason = plain(first.message)
    reason = reason if len(reason) <= REASON else f"{reason[: REASON - 1]}…"
    kind = f"{plain(first.error_type)} (first of this kind)"
    said = f": {reason}" if reason else ""
    return f'{kind}: {where}"{shown}"{said}\n  All of them:  {command}'


def _counted(number: int, name: str) -> str:
    return f"  {number:,} {name}" if number else ""


def gauge(share: float, width: int, marks: str) -> str:
    """Return a bar of so many characters, filled as far as a share of 1 says.

    Args:
        share: From 0 to 1.
        width: In characters.
        marks: What it is drawn with, from empty to full.
    """
    steps = len(marks) - 1
    filled = int(share * width * steps)
    full, part = divmod(filled, steps)
    bar = marks[-1] * full + (marks[part] if part else "")
    return f"{bar:<{width}}"
