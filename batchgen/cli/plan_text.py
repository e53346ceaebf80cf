"""A plan as a person reads it: 100 columns of plain text, the dearest things in figures."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import datetime

from batchgen.budget import dollars
from batchgen.cli.plan_table import table
from batchgen.filename import image_file
from batchgen.job import Job, Json
from batchgen.planning import Plan
from batchgen.planning.disk import shown_size
from batchgen.scalar import print_scalar

WIDTH = 100
INDENT = 17

# Of the jobs that cannot be rendered so many are shown; --json has all.
MOST_SHOWN = 10

# So many lines of the first prompt are shown.
PROMPT_LINES = 2

_EXTENSIONS = {"jpeg": "jpg"}


def describe(plan: Plan, *, command: str) -> str:
    """Return a plan as text.

    Args:
        plan: The plan.
        command: The command that runs what is planned.
    """
    blocks = [_head(plan), _changed(plan), table(plan), _unfit(plan), _needs(plan), _first(plan)]
    blocks += [_end(plan, command), _warnings(plan)]
    return "\n\n".join("\n".join(lines) for block in blocks if (lines := list(block)))


def day(at: str) -> str:
    """Return the day of a time, as people here say it: `21 Nov`."""
    moment = datetime.fromisoformat(at).astimezone()
    return f"{moment.day} {moment:%b}"


def plain(text: str) -> str:
    """Return a text on one line that no terminal obeys."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def counted(number: int, noun: str) -> str:
    """Return `1 job`, `2,003 jobs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _head(plan: Plan) -> Iterator[str]:
    report = plan.report
    begun = "new"
    if not plan.is_new:
        begun = f"begun {day(plan.begun_at)}, ${report.bill.spent_usd:,.2f} paid"
    if report.simulated:
        begun += " (simulated: nothing is paid)"
    # One line whatever its length: it is what a script looks for.
    yield f"{report.batch:<{INDENT - 1}} {report.folder}      {begun}"
    yield from _columns("manifest", _manifest(plan), _shape(plan))
    if plan.selection.sample:
        yield from _columns("sample", plan.selection.sample, _sample(plan))
    if plan.fold is not None:
        yield from _labelled("folded", _folded(plan))
    for prices in plan.prices:
        yield from _columns("endpoint", prices.endpoint, _prices(prices.date, prices.lines))


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
    jobs, images = plan.report.jobs, counted(plan.report.images, "image")
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
    values = [_shown(job.variables.get(name)) for job in (fold.first, fold.second)]
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
            yield from _labelled(
                "former", f"{counted(former.jobs, 'job')} of an earlier manifest: {_kept(plan)}"
            )
        return
    keys = ", ".join(changes.keys) or "nothing that jobs depend on"
    everywhere = " (all jobs)" if changes.keys and not changes.kept and former.jobs else ""
    parts = [f"kept {changes.kept:,}", f"new {changes.new:,}"]
    if former.jobs:
        parts.append(f"no longer in the manifest {former.jobs:,} ({_kept(plan)})")
    text = f"since {day(changes.since)}: {plain(keys)}{everywhere} · {' · '.join(parts)}"
    yield from _labelled("changed", text)


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
    yield from _labelled("template", f"{counted(jobs, 'job')} {verb} as written, unsent and unpaid")
    for job in unfit[:MOST_SHOWN]:
        where = f"{job.line}  " if job.line else f"{_values(job)}  "
        yield _cut(f"{' ' * INDENT}{plain(where)}{plain(job.problem)}")
    if jobs > MOST_SHOWN:
        yield f"{' ' * INDENT}and {jobs - MOST_SHOWN:,} more (--json lists them)"


def _needs(plan: Plan) -> Iterator[str]:
    room = plan.room
    if room.images:
        how = "so far" if room.is_measured else "assumed"
        yield from _labelled(
            "disk",
            f"about {shown_size(room.needed_bytes)} "
            f"({shown_size(room.image_bytes)} an image {how}), {shown_size(room.free_bytes)} free",
        )
    if plan.minutes is not None:
        yield from _labelled(
            "time",
            f"about {duration(plan.minutes)} at the last run's "
            f"{plan.past.per_minute or 0:,.1f} images a minute",
        )
    elif plan.least_minutes:
        yield from _labelled(
            "time", f"at least {duration(plan.least_minutes)} at {plan.settings.rate}"
        )


def _first(plan: Plan) -> Iterator[str]:
    job = plan.census.first
    if job is None:
        return
    yield from _labelled("first", _cut(_values(job), INDENT))
    text = textwrap.wrap(plain(job.prompt), WIDTH - INDENT - 2) or ["(no prompt)"]
    more = " …" if len(text) > PROMPT_LINES else ""
    for number, line in enumerate(text[:PROMPT_LINES], start=1):
        yield f"{' ' * INDENT}{line}{more if number == PROMPT_LINES else ''}"
    wanted = str(job.input.get("output_format", "png"))
    extension = _EXTENSIONS.get(wanted, wanted)
    file = image_file(
        job.file, job_id=job.job_id, index=0, asked=job.images, extension=plain(extension)
    )
    yield f"{' ' * INDENT}→ {file}"


def _values(job: Job) -> str:
    """Return what tells a job from others: short variables, parameters, the seed."""
    short = [text for value in job.variables.values() if len(text := _shown(value)) <= 24]
    while len(short) > 1 and len("  ".join(short)) > 48:
        short.pop()
    sent = [
        _parameter(name, value)
        for name, value in job.input.items()
        if name not in ("prompt", "seed") and len(_shown(value)) <= 24
    ]
    parts = [*short, *(text for text in sent if text not in short)]
    parts += [f"seed {job.seed}"] if job.seed is not None else []
    return "  ".join(part for part in parts if part) or job.job_id


def _parameter(name: str, value: Json) -> str:
    """Return a parameter by its value, and by its name where the value alone tells nothing."""
    text = _shown(value)
    if value is True:
        return name
    return f"{name} {text}" if value is False or text.isdigit() else text


def _warnings(plan: Plan) -> Iterator[str]:
    for text in plan.warnings:
        yield from _labelled("warning", text)


def _end(plan: Plan, command: str) -> Iterator[str]:
    if plan.works_on or plan.former.open or plan.former.undelivered:
        yield f"{'Go on:' if not plan.is_new else 'Run it:':<{INDENT}}{command}"
    else:
        yield "Nothing to do."


def duration(minutes: float) -> str:
    """Return a time in minutes as people say it: `2 h 25 min`."""
    hours, rest = divmod(max(1, round(minutes)), 60)
    return f"{hours:,} h {rest} min" if hours else f"{rest} min"


def _shown(value: Json) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    return plain(print_scalar(value))


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"


def _columns(label: str, left: str, right: str = "") -> Iterator[str]:
    """Yield a labelled line of two columns; the second goes below where both do not fit."""
    line = f"{label:<{INDENT}}{left}"
    if not right:
        yield line
        return
    beside = f"{line}{' ' * max(6, INDENT + 37 - len(line))}{right}"
    if len(beside) <= WIDTH:
        yield beside
    else:
        yield line
        yield from textwrap.wrap(
            right, WIDTH, initial_indent=" " * INDENT, subsequent_indent=" " * INDENT
        )


def _labelled(label: str, text: str) -> Iterator[str]:
    """Yield a text behind its label, wrapped."""
    yield from textwrap.wrap(
        plain(text),
        WIDTH,
        initial_indent=f"{label:<{INDENT}}",
        subsequent_indent=" " * INDENT,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _cut(line: str, room: int = 0) -> str:
    limit = WIDTH - room
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
