"""The night in pictures, drawn by matplotlib when the page is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from importlib import import_module
from io import StringIO
from typing import TYPE_CHECKING, Any

from batchgen.errors import UsageError
from batchgen.gallery.night import TICK_S, Night, Stretch
from batchgen.gallery.vector import as_part

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours are drawn as these and become the page's, so that a drawing is dark when the page is.
INK, MUTED, RULE = "#010101", "#020202", "#030303"
MAIN, SECOND, BAD, FILL = "#040404", "#050505", "#060606", "#070707"
COLOURS = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    RULE: "var(--rule)",
    MAIN: "var(--main)",
    SECOND: "var(--second)",
    BAD: "var(--bad)",
    FILL: "var(--surface)",
}

# Between two stretches of work, on the axis of time: such a part of what they take together.
GAP = 0.03

# Marks on the axis of time are so many seconds apart, and there are fewer than so many of them.
BETWEEN_S = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600)
MOST_NAMES = 9

# So many bars at most show how fast it went.
MOST_TIMES = 120

# So many bars at most show how long images took, or which failures there were.
MOST_BARS = 40
MOST_CLASSES = 8

# Its keys are a type of matplotlib's own that changes with its versions.
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "batchgen",  # the same drawing gets the same ids
    "font.size": 10,
    "text.parse_math": False,  # a $ is a dollar
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": RULE,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": RULE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One drawing.

    Attributes:
        title: What it shows.
        note: What to read from it, in one sentence, or `""`.
        svg: The drawing, as part of a page.
    """

    title: str
    note: str
    svg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """What the batch has cost, and may.

    Attributes:
        spent_usd: By the journal.
        quoted_usd: What all jobs cost by the price table; None where that is not known.
        limit_usd: The budget, or None.
    """

    spent_usd: Decimal
    quoted_usd: Decimal | None
    limit_usd: Decimal | None


def require_matplotlib() -> None:
    """Return if charts can be drawn.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        import_module("matplotlib")
    except ImportError:
        raise UsageError('the charts need matplotlib: pip install "batchgen[gallery]"') from None


def draw_charts(night: Night, *, money: Money | None, zone: tzinfo) -> list[Chart]:
    """Return the drawings for which there is something to show.

    Args:
        night: What happened.
        money: What it cost; None leaves out the drawing that shows it.
        zone: In which times are shown.
    """
    stretches = night.stretches
    charts: list[Chart] = []
    if night.made:
        charts.append(_pace(night, stretches, zone))
    if money is not None and night.spent_usd:
        charts.append(_spend(night, stretches, money, zone))
    if night.open_steps:
        charts.append(_open(night, stretches, zone))
    if night.waits_s:
        charts.append(_waits(night))
    if night.failures:
        charts.append(_failures(night))
    return charts


def _pace(night: Night, stretches: Sequence[Stretch], zone: tzinfo) -> Chart:
    """Draw how many images came in each minute."""
    ticks = sum(stretch.ticks for stretch in stretches)
    step = max(1, math.ceil(ticks / MOST_TIMES))
    a_minute = 60 / TICK_S / step

    def draw(axes: Axes) -> None:
        for start, stretch in zip(_starts(stretches), stretches, strict=True):
            counts = [
                sum(night.made[tick + part] for part in range(step)) * a_minute
                for tick in range(stretch.first, stretch.last + 1, step)
            ]
            places = [start + step * place for place in range(len(counts))]
            axes.bar(places, counts, width=step * 0.86, align="edge", color=MAIN, linewidth=0)
        axes.set_ylabel("images a minute")
        _scale_time(axes, stretches, zone)

    mean = sum(night.made.values()) / (ticks * TICK_S / 60)
    note = f"{mean:,.1f} a minute on average, over {_span(ticks * TICK_S)} of work"
    return _chart("Images a minute", note, "pace", draw)


def _spend(night: Night, stretches: Sequence[Stretch], money: Money, zone: tzinfo) -> Chart:
    """Draw what had been spent by when, against what it may come to."""

    def draw(axes: Axes) -> None:
        places, sums, total = [0.0], [0.0], 0.0
        for start, stretch in zip(_starts(stretches), stretches, strict=True):
            for tick in range(stretch.first, stretch.last + 1):
                if cost := night.spent_usd.get(tick):
                    total += cost
                    place = start + tick - stretch.first
                    places += [place, place + 1]
                    sums += [sums[-1], total]
        axes.fill_between(places, sums, color=MAIN, alpha=0.16, linewidth=0)
        axes.plot(places, sums, color=MAIN, linewidth=2)
        for amount, name in ((money.quoted_usd, "estimate"), (money.limit_usd, "budget")):
            if amount is not None:
                _level(axes, float(amount), f"{name} ${amount:,.2f}")
        axes.set_ylabel("USD")
        axes.set_ylim(bottom=0)
        _scale_time(axes, stretches, zone)

    note = f"${money.spent_usd:,.2f} spent"
    if money.quoted_usd is not None:
        note += f" of ${money.quoted_usd:,.2f} that all jobs cost by the price table"
    return _chart("Spend", note, "spend", draw)


def _open(night: Night, stretches: Sequence[Stretch], zone: tzinfo) -> Chart:
    """Draw how many jobs were under way, and beside them how wide the window was."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - an extra, and slow to import

    series = [night.open_on_average(stretch) for stretch in stretches]
    step = max(1, math.ceil(sum(map(len, series)) / MOST_TIMES))

    def draw(axes: Axes) -> None:
        for start, counts in zip(_starts(stretches), series, strict=True):
            parts = [counts[place : place + step] for place in range(0, len(counts), step)]
            means = [sum(part) / len(part) for part in parts]
            edges = [start + step * place for place in range(len(means))]
            axes.stairs(means, [*edges, start + len(counts)], fill=True, color=MAIN, alpha=0.16)
            axes.stairs(means, [*edges, start + len(counts)], color=MAIN, linewidth=1.6)
        for start, stretch in zip(_starts(stretches), stretches, strict=True):
            _limits(axes, night, start, stretch)
        axes.set_ylabel("jobs")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        axes.set_ylim(bottom=0)
        _scale_time(axes, stretches, zone)

    mean = sum(map(sum, series)) / sum(map(len, series))
    note = f"{mean:,.1f} jobs on average, from submission to disk, waiting for a download included"
    if night.limits:
        note += "; the dashed line is the window, how many requests could be open at the service"
    return _chart("Under way", note, "open", draw)


