"""How a batch that is watched looks: a few lines on a terminal, a line of pairs in a log."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from batchgen.cli.layout import plain
from batchgen.cli.progress_text import EIGHTHS, PLAIN, gauge
from batchgen.following import Figures
from batchgen.state import JobState

# From nothing to the most: where the terminal can show it, and where it cannot.
STEPS = "▁▂▃▄▅▆▇█"
PLAIN_STEPS = "_.-=+*%#"

# The column in which texts begin, and the widest picture, in characters.
INDENT = 11
MOST_STEPS = 60

# With fewer bars there is no picture; what stands behind it takes so many characters.
LEAST_STEPS = 8
SPAN = 14

# So many kinds of failures are named on a terminal that has room for them.
MOST_KINDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What is drawn on.

    Attributes:
        columns: Its width, in characters.
        rows: Its height, in lines.
        is_plain: Whether it shows ASCII alone.
        has_colour: Whether styles are wanted.
    """

    columns: int = 100
    rows: int = 24
    is_plain: bool = False
    has_colour: bool = False


def draw(figures: Figures, *, screen: Screen, now: datetime, foot: str) -> list[str]:
    """Return the lines that show where a batch stands; none is wider than the terminal.

    Args:
        figures: Where it stands.
        screen: The terminal.
        now: The time, in the zone in which times are shown.
        foot: What stands below.
    """
    room = screen.columns - 1  # a full line would break into the next on some terminals
    head = [*_head(figures, room, now), "", *_progress(figures, screen, now)]
    head += [*_money(figures, room), *_speed(figures, screen, now)]
    head += [*_window(figures, screen, now), *_latency(figures, room)]
    tail = ["", foot]
    kinds = max(1, min(MOST_KINDS, screen.rows - len(head) - len(tail) - 2))
    lines = [*head, *_failures(figures, room, kinds), *tail]
    shown = [cut(line, room) for line in lines[: max(1, screen.rows - 1)]]
    if screen.has_colour and shown:
        shown[0] = f"\x1b[1m{shown[0]}\x1b[0m"
    return shown


def pairs(figures: Figures, *, now: datetime) -> str:
    """Return one line for a log: key=value, so that grep and awk work.

    Args:
        figures: Where the batch stands.
        now: The time, in the zone in which times are shown.
    """
    states, bill, latency = figures.tally.states, figures.bill, figures.flow.latency
    limit = f"/{bill.limit_usd:.2f}" if bill.limit_usd is not None else ""
    values = {
        "running": "yes" if figures.is_running else "no",
        "done": f"{figures.done}/{figures.jobs}",
        "succeeded": states[JobState.SUCCEEDED],
        "failed": states[JobState.FAILED],
        "undelivered": figures.undelivered,
        "unknown": states[JobState.UNKNOWN],
        "open": states[JobState.OPEN],
        "left": figures.left,
        "per_min": f"{_per_minute(figures, now):.1f}",
        "usd": f"{bill.spent_usd:.2f}{limit}",
        "reserved_usd": f"{bill.reserved_usd:.2f}",
        "latency_s": "" if latency is None else f"{latency.median_s:.1f}",
        "eta": _end(figures, now).lstrip("~").replace(" ", "_"),
    }
    text = " ".join(f"{key}={value}" for key, value in values.items() if value != "")
    return f"{now.isoformat(timespec='seconds')} {figures.batch} {text}"


def spark(numbers: Sequence[int], *, steps: str = STEPS) -> str:
    """Return numbers as a row of bars; nothing is the lowest one, the most the highest.

    Args:
        numbers: None below 0.
        steps: The bars, from the lowest to the highest.
    """
    most = max(numbers, default=0)
    if not most:
        return steps[0] * len(numbers)
    # What is there at all is seen.
    return "".join(
        steps[0] if not number else steps[max(1, round(number / most * (len(steps) - 1)))]
        for number in numbers
    )


def cut(text: str, columns: int) -> str:
    """Return as much of a text as so many columns hold; some letters are two columns wide."""
    width = 0
    for place, letter in enumerate(text):
        width += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if width > columns:
            return text[:place]
    return text


