"""What `batchgen verify` says."""

from __future__ import annotations

from collections.abc import Callable

from batchgen.job import Json
from batchgen.lock import Holder
from batchgen.report import amount
from batchgen.verifying import Group, Kind, Verification

# So many findings of a kind are shown to a person; `--json` has more.
MOST_SHOWN = 5

# The column in which texts begin.
INDENT = 17

# Writes a command about the batch: a verb and what follows the batch's name.
Command = Callable[..., str]

# What `--repair` sets right.
_MENDED = frozenset(
    {
        Kind.LEDGER_LOST,
        Kind.LEDGER_RESAVED,
        Kind.LEDGER_BROKEN,
        Kind.TORN_TAIL,
        Kind.NOT_IN_LEDGER,
        Kind.MISSING_FILE,
        Kind.DAMAGED_FILE,
        Kind.CHANGED_ROW,
        Kind.COST,
    }
)

# Of these there is no more to say.
_SAYS_IT_ALL = frozenset({Kind.JOURNAL_LOST, Kind.LEDGER_LOST, Kind.LEDGER_RESAVED})

# What becomes of the others.
_ADVICE = {
    Kind.JOURNAL_LOST: "it cannot be written again; put it back from a copy if there is one",
    Kind.JOURNAL_BROKEN: "it is never mended; put it back from a copy",
    Kind.LEDGER_FOREIGN: "it is never touched; move it away, then --repair writes ledger.csv anew",
    Kind.REDO_BROKEN: "it is never mended; put it back from a copy, or move it away",
    Kind.HISTORY_BROKEN: "it is never mended; put it back from a copy, or move it away",
    Kind.NO_JOURNAL: "is requests.csv an older copy? Put the right one back",
    Kind.LOST_FILE: "the addresses are in ledger.csv",
    Kind.ORPHAN_FILE: "left alone",
    Kind.UNDELIVERED: "fetched by the next run, free",
}


def describe(found: Verification, *, command: Command) -> str:
    """Return what was found, at length.

    Args:
        found: What was found.
        command: Writes a command about the batch.
    """
    blocks = [_head(found), _findings(found), _notes(found), _next(found, command)]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def as_document(found: Verification, *, command: Command) -> dict[str, Json]:
    """Return what was found as `--json` has it."""
    groups = found.groups.items()
    return {
        "batch": found.batch,
        "folder": str(found.folder),
        "simulated": found.simulated,
        "running": found.is_running,
        "repair": found.mending,
        "images": found.images,
        "image_bytes": found.image_bytes,
        "rows": found.rows,
        "entries": found.entries,
        "ledger_usd": amount(found.ledger_usd),
        "journal_usd": amount(found.journal_usd),
        "findings": {kind.key: group.count for kind, group in found.kinds(notes=False)},
        "notes": {kind.key: group.count for kind, group in found.kinds(notes=True)},
        "mended": {kind.key: group.mended for kind, group in groups if group.mended},
        "shown": [
            {"kind": kind.key, "text": one.text, "job_id": one.job_id, "file": one.file}
            for kind, group in groups
            for one in group.shown
        ],
        "kept": list(found.kept),
        "exit_code": found.exit_code,
        "reason": found.reason,
        "next": [line for line, _ in _commands(found, command)],
    }


def _head(found: Verification) -> list[str]:
    lines = [_row(found.batch, str(found.folder))]
    if found.simulated:
        lines.append(_row("simulated", "drawn stand-ins; nothing was paid"))
    if found.is_running:
        text = f"{_who(found.holder)}; what it is about to write is not looked at"
        lines.append(_row("running", text))
    if found.rows or found.entries:
        size = f"{found.image_bytes / 1e6:,.1f} MB"
        lines.append(
            _row(
                "checked",
                f"{_count(found.images, 'image')} ({size}), "
                f"{_count(found.rows, 'row')} of ledger.csv, "
                f"{_count(found.entries, 'row')} of requests.csv",
            )
        )
    if found.has_books and found.rows:
        lines.append(
            _row(
                "cost",
                f"${found.ledger_usd:,.2f} in ledger.csv, ${found.journal_usd:,.2f} in "
                "requests.csv, for what is finished",
            )
        )
    if not any(found.kinds(notes=False)):
        lines.append(_row("", "All is well."))
    return lines


def _findings(found: Verification) -> list[str]:
    lines: list[str] = []
    for kind, group in found.kinds(notes=False):
        lines.append(f"{kind.label(group.count)}{_outcome(found, kind, group)}")
        lines += _shown(kind, group)
    lines += [_row("kept aside", file) for file in found.kept]
    return lines


def _outcome(found: Verification, kind: Kind, group: Group) -> str:
    if group.mended:
        return ": mended" if not group.left else f": {group.mended:,} of them mended"
    if kind in _ADVICE:
        return f": {_ADVICE[kind]}"
    return ": not mended" if found.mending else ""


def _shown(kind: Kind, group: Group) -> list[str]:
    lines = [f"  {one.text}" for one in group.shown[:MOST_SHOWN] if one.text]
    if group.count > MOST_SHOWN:
        lines.append(f"  … and {group.count - MOST_SHOWN:,} more")
    return [] if kind in _SAYS_IT_ALL else lines


def _notes(found: Verification) -> list[str]:
    lines = []
    for kind, group in found.kinds(notes=True):
        done = ": cleared away" if not group.left else ""
        lines.append(f"note: {kind.label(group.count)}{done}")
    return lines


def _next(found: Verification, command: Command) -> list[str]:
    commands = _commands(found, command)
    width = max((len(line) for line, _ in commands), default=0)
    lines = [f"  {line:<{width}}    {text}" for line, text in commands]
    return ["next", *lines] if lines else []


def _commands(found: Verification, command: Command) -> list[tuple[str, str]]:
    """Return what to type, each with what it does."""
    if found.is_running:
        return []
    commands = []
    is_hopeless = found.left(Kind.JOURNAL_BROKEN) or found.left(Kind.LEDGER_FOREIGN)
    if found.left(Kind.JOURNAL_LOST):
        line = command("resume", "--on-unknown", "resubmit")
        return [(line, "goes on without it: what ledger.csv lacks may be bought a second time")]
    mendable = sum(map(found.left, _MENDED))
    if mendable and not found.mending and not is_hopeless:
        line = command("verify", "--repair")
        commands.append((line, "sets right what can be set right, without paying"))
    elif found.left(Kind.UNDELIVERED):
        images = _count(found.left(Kind.UNDELIVERED), "image")
        commands.append((command("resume"), f"fetches {images}, free"))
    return commands


def _who(holder: Holder | None) -> str:
    if holder is None:
        return "another process"
    return f"process {holder.pid} on {holder.host} since {holder.started_at}"


def _row(name: str, text: str) -> str:
    return f"{name:<{INDENT - 1}} {text}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
