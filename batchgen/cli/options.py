"""The options that `run` and `resume` share, and what they settle to."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

import click

from batchgen.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

# Options of the command line that also stand in the manifest's `run:` section.
SETTINGS = (
    ("-j/--concurrency", "N", "Requests that are open at a time (20)."),
    ("--rate", "N/s|N/min", "Submissions at the most (no limit)."),
    ("--budget", "USD", "The most that all runs of the batch together may have cost (no limit)."),
    ("--timeout", "SECONDS", "From a job's submission to its result (3600)."),
    ("--max-attempts", "N", "Attempts that a job gets (3)."),
    ("--max-failures", "N|P%", "Stop when so many jobs have failed in this run (never)."),
    ("--retry", "failed|transient|none", "Which failed jobs are taken up again (transient)."),
    ("--on-unknown", "hold|resubmit", "What becomes of lost answers (hold)."),
    ("--unknown-after", "SECONDS", "How long the history is waited for (60)."),
    ("--until", "HH:MM", "Submit nothing after this local time."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the command line says of a run.

    Attributes:
        settings: The options that the manifest may set too, as they were written.
        limit: `--limit`.
        sample: `--sample`, or `""`.
        price_usd: `--price`.
        simulate: `--simulate`.
        dry_run: `--dry-run`.
        yes: `--yes`.
        env_file: `--env-file`.
        quiet: `--quiet`.
        as_json: `--json`.
        verbose: `--verbose`.
        jobs_dir: `--jobs-dir`.
    """

    settings: Mapping[str, str | bool]
    limit: int | None
    sample: str
    price_usd: Decimal | None
    simulate: bool
    dry_run: bool
    yes: bool
    env_file: Path | None
    quiet: bool
    as_json: bool
    verbose: bool
    jobs_dir: Path


def jobs_dir_option(command: F) -> F:
    """Add `--jobs-dir`."""
    return click.option(
        "--jobs-dir",
        metavar="DIR",
        envvar="BATCHGEN_JOBS_DIR",
        default="jobs",
        show_default=True,
        type=click.Path(path_type=Path),
        help="Where batches live.",
    )(command)


def env_file_option(command: F) -> F:
    """Add `--env-file`."""
    return click.option(
        "--env-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Read FAL_KEY from this file.",
    )(command)


def json_option(command: F) -> F:
    """Add `--json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="One JSON object on stdout, and nothing else there."
    )(command)


def run_options(command: F) -> F:
    """Add the options of `run` and `resume`."""
    decorators = [
        click.option(*names.split("/"), metavar=metavar, help=text)
        for names, metavar, text in SETTINGS
    ]
    decorators += [
        click.option(
            "--download/--no-download", default=None, help="Fetch the images, or only note them."
        ),
        click.option(
            "--limit", type=click.IntRange(min=0), metavar="N", help="Submit at most N new jobs."
        ),
        click.option(
            "--price", metavar="USD", help="What a job costs at an endpoint without a price."
        ),
        click.option(
            "-n", "--dry-run", is_flag=True, help="Only show what would run, as plan does."
        ),
        click.option("-y", "--yes", is_flag=True, help="Answer every question with yes."),
        env_file_option,
        click.option("-q", "--quiet", is_flag=True, help="Say only what must be said."),
        json_option,
        click.option("-v", "--verbose", is_flag=True, help="Say what happens, as run.log does."),
        jobs_dir_option,
    ]
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


def parse_options(given: Mapping[str, Any]) -> RunOptions:
    """Return the options of a command line, as click has parsed them.

    Raises:
        UsageError: An option does not fit.
    """
    names = [name.split("/")[-1].lstrip("-").replace("-", "_") for name, _, _ in SETTINGS]
    settings = {
        "budget_usd" if name == "budget" else name: given[name]
        for name in (*names, "download")
        if given[name] is not None
    }
    return RunOptions(
        settings=settings,
        limit=given["limit"],
        sample=given.get("sample") or "",
        price_usd=_price(given["price"]),
        simulate=bool(given.get("simulate")),
        dry_run=given["dry_run"],
        yes=given["yes"],
        env_file=given["env_file"],
        quiet=given["quiet"],
        as_json=given["as_json"],
        verbose=given["verbose"],
        jobs_dir=given["jobs_dir"],
    )


def environment() -> Mapping[str, str]:
    """Return the environment."""
    return os.environ


def _price(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        price = Decimal(text.removeprefix("$"))
    except InvalidOperation:
        price = Decimal(-1)
    if not price.is_finite() or price < 0:
        raise UsageError(f"--price is {text!r}. It takes an amount in USD, as in 0.08")
    return price
