"""The heart of a plan: how many jobs, why, and for how much."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from decimal import Decimal

from batchgen.cli.layout import WIDTH
from batchgen.planning import Line, Plan, Reason

_NOTE_AT = 34

_LABELS = {Reason.UNDELIVERED: "download", Reason.OPEN: "re-attach"}


def table(plan: Plan) -> Iterator[str]:
    """Yield the lines of the table: a line for each reason that jobs have, then the sum."""
    yield f"{'jobs':>21}{'USD':>11}"
    for reason, line in plan.census.lines.items():
        if line.jobs:
            jobs = line.sent if reason in (Reason.RETRY, Reason.NEW) else line.jobs
            usd = _money(line) if reason in (Reason.RETRY, Reason.NEW) else ""
            yield from _row(_LABELS.get(reason, reason.value), jobs, usd, _note(plan, reason, line))
    yield f"{'-------':>32}"
    cost = plan.census.cost_usd
    usd = "?" if cost is None else f"${cost:,.2f}"
    yield from _row("this run", plan.works_on, usd, _as_a_whole(plan, cost))


def _row(label: str, jobs: int, usd: str, note: str) -> Iterator[str]:
    head = f"{label:<12}{jobs:>9,}{usd:>11}  "
    wrapped = textwrap.wrap(note, WIDTH - _NOTE_AT, break_on_hyphens=False) or [""]
    yield (head + wrapped[0]).rstrip()
    for more in wrapped[1:]:
        yield " " * _NOTE_AT + more


def _money(line: Line) -> str:
    return "?" if line.unpriced else f"{line.cost_usd:,.2f}"


def _note(plan: Plan, reason: Reason, line: Line) -> str:
    counted = f"(${line.cost_usd:,.2f}, already counted)"
    match reason:
        case Reason.DONE:
            return "kept"
        case Reason.UNDELIVERED:
            return "made and paid, file missing: fetched free"
        case Reason.OPEN:
            return f"at fal now: asked for, not sent again {counted}"
        case Reason.UNKNOWN:
            held = "not sent again"
            if plan.settings.on_unknown == "resubmit":
                held = "sent again where it shows that they never arrived"
            return f"sent, the answer was lost: looked for in fal's history, {held} {counted}"
        case Reason.FAILED:
            return _failed_note(line)
        case Reason.RETRY:
            return _types(line) + _limited(plan, line)
        case Reason.NEW:
            return "never sent" + _limited(plan, line)


def _failed_note(line: Line) -> str:
    again = f" (--retry failed does, for ${line.cost_usd:,.2f})" if line.cost_usd else ""
    return f"{_types(line)}: not tried again{again}"


def _types(line: Line) -> str:
    if len(line.types) == 1:
        return next(iter(line.types))
    return ", ".join(f"{name} {count:,}" for name, count in line.types.most_common())


def _limited(plan: Plan, line: Line) -> str:
    rest = line.jobs - line.sent
    return f"; {rest:,} more wait behind --limit {plan.selection.limit}" if rest else ""


def _as_a_whole(plan: Plan, cost: Decimal | None) -> str:
    """Return what the batch will have cost after the run."""
    bill = plan.report.bill
    budget = f" of the budget's ${bill.limit_usd:,.2f}" if bill.limit_usd is not None else ""
    if cost is None:
        return f"so far ${bill.spent_usd + bill.reserved_usd:,.2f}{budget}"
    whole = bill.spent_usd + bill.reserved_usd + cost
    return f"the batch as a whole then: ${whole:,.2f}{budget or ', without a --budget'}"
