"""`batchgen simulate`: serve the queue API on loopback, with real images."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batchgen.errors import BatchgenError
from batchgen.event_loop import run_to_end

if TYPE_CHECKING:
    from batchgen.simulator import Simulator, SimulatorSettings

_INTERRUPTED = 130
_HELP = """Serve the queue API on loopback, with real images.

It answers as the service does: it checks the key, lets requests wait and run, validates, bills,
draws images that show what was asked for, and keeps the history at /v1. It costs nothing. With
--faults and --script it misbehaves, the same way again with the same --seed.

\b
    batchgen simulate --port 8700 --faults lost_reply=0.02,throttled=0.05

The first line of stdout is the URL. Use it from another terminal:

\b
    export BATCHGEN_QUEUE_URL=http://127.0.0.1:8700
    export BATCHGEN_PLATFORM_URL=http://127.0.0.1:8700/v1
    FAL_KEY=any:thing batchgen run shots.yaml
"""


class _Mistake(click.ClickException):
    """An option that does not fit, a port or a folder that cannot be had."""

    exit_code = 2


class _Command(click.Command):
    """A command whose help ends with the faults that there are."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names of the faults, by the kind of call that they hit."""
        from batchgen.simulator.catalogue import faults_of  # noqa: PLC0415 slow to import
        from batchgen.simulator.fault import Kind  # noqa: PLC0415 slow to import

        del ctx
        with formatter.section("Faults, by the kind of call; --list-faults says what they do"):
            rows = [(str(kind), " ".join(fault.name for fault in faults_of(kind))) for kind in Kind]
            formatter.write_dl(rows)


