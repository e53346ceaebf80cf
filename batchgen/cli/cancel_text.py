"""How a cancellation ends: what became of each request, and what is left to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from batchgen.batch import Batch
from batchgen.cancel import open_standings
from batchgen.canceller import Cancellation, Fate
from batchgen.cli.talk import say
from batchgen.job import Json
from batchgen.ledger import neutralised
from batchgen.record import Record
from batchgen.report import amount
from batchgen.state import AttemptState
from batchgen.stop import stop_for_account

# So many requests that could not be settled are named, the others counted.
MOST_NAMED = 10


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of stopping a run and cancelling what was open.

    Attributes:
        batch: The batch.
        keep_open: Whether nothing was to be cancelled.
        command: Writes a command about the batch.
        was_running: Whether a run was going on.
        has_stopped: Whether nobody runs it any more.
        record: What is on record by now.
        cancellation: What became of the open requests.
    """

    batch: Batch
    keep_open: bool
    command: Callable[[str], str]
    was_running: bool = False
    has_stopped: bool = False
    record: Record = field(default_factory=Record)
    cancellation: Cancellation = field(default_factory=Cancellation)

    @property
    def open(self) -> int:
        """Requests that are still open."""
        return len(open_standings(self.record))

    @property
    def unknown(self) -> int:
        """Submissions whose fate is unknown."""
        lost = (AttemptState.SUBMITTING, AttemptState.UNKNOWN)
        return sum(one.state in lost for one in self.record.jobs.values())

    @property
    def exit_code(self) -> int:
        """3 where there is something to mend, 1 where something is left, else 0."""
        if not self.has_stopped:
            return 1
        if self.keep_open:
            return 0
        if self.cancellation.barred is not None or not self.cancellation.answered:
            return 3
        return 1 if self.open or self.cancellation.count(Fate.UNDELIVERED) else 0

    @property
    def reason(self) -> str:
        """Why the exit code is not 0, in a few words."""
        barred = self.cancellation.barred
        if not self.has_stopped:
            return "the run has not stopped in time"
        if barred is not None:
            return stop_for_account(barred).text
        if not self.cancellation.answered:
            return "no answer from the service"
        undelivered = self.cancellation.count(Fate.UNDELIVERED)
        counts = {"open": 0 if self.keep_open else self.open, "undelivered": undelivered}
        return ", ".join(f"{number} {name}" for name, number in counts.items() if number)

    def as_json(self) -> dict[str, Json]:
        """Return it as `--json` has it."""
        settled = self.cancellation.settled
        return {
            "batch": self.batch.name,
            "folder": str(self.batch.folder),
            "was_running": self.was_running,
            "stopped": self.has_stopped,
            **{str(fate): self.cancellation.count(fate) for fate in Fate},
            "open": self.open,
            "unknown": self.unknown,
            "open_requests": [
                {"job_id": one.job_id, "request_id": one.request_id, "reason": one.reason}
                for one in settled
                if one.fate is Fate.OPEN
            ],
            "spent_usd": amount(self.record.bill.spent_usd),
            "reserved_usd": amount(self.record.bill.reserved_usd),
            "exit_code": self.exit_code,
            "reason": self.reason,
        }


def say_outcome(outcome: Outcome) -> None:
    """Say what came of it, and what is left to do."""
    name = outcome.batch.name
    if not outcome.has_stopped:
        say(f"{name}: the run has not stopped in time; it was asked to, and nothing was cancelled.")
        say(f"  Again:  {outcome.command('cancel')}")
        return
    if outcome.keep_open:
        stopped = "its run has stopped" if outcome.was_running else "no run is going on"
        say(f"{name}: {stopped}; {_requests(outcome.open)} stay open on record.")
        if outcome.open:
            say(f"  Cancel them:  {outcome.command('cancel')}")
    elif not outcome.cancellation.settled:
        stopped = "its run has stopped" if outcome.was_running else "no run is going on"
        say(f"{name}: nothing to cancel: {stopped}, and no request is open.")
    else:
        _say_settled(outcome)
    if outcome.unknown:
        say(
            f"  {outcome.unknown:,} unknown: sent, the answer was lost; what has no name cannot be "
            f"cancelled.  {outcome.command('status')}"
        )
    if outcome.was_running or outcome.open or outcome.cancellation.settled:
        say(f"  Go on:  {outcome.command('resume')}")


def _say_settled(outcome: Outcome) -> None:
    cancellation, bill = outcome.cancellation, outcome.record.bill
    words = {
        Fate.CANCELLED: "cancelled",
        Fate.SAVED: "completed all the same and saved",
        Fate.UNDELIVERED: "completed all the same, not on disk yet",
        Fate.FAILED: "failed",
        Fate.OPEN: "still open",
    }
    counts = {words[fate]: cancellation.count(fate) for fate in Fate}
    shown = ", ".join(f"{number:,} {word}" for word, number in counts.items() if number)
    say(f"{outcome.batch.name}: {shown}.")
    unsettled = [one for one in cancellation.settled if one.fate in (Fate.OPEN, Fate.UNDELIVERED)]
    for one in unsettled[:MOST_NAMED]:
        reason = neutralised(one.reason)
        say(f"  {one.job_id}  {neutralised(one.request_id)}  {one.fate}: {reason}")
    if len(unsettled) > MOST_NAMED:
        say(f"  and {len(unsettled) - MOST_NAMED:,} more")
    if cancellation.barred is not None:
        stop = stop_for_account(cancellation.barred)
        say(f"  Stopped: {stop.text}. Mend it: {stop.mend}.")
    elif not cancellation.answered:
        say("  There is no answer from the service. See what is wrong:  batchgen doctor")
    reserved = f"; ${bill.reserved_usd:,.2f} reserved" if bill.reserved_usd else ""
    state = outcome.batch.state
    simulated = " (simulated: nothing was paid)" if state is not None and state.simulated else ""
    say(f"  bill    ${bill.spent_usd:,.2f}{reserved}{simulated}")


def _requests(number: int) -> str:
    return f"{number:,} {'request' if number == 1 else 'requests'}"
