"""The first job of a plan, as it would be sent: what a person checks before paying for the rest."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from batchgen.cli.layout import INDENT, WIDTH, labelled, plain, shown
from batchgen.filename import image_file
from batchgen.job import Job, Json
from batchgen.planning import Plan

# So many lines of its prompt are shown.
PROMPT_LINES = 2

# Longer values are left out, and so much of a line the variables may take.
LONGEST_VALUE = 24
VARIABLES_WIDTH = 48

_EXTENSIONS = {"jpeg": "jpg"}


def first_job(plan: Plan) -> Iterator[str]:
    """Yield what is said of the first job that is sent; nothing if none is."""
    job = plan.census.first
    if job is None:
        return
    yield from labelled("first", values_of(job))
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


def values_of(job: Job) -> str:
    """Return on one line what tells a job from others: variables, parameters, the seed."""
    seed = [f"seed {job.seed}"] if job.seed is not None else []
    variables = _fitting(map(shown, job.variables.values()), width=VARIABLES_WIDTH)
    given = (
        _parameter(name, value)
        for name, value in job.input.items()
        if name not in ("prompt", "seed") and shown(value) not in variables
    )
    width = WIDTH - INDENT - len("  ".join((*variables, *seed))) - 2
    return "  ".join((*variables, *_fitting(given, width=width), *seed)) or job.job_id


def _fitting(texts: Iterable[str], *, width: int) -> list[str]:
    """Return the first short ones, as many as fit into so many columns."""
    chosen: list[str] = []
    for text in texts:
        if text and len(text) <= LONGEST_VALUE:
            width -= len(text) + 2
            if width < -2:
                break
            chosen.append(text)
    return chosen


def _parameter(name: str, value: Json) -> str:
    """Return a parameter by its value, and by its name where the value alone tells nothing."""
    text = shown(value)
    if value is True:
        return name
    return f"{name} {text}" if value is False or text.isdigit() else text
