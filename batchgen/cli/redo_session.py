"""A redo at the command line: choose, show what it costs, ask, run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from batchgen.batch import Batch, find_batch
from batchgen.cli.errand import Errand
from batchgen.cli.next_command import next_command
from batchgen.cli.options import RunOptions, environment
from batchgen.cli.plan_text import describe
from batchgen.cli.plan_view import counting_line, planned_command
from batchgen.cli.questions import ask_before_spending
from batchgen.cli.redo_text import as_json, list_notes, nothing_to_redo
from batchgen.cli.session import NO_KEY, check_price, merged_settings, run_errand
from batchgen.cli.talk import give, is_watched, say
from batchgen.errors import AccountError, UsageError
from batchgen.launch import Selection
from batchgen.picks import read_picks
from batchgen.planning import Plan, make_plan
from batchgen.redo import LeftOut, Order, Wish, make_order
from batchgen.redo_file import lines_of
from batchgen.service import Service, find_service
from batchgen.settings import RunSettings


def redo_batch(
    reference: str,
    options: RunOptions,
    *,
    rejected: Path | None,
    where: Sequence[str],
    jobs: Sequence[str],
) -> int:
    """Make some jobs of a batch once more, and return the exit code.

    Args:
        reference: The batch's name or folder.
        options: What the command line says of the run.
        rejected: A file of picks.
        where: Values of axes.
        jobs: Ids.

    Raises:
        BatchgenError: It cannot be done; nothing was written and nothing was sent.
    """
    batch = find_batch(reference, jobs_dir=options.jobs_dir)
    if batch.is_new:
        raise UsageError(f"{batch.folder} has never been run: there is nothing to make once more.")
    wish = Wish(rejected=None if rejected is None else read_picks(rejected), where=where, jobs=jobs)
    settings = merged_settings(batch.load_frozen(), options)
    service = _service(batch, options)
    order = _choose(batch, wish, settings, options)
    if not order.lines:
        return _without_lines(batch, order, options)
    selector = _selector(rejected, where, jobs) if options.dry_run else ()
    errand = _errand(batch, order, settings, options, selector)
    check_price(errand)
    plan = _plan(errand)
    if options.dry_run:
        _show_plan(errand, plan, order)
        return 0
    if not options.quiet:
        say("\n".join([describe(plan, command=errand.command, is_next=False), *list_notes(order)]))
    if not (options.yes or service is None or service.is_free) and is_watched():
        left_usd = plan.report.bill.left_usd
        ask_before_spending(plan.cost_usd, plan.census.sent, left_usd=left_usd)
    return run_errand(errand, service)


def _service(batch: Batch, options: RunOptions) -> Service | None:
    """Return the queue, or None for the simulator's; without its key nothing may be ordered."""
    if batch.state is not None and batch.state.simulated:
        return None
    if options.dry_run:
        return None
    service = find_service(environment(), env_file=options.env_file)
    if not service.key:
        raise AccountError(NO_KEY, cause="key", http=0)
    batch.require_free()
    return service


def _choose(batch: Batch, wish: Wish, settings: RunSettings, options: RunOptions) -> Order:
    manifest = batch.load_frozen()
    with counting_line(manifest.count(), quiet=options.quiet) as watch:
        return make_order(
            batch,
            wish,
            record=batch.replay(download=settings.download),
            now=datetime.now(UTC),
            watch=watch,
        )


def _errand(
    batch: Batch,
    order: Order,
    settings: RunSettings,
    options: RunOptions,
    selector: Sequence[str],
) -> Errand:
    state = batch.state
    return Errand(
        batch=batch,
        manifest=batch.load_frozen().only_redo(lines_of(order.lines)),
        options=options,
        settings=settings,
        selection=Selection(
            sample=state.sample if state is not None else "",
            limit=options.limit,
            redo=order.lines,
        ),
        command=next_command("redo", batch.folder, *selector, jobs_dir=options.jobs_dir),
        simulated=state is not None and state.simulated,
        said=as_json(order),
    )


def _plan(errand: Errand) -> Plan:
    return make_plan(
        errand.batch,
        errand.manifest,
        settings=errand.settings,
        selection=errand.selection,
        simulated=errand.simulated,
        price_usd=errand.options.price_usd,
    )


def _show_plan(errand: Errand, plan: Plan, order: Order) -> None:
    command = planned_command(errand)
    if errand.options.as_json:
        document = plan.as_json(next_command=command) | dict(errand.said)
        give(json.dumps(document, ensure_ascii=False, indent=1))
    else:
        give("\n".join([describe(plan, command=command), *list_notes(order)]))


def _without_lines(batch: Batch, order: Order, options: RunOptions) -> int:
    """Say why there is nothing to make once more."""
    resume = next_command("resume", batch.folder, jobs_dir=options.jobs_dir)
    text = nothing_to_redo(order, batch=batch.name, resume=resume)
    is_answered = {*order.left_out} <= {LeftOut.REDONE, LeftOut.REDO_FAILED}
    if not order.ordered and not (order.left_out and is_answered):
        raise UsageError(text)
    if options.as_json:
        document = {"batch": batch.name, "folder": str(batch.folder), "exit_code": 0}
        give(json.dumps({**document, "reason": text, **as_json(order)}, ensure_ascii=False))
    say(text)
    return 0


def _selector(rejected: Path | None, where: Sequence[str], jobs: Sequence[str]) -> list[str]:
    """Return the options that choose the same jobs, to be copied as they are."""
    parts = [] if rejected is None else ["--rejected", shlex.quote(str(rejected))]
    for text in where:
        parts += ["--where", shlex.quote(text)]
    return [*parts, *(["--jobs", *jobs] if jobs else [])]