def _head(figures: Figures, room: int, now: datetime) -> Iterator[str]:
    simulated = "  (simulated: nothing is paid)" if figures.simulated else ""
    name = plain(figures.batch)
    if not figures.is_running:
        how = f", the last one ended: {plain(figures.ended)}" if figures.ended else ""
        yield _first_that_fits(
            room, f"{name}  no run goes on{how}{simulated}", f"{name}  no run goes on{how}"
        )
        return
    since = "" if figures.began_at is None else f" since {_clock(figures.began_at, now)}"
    who = ""
    if figures.holder is not None:
        who = f", process {figures.holder.pid} on {plain(figures.holder.host)}"
    running = f"{name}  running{since}"
    yield _first_that_fits(room, running + who + simulated, running + simulated, running)


def _progress(figures: Figures, screen: Screen, now: datetime) -> Iterator[str]:
    room = screen.columns - 1
    share = figures.done / max(figures.jobs, 1)
    # Not done is never shown as done.
    percent = f"{min(int(share * 100), 99) if share < 1 else 100}%"
    marks = PLAIN if screen.is_plain else EIGHTHS
    counts = f"{figures.done:,} of {figures.jobs:,}"
    end = f"  {_end(figures, now)}".rstrip()
    bars = [f"|{gauge(min(share, 1.0), width, marks)}| " for width in (40, 20, 10)]
    yield _first_that_fits(
        room,
        *(_row("done", f"{percent:>4} {bar}{counts}{end}") for bar in bars),
        _row("done", f"{percent:>4}  {counts}{end}"),
        f"{percent} {counts}{end}",
    )
    yield from _wrapped(_counts(figures), room)


def _counts(figures: Figures) -> Iterator[str]:
    states = figures.tally.states
    for name, number in (
        ("succeeded", states[JobState.SUCCEEDED]),
        ("failed", states[JobState.FAILED]),
        ("being fetched" if figures.is_running else "undelivered", figures.undelivered),
        ("unknown", states[JobState.UNKNOWN]),
        ("open", states[JobState.OPEN]),
        ("left", figures.left),
    ):
        if number:
            yield f"{number:,} {name}"


def _money(figures: Figures, room: int) -> Iterator[str]:
    bill = figures.bill
    parts = [f"{_usd(bill.spent_usd)}"]
    if figures.estimate_usd is not None:
        parts[0] += f" of about {_usd(figures.estimate_usd)} for all"
    if bill.reserved_usd:
        parts.append(f"{_usd(bill.reserved_usd)} reserved")
    if bill.limit_usd is not None:
        parts.append(f"budget {_usd(bill.limit_usd)}")
    yield from _wrapped(parts, room, label="spent")


def _speed(figures: Figures, screen: Screen, now: datetime) -> Iterator[str]:
    flow, then = figures.flow, _then(figures, now)
    open_ = figures.tally.states[JobState.OPEN]
    rate = f"{_per_minute(figures, now):,.1f} a minute"
    most = min(MOST_STEPS, screen.columns - 1 - INDENT - len(rate) - 2 - SPAN)
    yield _pictured(figures, screen, "images", rate, flow.over_time(then, most=max(1, most)))
    if figures.is_running:
        now_open = f"{open_:,} requests"
        history = flow.open_over_time(then, most=max(1, most), open_now=open_)
        yield _pictured(figures, screen, "open", f"{now_open:<{len(rate)}}", history)


def _window(figures: Figures, screen: Screen, now: datetime) -> Iterator[str]:
    """Yield how many requests may be open, why, and how that was before."""
    if not figures.window:
        return
    latest = figures.window[-1]
    size = f"{latest.limit:,} of {latest.cap:,}"
    since = f" since {_clock(datetime.fromisoformat(latest.at), now)}: {plain(latest.why)}"
    picture = ""
    if len(figures.window) > 1:
        steps = PLAIN_STEPS if screen.is_plain else STEPS
        picture = f"  {spark([one.limit for one in figures.window], steps=steps)}"
    yield _first_that_fits(
        screen.columns - 1,
        _row("window", size + since + picture),
        _row("window", size + since),
        _row("window", size),
    )


