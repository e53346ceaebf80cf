"""How a batch's standing reads: one batch at length, many as one line each, failures by type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from batchgen.attempt import parse_timestamp
from batchgen.failures import FailedJob
from batchgen.lock import Holder
from batchgen.overview import Overview
from batchgen.standing import Step

# A status is read on a terminal of this width.
COLUMNS = 100

# So many kinds of failures are named, the others counted.
MOST_KINDS = 3

# The column in which texts begin.
INDENT = 17

# Writes a command about the batch: a verb and what follows the batch's name.
Command = Callable[..., str]


def describe(overview: Overview, *, command: Command, now: datetime) -> str:
    """Return one batch at length.

    Args:
        overview: Where it stands.
        command: Writes a command about it.
        now: The time, in the zone in which times are shown.
    """
    blocks = [
        _head(overview, now),
        _counts(overview),
        _money(overview),
        _unknowns(overview, command, now),
        _next(overview, command),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def list_batches(overviews: Sequence[Overview], *, now: datetime) -> list[str]:
    """Return a heading and one line for each batch."""
    names = [overview.report.batch for overview in overviews]
    width = max(map(len, ("batch", *names)))
    head = f"{'batch':<{width}} {'jobs':>9} {'done':>9} {'failed':>7} {'unknown':>7} {'open':>5}"
    lines = [f"{head} {'left':>9} {'spent':>11}  last"]
    for one in overviews:
        report = one.report
        counts = (
            f"{report.batch:<{width}} {report.jobs:>9,} {report.succeeded:>9,} "
            f"{report.failed:>7,} {len(one.unknowns):>7,} {report.open:>5,} {report.left:>9,}"
        )
        spent = f"${report.bill.spent_usd:,.2f}"
        lines.append(f"{counts} {spent:>11}  {_last(one, now)}")
    return lines


def list_failures(failures: Sequence[FailedJob]) -> list[str]:
    """Return the failed jobs by type and reason, the most frequent first."""
    lines: list[str] = []
    for error_type, number in _most_common(one.error_type for one in failures):
        group = [one for one in failures if one.error_type == error_type]
        lines += ["", f"{_shown(error_type)}: {_jobs(number)}"]
        for error, _ in _most_common(one.error for one in group):
            if error:
                lines.append(f'  "{_cut(error, COLUMNS * 2 - 4)}"')
            lines += [_failed_line(one) for one in group if one.error == error]
    return lines[1:]


def local_time(text: str, *, now: datetime) -> str:
    """Return a recorded time as people read it: `23:02` today, else `21 Nov 23:02`."""
    moment = parse_timestamp(text).astimezone(now.tzinfo)
    if moment.date() == now.date():
        return f"{moment:%H:%M}"
    year = "" if now - moment < timedelta(days=300) else f" {moment:%Y}"
    return f"{moment.day} {moment:%b}{year} {moment:%H:%M}"


def describe_holder(holder: Holder | None, *, now: datetime) -> str:
    """Return who has a batch's lock, in a few words."""
    if holder is None:
        return "another process"
    return f"process {holder.pid} on {holder.host} since {local_time(holder.started_at, now=now)}"


def _head(overview: Overview, now: datetime) -> list[str]:
    report = overview.report
    begun = f"begun {local_time(overview.begun_at, now=now)}" if overview.begun_at else "new"
    if not overview.last_at and not report.jobs:
        begun += ", never run"
    lines = [_row(report.batch, f"{report.folder}      {begun}")]
    if report.simulated:
        lines.append(_row("simulated", "drawn stand-ins; nothing was paid"))
    if overview.is_running:
        who = describe_holder(overview.holder, now=now)
        ended = report.succeeded + report.failed
        lines.append(_row("running", f"{who}: {ended:,} of {report.jobs:,}, {report.open:,} open"))
    if overview.sample:
        lines.append(_row("sample", f"{overview.sample} of the manifest; resume stays inside it"))
    return lines


def _counts(overview: Overview) -> list[str]:
    report, former = overview.report, overview.former
    made = "made and paid; fetched next time, free"
    if overview.is_running:
        made = "made and paid; on their way to disk"
    rows = [
        ("succeeded", report.succeeded, ""),
        ("undelivered", report.undelivered, made),
        ("failed", report.failed, _types(overview)),
        ("unknown", report.unknown, "sent, the answer was lost; not sent again by itself"),
        ("open", report.open, "at the service; asked for, not sent again"),
        ("left", report.left, "not sent yet"),
        ("former", former.jobs, _former(overview)),
    ]
    number = f"{report.jobs:,} {'job' if report.jobs == 1 else 'jobs'}"
    asked = f"{report.images:,} {'image' if report.images == 1 else 'images'}"
    on_disk = f"{report.tally.images_on_disk:,} on disk"
    lines = [_row("manifest", f"{number}, {asked}, {on_disk}")]
    if overview.redone:
        lines.append(_row("redo", f"{_jobs(overview.redone)} of these once more, by redo.csv"))
    return lines + [_counted(name, count, text) for name, count, text in rows if count]


def _types(overview: Overview) -> str:
    kinds = overview.report.tally.failed_by_type.most_common()
    shown = [f"{_shown(name)} {number:,}" for name, number in kinds[:MOST_KINDS]]
    more = sum(number for _, number in kinds[MOST_KINDS:])
    return " · ".join([*shown, f"others {more:,}"] if more else shown)


