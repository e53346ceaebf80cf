"""`batchgen run`: run a manifest, or go on with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from batchgen.cli.failure import answering
from batchgen.cli.options import parse_options, run_options

HELP = """Run a manifest; run it again to go on where it stopped.

Every image goes to disk, every job gets its row in jobs/<batch>/ledger.csv, and nothing is bought
twice by itself: a request is sent again only when it is certain that the first was not accepted,
or when the service says that it failed.

\b
    batchgen run shots.yaml --limit 1          one image first
    batchgen run shots.yaml --sample 5%        a part that shows every value; paid once
    batchgen run shots.yaml --budget 25        never more than $25, over all runs
    batchgen run shots.yaml --until 06:30      stop submitting at half past six
    batchgen run shots.yaml --simulate         no key, no cost, drawn stand-ins

Ctrl-C stops submitting and waits for what is open; a second one leaves that for the next run.
Exit codes: 0 all there, 1 some jobs need you, 2 the command or the manifest is wrong, 3 stopped
for something to mend, 4 stopped with nothing to mend, 130 interrupted.
"""


@click.command("run", help=HELP, short_help="Run a manifest; run it again to go on.")
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option("--sample", metavar="N|P%", help="Only a part of the manifest, evenly spread.")
@click.option("--simulate", is_flag=True, help="Run against a simulated queue: no key, no cost.")
@run_options
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Run; the help says what it does."""
    ctx.exit(_run(as_json=given["as_json"], given=given))


@answering
def _run(*, as_json: bool, given: dict[str, Any]) -> int:
    del as_json  # for `answering`
    from batchgen.cli.session import run_manifest  # noqa: PLC0415 - slow to import

    return run_manifest(given["manifest"], parse_options(given))
