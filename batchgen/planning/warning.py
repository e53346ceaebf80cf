"""What a plan warns of, with what to write instead; what may cost most comes first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from batchgen.budget import ZERO, Budget
from batchgen.planning.census import Census
from batchgen.planning.counting import MOST_FILES
from batchgen.planning.disk import Room, shown_size
from batchgen.planning.neighbours import Neighbour
from batchgen.planning.reason import Reason
from batchgen.settings import RunSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What has been found out about a run.

    Attributes:
        census: Its jobs.
        bill: What the batch has cost so far, and its budget.
        settings: What the run keeps to.
        neighbours: Batches that have paid for the same jobs.
        room: The disk.
        notes: Warnings of the manifest itself.
    """

    census: Census
    bill: Budget
    settings: RunSettings
    neighbours: tuple[Neighbour, ...]
    room: Room
    notes: tuple[str, ...]


def warn(findings: Findings) -> tuple[str, ...]:
    """Return all warnings, those with the most money at stake first."""
    priced = sorted(_priced(findings), key=lambda pair: -pair[0])
    return (*(text for _, text in priced), *_unpriced(findings), *findings.notes)


def _priced(findings: Findings) -> Iterator[tuple[Decimal, str]]:
    """Yield warnings, each with the money at stake, in USD."""
    census = findings.census
    new = census.lines[Reason.NEW]
    for neighbour in findings.neighbours:
        share = Decimal(neighbour.jobs) / max(1, new.jobs)
        at_stake = new.cost_usd * min(share, Decimal(1))
        yield at_stake, _neighbour_text(neighbour, of=new.jobs, usd=at_stake)
    unknown = census.lines[Reason.UNKNOWN]
    if unknown.jobs and findings.settings.on_unknown == "resubmit":
        yield (
            unknown.cost_usd,
            f"--on-unknown resubmit: {unknown.jobs:,} unknown submissions may be sent once more "
            f"and then be paid twice (${unknown.cost_usd:,.2f}).",
        )
    yield from _budget_warning(findings)


def _neighbour_text(neighbour: Neighbour, *, of: int, usd: Decimal) -> str:
    which = f"all {of:,}" if neighbour.jobs == of else f"{neighbour.jobs:,} of the {of:,}"
    return (
        f"{which} new jobs were already paid for in the batch {neighbour.folder.name} "
        f"(${usd:,.2f} would be paid again). To go on there: "
        f"batchgen resume {neighbour.folder.name}, or batch: {neighbour.folder.name} in the "
        "manifest"
    )


def _budget_warning(findings: Findings) -> Iterator[tuple[Decimal, str]]:
    cost, left = findings.census.cost_usd, findings.bill.left_usd
    if left is None:
        return
    if cost is None:
        yield (
            ZERO,
            "the budget cannot be kept without a price. Say what a job costs: --price USD",
        )
    elif cost and cost > left:
        sent = findings.census.sent
        covered = int(sent * max(left, ZERO) / cost)
        limit = findings.bill.limit_usd or ZERO
        yield (
            cost - left,
            f"the budget of ${limit:,.2f} ends the run after about {covered:,} of {sent:,} jobs: "
            f"${max(left, ZERO):,.2f} of it is left. For all: --budget {limit + cost - left:.2f}",
        )


def _unpriced(findings: Findings) -> Iterator[str]:
    census, room = findings.census, findings.room
    if census.cost_usd is None and findings.bill.left_usd is None:
        yield (
            "what this costs is not known: there is no price for the endpoint. "
            "Say what a job costs: --price USD"
        )
    if not room.is_enough:
        yield (
            f"the disk is too small: about {shown_size(room.needed_bytes)} are needed and "
            f"{shown_size(room.free_bytes)} are free. Put the batch elsewhere: --jobs-dir DIR"
        )
    if census.crowded and not any(f"{MOST_FILES:,}" in note for note in findings.notes):
        folder, files = max(census.crowded.items(), key=lambda pair: pair[1])
        yield (
            f"{Path(folder).as_posix()}/ gets {files:,} files; many tools and hubs take "
            f"{MOST_FILES:,} in a folder. Put a variable before a / in filename"
        )
