"""A plan as a person reads it: 100 columns of plain text, the dearest things in figures."""

from __future__ import annotations

from collections.abc import Iterator

from batchgen.budget import dollars
from batchgen.cli.layout import (
    INDENT,
    columns,
    counted,
    day,
    duration,
    labelled,
    plain,
    shortened,
    shown,
)
from batchgen.cli.plan_job import first_job, values_of
from batchgen.cli.plan_table import table
from batchgen.planning import Plan
from batchgen.planning.disk import shown_size

# Of the jobs that cannot be rendered so many are shown; --json has all.
MOST_SHOWN = 10


def describe(plan: Plan, *, command: str, is_next: bool = True) -> str:
    """Return a plan as text.

    Args:
        plan: The plan.
        command: The command that runs what is planned.
        is_next: Whether somebody has to give it; it is not named where this run does it.
    """
    blocks = [_head(plan), _changed(plan), table(plan), _unfit(plan), _needs(plan), first_job(plan)]
    blocks += [_end(plan, command) if is_next else iter(()), _warnings(plan)]
    return "\n\n".join("\n".join(lines) for block in blocks if (lines := list(block)))


def _head(plan: Plan) -> Iterator[str]:
    report = plan.report
    begun = "new"
    if not plan.is_new:
        begun = f"begun {day(plan.begun_at)}, ${report.bill.spent_usd:,.2f} paid"
    if report.simulated:
        begun += " (simulated: nothing is paid)"
    # One line whatever its length: it is what a script looks for.
    yield f"{report.batch:<{INDENT - 1}} {report.folder}      {begun}"
    if plan.selection.redo:
        yield from labelled("redo", _redo(plan))
    else:
        yield from columns("manifest", _manifest(plan), _shape(plan))
    if plan.redone and not plan.selection.redo:
        yield from labelled("redo", f"{counted(plan.redone, 'job')} once more, by redo.csv")
    if plan.selection.sample and not plan.selection.redo:
        yield from columns("sample", plan.selection.sample, _sample(plan))
    if plan.fold is not None:
        yield from labelled("folded", _folded(plan))
    for prices in plan.prices:
        yield from columns("endpoint", prices.endpoint, _prices(prices.date, prices.lines))


def _redo(plan: Plan) -> str:
    jobs = counted(plan.report.jobs, "job")
    images = counted(plan.report.images, "image")
    return f"{jobs} once more, {images}, with new seeds; the earlier images stay"


def _manifest(plan: Plan) -> str:
    path, folder = plan.manifest, plan.report.folder
    if path is None:
        return "in memory"
    # Of the copies that a batch keeps, people know the one at the top of its folder.
    return str(folder / path.name if path.is_relative_to(folder) else path.absolute())


def _shape(plan: Plan) -> str:
    whole = counted(plan.whole, "job")
    shape = f"{plan.shape} = {whole}" if plan.shape and plan.shape != whole else whole
    if plan.selection.sample:
        return shape
    different = f", {plan.report.jobs:,} of them different" if plan.report.folded else ""
    return f"{shape}{different}, {counted(plan.report.images, 'image')}"


def _sample(plan: Plan) -> str:
    jobs, images = plan.report.jobs - plan.redone, counted(plan.report.images, "image")
    return f"{jobs:,} of {counted(plan.whole, 'job')}, {images}"


def _folded(plan: Plan) -> str:
    fold, folded = plan.fold, plan.report.folded
    if fold is None:
        return ""
    verb = "is the same as another and is" if folded == 1 else "are the same as another and are"
    text = f"{counted(folded, 'job')} {verb} made once"
    if fold.first.line and fold.first.line != fold.second.line:
        text += f", as {fold.first.line} and {fold.second.line}"
    if not fold.differing:
        return f"{text}: they are equal in every variable. To make more of each:  repeat: 2"
    name = fold.differing[0]
    values = [shown(job.variables.get(name)) for job in (fold.first, fold.second)]
    return (
        f"{text}: only {_listed(fold.differing)} differ{'s' if len(fold.differing) == 1 else ''} "
        f"({name}: {values[0]}, {values[1]}), and nothing that is sent depends on that. "
        f"To make each:  key: {name}"
    )


def _prices(date: str, lines: tuple[tuple[str, object], ...]) -> str:
    if not date:
        return "no prices are known; say what a job costs: --price USD"
    prices = ", ".join(f"{name} ${dollars(usd)}" for name, usd in lines)  # type: ignore[arg-type]
    return f"prices of {date}: {prices}"


def _changed(plan: Plan) -> Iterator[str]:
    changes, former = plan.changes, plan.former
    if changes is None:
        if former.jobs:
            yield from labelled(
                "former", f"{counted(former.jobs, 'job')} of an earlier manifest: {_kept(plan)}"
            )
        return
    keys = ", ".join(changes.keys) or "nothing that jobs depend on"
    everywhere = " (all jobs)" if changes.keys and not changes.kept and former.jobs else ""
    parts = [f"kept {changes.kept:,}", f"new {changes.new:,}"]
    if former.jobs:
        parts.append(f"no longer in the manifest {former.jobs:,} ({_kept(plan)})")
    text = f"since {day(changes.since)}: {plain(keys)}{everywhere} · {' · '.join(parts)}"
    yield from labelled("changed", text)


def _kept(plan: Plan) -> str:
    former = plan.former
    parts = ["their images stay"]
    if former.open:
        parts.append(f"{former.open:,} still open: read and saved")
    if former.undelivered:
        parts.append(f"{former.undelivered:,} not on disk: fetched")
    if former.unknown:
        parts.append(f"{former.unknown:,} unknown: looked up")
    return "; ".join(parts)


def _unfit(plan: Plan) -> Iterator[str]:
    jobs, unfit = plan.census.unfit_jobs, plan.census.unfit
    if not jobs:
        return
    verb = "fails" if jobs == 1 else "fail"
    yield from labelled("template", f"{counted(jobs, 'job')} {verb} as written, unsent and unpaid")
    for job in unfit[:MOST_SHOWN]:
        where = f"{job.line}  " if job.line else f"{values_of(job)}  "
        yield shortened(f"{' ' * INDENT}{plain(where)}{plain(job.problem)}")
    if jobs > MOST_SHOWN:
        yield f"{' ' * INDENT}and {jobs - MOST_SHOWN:,} more (--json lists them)"


def _needs(plan: Plan) -> Iterator[str]:
    room = plan.room
    if room.images:
        how = "so far" if room.is_measured else "assumed"
        yield from labelled(
            "disk",
            f"about {shown_size(room.needed_bytes)} "
            f"({shown_size(room.image_bytes)} an image {how}), {shown_size(room.free_bytes)} free",
        )
    if plan.minutes is not None:
        yield from labelled(
            "time",
            f"about {duration(plan.minutes)} at the last run's "
            f"{plan.past.per_minute or 0:,.1f} images a minute",
        )
    elif plan.least_minutes:
        yield from labelled(
            "time", f"at least {duration(plan.least_minutes)} at {plan.settings.rate}"
        )


def _warnings(plan: Plan) -> Iterator[str]:
    for text in plan.warnings:
        yield from labelled("warning", text)


def _end(plan: Plan, command: str) -> Iterator[str]:
    if plan.works_on or plan.former.open or plan.former.undelivered:
        yield f"{'Go on:' if not plan.is_new else 'Run it:':<{INDENT}}{command}"
    else:
        yield "Nothing to do."


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"
