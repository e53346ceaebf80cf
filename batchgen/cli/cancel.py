"""`batchgen cancel`: stop a run from elsewhere, and cancel what is open."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchgen.cli.failure import answering
from batchgen.cli.next_command import next_command
from batchgen.cli.options import env_file_option, environment, jobs_dir_option, json_option
from batchgen.cli.talk import give, say
from batchgen.errors import AccountError, BusyError

if TYPE_CHECKING:
    from batchgen.batch import Batch
    from batchgen.canceller import Cancellation
    from batchgen.cli.cancel_text import Outcome
    from batchgen.record import Record

INTERRUPTED = 130

HELP = """Stop a run from elsewhere, and cancel what the batch has open.

\b
    batchgen cancel portraits                stop its run; cancel its open requests
    batchgen cancel portraits --keep-open    stop its run; leave its requests for the next one

A run that is going on submits nothing more, leaves its open requests on record and ends. Then
each open request is cancelled at the service and read to its end: what had not begun costs
nothing and is left to do, what completed all the same is saved. A request that neither completes
nor can be cancelled in time stays open on record; the next run reads it first.

Exit codes: 0 nothing is open any more (--keep-open: nobody is running it), 1 something is still
open or not on disk, or the run has not stopped in time, 2 there is no such batch, 3 there is
something to mend (the key, no answer from the service).
"""


@click.command("cancel", help=HELP, short_help="Stop a run from elsewhere; cancel what is open.")
@click.argument("batch")
@click.option("--keep-open", is_flag=True, help="Only stop the run; cancel nothing.")
@click.option(
    "--wait",
    "wait_s",
    metavar="SECONDS",
    default=120.0,
    type=float,
    help="How long the run, and then what has begun at the service, is waited for (120).",
)
@env_file_option
@json_option
@jobs_dir_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    batch: str,
    keep_open: bool,
    wait_s: float,
    env_file: Path | None,
    as_json: bool,
    jobs_dir: Path,
) -> None:
    """Stop and cancel; the help says what becomes of what is open."""
    ctx.exit(
        _cancel(
            as_json=as_json,
            reference=batch,
            keep_open=keep_open,
            wait_s=wait_s,
            env_file=env_file,
            jobs_dir=jobs_dir,
        )
    )


@answering
def _cancel(
    *,
    as_json: bool,
    reference: str,
    keep_open: bool,
    wait_s: float,
    env_file: Path | None,
    jobs_dir: Path,
) -> int:
    from batchgen.batch import find_batch  # noqa: PLC0415 - slow to import
    from batchgen.cli.cancel_text import Outcome, say_outcome  # noqa: PLC0415 - the same

    batch = find_batch(reference, jobs_dir=jobs_dir)
    say(str(batch.folder))
    outcome = Outcome(
        batch=batch,
        keep_open=keep_open,
        command=lambda verb: next_command(verb, batch.folder, jobs_dir=jobs_dir),
    )
    try:
        _settle(outcome, wait_s=wait_s, env_file=env_file)
    except KeyboardInterrupt:
        say("\nInterrupted: what was not settled stays open on record.")
        say(f"  Again:  {outcome.command('cancel')}")
        return INTERRUPTED
    if as_json:
        give(json.dumps(outcome.as_json(), ensure_ascii=False, indent=1))
    say_outcome(outcome)
    return outcome.exit_code


def _settle(outcome: Outcome, *, wait_s: float, env_file: Path | None) -> None:
    """Stop the run, cancel what is open, and note what came of it."""
    from batchgen.cancel import open_standings, stopped  # noqa: PLC0415 - slow to import

    def tell(busy: BusyError) -> None:
        outcome.was_running = True
        say(str(busy).splitlines()[0])
        say("It was asked to stop; waiting until it has. Its open requests stay on record.")

    try:
        with stopped(
            outcome.batch, wait_s=wait_s, sleep=time.sleep, monotonic=time.monotonic, tell=tell
        ):
            outcome.has_stopped = True
            outcome.record = record = outcome.batch.replay()
            if open_standings(record) and not outcome.keep_open:
                outcome.cancellation = _cancel_open(outcome.batch, record, wait_s, env_file)
    except BusyError:
        outcome.has_stopped = False


def _cancel_open(
    batch: Batch, record: Record, patience_s: float, env_file: Path | None
) -> Cancellation:
    from batchgen.cancel import cancel_open, open_standings  # noqa: PLC0415 - slow to import
    from batchgen.cli.session import NO_KEY  # noqa: PLC0415 - the same
    from batchgen.event_loop import run_to_end  # noqa: PLC0415 - the same
    from batchgen.service import find_service  # noqa: PLC0415 - the same
    from batchgen.simulated import service_of  # noqa: PLC0415 - the same

    is_simulated = batch.state is not None and batch.state.simulated
    real = None if is_simulated else find_service(environment(), env_file=env_file)
    if real is not None and not real.key:
        raise AccountError(NO_KEY, cause="key", http=0)
    with service_of(batch.folder, real) as service:
        count = len(open_standings(record))
        requests = "1 open request" if count == 1 else f"{count:,} open requests"
        say(f"Cancelling {requests}; what has begun may still complete, and is saved.")
        return run_to_end(cancel_open(batch, record, service=service, patience_s=patience_s))