def _limits(axes: Axes, night: Night, start: float, stretch: Stretch) -> None:
    """Draw the window over one stretch, from the first time that the log tells of it."""
    known = [(tick, limit) for tick, limit in night.limits if stretch.first <= tick <= stretch.last]
    if known:
        places = [start + tick - stretch.first for tick, _ in known]
        sizes = [limit for _, limit in known]
        axes.plot(
            [*places, start + stretch.ticks],
            [*sizes, sizes[-1]],
            drawstyle="steps-post",
            color=SECOND,
            linewidth=1.4,
            dashes=(5, 3),
        )


def _waits(night: Night) -> Chart:
    """Draw how long images took from submission to disk."""
    waits = sorted(night.waits_s)
    median, slow = waits[len(waits) // 2], waits[min(len(waits) - 1, len(waits) * 95 // 100)]

    def draw(axes: Axes) -> None:
        # The slowest hundredth would squeeze the rest into one bar.
        most = waits[min(len(waits) - 1, len(waits) * 99 // 100)] * 1.02 or 1.0
        bars = min(MOST_BARS, max(8, math.isqrt(len(waits))))
        axes.hist(
            [min(wait, most) for wait in waits],
            bins=bars,
            range=(waits[0] * 0.98, most),
            color=MAIN,
            rwidth=0.88,
            linewidth=0,
        )
        for place, name in ((median, "half"), (slow, "95 %")):
            axes.axvline(min(place, most), color=INK, linewidth=1, dashes=(4, 3))
            axes.annotate(
                f"{name} ≤ {_seconds(place)}",
                (min(place, most), 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(4, 2),
                textcoords="offset points",
                fontsize=9,
            )
        axes.set_xlabel("seconds from submission to disk")
        axes.set_ylabel("images")

    note = f"half of them took up to {_seconds(median)}, one in twenty more than {_seconds(slow)}"
    return _chart("How long an image took", note, "waits", draw)


def _failures(night: Night) -> Chart:
    """Draw which failures there were."""
    shown = night.failures[:MOST_CLASSES]

    def draw(axes: Axes) -> None:
        names = [_short(one.error_type) for one in shown]
        places = list(range(len(shown)))
        counts = [one.count for one in shown]
        bars = axes.barh(places, counts, color=BAD, height=0.62, linewidth=0)
        axes.bar_label(bars, [f"{count:,}" for count in counts], padding=4, color=INK)
        axes.set_yticks(places, names)
        axes.invert_yaxis()
        axes.set_xlim(0, max(counts) * 1.12)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.grid(visible=False)
        axes.tick_params(axis="y", length=0, colors=INK)

    total = sum(one.count for one in night.failures)
    note = f"{total:,} failed, in {len(night.failures):,} ways"
    return _chart("Failures", note, "failures", draw, height=0.9 + 0.34 * len(shown))


def _chart(
    title: str, note: str, name: str, draw: Callable[[Axes], None], *, height: float = 2.4
) -> Chart:
    from matplotlib import rc_context  # noqa: PLC0415 - an extra, and slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    with rc_context(_SETTINGS):
        figure = Figure(figsize=(6.2, height), layout="constrained")
        axes = figure.add_subplot()
        axes.grid(axis="y", linewidth=0.6)
        axes.set_axisbelow(True)
        draw(axes)
        written = _written(figure)
    return Chart(
        title=title,
        note=note,
        svg=as_part(written, name=name, label=f"{title}: {note}", colours=COLOURS),
    )


def _written(figure: Figure) -> str:
    out = StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _level(axes: Axes, height: float, name: str) -> None:
    axes.axhline(height, color=SECOND, linewidth=1.4, dashes=(5, 3))
    axes.annotate(
        name,
        (0.0, height),
        xycoords=("axes fraction", "data"),
        xytext=(4, 4),
        textcoords="offset points",
        fontsize=9,
        color=SECOND,
    )


def _starts(stretches: Sequence[Stretch]) -> list[float]:
    """Return where each stretch begins on an axis that leaves out the pauses, in ticks."""
    starts, place = [], 0.0
    for stretch in stretches:
        starts.append(place)
        place += stretch.ticks + _gap(stretches)
    return starts


def _gap(stretches: Sequence[Stretch]) -> float:
    return GAP * sum(stretch.ticks for stretch in stretches)


def _scale_time(axes: Axes, stretches: Sequence[Stretch], zone: tzinfo) -> None:
    """Write times of day below an axis that leaves out the pauses."""
    starts = _starts(stretches)
    length = starts[-1] + stretches[-1].ticks
    between_s = next((some for some in BETWEEN_S if length * TICK_S / some < MOST_NAMES), 43_200)
    marks: list[tuple[float, str]] = []
    for start, stretch in zip(starts, stretches, strict=True):
        for tick in range(stretch.first, stretch.last + 1):
            moment = datetime.fromtimestamp(tick * TICK_S, UTC).astimezone(zone)
            if tick == stretch.first and len(stretches) > 1:
                marks.append((start, f"{moment:%H:%M}\n{moment.day} {moment:%b}"))
            elif (moment.hour * 3600 + moment.minute * 60 + moment.second) % between_s < TICK_S:
                text = f"{moment:%H:%M}" if between_s >= 60 else f"{moment:%H:%M:%S}"
                marks.append((start + tick - stretch.first, text))
    kept = _apart(marks, length)
    axes.set_xticks([place for place, _ in kept], [name for _, name in kept])
    for start in starts[1:]:
        axes.axvline(start - _gap(stretches) / 2, color=MUTED, linewidth=0.8, dashes=(1, 3))
    axes.set_xlim(0, length)


def _apart(marks: Sequence[tuple[float, str]], length: float) -> list[tuple[float, str]]:
    """Return the marks that leave room for one another; the beginnings of stretches win."""
    kept: list[tuple[float, str]] = []
    for place, name in marks:
        if kept and place - kept[-1][0] < length / 12:
            if "\n" not in name or "\n" in kept[-1][1]:
                continue
            kept.pop()
        kept.append((place, name))
    return kept


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:,.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def _seconds(seconds: float) -> str:
    return f"{seconds:,.1f} s" if seconds < 100 else f"{seconds / 60:,.1f} min"


def _short(text: str) -> str:
    return text if len(text) <= 34 else f"{text[:33]}…"
