"""What `batchgen export` says."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from batchgen.cli.layout import counted, labelled, plain
from batchgen.exports import Exported

# So many missing images are named; missing.csv has all.
MOST_NAMED = 5

# Writes a command about the batch: a verb and what follows the batch's name.
Command = Callable[..., str]


def describe(exported: Exported, *, command: Command) -> str:
    """Return what came of an export, at length.

    Args:
        exported: What came of it.
        command: Writes a command about the batch.
    """
    blocks = [_head(exported), _details(exported), _missing(exported), _next(exported, command)]
    return "\n".join(line for block in blocks for line in block)


def _head(exported: Exported) -> Iterator[str]:
    if exported.is_refused:
        verb = "is" if exported.holes.total() == 1 else "are"
        yield (
            f"{exported.batch}: not exported, because of --strict: "
            f"{counted(exported.holes.total(), 'image')} {verb} missing. Nothing was written."
        )
        return
    what = counted(exported.images, "image")
    if exported.rows != exported.images:
        what = f"{counted(exported.rows, 'row')}, {what}"
    size = f", {exported.bytes / 1e6:,.1f} MB" if exported.bytes else ""
    yield f"{exported.batch}: {what}{size} as {exported.format}."
    yield from labelled("  in", str(exported.folder))


def _details(exported: Exported) -> Iterator[str]:
    if len(exported.splits) > 1:
        yield from labelled("  splits", _counts(exported.splits))
    if exported.left_out:
        yield from labelled("  left out", _counts(exported.left_out))
    if exported.former:
        noun = "image is" if exported.former == 1 else "images are"
        yield from labelled(
            "  former", f"{exported.former:,} {noun} of jobs that the manifest no longer has"
        )
    for warning in exported.warnings:
        yield from labelled("  note", warning)
    if exported.simulated:
        yield "  (simulated: drawn stand-ins, nothing was paid)"


def _missing(exported: Exported) -> Iterator[str]:
    if not exported.holes:
        return
    where = "" if exported.is_refused else "; missing.csv lists them"
    yield from labelled("  missing", f"{_counts(exported.holes)}{where}")
    for hole in exported.first_holes[:MOST_NAMED]:
        name = f"{hole.record['job_id']}-{hole.record['image_index']}"
        prompt = plain(hole.record.get("prompt", ""))
        yield f"    {name}  {hole.label}  {prompt}"[:100].rstrip()
    if exported.holes.total() > MOST_NAMED:
        yield f"    … and {exported.holes.total() - MOST_NAMED:,} more"


def _next(exported: Exported, command: Command) -> Iterator[str]:
    if exported.damaged:
        yield "next"
        yield f"  {command('verify', '--repair')}    sets right what can be, without paying"
    elif exported.is_refused and (exported.is_left or exported.has_failed):
        yield "next"
        if exported.is_left:
            yield f"  {command('resume')}    goes on with what is left"
        if exported.has_failed:
            yield f"  {command('status', '--failed')}    what failed, and what tries it again"


def _counts(counts: object) -> str:
    pairs = counts.items()  # type: ignore[attr-defined]  # a mapping
    return " · ".join(f"{name} {number:,}" for name, number in pairs)
