"""What a run says when it has ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal

from batchgen.cli.layout import counted, moment, plain
from batchgen.cli.talk import strong
from batchgen.report import Report
from batchgen.standing import Step
from batchgen.state import JobState
from batchgen.stop import Cause

# Writes a command about the batch: a verb and what follows the batch's name.
Command = Callable[..., str]

# A longer command has its explanation on a line of its own.
COMMAND_COLUMNS = 40

SIMULATED = "  (simulated: drawn stand-ins, nothing was paid)"


def summarise(report: Report, *, command: str, about: Command) -> str:
    """Return the closing words of a run.

    Args:
        report: What came of it.
        command: The command that goes on.
        about: Writes a command about the batch.
    """
    if report.stop is not None and report.exit_code == report.stop.cause.code:
        lines = _stopped(report, command, about)
    elif report.exit_code == 0:
        lines = _all_well(report, command)
    elif report.submitted or report.again or not report.failed:
        lines = _with_remainder(report, command, about)
    else:
        lines = _nothing_to_try(report, command, about)
    return "\n".join([*lines, SIMULATED] if report.simulated else lines)


def _all_well(report: Report, command: str) -> list[str]:
    name, spent = strong(report.batch), _usd(report.bill.spent_usd)
    if report.left:
        head = f"{name}: done after {_duration(report)}, as far as --limit let it. "
        go_on = f"  go on    {command}       the other {_the_left(report)}"
        return [head + f"{_on_disk(report)}, {spent}.", *_places(report), go_on]
    if not report.submitted:
        last = f", last one {moment(report.last_at)}" if report.last_at else ""
        return [f"{name}: nothing to do. {_all(report)} ({spent}{last})."]
    quoted = "" if report.quoted_usd is None else f" (quoted {_usd(report.quoted_usd)})"
    head = f"{name}: done at {_clock(report)} after {_duration(report)}. "
    if report.redone:
        text = f"{head}{_all(report)}, made once more{quoted}; the batch has cost {spent}."
        return [text, *_places(report)]
    return [f"{head}{_all(report)} for {spent}{quoted}.", *_places(report)]


def _with_remainder(report: Report, command: str, about: Command) -> list[str]:
    head = (
        f"{strong(report.batch)}: finished at {_clock(report)} after {_duration(report)}. "
        f"{_on_disk(report)}."
    )
    lines = [head, "", *_counts(report), "", _bill(report), *_places(report)]
    return [*lines, "", "next", *_explained(_next(report, command, about))]


def _nothing_to_try(report: Report, command: str, about: Command) -> list[str]:
    """Say that a further run would try nothing, and what would."""
    cost = ""
    if report.dearest_usd:
        cost = f", and may cost {_usd(report.failed * report.dearest_usd)}"
    return [
        f"{strong(report.batch)}: nothing to do. {_on_disk(report)}; "
        f"{report.failed:,} failed and none of them would be tried again "
        f"(--retry failed does{cost}).",
        *_explained(
            [
                (f"{command} --retry failed", "tries them again"),
                (about("status", "--failed"), "what needs you, with prompts and fal's reasons"),
            ]
        ),
    ]


def _stopped(report: Report, command: str, about: Command) -> list[str]:
    stop = report.stop
    if stop is None:
        return []
    name, spent = strong(report.batch), _usd(report.bill.spent_usd)
    if stop.cause is Cause.SIGNAL:
        head = (
            f"{name}: interrupted at {_clock(report)}. {_on_disk(report)}, {spent}; "
            "nothing is lost."
        )
        return [head, *_unfinished(report, about), f"  Go on:  {command}"]
    lines = [f"{name}: stopped at {_clock(report)}: {plain(stop.text).rstrip('.')}."]
    lines.append(f"  {_on_disk(report)}, {spent}.")
    if stop.cause.must_be_mended and stop.cause is not Cause.FAILURES:
        lines[-1] += " No job counts as failed for this."
        if report.submitted and not report.open:
            lines[-1] = lines[-1][:-1] + "; what was open has been fetched."
    if report.failed:
        lines.append(
            f"  {report.failed:,} failed: {_types(report)}       {about('status', '--failed')}"
        )
    lines += _unfinished(report, about)
    then = f"{stop.mend[:1].upper()}{stop.mend[1:]}, then:" if stop.mend else "Go on:"
    rest = f"       the other {_the_left(report)}" if report.left else ""
    return [*lines, f"  {then}  {command}{rest}"]


def _unfinished(report: Report, about: Command) -> list[str]:
    """Return what an ended run leaves under way."""
    lines = []
    if report.open:
        what = counted(report.open, "request is" if report.open == 1 else "request")
        verb = "" if report.open == 1 else " are"
        lines.append(f"  {what}{verb} still open at fal; the next run reads what is open first.")
    if report.undelivered:
        lines.append(f"  {report.undelivered:,} made and paid, and not fetched yet: fetched free.")
    if report.unknown:
        lines.append(
            f"  {report.unknown:,} unknown: sent, the answer was lost; held, not sent again. "
            f"Look them up:  {about('reconcile')}"
        )
    if report.unrecorded:
        # The only place where these ids stand.
        lines.append(
            f"  {len(report.unrecorded):,} were accepted, and the disk did not take their ids. "
            "Keep these lines; if the next run does not find them by itself:"
        )
        lines += [f"    {about('reconcile', '--adopt', pair)}" for pair in report.unrecorded]
    return lines


def _counts(report: Report) -> list[str]:
    rows = [
        (report.succeeded, "succeeded", ""),
        (
            report.undelivered,
            "undelivered",
            "made and paid, the file could not be fetched; fetched next time, free",
        ),
        (report.failed, "failed", _types(report)),
        (
            report.unknown,
            "unknown",
            "sent, the answer was lost, not in fal's history so far; held, not sent again",
        ),
        (report.open, "open", "still at fal; asked for next time"),
        (report.left, "left", "not sent yet"),
    ]
    width = max(5, *(len(f"{number:,}") for number, _, _ in rows))
    return [
        f"  {number:>{width},}  {name:<12}  {text}".rstrip()
        for number, name, text in rows
        if number
    ]


def _bill(report: Report) -> str:
    bill = report.bill
    parts = []
    if report.quoted_usd is not None:
        parts.append(f"quoted {_usd(report.quoted_usd)}")
    if bill.reserved_usd:
        unsettled = report.open + report.unknown
        which = "the one that is" if unsettled == 1 else f"the {unsettled:,} that are"
        parts.append(f"at most {_usd(bill.reserved_usd)} more for {which} not settled")
    if bill.limit_usd is not None:
        parts.append(f"budget {_usd(bill.limit_usd)}")
    return f"  bill     {_usd(bill.spent_usd):<10}  {'; '.join(parts)}".rstrip()


def _next(report: Report, command: str, about: Command) -> list[tuple[str, str]]:
    """Return the commands that help further, and what each does."""
    lines: list[tuple[str, str]] = []
    tried_again = _tried_again(report)
    if report.again:
        lines.append((command, _work(report, tried_again)))
    needs_you = report.failed - tried_again
    if needs_you > 0:
        what = f"the {needs_you:,} that need you, with prompts and fal's reasons"
        if needs_you == 1:
            what = "the one that needs you, with its prompt and fal's reason"
        lines.append((about("status", "--failed"), what))
    if report.unknown:
        which = "the lost one" if report.unknown == 1 else f"the {report.unknown:,} lost ones"
        again = "sends it again" if report.unknown == 1 else "sends them again"
        lines.append((about("reconcile"), f"looks {which} up again, free"))
        lines.append((f"{command} --on-unknown resubmit", f"{again} (may be paid twice)"))
    return lines


def _work(report: Report, tried_again: int) -> str:
    """Return what a further run would do, and for how many jobs."""
    steps = report.tally.steps
    parts = [
        (steps[Step.DOWNLOAD], "fetches {:,}", False),
        (steps[Step.READ], "asks for {:,}", False),
        (steps[Step.RECONCILE] + steps[Step.MARK_UNKNOWN], "looks up {:,}", False),
        (tried_again, "tries {:,} again", True),
        (report.left, "sends {:,}", True),
    ]
    said = []
    for number, text, is_paid in parts:
        if number:
            price = f" (at most {_usd(number * report.dearest_usd)})" if report.dearest_usd else ""
            said.append(text.format(number) + (price if is_paid else ""))
    return said[0] if len(said) == 1 else f"{report.again:,} of them: {', '.join(said)}"


def _tried_again(report: Report) -> int:
    """Return how many failed jobs a further run would take up again."""
    steps, states = report.tally.steps, report.tally.states
    return max(0, steps[Step.SEND] + steps[Step.DECIDE] - states[JobState.LEFT])


def _explained(commands: Sequence[tuple[str, str]]) -> list[str]:
    """Return some commands, each with what it does beside it, or below a long one."""
    short = [len(command) for command, _ in commands if len(command) <= COMMAND_COLUMNS]
    width = max(short, default=0)
    lines = []
    for command, text in commands:
        if len(command) <= width:
            lines.append(f"  {command:<{width}}    {text}")
        else:
            lines += [f"  {command}", f"  {'':<{width}}    {text}"]
    return lines


def _the_left(report: Report) -> str:
    """Return how many jobs are left, and about what they cost."""
    if report.quoted_usd is None or not report.jobs:
        return f"{report.left:,}"
    return f"{report.left:,}, about {_usd(report.quoted_usd * report.left / report.jobs)}"


def _types(report: Report) -> str:
    kinds = report.tally.failed_by_type.most_common()
    return " · ".join(f"{plain(name)} {number:,}" for name, number in kinds)


def _all(report: Report) -> str:
    if report.tally.images_on_disk >= report.images:
        what = "the image is" if report.images == 1 else f"all {report.images:,} images are"
        return f"{what[:1].upper()}{what[1:]} on disk"
    jobs = "The job is" if report.jobs == 1 else f"All {report.jobs:,} jobs are"
    if not report.tally.images_on_disk:
        return f"{jobs} done, nothing was downloaded"
    return f"{jobs} done, {_on_disk(report)}"


def _on_disk(report: Report) -> str:
    verb = "is" if report.images == 1 else "are"
    noun = "image" if report.images == 1 else "images"
    return f"{report.tally.images_on_disk:,} of {report.images:,} {noun} {verb} on disk"


def _places(report: Report) -> list[str]:
    return [
        f"  images   {report.folder / 'images'}",
        f"  table    {report.folder / 'ledger.csv'}",
    ]


def _usd(amount: Decimal) -> str:
    return f"${amount:,.2f}"


def _clock(report: Report) -> str:
    return f"{datetime.fromisoformat(report.finished_at).astimezone():%H:%M}"


def _duration(report: Report) -> str:
    began = datetime.fromisoformat(report.started_at)
    seconds = round((datetime.fromisoformat(report.finished_at) - began).total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min"
