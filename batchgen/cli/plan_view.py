"""Make a plan and show it: what `plan` and `run --dry-run` have in common."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from batchgen.cli.errand import Errand
from batchgen.cli.plan_text import describe
from batchgen.cli.talk import give, say
from batchgen.planning import make_plan

# How often the counting line is drawn, in seconds; what takes less is not shown at all.
DRAW_S = 0.5


def show_plan(errand: Errand) -> int:
    """Show what a run would do, and return the exit code.

    Raises:
        BatchgenError: The batch's folder is wrong, or its record cannot be trusted.
    """
    options = errand.options
    with counting_line(errand.manifest.count(), quiet=options.quiet) as watch:
        plan = make_plan(
            errand.batch,
            errand.manifest,
            settings=errand.settings,
            selection=errand.selection,
            simulated=errand.simulated,
            price_usd=options.price_usd,
            watch=watch,
        )
    command = planned_command(errand)
    if options.as_json:
        document = plan.as_json(next_command=command if plan.report.again else "")
        give(json.dumps(document, ensure_ascii=False, indent=1))
    else:
        give(describe(plan, command=command))
    return 0


def planned_command(errand: Errand) -> str:
    """Return the command that runs what was planned, and no more: with all its options."""
    options = errand.options
    parts = [errand.command]
    for name, value in options.settings.items():
        flag = name.removesuffix("_usd").replace("_", "-")
        if isinstance(value, bool):
            parts.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            parts.append(f"--{flag} {shlex.quote(value)}")
    if options.limit is not None:
        parts.append(f"--limit {options.limit}")
    if options.price_usd is not None:
        parts.append(f"--price {options.price_usd}")
    if options.env_file is not None:
        parts.append(f"--env-file {shlex.quote(str(options.env_file))}")
    return " ".join(parts)


@contextmanager
def counting_line(
    total: int, *, quiet: bool, monotonic: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[int], None] | None]:
    """Show on a terminal how far counting is, for as long as it takes.

    Args:
        total: Jobs of the manifest.
        quiet: Show nothing.
        monotonic: The clock, in seconds.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    shown_at = monotonic()
    width = 0

    def watch(drawn: int) -> None:
        nonlocal shown_at, width
        now = monotonic()
        if now - shown_at < DRAW_S:
            return
        shown_at = now
        line = f"counting {drawn:,} of {total:,} jobs"
        width = max(width, len(line))
        say(f"\r{line}", end="")

    try:
        yield watch
    finally:
        if width:
            say(f"\r{' ' * width}\r", end="")