def _show_faults(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 click's signature
    from batchgen.simulator.catalogue import catalogue_text  # noqa: PLC0415 slow to import

    del option
    if wanted and not ctx.resilient_parsing:
        click.echo(catalogue_text(), nl=False)
        ctx.exit(0)


@click.command(
    "simulate",
    cls=_Command,
    help=_HELP,
    short_help="Serve the queue API on loopback, with real images.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8700,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    help="A key that is good; may be given several times, each an account of its own. "
    "Without it any key is good.",
)
@click.option("--one-account", is_flag=True, help="All keys belong to one account.")
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    help="A further endpoint, owner/alias[/path], which takes any input.",
)
@click.option(
    "--concurrency",
    default=20,
    show_default=True,
    type=click.IntRange(min=1),
    help="Requests that run at a time.",
)
@click.option(
    "--max-open",
    type=click.IntRange(min=0),
    help="Answer 429 to submissions beyond so many open requests.",
)
@click.option(
    "--seconds", default=1.0, show_default=True, type=float, help="How long a request runs."
)
@click.option(
    "--spread",
    default=0.25,
    show_default=True,
    type=float,
    help="How much that varies: the standard deviation of its logarithm.",
)
@click.option(
    "--faults", default="", metavar="NAME=RATE,…", help="Faults, each with its chance at a call."
)
@click.option(
    "--script",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Faults of exact calls: a JSON list of {on, nth, do}.",
)
@click.option("--seed", default=0, show_default=True, type=int, help="The seed of all chance.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep what was accepted here; the next start finds it again.",
)
@click.option(
    "--result-lifetime", type=float, metavar="SECONDS", help="Forget results so long after the end."
)
@click.option(
    "--image-lifetime", type=float, metavar="SECONDS", help="Forget images so long after the end."
)
@click.option(
    "--history-delay",
    default=0.0,
    show_default=True,
    type=float,
    metavar="SECONDS",
    help="List a request in the history so long after it has started.",
)
@click.option("--history-shows-queued", is_flag=True, help="List requests that still wait, too.")
@click.option(
    "--image-scale",
    default=1.0,
    show_default=True,
    type=float,
    help="Make images smaller by this factor, up to 1.",
)
@click.option("--file-sizes", is_flag=True, help="Let results say how many bytes an image has.")
@click.option(
    "--retry-after",
    default=1.0,
    show_default=True,
    type=float,
    metavar="SECONDS",
    help="What Retry-After asks for.",
)
@click.option(
    "--slow",
    default=5.0,
    show_default=True,
    type=float,
    metavar="SECONDS",
    help="How late a slow answer is.",
)
@click.option(
    "--die-with-stdin",
    is_flag=True,
    help="End when standard input closes, and by nothing that a terminal sends: for a parent "
    "process, however it ends.",
)
@click.option("--json", "as_json", is_flag=True, help="Say where it listens as JSON.")
@click.option(
    "--list-faults",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_faults,
    help="Say what each fault does, and end.",
)
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Serve until something ends it; what it does is said in the help."""
    as_child = bool(options.pop("die_with_stdin"))
    as_json = bool(options.pop("as_json"))

    def announce(queue: Simulator) -> None:
        click.echo(_as_json(queue) if as_json else queue.url)
        sys.stdout.flush()
        if not as_child:
            keys = "only the given keys are" if queue.settings.keys else "any key is"
            click.echo(
                f"The simulated queue is at {queue.url}; {keys} good. Ctrl-C ends it.", err=True
            )

    try:
        settings = _settings(options)
        code = run_to_end(_serve(settings, announce=announce, as_child=as_child))
    except BatchgenError as error:
        raise _Mistake(str(error)) from error
    ctx.exit(code)


def _settings(options: dict[str, Any]) -> SimulatorSettings:
    """Return the settings that the options stand for.

    Raises:
        UsageError: One of them does not fit.
    """
    from batchgen.simulator import (  # noqa: PLC0415 slow to import
        SimulatorSettings,
        load_script,
        parse_rates,
    )

    script = options.pop("script")
    for name in ("result_lifetime", "image_lifetime", "history_delay", "retry_after", "slow"):
        options[f"{name}_s"] = options.pop(name)
    return SimulatorSettings(
        **{
            **options,
            "faults": parse_rates(options["faults"]),
            "script": load_script(script) if script else (),
        }
    )


def _as_json(queue: Simulator) -> str:
    folder = queue.settings.folder
    return json.dumps(
        {
            "url": queue.url,
            "platform_url": queue.platform_url,
            "pid": os.getpid(),
            "folder": str(folder.resolve()) if folder else None,
        }
    )


async def _serve(
    settings: SimulatorSettings, *, announce: Callable[[Simulator], None], as_child: bool
) -> int:
    """Serve until a signal, or the end of standard input, ends it; returns the exit code."""
    from batchgen.simulator import Simulator  # noqa: PLC0415 slow to import

    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def end(code: int) -> None:
        if not ended.done():
            ended.set_result(code)

    _obey_signals(end, as_child=as_child)
    async with Simulator(settings) as queue:
        announce(queue)
        if as_child:
            _end_with_stdin(end)
        return await ended


def _obey_signals(end: Callable[[int], None], *, as_child: bool) -> None:
    """End on SIGTERM, Ctrl-C and a closed terminal; a child leaves the last two to its parent.

    A terminal sends them to both, and the parent still has to read what is open.
    """
    _on(signal.SIGTERM, lambda: end(0))
    hangup = getattr(signal, "SIGHUP", None)
    if as_child:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if hangup is not None:
            signal.signal(hangup, signal.SIG_IGN)
        return
    _on(signal.SIGINT, lambda: end(_INTERRUPTED))
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        _on(hangup, lambda: end(0))


def _on(number: int, then: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(number, then)
    except NotImplementedError:  # Windows
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(then))


def _end_with_stdin(end: Callable[[int], None]) -> None:
    loop = asyncio.get_running_loop()

    def watch() -> None:
        with suppress(OSError, ValueError, AttributeError):
            while os.read(sys.stdin.fileno(), 4096):
                pass
        with suppress(RuntimeError):  # the loop ended for another reason
            loop.call_soon_threadsafe(end, 0)

    threading.Thread(target=watch, name="stdin", daemon=True).start()
