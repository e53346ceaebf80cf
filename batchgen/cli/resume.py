"""`batchgen resume`: go on with a batch from the manifest that it keeps."""

from __future__ import annotations

from typing import Any

import click

from batchgen.cli.failure import answering
from batchgen.cli.options import parse_options, run_options

HELP = """Go on with a batch from the manifest that it keeps.

The manifest that ran last, and the files it named, are kept in the batch's folder, so that a
batch can be finished whatever has become of the originals. A batch that was last run with
--sample stays inside that sample; --all lifts it.

\b
    batchgen resume shots                      go on where it stopped
    batchgen resume shots --retry failed       and try once more what has failed
    batchgen resume jobs/shots --all           all of it, not only the sample
"""


@click.command("resume", help=HELP, short_help="Go on with a batch from its own manifest.")
@click.argument("batch")
@click.option("--all", "whole", is_flag=True, help="Not only the sample that it was run with.")
@run_options
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Go on; the help says how."""
    ctx.exit(_resume(as_json=given["as_json"], given=given))


@answering
def _resume(*, as_json: bool, given: dict[str, Any]) -> int:
    del as_json  # for `answering`
    from batchgen.cli.session import resume_batch  # noqa: PLC0415 - slow to import

    return resume_batch(given["batch"], parse_options(given), whole=given["whole"])
