"""`batchgen doctor`: what is wrong, and how to mend it."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchgen.cli.failure import answering
from batchgen.cli.options import env_file_option, environment, jobs_dir_option, json_option
from batchgen.cli.talk import give

if TYPE_CHECKING:
    from batchgen.doctor import Examination, Finding

HELP = """Look at everything that a run needs, and say how to mend what is wrong.

\b
    batchgen doctor                         key, network, disk, versions
    batchgen doctor portraits               the same, and what is on record about a batch
    batchgen doctor --env-file .env         with the key from a file

It makes free reads only, changes nothing, and never shows the key.

Exit codes: 0 nothing is wrong (there may be warnings), 1 something is wrong, 2 there is no such
batch, 3 a run could not go: no key or one that is not taken, no answer, no room, no right to write.
"""

COLUMNS = 100
INDENT = 22


@click.command("doctor", help=HELP, short_help="Check key, network, disk and versions.")
@click.argument("batch", required=False)
@env_file_option
@json_option
@jobs_dir_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    batch: str | None,
    env_file: Path | None,
    as_json: bool,
    jobs_dir: Path,
) -> None:
    """Look; the help says at what."""
    ctx.exit(_examine(as_json=as_json, reference=batch, env_file=env_file, jobs_dir=jobs_dir))


@answering
def _examine(*, as_json: bool, reference: str | None, env_file: Path | None, jobs_dir: Path) -> int:
    from batchgen.batch import find_batch  # noqa: PLC0415 - slow to import
    from batchgen.doctor import examine  # noqa: PLC0415 - the same

    examination = examine(
        jobs_dir=jobs_dir,
        environ=environment(),
        env_file=env_file,
        batch=find_batch(reference, jobs_dir=jobs_dir) if reference else None,
    )
    if as_json:
        give(json.dumps(examination.as_json(), ensure_ascii=False, indent=1))
    else:
        give("\n".join(_lines(examination)))
    return examination.exit_code


def _lines(examination: Examination) -> list[str]:
    lines = [line for finding in examination.findings for line in _describe(finding)]
    stopping = ", ".join(one.name for one in examination.findings if one.stops_run)
    if stopping:
        return [*lines, "", f"A run could not go: {stopping}."]
    if examination.exit_code:
        return [*lines, "", f"A run can go; to be mended: {examination.reason}."]
    return [*lines, "", "A run can go."]


def _describe(finding: Finding) -> list[str]:
    head = f"{finding.grade:<8} {finding.name}"
    margin = " " * INDENT
    lines = textwrap.wrap(
        finding.text,
        COLUMNS,
        initial_indent=f"{head:<{INDENT}}",
        subsequent_indent=margin,
        break_on_hyphens=False,
        break_long_words=False,
    )
    # What is there to be copied is never broken.
    mend = [f"{margin}{line}" for line in finding.mend.splitlines()]
    if mend:
        mend[0] = f"{'':<9}mend:{mend[0][14:]}"
    return lines + mend
