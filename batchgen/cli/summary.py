"""What a run says when it has ended."""

from __future__ import annotations

from datetime import datetime

from batchgen.cli.talk import strong
from batchgen.report import Report
from batchgen.stop import Cause


def summarise(report: Report, *, command: str) -> str:
    """Return the closing words of a run.

    Args:
        report: What came of it.
        command: The command that goes on.
    """
    mark = " (simulated: drawn stand-ins, nothing was paid)" if report.simulated else ""
    if report.stop is not None and report.exit_code == report.stop.cause.code:
        return _stopped(report, command) + mark
    if report.exit_code == 0 and report.submitted == 0 and not report.left:
        return (
            f"{strong(report.batch)}: nothing to do. All {_images(report)} are on disk "
            f"(${report.bill.spent_usd:,.2f}).{mark}"
        )
    if report.exit_code == 0:
        return _all_well(report, command) + mark
    return _with_remainder(report, command) + mark


def _all_well(report: Report, command: str) -> str:
    on_disk = report.tally.images_on_disk
    if report.left:
        head = (
            f"{strong(report.batch)}: done after {_duration(report)}, as far as --limit let it. "
            f"{on_disk:,} of {report.images:,} images are on disk, ${report.bill.spent_usd:,.2f}."
        )
        return "\n".join([head, *_places(report), f"  go on    {command}"])
    what = f"All {_images(report)} are on disk"
    if on_disk < report.images:
        what = f"All {report.jobs:,} jobs are done, {on_disk:,} images are on disk,"
    head = (
        f"{strong(report.batch)}: done at {_clock(report)} after {_duration(report)}. {what} "
        f"for ${report.bill.spent_usd:,.2f}{_quoted(report)}."
    )
    return "\n".join([head, *_places(report)])


def _with_remainder(report: Report, command: str) -> str:
    head = (
        f"{strong(report.batch)}: finished at {_clock(report)} after {_duration(report)}. "
        f"{report.tally.images_on_disk:,} of {report.images:,} images are on disk."
    )
    lines = [head, ""]
    rows = [
        (report.succeeded, "succeeded", ""),
        (report.undelivered, "undelivered", "made and paid; fetched next time, free"),
        (report.failed, "failed", _types(report)),
        (report.unknown, "unknown", "sent, the answer was lost; held, not sent again"),
        (report.open, "open", "still at fal; asked for next time"),
        (report.left, "left", "not sent yet"),
    ]
    width = max(len(f"{number:,}") for number, _, _ in rows)
    for number, name, text in rows:
        if number:
            lines.append(f"  {number:>{width},}  {name:<12} {text}".rstrip())
    unsettled = report.bill.reserved_usd
    more = f"; at most ${unsettled:,.2f} more for what is not settled" if unsettled else ""
    lines += ["", f"  bill     ${report.bill.spent_usd:,.2f}{_quoted(report)}{more}"]
    lines += _places(report)
    lines += ["", *_next(report, command)]
    return "\n".join(lines)


def _stopped(report: Report, command: str) -> str:
    stop = report.stop
    if stop is None:
        return ""
    on_disk = f"{report.tally.images_on_disk:,} of {report.images:,} images are on disk"
    spent = f"${report.bill.spent_usd:,.2f}"
    if stop.cause is Cause.SIGNAL:
        return (
            f"{strong(report.batch)}: interrupted at {_clock(report)}. {on_disk}, {spent}; "
            f"nothing is lost. Go on: {command}"
        )
    head = f"{strong(report.batch)}: stopped at {_clock(report)}: {stop.text}."
    lines = [head, f"  {on_disk}, {spent}."]
    if stop.cause.must_be_mended and stop.cause is not Cause.FAILURES:
        lines[-1] += " No job counts as failed for this."
    if report.failed:
        lines.append(f"  {report.failed:,} failed: {_types(report)}")
    if report.open:
        lines.append(f"  {report.open:,} are still open at fal; they are read first next time.")
    if report.unknown:
        lines.append(f"  {report.unknown:,} are unknown: sent, the answer was lost; held.")
    lines += _unrecorded(report)
    then = f"{stop.mend[:1].upper()}{stop.mend[1:]}, then:" if stop.mend else "Go on:"
    lines.append(f"  {then}  {command}       the other {report.left:,}")
    return "\n".join(lines)


def _unrecorded(report: Report) -> list[str]:
    """Return the ids that the disk did not take: this is the only place where they stand."""
    if not report.unrecorded:
        return []
    return [
        f"  {len(report.unrecorded):,} were accepted, and the disk did not take their ids. Keep "
        "these lines; if the next run does not find them by itself:",
        *(f"    batchgen reconcile {report.batch} --adopt {pair}" for pair in report.unrecorded),
    ]


def _next(report: Report, command: str) -> list[str]:
    lines = ["next"]
    if report.again:
        lines.append(f"  {command}    {report.again:,} of them")
    elif report.failed:
        lines[0] = (
            f"{report.failed:,} failed and none of them would be tried again (--retry failed does)."
        )
    if report.failed:
        lines.append(f"  batchgen status {report.batch} --failed    what needs you, with reasons")
    return lines


def _types(report: Report) -> str:
    return " · ".join(
        f"{name} {number:,}" for name, number in report.tally.failed_by_type.most_common()
    )


def _quoted(report: Report) -> str:
    return "" if report.quoted_usd is None else f" (quoted ${report.quoted_usd:,.2f})"


def _images(report: Report) -> str:
    return f"{report.images:,} {'image' if report.images == 1 else 'images'}"


def _places(report: Report) -> list[str]:
    return [
        f"  images   {report.folder / 'images'}",
        f"  table    {report.folder / 'ledger.csv'}",
    ]


def _clock(report: Report) -> str:
    return f"{datetime.fromisoformat(report.finished_at).astimezone():%H:%M}"


def _duration(report: Report) -> str:
    began = datetime.fromisoformat(report.started_at)
    seconds = round((datetime.fromisoformat(report.finished_at) - began).total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
