"""`batchgen init`: write a commented starter manifest."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from batchgen.cli.talk import say
from batchgen.errors import UsageError

HELP = """Write a commented starter manifest.

\b
    batchgen init                     writes shots.yaml
    batchgen init portraits.yaml      another name; it becomes the batch's name

The file runs as it is: eight images, $0.64. Nothing is ever overwritten.

Exit codes: 0 written, 2 the file exists already or cannot be written.
"""


@click.command("init", help=HELP, short_help="Write a commented starter manifest.")
@click.argument("file", type=click.Path(path_type=Path), default=Path("shots.yaml"))
@click.pass_context
def command(ctx: click.Context, /, *, file: Path) -> None:
    """Write it; the help says what it holds."""
    ctx.exit(_init(file=file))


def _init(*, file: Path) -> int:
    from batchgen.starter import write_starter  # noqa: PLC0415 - slow to import

    try:
        write_starter(file)
    except UsageError as error:
        say(str(error))
        return 2
    name = shlex.quote(str(file))
    plan, run = f"batchgen plan {name}", f"batchgen run {name} --simulate"
    width = len(run)
    say(f"{file} is written: 8 images, $0.64. Next:")
    say(f"  {plan:<{width}}    what it makes and what it costs; free, no key")
    say(f"  {run:<{width}}    try it: no key, no cost; for real without --simulate")
    return 0
