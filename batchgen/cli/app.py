"""All commands, each in a module of its own that is imported when it is used.

`batchgen --help` has to answer at once, so it imports neither pandas nor aiohttp; the one-line
descriptions stand here, and a test compares them with the commands' own.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import cast

import click

from batchgen.cli.talk import error_document, give, guard_streams, say
from batchgen.version import VERSION

HELP = """Prompts × parameters in a file. In the morning: every image on disk, a table that says
what each one is, and a bill that is not one image too high.

\b
    batchgen init shots.yaml          write a starter manifest
    batchgen plan shots.yaml          what it makes and what it costs; free, no key
    batchgen run shots.yaml           go; stop it any time, the same command goes on

Try it without a key and without cost: batchgen run shots.yaml --simulate
"""

# In the order in which a user meets them.
COMMANDS = {
    "init": "Write a commented starter manifest.",
    "plan": "Show what would run and what it would cost; no network, no key.",
    "run": "Run a manifest; run it again to go on where it stopped.",
    "resume": "Go on with a batch from the manifest that it keeps.",
    "status": "Show where a batch stands: its counts, its bill, its failures, and what to do next.",
    "gallery": "Make a page to look at a batch, choose among its images, and see how it went.",
    "reconcile": "Settle the submissions whose fate is unknown.",
    "cancel": "Stop a run from elsewhere, and cancel what the batch has open.",
    "verify": "Hold a batch's ledger, journal and files against each other.",
    "redo": "Make some of a batch's images once more, with new seeds.",
    "export": "Write the batch as a data set that other programs load.",
    "simulate": "Serve the queue API on loopback, with real images.",
    "doctor": "Look at everything that a run needs, and say how to mend what is wrong.",
}


class Commands(click.Group):
    """A group whose commands are imported one by one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order in which a user meets them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"batchgen.cli.{cmd_name}")
        return cast("click.Command", module.command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    "batchgen",
    cls=Commands,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(VERSION, prog_name="batchgen")
def app() -> None:
    """Run a command."""


def run_command_line(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    guard_streams()
    as_json = "--json" in arguments
    try:
        code = app.main(args=list(arguments), prog_name="batchgen", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        if as_json:
            give(error_document(error.format_message(), code=2))
        error.show()
        return 2
    except (click.exceptions.Abort, KeyboardInterrupt):
        if as_json:
            give(error_document("interrupted; nothing was sent", code=130))
        say("Interrupted. Nothing was sent.")
        return 130
    return code if isinstance(code, int) else 0
