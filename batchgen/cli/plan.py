"""`batchgen plan`: what would run and what it would cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from batchgen.cli.failure import answering
from batchgen.cli.options import parse_options, run_options

HELP = """Show what would run and what it would cost; no network, no key.

Takes a manifest, or a batch, which is planned from the manifest that it keeps. Every job is
drawn, so whatever a run would send, fetch, ask for again or leave alone is counted exactly, and
so is its price.

\b
    batchgen plan shots.yaml                     the first evening
    batchgen plan shots.yaml                     after an edit: what is kept, what is new
    batchgen plan shots.yaml --sample 5%         a part that shows every value
    batchgen plan shots --retry failed           what another try at the failures would cost
    batchgen plan shots.yaml --json              the same as one JSON object

It takes every option of run, so that the same line can be planned and then run.
Exit codes: 0 planned, 2 the command or the manifest is wrong.
"""

# Options of `run` that change nothing about a plan. They are taken, so that a line can be
# planned as it is run, and not shown.
SILENT = frozenset(
    {
        "concurrency",
        "dry_run",
        "env_file",
        "max_failures",
        "quiet",
        "timeout",
        "unknown_after",
        "until",
        "verbose",
        "yes",
    }
)


@click.command("plan", help=HELP, short_help="Show what would run and what it would cost.")
@click.argument("subject", metavar="MANIFEST|BATCH")
@click.option("--sample", metavar="N|P%", help="Only a part of the manifest, evenly spread.")
@click.option("--all", "whole", is_flag=True, help="Of a batch: not only its sample.")
@click.option("--simulate", is_flag=True, help="Of the simulated batch.")
@run_options
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Plan; the help says what it shows."""
    ctx.exit(_plan(as_json=given["as_json"], given=given))


for parameter in command.params:
    if isinstance(parameter, click.Option) and parameter.name in SILENT:
        parameter.hidden = True


@answering
def _plan(*, as_json: bool, given: dict[str, Any]) -> int:
    del as_json  # for `answering`
    from batchgen.cli.session import resume_batch, run_manifest  # noqa: PLC0415 - slow to import

    subject = given["subject"]
    options = replace(parse_options(given), dry_run=True)
    path = Path(subject)
    if options.simulate and not path.is_file():
        subject = f"{subject.removesuffix('-simulated')}-simulated"
    if not path.is_file() and _names_batch(subject, options.jobs_dir):
        return resume_batch(subject, options, whole=given["whole"])
    return run_manifest(path, options)


def _names_batch(subject: str, jobs_dir: Path) -> bool:
    """Say whether a batch is meant: it is there, or nothing about the word is a manifest's."""
    from batchgen.batch_state import STATE_NAME  # noqa: PLC0415 - slow to import

    folders = (jobs_dir / subject, Path(subject))
    is_there = any((folder / STATE_NAME).exists() for folder in folders)
    return is_there or not Path(subject).suffix
