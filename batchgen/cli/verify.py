"""`batchgen verify`: a batch's ledger, journal and files against each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchgen.cli.failure import answering
from batchgen.cli.next_command import next_command
from batchgen.cli.options import jobs_dir_option, json_option
from batchgen.cli.talk import give
from batchgen.cli.work_line import work_line

if TYPE_CHECKING:
    from batchgen.batch import Batch
    from batchgen.verifying import Verification

HELP = """Hold a batch's ledger, journal and files against each other.

Every image that ledger.csv names is looked for and hashed, every row is held against
requests.csv, and files that no row names are listed. Nothing is changed, and a run that is going
on is not disturbed.

\b
    batchgen verify portraits             look
    batchgen verify portraits --repair    set right what can be set right, without paying

--repair writes a lost or damaged ledger.csv again from requests.csv and the images on disk,
moves damaged images aside so that the next run fetches them free, and clears away what a crash
has left. What it moves aside is kept; files that no row names are never touched. A lost
requests.csv cannot be written again: it is the bill.

Exit codes: 0 all is well, 1 something is not (after --repair: is still not), 2 there is no such
batch, 3 the disk is full, 4 --repair while another process is running the batch.
"""

_DOING = {
    "images": "{done:,} of {total:,} images checked",
    "requests.csv": "{done:,} rows of requests.csv read",
    "mended": "{done:,} of {total:,} jobs written again",
}


@click.command("verify", help=HELP, short_help="Hold ledger, journal and files against each other.")
@click.argument("batch")
@click.option("--repair", is_flag=True, help="Set right what can be set right, without paying.")
@json_option
@jobs_dir_option
@click.pass_context
def command(
    ctx: click.Context, /, *, batch: str, repair: bool, as_json: bool, jobs_dir: Path
) -> None:
    """Verify; the help says what is looked at."""
    ctx.exit(_verify(as_json=as_json, reference=batch, repair=repair, jobs_dir=jobs_dir))


@answering
def _verify(*, as_json: bool, reference: str, repair: bool, jobs_dir: Path) -> int:
    from batchgen.batch import find_batch  # noqa: PLC0415 - slow to import, like the others
    from batchgen.cli.verify_text import as_document, describe  # noqa: PLC0415

    batch = find_batch(reference, jobs_dir=jobs_dir)
    with work_line(batch.name, _DOING) as watch:
        found = _look(batch, repair=repair, watch=watch)

    def write(verb: str, *options: str) -> str:
        return next_command(verb, batch.folder, *options, jobs_dir=jobs_dir)

    if as_json:
        give(json.dumps(as_document(found, command=write), ensure_ascii=False, indent=1))
    else:
        give(describe(found, command=write))
    return found.exit_code


def _look(batch: Batch, *, repair: bool, watch: Callable[[str, int, int], None]) -> Verification:
    from batchgen.event_loop import run_to_end  # noqa: PLC0415 - slow to import
    from batchgen.verifying import repair_batch, verify_batch  # noqa: PLC0415 - the same

    if repair:
        return run_to_end(repair_batch(batch, watch=watch))
    return verify_batch(batch, watch=watch)
