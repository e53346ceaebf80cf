"""`batchgen redo`: make some images of a batch once more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from batchgen.cli.failure import answering
from batchgen.cli.options import parse_options, run_options

HELP = """Make some of a batch's images once more, with new seeds.

Each job that is meant gets one more: the same request under a take that the batch has never used,
with a seed of its own, whatever the manifest says of seeds. What it costs is shown first. Then the
new jobs are written to redo.csv in the batch's folder, and made; from then on they belong to the
batch like those of its manifest. The earlier images stay, with their rows.

\b
    batchgen redo shots --rejected picks.csv       what was rejected in the gallery
    batchgen redo shots --where style=woodcut      one value of one axis
    batchgen redo shots --where style=woodcut --where animal="an owl"
    batchgen redo shots --jobs kzmxlwvqpronstuy    one job, or several
    batchgen redo shots                            go on with what was ordered and is not made
    batchgen redo shots --rejected picks.csv -n    only what it would make, and its price

A job is made once more as a whole: of one that asks for several images, all of them. What has no
image yet is left to resume. A rejected image whose job was redone since is left out, so the same
file may be given twice.

Exit codes are those of run, for the jobs that are made once more.
"""


@click.command("redo", help=HELP, short_help="Make some images once more, with new seeds.")
@click.argument("batch")
@click.argument("more", nargs=-1, metavar="")
@click.option(
    "--rejected",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The jobs of the images that are rejected in this file of picks.",
)
@click.option(
    "--where",
    multiple=True,
    metavar="AXIS=VALUE",
    help="The jobs with this value; given for several names all must fit, for one name any.",
)
@click.option("--jobs", multiple=True, metavar="ID…", help="These jobs, by the ids in ledger.csv.")
@run_options
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Make some images once more; the help says which."""
    ctx.exit(_redo(as_json=given["as_json"], given=given))


@answering
def _redo(*, as_json: bool, given: dict[str, Any]) -> int:
    del as_json  # for `answering`
    from batchgen.cli.redo_session import redo_batch  # noqa: PLC0415 - slow to import
    from batchgen.errors import UsageError  # noqa: PLC0415 - with the other

    more, jobs = given["more"], given["jobs"]
    if more and not jobs:
        raise UsageError(f"what is {' '.join(more)}? Ids of jobs stand behind --jobs")
    chosen = [name for name in ("rejected", "where", "jobs") if given[name]]
    if len(chosen) > 1:
        raise UsageError(f"--{' and --'.join(chosen)} do not go together: give one of them")
    return redo_batch(
        given["batch"],
        parse_options(given),
        rejected=given["rejected"],
        where=given["where"],
        jobs=[one for text in (*jobs, *more) for one in text.replace(",", " ").split()],
    )
