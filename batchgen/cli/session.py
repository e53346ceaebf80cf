"""A run at the command line: check, ask, run, say what came of it."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from batchgen.batch import Batch, find_batch
from batchgen.binding import check_place, check_service
from batchgen.cli.errand import Errand
from batchgen.cli.layout import moment
from batchgen.cli.lost_journal import announce_loss
from batchgen.cli.next_command import next_command
from batchgen.cli.options import RunOptions, environment
from batchgen.cli.progress_line import ProgressLine
from batchgen.cli.questions import ask_first
from batchgen.cli.signals import Signals
from batchgen.cli.summary import summarise
from batchgen.cli.talk import give, say
from batchgen.errors import AccountError, UsageError
from batchgen.event_loop import collect_rarely, run_to_end
from batchgen.launch import Selection, launch
from batchgen.manifest import Manifest, load_manifest
from batchgen.progress import Progress
from batchgen.report import Report
from batchgen.runner import Runner
from batchgen.service import Service, find_service
from batchgen.settings import RunSettings, parse_portion, settle
from batchgen.simulated import simulated_service

NO_KEY = """There is no key. Get one at fal.ai/dashboard/keys, then
    export FAL_KEY="id:secret"              PowerShell:  $env:FAL_KEY = "id:secret"
  or keep it in a file: --env-file .env     Without a key:  --simulate
