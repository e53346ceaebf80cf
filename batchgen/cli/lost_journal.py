"""Say what may be bought a second time where a batch's journal is lost, before it is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from batchgen.budget import ZERO
from batchgen.cli.errand import Errand
from batchgen.cli.questions import DECLINED
from batchgen.cli.talk import ask, is_watched, say
from batchgen.errors import UsageError
from batchgen.job import Job
from batchgen.launch import retry_rule
from batchgen.ledger import neutralised
from batchgen.record import Record
from batchgen.todo import Todo

# So many of the jobs are named, the others counted.
MOST_NAMED = 20

# So much of a prompt tells a job from its neighbours, in characters.
EXCERPT = 60


@dataclass(slots=True, kw_only=True)
class Doubtful:
    """Jobs that a run would send, and nobody can tell whether they were sent before.

    Attributes:
        count: How many there are.
        cost_usd: What they cost, as far as their prices are known.
        first: The first of them.
    """

    count: int = 0
    cost_usd: Decimal = ZERO
    first: list[Job] = field(default_factory=list)


def announce_loss(errand: Errand, *, is_free: bool) -> None:
    """Name the jobs that may be bought a second time, and ask whether that is meant.

    Nothing is said where the journal is there, and nothing asked where it was asked before.

    Args:
        errand: The run.
        is_free: Whether nothing can be spent: a plan, a simulated batch, a queue on this machine.

    Raises:
        LedgerError: The batch's record cannot be trusted.
        UsageError: The answer was no, or there is nobody to ask.
    """
    if errand.batch.is_new or errand.settings.on_unknown != "resubmit":
        return
    record = errand.batch.replay(download=errand.settings.download, accept_loss=True)
    loss = errand.batch.find_loss(record)
    if loss is None:
        return
    for number in loss.alone:
        record.forget_unknown(number)
    settled = sum(one.state is None and bool(one.rows.images) for one in record.jobs.values())
    doubtful = find_doubtful(errand, record)
    text = (
        f"requests.csv {loss.describe()}: what was asked of the service before is not known any "
        f"more. ledger.csv settles {settled:,} {'job' if settled == 1 else 'jobs'}.\n"
        + _describe(doubtful)
    )
    asks = bool(doubtful.count) and not is_free and not errand.options.yes
    if asks and not is_watched():
        raise UsageError(f"{text}\n  It is meant:  add --yes\nNothing was sent.")
    say(text)
    if asks and not ask("Send them all the same?"):
        raise UsageError(DECLINED)


def find_doubtful(errand: Errand, record: Record) -> Doubtful:
    """Draw the manifest and return what the run would send, by the ledger alone."""
    todo = Todo(
        errand.manifest.drafts(sample=errand.selection.sample or None),
        record=record,
        retry=retry_rule(errand.settings),
        download=errand.settings.download,
        monotonic=lambda: 0.0,  # without a break: nothing waits
    )
    found = Doubtful()
    limit = errand.selection.limit
    while not todo.is_drawn and (limit is None or found.count < limit):
        job = todo.draw()
        if job is not None and not job.problem:
            found.count += 1
            found.cost_usd += job.price_usd or errand.options.price_usd or ZERO
            if len(found.first) < MOST_NAMED:
                found.first.append(job)
    return found


def _describe(doubtful: Doubtful) -> str:
    if not doubtful.count:
        return "It settles all that this run is about: nothing is bought a second time."
    what = "1 job" if doubtful.count == 1 else f"{doubtful.count:,} jobs"
    lines = [
        f"It does not settle the {what} that this run sends. Each may have been bought already, "
        f"and is a possible second purchase (${doubtful.cost_usd:,.2f} in all):"
    ]
    lines += [f"  {job.job_id}  {_excerpt(job)}" for job in doubtful.first]
    if doubtful.count > len(doubtful.first):
        lines.append(f"  … and {doubtful.count - len(doubtful.first):,} more")
    return "\n".join(lines)


def _excerpt(job: Job) -> str:
    prompt = neutralised(job.prompt)
    return prompt if len(prompt) <= EXCERPT else prompt[: EXCERPT - 1] + "…"