def _former(overview: Overview) -> str:
    former = overview.former
    rest = {
        "open": former.open,
        "undelivered": former.undelivered,
        "unknown": former.unknown,
    }
    shown = ", ".join(f"{number:,} {name}" for name, number in rest.items() if number)
    return f"no longer in the manifest; their images stay{f' ({shown})' if shown else ''}"


def _money(overview: Overview) -> list[str]:
    bill = overview.report.bill
    parts = []
    if overview.billed_usd:
        who = "simulator" if overview.report.simulated else "service"
        parts.append(
            f"${overview.billed_usd:,.2f} as the {who} billed it "
            f"(estimated ${overview.foreseen_usd:,.2f})"
        )
    if overview.table_usd:
        parts.append(f"${overview.table_usd:,.2f} estimated by the price table")
    lines = [_amount("spent", f"{bill.spent_usd:,.2f}", ", ".join(parts))]
    if bill.reserved_usd:
        text = "set aside for what is open or unknown"
        lines.append(_amount("reserved", f"{bill.reserved_usd:,.2f}", text))
    if bill.limit_usd is not None:
        lines.append(_amount("budget", f"{bill.limit_usd:,.2f}", "in the manifest"))
    return lines


def _unknowns(overview: Overview, command: Command, now: datetime) -> list[str]:
    """Return what is known of unknown submissions, and the commands that settle them."""
    unknowns = overview.unknowns
    if not unknowns:
        return []
    first, last = (local_time(unknowns[end].sent_at, now=now) for end in (0, -1))
    when = f"at {first}" if first == last else f"between {first} and {last}"
    cost = f"${sum(one.cost_usd for one in unknowns):,.2f}"
    said = [
        f"{len(unknowns):,} requests were sent {when}, and their answers were lost.",
        f"They count as paid ({cost}) and are not sent again by themselves.",
    ]
    if len(unknowns) == 1:
        said = [
            f"1 request was sent {when}, and its answer was lost.",
            f"It counts as paid ({cost}) and is not sent again by itself.",
        ]
    first_id = unknowns[0].job_id
    rows = {
        "Look again, free:": command("reconcile"),
        "You know the request id:": command("reconcile", "--adopt", f"{first_id}=REQUEST_ID"),
        "Write it off:": command("reconcile", "--give-up", first_id),
        "Send again (may be paid twice):": command("resume", "--on-unknown", "resubmit"),
    }
    return [*said, *(f"  {name:<33} {text}" for name, text in rows.items())]


def _next(overview: Overview, command: Command) -> list[str]:
    report = overview.report
    lines: list[tuple[str, str]] = []
    if overview.is_running:
        text = "stop it; its open requests stay on record"
        lines.append((command("cancel", "--keep-open"), text))
    elif report.again:
        lines.append((command("resume"), f"{report.again:,} of them: {_work(overview)}"))
    if report.failed and overview.failures is None:
        text = f"the {report.failed:,} that failed, with prompts and reasons"
        lines.append((command("status", "--failed"), text))
    if report.failed and not report.again and not overview.is_running:
        text = "tries what failed once more, which may cost again"
        lines.append((command("resume", "--retry", "failed"), text))
    if report.open and not overview.is_running:
        lines.append((command("cancel"), f"cancel the {report.open:,} open"))
    if not lines:
        return []
    width = max(len(line) for line, _ in lines)
    return ["next", *(f"  {line:<{width}}    {text}" for line, text in lines)]


def _work(overview: Overview) -> str:
    """Return what a further run would do, in a few words."""
    report = overview.report
    steps = report.tally.steps
    lookups = steps[Step.RECONCILE] + steps[Step.MARK_UNKNOWN]
    fetched, asked = steps[Step.DOWNLOAD], steps[Step.READ]
    left = report.left
    retried = report.again - left - lookups - fetched - asked
    parts = {
        "fetches {:,}": fetched,
        "asks for {:,}": asked,
        "looks up {:,}": lookups,
        "tries {:,} again": max(0, retried),
        "sends {:,}": left,
    }
    return ", ".join(text.format(number) for text, number in parts.items() if number)


def _last(overview: Overview, now: datetime) -> str:
    if overview.is_running:
        return "running"
    when = local_time(overview.last_at, now=now) if overview.last_at else "never run"
    return f"{when}  simulated" if overview.report.simulated else when


def _failed_line(one: FailedJob) -> str:
    parts = [one.job_id, _shown(one.line), f"seed {one.seed}" if one.seed else ""]
    head = "  ".join(part for part in parts if part)
    return f"    {head}  {_cut(one.prompt, COLUMNS - len(head) - 6)}"


def _cut(text: str, width: int) -> str:
    """Return the beginning of a text, on one line of at most so many columns."""
    line = _shown(text[: width + 1])
    return line if len(text) <= width else f"{line[: width - 1]}…"


def _shown(text: str) -> str:
    """Return a text as one line that no terminal obeys."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _most_common(values: Iterable[str]) -> list[tuple[str, int]]:
    return Counter(values).most_common()


def _row(name: str, text: str) -> str:
    return f"{name:<{INDENT - 1}} {text}".rstrip()


def _counted(name: str, count: int, text: str) -> str:
    return f"{name:<12}{count:>9,}    {text}".rstrip()


def _amount(name: str, amount: str, text: str) -> str:
    return f"{name:<10}{'$' + amount:>11}    {text}".rstrip()


def _jobs(number: int) -> str:
    return f"{number:,} {'job' if number == 1 else 'jobs'}"