Nothing was sent."""


def run_manifest(path: Path, options: RunOptions) -> int:
    """Run a manifest and return the exit code.

    Raises:
        BatchgenError: It cannot run; nothing was sent.
    """
    manifest = load_manifest(path)
    name = f"{manifest.batch}-simulated" if options.simulate else manifest.batch
    batch = Batch(options.jobs_dir / name)
    check_place(batch, path)
    manifest = manifest.with_redo(batch.redo_lines())
    return _go(
        Errand(
            batch=batch,
            manifest=manifest,
            options=options,
            settings=merged_settings(manifest, options),
            selection=Selection(sample=_checked_sample(options.sample), limit=options.limit),
            command=_command_of("run", str(path), options, simulate=options.simulate),
            simulated=options.simulate,
        )
    )


def resume_batch(reference: str, options: RunOptions, *, whole: bool) -> int:
    """Go on with a batch from its own manifest and return the exit code.

    Raises:
        BatchgenError: It cannot run; nothing was sent.
    """
    batch = find_batch(reference, jobs_dir=options.jobs_dir)
    manifest = batch.load_frozen()
    sample = _checked_sample(options.sample)
    if not sample and not whole and batch.state is not None:
        sample = batch.state.sample
    return _go(
        Errand(
            batch=batch,
            manifest=manifest,
            options=options,
            settings=merged_settings(manifest, options),
            selection=Selection(sample=sample, limit=options.limit),
            command=_command_of_resume(batch, reference, options, whole=whole),
            simulated=batch.state is not None and batch.state.simulated,
        )
    )


def merged_settings(manifest: Manifest, options: RunOptions) -> RunSettings:
    """Return what a run keeps to: the command line stands above the file.

    Raises:
        UsageError: An option does not take its value.
    """
    mistakes = []
    given = {}
    for name, value in options.settings.items():
        try:
            given[name] = settle(name, value)
        except ValueError as error:
            mistakes.append(f"--{str(error).replace('_usd', '').replace('_', '-', 1)}")
    if mistakes:
        raise UsageError("\n".join(mistakes))
    return RunSettings.merged(manifest.run, given)


def _go(errand: Errand) -> int:
    options = errand.options
    if not options.dry_run:  # a plan has a first line of its own
        say_where(errand.batch, quiet=options.quiet)
    if errand.selection.sample and not options.sample and not options.quiet:
        say(
            f"{errand.batch.name} stays inside its sample of {errand.selection.sample}; "
            "--all lifts that."
        )
    if errand.batch.state is not None and errand.batch.state.simulated != errand.simulated:
        check_service(errand.batch, replace(Service(), simulated=errand.simulated))
    if options.dry_run:
        announce_loss(errand, is_free=True)
        from batchgen.cli.plan_view import show_plan  # noqa: PLC0415 - not every run shows one

        return show_plan(errand)
    check_price(errand)
    service = None if errand.simulated else find_service(environment(), env_file=options.env_file)
    if service is not None and not service.key and errand.batch.is_new:
        raise AccountError(NO_KEY, cause="key", http=0)
    for warning in errand.manifest.warnings if not options.quiet else ():
        say(f"warning: {warning}")
    is_free = service is None or service.is_free
    announce_loss(errand, is_free=is_free)
    ask_first(errand, is_free=is_free)
    return run_errand(errand, service)


def run_errand(errand: Errand, service: Service | None) -> int:
    """Run what was checked and asked, say what came of it, and return the exit code.

    Args:
        errand: The run.
        service: The queue; None for the simulator's.
    """
    signals = Signals()
    signals.obey()
    if service is not None:
        return _run(errand, service, signals)
    errand.batch.create(simulated=True)
    errand.batch.require_free()  # before its simulator, whose folder has a lock of its own
    with simulated_service(errand.batch.folder) as simulator:
        return _run(errand, simulator, signals)


def say_where(batch: Batch, *, quiet: bool) -> None:
    """Say which folder it is about, and whether that is new: the first line of every run."""
    if not quiet:
        state = None if batch.is_new else batch.state
        begun = "new" if state is None else f"begun {moment(state.created_at)}"
        say(f"{batch.folder}  ({begun})")


def _run(errand: Errand, service: Service, signals: Signals) -> int:
    options = errand.options
    progress = Progress()
    line = ProgressLine(
        errand.batch.name,
        progress,
        quiet=options.quiet,
        failures_command=about_batch(errand, "status", "--failed"),
    )
    collect_rarely()
    with _spoken_log(verbose=options.verbose):
        report = run_to_end(_launch(errand, service, progress, line, signals))
    if options.as_json:
        document = report.as_json(next_command=errand.command if report.again else "")
        document |= errand.said
        give(json.dumps(document, ensure_ascii=False, indent=1))
    if not options.quiet or report.exit_code:
        about = partial(about_batch, errand)
        say(summarise(report, command=errand.command, about=about))
    signals.ignore()
    return report.exit_code


def about_batch(errand: Errand, verb: str, *options: str) -> str:
    """Return a command about the batch of a run, to be copied as it is."""
    return next_command(verb, errand.batch.folder, *options, jobs_dir=errand.options.jobs_dir)


async def _launch(
    errand: Errand, service: Service, progress: Progress, line: ProgressLine, signals: Signals
) -> Report:
    def began(runner: Runner) -> None:
        line.follow(runner.dispatcher.records.record.bill)
        signals.attach(runner, say=line.say)

    async with line:
        return await launch(
            errand.batch,
            errand.manifest,
            service=service,
            settings=errand.settings,
            selection=errand.selection,
            progress=progress,
            began=began,
            price_usd=errand.options.price_usd,
        )


def check_price(errand: Errand) -> None:
    """Refuse a budget that could not be kept.

    Raises:
        UsageError: Nobody knows what a job costs.
    """
    if errand.settings.budget_usd is None or errand.options.price_usd is not None:
        return
    if errand.manifest.price_bound_usd() is None:
        raise UsageError(
            f"{', '.join(errand.manifest.endpoints)}: there is no price for it, so the budget of "
            f"${errand.settings.budget_usd} could not be kept. Say what a job costs: --price USD"
        )


def _checked_sample(sample: str) -> str:
    if not sample:
        return ""
    try:
        return str(parse_portion(sample))
    except ValueError as error:
        raise UsageError(f"--{error}") from None


def _command_of_resume(batch: Batch, reference: str, options: RunOptions, *, whole: bool) -> str:
    """Return the command that goes on with a batch; a sample of one is begun from its manifest."""
    frozen = batch.state.frozen if batch.state is not None else None
    if options.sample and frozen is not None and frozen.source:
        return _command_of("run", frozen.source, options, simulate=False)
    command = _command_of("resume", reference, options, simulate=False)
    return f"{command} --all" if whole and batch.state and batch.state.sample else command


def _command_of(verb: str, subject: str, options: RunOptions, *, simulate: bool) -> str:
    """Return the command that goes on: with its selection, without what is for one call."""
    parts = ["batchgen", verb, shlex.quote(subject)]
    if options.sample:
        parts += ["--sample", options.sample]
    if simulate:
        parts.append("--simulate")
    if options.jobs_dir != Path("jobs") and "BATCHGEN_JOBS_DIR" not in os.environ:
        parts += ["--jobs-dir", shlex.quote(str(options.jobs_dir))]
    return " ".join(parts)


@contextmanager
def _spoken_log(*, verbose: bool) -> Iterator[None]:
    """Say on stderr what run.log says, if that was asked for."""
    if not verbose:
        yield
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    package = logging.getLogger("batchgen")
    package.addHandler(handler)
    try:
        yield
    finally:
        package.removeHandler(handler)
