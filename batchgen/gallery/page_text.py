"""The page itself: its frame, with what can be read before any script has run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

from batchgen.gallery.charts import Chart
from batchgen.gallery.night import Failure

_GAP = re.compile("@(?P<name>[a-z_]+)@")


def fill(template: str, gaps: Mapping[str, str]) -> str:
    """Return a template with its gaps, `@name@`, filled; the fillings are markup already."""
    # In one go: what looks like a gap in a filling is none.
    return _GAP.sub(lambda gap: gaps[gap["name"]], template)


def text(value: str) -> str:
    """Return a text as markup that shows it, and nothing else."""
    return escape(value, quote=True)


def figures(counts: Mapping[str, str]) -> str:
    """Return large figures, each with what it counts below it."""
    return "\n".join(
        f'<div class="figure"><dt>{text(name)}</dt><dd>{text(value)}</dd></div>'
        for name, value in counts.items()
    )


def drawings(charts: Sequence[Chart]) -> str:
    """Return the charts, each with its heading."""
    return "\n".join(
        f'<section class="card chart"><h2>{text(chart.title)}</h2>'
        f"<p>{text(chart.note)}</p>{chart.svg}</section>"
        for chart in charts
    )


def examples(failures: Sequence[Failure], *, share: bool) -> str:
    """Return one example of each class of failures, with a way to look at all of the class."""
    return "\n".join(_example(failure, share=share) for failure in failures)


def _example(failure: Failure, *, share: bool) -> str:
    said = "" if share or not failure.error else f"<blockquote>{text(failure.error)}</blockquote>"
    name = text(failure.error_type or "failed")
    return (
        f"<li><h3>{name} <span>{failure.count:,}</span></h3>{said}"
        f'<p class="prompt">{text(failure.prompt)}</p>'
        f'<button type="button" class="quiet" data-type="{text(failure.error_type)}">'
        f"show all {failure.count:,}</button></li>"
    )
