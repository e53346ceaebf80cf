"""What the page says of the batch as a whole, and the frame in which it says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from batchgen.errors import UsageError
from batchgen.gallery.axes import Axis
from batchgen.gallery.charts import Chart, Money, draw_charts, require_matplotlib
from batchgen.gallery.data import DETAIL_PIECE, PIECE, Kinds
from batchgen.gallery.folder import GalleryFolder, template
from batchgen.gallery.item import Status
from batchgen.gallery.night import Night
from batchgen.gallery.page_text import drawings, examples, figures, fill, text
from batchgen.gallery.script import call
from batchgen.job import Json
from batchgen.overview import Overview


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the page says of the batch as a whole.

    Attributes:
        overview: Where the batch stands.
        night: How it went.
        axes: What its items are laid out and filtered by.
        constants: What is the same in all of them.
        kinds: Statuses and classes of failures.
        items: How many there are.
        quoted_usd: What all jobs cost by the price table; None where that is not known.
        share: Whether what nobody else may see is left out.
        now: The time, in the zone in which times are shown.
        notes: What the page cannot show, and why; grows.
    """

    overview: Overview
    night: Night
    axes: Sequence[Axis]
    constants: dict[str, str]
    kinds: Kinds
    items: int
    quoted_usd: Decimal | None
    share: bool
    now: datetime
    notes: list[str]


def write_page(version: GalleryFolder, facts: Facts) -> None:
    """Write what belongs to the page as a whole, and publish it."""
    charts = _draw(facts)
    (version.files / "meta.js").write_text(call("meta", _meta(facts)), encoding="ascii")
    version.copy_assets()
    version.publish(fill(template(), _gaps(version, facts, charts)))


def _draw(facts: Facts) -> list[Chart]:
    try:
        require_matplotlib()
    except UsageError as error:
        facts.notes.append(f"The page has no charts: {error}")
        return []
    bill = facts.overview.report.bill
    money = Money(spent_usd=bill.spent_usd, quoted_usd=facts.quoted_usd, limit_usd=bill.limit_usd)
    zone = facts.now.tzinfo
    if zone is None:
        raise ValueError("a time without a zone")
    return draw_charts(facts.night, money=None if facts.share else money, zone=zone)


def _meta(facts: Facts) -> Json:
    report = facts.overview.report
    return {
        "batch": report.batch,
        "simulated": report.simulated,
        "share": facts.share,
        "items": facts.items,
        "piece": PIECE,
        "detail": DETAIL_PIECE,
        "axes": [{"name": axis.name, "values": [*axis.values]} for axis in facts.axes],
        "kinds": facts.kinds.as_json(),
        "constants": dict(facts.constants),
    }


def _gaps(version: GalleryFolder, facts: Facts, charts: Sequence[Chart]) -> dict[str, str]:
    report = facts.overview.report
    return {
        "batch": text(report.batch),
        "files": f"files/{version.number}",
        "simulated": "" if report.simulated else "hidden",
        "share": "share" if facts.share else "own",
        "made_at": text(_when(facts)),
        "figures": figures(_figures(facts)),
        "charts": drawings(charts),
        "failures": examples(facts.night.failures, share=facts.share),
        "without_failures": "" if facts.night.failures else "hidden",
        "notes": "".join(f"<p>{text(note)}</p>" for note in facts.notes),
    }


def _when(facts: Facts) -> str:
    when = f"{facts.now.day} {facts.now:%b %Y %H:%M}"
    return f"{when}, while a run was going on" if facts.overview.is_running else when


def _figures(facts: Facts) -> dict[str, str]:
    report, statuses = facts.overview.report, facts.night.statuses
    counts = {
        "images": statuses[Status.SUCCEEDED],
        "not on disk": statuses[Status.UNDELIVERED] + statuses[Status.MISSING],
        "failed": statuses[Status.FAILED],
        "unknown": statuses[Status.UNKNOWN],
        "at the service": statuses[Status.OPEN],
        "not run yet": report.left,
    }
    shown = {name: f"{count:,}" for name, count in counts.items() if count or name == "images"}
    if facts.share:
        return shown
    bill = report.bill
    shown["spent"] = f"${bill.spent_usd:,.2f}"
    if bill.reserved_usd:
        shown["set aside"] = f"${bill.reserved_usd:,.2f}"
    if facts.quoted_usd is not None:
        shown["estimate of all"] = f"${facts.quoted_usd:,.2f}"
    if bill.limit_usd is not None:
        shown["budget"] = f"${bill.limit_usd:,.2f}"
    return shown
