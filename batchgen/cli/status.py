"""`batchgen status`: where a batch stands, or all of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batchgen.cli.failure import answering
from batchgen.cli.next_command import next_command
from batchgen.cli.options import jobs_dir_option, json_option
from batchgen.cli.talk import give, say
from batchgen.errors import BatchgenError, UsageError
from batchgen.job import Json

if TYPE_CHECKING:
    from batchgen.batch import Batch
    from batchgen.overview import Overview

HELP = """Show where a batch stands: its counts, its bill, its failures, and what to do next.

\b
    batchgen status                       one line for every batch
    batchgen status portraits             one batch at length
    batchgen status portraits --failed    its failed jobs, with prompts and reasons
    batchgen status portraits --json      for a script
    batchgen status portraits --watch     while a run goes on: counts, bill, speed, failures

Nothing is changed, and a run that is going on is not disturbed. What is spent is summed from
requests.csv: as the service billed it, beside what was estimated, and by the price table where it
did not say. Jobs that an edited manifest no longer has are counted apart, as former.

--watch draws one batch anew every second, until Ctrl-C; each time it reads only what was written
since. Where stdout is no terminal it writes a line of key=value pairs every minute instead, and
ends with the run.

Exit codes: 0 nothing needs you, 1 a job is failed, undelivered or unknown, 2 there is no such
batch, or its files cannot be trusted. What is open or not sent yet is no finding.
"""

# Counting fewer jobs than this takes no time that anybody would notice.
MANY = 50_000


@click.command("status", help=HELP, short_help="Show counts, spend and failures of batches.")
@click.argument("batch", required=False)
@click.option("--failed", is_flag=True, help="List the failed jobs by type, with their reasons.")
@click.option("--watch", "watched", is_flag=True, help="Look again and again, until Ctrl-C.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="With --watch: how often (1 on a terminal, 60 in a log).",
)
@json_option
@jobs_dir_option
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Look; the help says what is shown."""
    batch, failed, as_json = given["batch"], given["failed"], given["as_json"]
    jobs_dir = given["jobs_dir"]
    if given["watched"] or given["interval"] is not None:
        ctx.exit(_watch(as_json=as_json, given=given))
    if batch is None:
        ctx.exit(_show_all(as_json=as_json, failed=failed, jobs_dir=jobs_dir))
    ctx.exit(_show_one(as_json=as_json, reference=batch, failed=failed, jobs_dir=jobs_dir))


@answering
def _watch(*, as_json: bool, given: dict[str, Any]) -> int:
    from batchgen.batch import find_batch  # noqa: PLC0415 - slow to import
    from batchgen.cli.watch import watch  # noqa: PLC0415 - slow to import

    if not given["watched"]:
        raise UsageError("--interval goes with --watch")
    if as_json or given["failed"]:
        raise UsageError(f"--watch and {'--json' if as_json else '--failed'} do not go together")
    if given["batch"] is None:
        raise UsageError("--watch takes one batch: name it")
    jobs_dir = given["jobs_dir"]
    batch = find_batch(given["batch"], jobs_dir=jobs_dir)
    more = next_command("status", batch.folder, jobs_dir=jobs_dir)
    return watch(batch, interval_s=given["interval"], next_command=more)


@answering
def _show_one(*, as_json: bool, reference: str, failed: bool, jobs_dir: Path) -> int:
    from batchgen.batch import find_batch  # noqa: PLC0415 - slow to import

    overview = _look(find_batch(reference, jobs_dir=jobs_dir), failed=failed)
    if as_json:
        _give_json(_as_json(overview, jobs_dir))
    elif failed:
        _give_failures(overview)
    else:
        from batchgen.cli.status_text import describe  # noqa: PLC0415 - slow to import

        give(describe(overview, command=_commands(overview, jobs_dir), now=_now()))
    return overview.exit_code


@answering
def _show_all(*, as_json: bool, failed: bool, jobs_dir: Path) -> int:
    from batchgen.batch_state import STATE_NAME  # noqa: PLC0415 - slow to import

    folders = sorted(path.parent for path in jobs_dir.glob(f"*/{STATE_NAME}"))
    overviews, broken = _look_at_all(folders, failed=failed)
    code = 1 if broken or any(one.exit_code for one in overviews) else 0
    if as_json:
        batches: list[Json] = [_as_json(one, jobs_dir) for one in overviews]
        batches += [_broken_as_json(folder, text) for folder, text in broken.items()]
        _give_json({"batches": batches, "exit_code": code})
    elif failed:
        for overview in overviews:
            give(f"\n{overview.report.batch}")
            _give_failures(overview)
    elif overviews:
        from batchgen.cli.status_text import list_batches  # noqa: PLC0415 - slow to import

        give("\n".join(list_batches(overviews, now=_now())))
    if not folders:
        say(f"There are no batches in {jobs_dir.absolute()}.")
    for folder, text in broken.items():
        say(f"{folder.name} cannot be read: {text}")
    return code


def _look_at_all(
    folders: Sequence[Path], *, failed: bool
) -> tuple[list[Overview], dict[Path, str]]:
    """Look at each batch; one that cannot be read does not hide the others."""
    from batchgen.batch import Batch  # noqa: PLC0415 - slow to import

    overviews: list[Overview] = []
    broken: dict[Path, str] = {}
    for folder in folders:
        try:
            overviews.append(_look(Batch(folder), failed=failed))
        except BatchgenError as error:
            broken[folder] = str(error)
    return overviews, broken


def _look(batch: Batch, *, failed: bool) -> Overview:
    from batchgen.overview import look  # noqa: PLC0415 - slow to import

    if not sys.stderr.isatty():
        return look(batch, with_failures=failed)
    was_told = False

    def watch(drawn: int) -> None:
        nonlocal was_told
        if drawn >= MANY:
            was_told = True
            say(f"\r{batch.name}: {drawn:,} jobs counted", end="")

    overview = look(batch, with_failures=failed, watch=watch)
    if was_told:
        say("\r\x1b[K", end="")
    return overview


def _give_failures(overview: Overview) -> None:
    from batchgen.cli.status_text import list_failures  # noqa: PLC0415 - slow to import

    lines = list_failures(overview.failures or ())
    if overview.report.simulated:
        give("simulated: drawn stand-ins; nothing was paid")
    give("\n".join(lines) if lines else f"{overview.report.batch}: no job has failed.")


def _as_json(overview: Overview, jobs_dir: Path) -> dict[str, Json]:
    command = _commands(overview, jobs_dir)
    goes_on = overview.report.again and not overview.is_running
    return overview.as_json(next_command=command("resume") if goes_on else "")


def _broken_as_json(folder: Path, text: str) -> dict[str, Json]:
    return {
        "batch": folder.name,
        "folder": str(folder.absolute()),
        "exit_code": 2,
        "reason": text.splitlines()[0],
    }


def _commands(overview: Overview, jobs_dir: Path) -> Callable[..., str]:
    def command(verb: str, *options: str) -> str:
        return next_command(verb, overview.report.folder, *options, jobs_dir=jobs_dir)

    return command


def _give_json(document: dict[str, Json]) -> None:
    give(json.dumps(document, ensure_ascii=False, indent=1))


def _now() -> datetime:
    return datetime.now(UTC).astimezone()
