"""`batchgen reconcile`: settle submissions whose fate is unknown, and the bill."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from batchgen.cli.failure import answering
from batchgen.cli.next_command import next_command
from batchgen.cli.options import env_file_option, environment, jobs_dir_option, json_option
from batchgen.job import Json

if TYPE_CHECKING:
    from batchgen.batch import Batch
    from batchgen.settling import Settled

HELP = """Settle the submissions whose fate is unknown.

An answer that was lost leaves a request that may have been accepted, and paid. It is never sent
again by itself. This looks it up in the service's history, free; what is found there goes on as
an open request, and the next run fetches it.

\b
    batchgen reconcile shop                                    look again
    batchgen reconcile shop --adopt kzmxlwvqpronstuy=764cabcf-…   you know the request id
    batchgen reconcile shop --give-up kzmxlwvqpronstuy         write it off

Exit codes: 0 nothing is unknown any more, 1 something still is, or was paid twice.
"""


@click.command("reconcile", help=HELP, short_help="Settle submissions whose fate is unknown.")
@click.argument("batch")
@click.option(
    "--adopt",
    multiple=True,
    metavar="JOB_ID=REQUEST_ID",
    help="This is the request of that job; may be given several times.",
)
@click.option(
    "--give-up",
    "give_up",
    multiple=True,
    metavar="JOB_ID",
    help="Write an unknown or open job off as failed and paid; may be given several times.",
)
@click.option(
    "--unknown-after",
    default="60",
    show_default=True,
    metavar="SECONDS",
    help="How long the history is waited for.",
)
@env_file_option
@json_option
@jobs_dir_option
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Reconcile; the help says what it does."""
    ctx.exit(_reconcile(as_json=given["as_json"], given=given))


@answering
def _reconcile(*, as_json: bool, given: dict[str, Any]) -> int:
    from batchgen.batch import find_batch  # noqa: PLC0415 - slow to import, like the others
    from batchgen.cli.reconcile_text import describe  # noqa: PLC0415
    from batchgen.cli.talk import give  # noqa: PLC0415
    from batchgen.errors import UsageError  # noqa: PLC0415
    from batchgen.event_loop import run_to_end  # noqa: PLC0415
    from batchgen.service import find_service  # noqa: PLC0415
    from batchgen.settings import settle  # noqa: PLC0415
    from batchgen.settling import settle_batch  # noqa: PLC0415
    from batchgen.simulated import service_of  # noqa: PLC0415

    batch = find_batch(given["batch"], jobs_dir=given["jobs_dir"])
    try:
        unknown_after = float(str(settle("unknown_after", given["unknown_after"])))
    except ValueError as error:
        raise UsageError(f"--{str(error).replace('_', '-', 1)}") from None
    simulated = batch.state is not None and batch.state.simulated
    real = None if simulated else find_service(environment(), env_file=given["env_file"])
    with service_of(batch.folder, real) as service:
        settled = run_to_end(
            settle_batch(
                batch,
                service=service,
                unknown_after=timedelta(seconds=unknown_after),
                adopt=_pairs(given["adopt"]),
                give_up=given["give_up"],
            )
        )
    code = 1 if settled.unknown or settled.paid_twice else 0
    if as_json:
        give(json.dumps(_as_json(batch, settled, code), ensure_ascii=False, indent=1))
    else:
        give(
            describe(
                settled,
                batch=batch.name,
                command=lambda verb, *options: next_command(
                    verb, batch.folder, *options, jobs_dir=given["jobs_dir"]
                ),
            )
        )
    return code


def _as_json(batch: Batch, settled: Settled, code: int) -> dict[str, Json]:
    return {
        "batch": batch.name,
        "folder": str(batch.folder),
        "adopted": dict(settled.adopted),
        "given_up": list(settled.given_up),
        "unknown": dict(settled.unknown),
        "paid_twice": [
            {"job_id": one.job_id, "request_id": one.request_id, "urls": list(one.urls)}
            for one in settled.paid_twice
        ],
        "not_looked_up": settled.not_looked_up,
        "exit_code": code,
    }


def _pairs(adopt: tuple[str, ...]) -> list[tuple[str, str]]:
    from batchgen.errors import UsageError  # noqa: PLC0415 - with the others

    pairs = []
    for text in adopt:
        job_id, equals, request_id = (part.strip() for part in text.partition("="))
        if not equals or not job_id or not request_id:
            raise UsageError(f"--adopt is {text!r}. It takes JOB_ID=REQUEST_ID")
        pairs.append((job_id, request_id))
    return pairs
