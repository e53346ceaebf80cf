"""Ask before much money is spent, and before images that were paid for are left behind.

Asking needs to know what would be sent, and finding that out means drawing the manifest. So the
prices' upper bound and the budget decide first whether a question can arise at all.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from decimal import Decimal

from batchgen.cli.errand import Errand
from batchgen.cli.layout import WIDTH, counted, day
from batchgen.cli.next_command import next_command
from batchgen.cli.plan_view import counting_line
from batchgen.cli.talk import ask, is_watched, say
from batchgen.errors import UsageError
from batchgen.planning import Census, Counting, Reason
from batchgen.planning.changes import Left, changed_keys, is_edited, sum_up
from batchgen.planning.making import sum_up_former
from batchgen.record import Record
from batchgen.retry import RetryRule

# Above this a person is asked, in USD.
ASK_ABOVE_USD = Decimal(10)

DECLINED = "Not confirmed. Nothing was sent."


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What a run is about to do.

    Attributes:
        census: What it would send.
        paid: What is on record.
        former: What of that the manifest no longer has.
    """

    census: Census
    paid: Left
    former: Left

    @property
    def leaves_most(self) -> bool:
        """Whether more than half of what was paid for is no longer in the manifest."""
        return 2 * self.former.paid_usd > self.paid.paid_usd


def ask_first(errand: Errand, *, is_free: bool) -> None:
    """Ask what has to be asked before a run.

    Without a terminal nothing waits: what only guards against much spending is not asked (the
    budget does that), what guards against leaving images behind ends the command.

    Args:
        errand: The run.
        is_free: Whether nothing can be spent: a simulated batch, a queue on this machine.

    Raises:
        UsageError: The answer was no, or there is nobody to ask.
    """
    if is_free or errand.options.yes:
        return
    edited = is_edited(errand.batch, errand.manifest)
    dear = is_watched() and may_cost_much(errand)
    if not edited and not dear:
        return
    record = errand.batch.replay(
        download=errand.settings.download,
        accept_loss=errand.settings.on_unknown == "resubmit",
    )
    record.bill.limit_usd = errand.settings.budget_usd
    paid = sum_up(record, drawn=None)
    edited = edited and paid.paid_usd > 0
    left = record.bill.left_usd
    dear = dear and (left is None or left > ASK_ABOVE_USD)
    if not edited and not dear:
        return
    prospect = _look_ahead(errand, record, paid, edited=edited)
    if edited and prospect.leaves_most:
        ask_before_leaving(errand, prospect)
    elif dear:
        ask_before_spending(prospect.census.cost_usd, prospect.census.sent, left_usd=left)


def may_cost_much(errand: Errand) -> bool:
    """Say whether a run could spend so much that a person is asked; nothing is drawn for that."""
    budget, bound = errand.settings.budget_usd, errand.manifest.price_bound_usd()
    if budget is not None and budget <= ASK_ABOVE_USD:
        return False
    return bound is None or bound > ASK_ABOVE_USD


def ask_before_spending(cost_usd: Decimal | None, jobs: int, *, left_usd: Decimal | None) -> None:
    """Ask whether so much may be spent, if it is much.

    Args:
        cost_usd: What it may cost; None where nobody knows.
        jobs: What for.
        left_usd: What is left of the budget, or None where there is none.

    Raises:
        UsageError: The answer was no.
    """
    question = spending_question(cost_usd, jobs, left_usd=left_usd)
    if question and not ask(question):
        raise UsageError(DECLINED)


def spending_question(cost_usd: Decimal | None, jobs: int, *, left_usd: Decimal | None) -> str:
    """Return the question before so much is spent, or `""` where it is too little to ask.

    Args:
        cost_usd: What it may cost; None where nobody knows.
        jobs: What for.
        left_usd: What is left of the budget, or None where there is none.
    """
    known = [amount for amount in (cost_usd, left_usd) if amount is not None]
    if not jobs or (known and min(known) <= ASK_ABOVE_USD):
        return ""
    what = counted(jobs, "job")
    if cost_usd is None:
        most = "" if left_usd is None else f", up to ${left_usd:,.2f}"
        return f"Send {what} whose price is not known{most}?"
    if left_usd is not None and left_usd < cost_usd:
        return (
            f"Spend up to ${left_usd:,.2f}, the rest of the budget, on some of {what} "
            f"(${cost_usd:,.2f} for all)?"
        )
    return f"Spend up to ${cost_usd:,.2f} on {what}?"


def ask_before_leaving(errand: Errand, prospect: Prospect) -> None:
    """Ask whether images that were paid for may be left behind.

    Raises:
        UsageError: The answer was no, or there is nobody to ask.
    """
    text = _leaving_text(errand, prospect)
    if not is_watched():
        raise UsageError(f"{text}\nNothing was sent.")
    say(text)
    if not ask("Go on all the same?"):
        raise UsageError(DECLINED)


def _look_ahead(errand: Errand, record: Record, paid: Left, *, edited: bool) -> Prospect:
    """Draw the manifest, as far as it has to be drawn."""
    settings, selection = errand.settings, errand.selection
    with counting_line(errand.manifest.count(), quiet=errand.options.quiet) as watch:
        counting = Counting(
            record=record,
            retry=RetryRule(mode=settings.retry, max_attempts=settings.max_attempts),
            download=settings.download,
            limit=selection.limit,
            price_usd=errand.options.price_usd,
            watch=watch,
        )
        jobs = errand.manifest.jobs(sample=selection.sample or None)
        census = counting.count(jobs, until_limit=not edited)
        former = sum_up_former(record, errand.manifest, selection) if edited else Left()
    return Prospect(census=census, paid=paid, former=former)


def _leaving_text(errand: Errand, prospect: Prospect) -> str:
    census, paid = prospect.census, prospect.paid
    kept = paid.images - prospect.former.images
    keys = ", ".join(changed_keys(errand.batch.load_frozen(), errand.manifest)) or "the manifest"
    verb = "have" if "," in keys else "has"
    images = sum(census.lines[reason].images for reason in (Reason.NEW, Reason.RETRY))
    cost = "" if census.cost_usd is None else f" for ${census.cost_usd:,.2f}"
    resume = next_command("resume", errand.batch.folder, jobs_dir=errand.options.jobs_dir)
    state = errand.batch.state
    since = f"of {day(state.frozen.at)} " if state is not None and state.frozen is not None else ""
    loss = (
        f"This run keeps {f'{kept:,}' if kept else 'none'} of the {paid.images:,} images that the "
        f"batch has paid for (${paid.paid_usd:,.2f}): {keys} {verb} changed"
        f"{'' if kept else ' in every job'}."
    )
    return "\n".join(
        (
            *textwrap.wrap(loss, WIDTH),
            f"It would make {images:,} new ones{cost}.",
            "  It is meant:              add --yes",
            "  Keep the two apart:       give it another name (batch: in the manifest)",
            f"  Go on as it was:          {resume}       (the manifest {since}is kept)",
        )
    )
