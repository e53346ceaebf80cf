"""Run batches from Python: in a script, or in a notebook whose event loop is running already."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextlib import nullcontext, suppress
from decimal import Decimal
from os import PathLike
from pathlib import Path

from batchgen.batch import Batch
from batchgen.binding import check_place, check_service
from batchgen.errors import AccountError, UsageError
from batchgen.event_loop import run_to_end
from batchgen.job import Json
from batchgen.launch import Selection, launch
from batchgen.manifest import Manifest, load_manifest
from batchgen.planning import Plan, make_plan
from batchgen.planning.changes import is_edited
from batchgen.progress import Progress
from batchgen.report import Report
from batchgen.runner import Runner
from batchgen.service import Service, find_service
from batchgen.settings import OPTIONS, RunSettings, parse_portion, settle
from batchgen.simulated import simulated_service
from batchgen.stop import Cause, Stop

Source = Manifest | str | PathLike[str] | Mapping[str, Json]


def plan(
    source: Source,
    *,
    jobs_dir: str | PathLike[str] = "jobs",
    simulate: bool = False,
    sample: str = "",
    limit: int | None = None,
    **settings: Json,
) -> Plan:
    """Say what a run would do and what it would cost; no network, no key, nothing is changed.

    Args:
        source: A manifest, its path, or a mapping in its form.
        jobs_dir: Where batches live.
        simulate: Whether it is about the simulated batch.
        sample: A part of the manifest: `40` or `5%`.
        limit: At most so many new jobs.
        settings: Options of a run, called as in the manifest's `run:` section.

    Raises:
        ManifestError: The manifest has mistakes.
        UsageError: An option does not take its value, or the folder does not fit.
        LedgerError: The batch's files cannot be trusted.
    """
    manifest = _manifest(source)
    return make_plan(
        _batch(manifest, jobs_dir, simulate=simulate),
        manifest,
        settings=_settings(manifest, settings),
        selection=_selection(sample, limit),
        simulated=simulate,
    )


def run(
    source: Source,
    *,
    jobs_dir: str | PathLike[str] = "jobs",
    simulate: bool = False,
    sample: str = "",
    limit: int | None = None,
    price_usd: Decimal | float | str | None = None,
    env_file: str | PathLike[str] | None = None,
    leave_paid: bool = False,
    **settings: Json,
) -> Report:
    """Run a manifest, or go on with it; return when all is done or something stops it.

    The same rules hold as at the command line, but nothing is asked: give a `budget_usd`. It may
    be called while an event loop is running, as in a notebook. A KeyboardInterrupt stops
    submitting and waits for what is open; a second one leaves that for the next run.

    Args:
        source: A manifest, its path, or a mapping in its form.
        jobs_dir: Where batches live.
        simulate: Run against a simulated queue: no key, no cost.
        sample: A part of the manifest: `40` or `5%`.
        limit: At most so many new jobs.
        price_usd: What a job costs at an endpoint without a price.
        env_file: A file to read the key from.
        leave_paid: Go on though an edited manifest leaves behind more than half of what the
            batch has paid for.
        settings: Options of a run, called as in the manifest's `run:` section.

    Raises:
        ManifestError: The manifest has mistakes; nothing was sent.
        UsageError: An option does not take its value, or the folder does not fit.
        BusyError: Another process is running the batch.
        LedgerError: The batch's files cannot be trusted, or cannot be written.
        AccountError: There is no key.
    """
    manifest = _manifest(source)
    batch = _batch(manifest, jobs_dir, simulate=simulate)
    chosen = _settings(manifest, settings)
    price = None if price_usd is None else Decimal(str(price_usd))
    if chosen.budget_usd is not None and price is None and manifest.price_bound_usd() is None:
        raise UsageError("there is no price for this endpoint, so no budget: give price_usd")
    service = _service(env_file) if not simulate else Service(simulated=True)
    check_service(batch, service)
    if manifest.path is not None:
        check_place(batch, manifest.path)
    selection = _selection(sample, limit)
    if not leave_paid and not service.is_free and is_edited(batch, manifest):
        _check_what_is_left(make_plan(batch, manifest, settings=chosen, selection=selection))
    if not simulate and not service.key:
        raise AccountError("there is no key: set FAL_KEY", cause="key", http=0)
    batch.create(simulated=simulate)
    batch.require_free()
    context = simulated_service(batch.folder) if simulate else nullcontext(service)
    with context as connected:
        return _in_thread(
            lambda began: launch(
                batch,
                manifest,
                service=connected,
                settings=chosen,
                selection=selection,
                progress=Progress(),
                began=began,
                price_usd=price,
            )
        )


def _check_what_is_left(planned: Plan) -> None:
    """Refuse an edit that leaves most of what was paid for behind, unless it is meant."""
    former, paid = planned.former.paid_usd, planned.report.bill.spent_usd
    if 2 * former > paid:
        raise UsageError(
            f"${former:,.2f} of the ${paid:,.2f} that the batch has paid are for jobs that the "
            "edited manifest no longer has. It is meant: leave_paid=True. Keep the two apart: "
            "give it another name (batch: in the manifest). Nothing was sent."
        )


def _in_thread(
    start: Callable[[Callable[[Runner], None]], Coroutine[None, None, Report]],
) -> Report:
    """Run in a thread of its own, whose event loop is nobody else's."""
    reports: list[Report] = []
    errors: list[BaseException] = []
    runners: list[tuple[Runner, asyncio.AbstractEventLoop]] = []
    has_ended = threading.Event()
    signals = 0

    def began(runner: Runner) -> None:
        runners.append((runner, asyncio.get_running_loop()))
        if signals:  # before there was anything to stop
            _obey(runner, signals)

    def work() -> None:
        try:
            reports.append(run_to_end(start(began)))
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            errors.append(error)
        finally:
            has_ended.set()

    threading.Thread(target=work, name="batchgen").start()
    while not has_ended.is_set():
        try:
            # Not joined: Python up to 3.12 takes a thread for ended whose join was interrupted.
            has_ended.wait(0.1)
        except KeyboardInterrupt:
            signals += 1
            for runner, loop in runners:
                with suppress(RuntimeError):  # the loop is closed: it is over in a moment
                    loop.call_soon_threadsafe(_obey, runner, signals)
    if errors:
        raise errors[0]
    return reports[0]


def _obey(runner: Runner, signals: int) -> None:
    if signals == 1:
        runner.course.stop(Stop(cause=Cause.SIGNAL, text="interrupted"))
    else:
        runner.course.hurry()


def _manifest(source: Source) -> Manifest:
    return source if isinstance(source, Manifest) else load_manifest(source)


def _batch(manifest: Manifest, jobs_dir: str | PathLike[str], *, simulate: bool) -> Batch:
    name = f"{manifest.batch}-simulated" if simulate else manifest.batch
    return Batch(Path(jobs_dir) / name)


def _service(env_file: str | PathLike[str] | None) -> Service:
    return find_service(os.environ, env_file=None if env_file is None else Path(env_file))


def _selection(sample: str, limit: int | None) -> Selection:
    try:
        return Selection(sample=str(parse_portion(sample)) if sample else "", limit=limit)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _settings(manifest: Manifest, given: Mapping[str, Json]) -> RunSettings:
    unknown = sorted(set(given) - set(OPTIONS))
    if unknown:
        raise UsageError(f"there is no option {unknown[0]!r}; there are {', '.join(OPTIONS)}")
    try:
        chosen = {name: settle(name, value) for name, value in given.items()}
    except ValueError as error:
        raise UsageError(str(error)) from None
    return RunSettings.merged(manifest.run, chosen)