def _pictured(
    figures: Figures,
    screen: Screen,
    label: str,
    text: str,
    history: tuple[int, Sequence[int]],
) -> str:
    """Return a figure with a picture of how it was, where there is room for one."""
    step_s, numbers = history
    room = screen.columns - 1 - INDENT - len(text) - 2 - SPAN
    if not numbers or room < LEAST_STEPS:
        return _row(label, text.rstrip())
    picture = spark(numbers, steps=PLAIN_STEPS if screen.is_plain else STEPS)
    last = "last " if figures.is_running else ""
    return _row(label, f"{text}  {picture}  {last}{_span(step_s * len(numbers))}")


def _latency(figures: Figures, room: int) -> Iterator[str]:
    latency = figures.flow.latency
    if latency is None:
        return
    median, most, longest = map(_seconds, (latency.median_s, latency.most_s, latency.longest_s))
    yield _first_that_fits(
        room,
        _row(
            "latency",
            f"{median} half of them, {most} nine of ten, {longest} the longest of the last "
            f"{latency.requests:,}",
        ),
        _row("latency", f"{median} half, {most} nine of ten, {longest} at most"),
        _row("latency", f"{median}, {most}, {longest}"),
    )


def _failures(figures: Figures, room: int, most: int) -> Iterator[str]:
    kinds = [pair for pair in figures.tally.failed_by_type.most_common() if pair[1] > 0]
    for number, (name, count) in enumerate(kinds[:most]):
        label = "failed" if not number else ""
        text = plain(figures.flow.errors.get(name, ""))
        said = f'  "{text}"' if text else ""
        line = _row(label, f"{count:,} {plain(name)}{said}")
        yield line if len(line) <= room else f"{cut(line, room - 1)}…"
    more = sum(count for _, count in kinds[most:])
    if more:
        yield _row("", f"{more:,} of other kinds")


def _per_minute(figures: Figures, now: datetime) -> float:
    return figures.flow.per_minute(_then(figures, now), since=figures.began_at)


def _then(figures: Figures, now: datetime) -> datetime:
    """Return the moment whose speed is shown: once no run goes on, when something happened last."""
    return now if figures.is_running or figures.last_at is None else figures.last_at


def _end(figures: Figures, now: datetime) -> str:
    """Return the time of day at which it will be done: people plan by the clock."""
    left, rate = figures.jobs - figures.done, _per_minute(figures, now)
    if not figures.is_running or left <= 0 or rate <= 0:
        return ""
    # Jobs may ask for several images each.
    each = figures.tally.images / max(1, figures.tally.jobs)
    minutes = left * max(1.0, each) / rate
    if minutes > 100 * 24 * 60:
        return ""
    return f"~{_clock(now + timedelta(minutes=minutes), now)}"


def _clock(moment: datetime, now: datetime) -> str:
    there = moment.astimezone(now.tzinfo)
    if abs((there - now).total_seconds()) < 20 * 3600:
        return f"{there:%H:%M}"
    return f"{there.day} {there:%b %H:%M}"


def _first_that_fits(room: int, *variants: str) -> str:
    return next((text for text in variants if len(text) <= room), variants[-1])


def _wrapped(parts: Iterator[str] | Sequence[str], room: int, *, label: str = "") -> Iterator[str]:
    """Yield parts with dots between them, on as many lines as they need."""
    line = ""
    for part in parts:
        longer = f"{line} · {part}" if line else part
        if line and INDENT + len(longer) > room:
            yield _row(label, line)
            label, line = "", part
        else:
            line = longer
    if line:
        yield _row(label, line)


def _row(label: str, text: str) -> str:
    return f"{label:<{INDENT}}{text}"


def _usd(amount: Decimal) -> str:
    return f"${amount:,.2f}"


def _seconds(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def _span(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{round(seconds / 60)} min"
