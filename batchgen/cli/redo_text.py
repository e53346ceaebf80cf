"""What a redo says beside its plan: what was left out, and why."""

from __future__ import annotations

from collections.abc import Iterator

from batchgen.cli.layout import counted, labelled
from batchgen.job import Json
from batchgen.redo import LeftOut, Order

# So many ids are named, the others counted.
MOST_NAMED = 3


def list_notes(order: Order) -> list[str]:
    """Return what is worth saying of an order: nothing, or some lines behind an empty one."""
    lines = list(_notes(order))
    return ["", *lines] if lines else []


def nothing_to_redo(order: Order, *, batch: str, resume: str) -> str:
    """Return why nothing is made once more, and what would be.

    Args:
        order: An order without lines.
        batch: The batch's name.
        resume: The command that makes what is left.
    """
    left_out = order.left_out
    if order.ordered:
        return f"{batch}: nothing to do. All {order.ordered:,} that were ordered are made."
    if not left_out:
        return (
            f"{batch} has nothing ordered that is not made. Say what to make once more: "
            "--rejected picks.csv, --where AXIS=VALUE or --jobs ID"
        )
    lines = [f"{batch}: nothing to make once more."]
    if LeftOut.NOT_MADE in left_out:
        what = _jobs_have(left_out[LeftOut.NOT_MADE], "no image yet")
        lines.append(f"  {what}; what is left, or failed, is made by:  {resume}")
    if LeftOut.REDONE in left_out:
        lines.append(f"  {_redone(left_out[LeftOut.REDONE])}")
    if LeftOut.REDO_FAILED in left_out:
        what = _redo_failed(left_out[LeftOut.REDO_FAILED])
        lines.append(f"  {what}; what failed is tried again by:  {resume} --retry failed")
    if LeftOut.GONE in left_out:
        lines.append(f"  {_gone(left_out[LeftOut.GONE])}")
    return "\n".join(lines)


def as_json(order: Order) -> dict[str, Json]:
    """Return what `--json` says of an order, beside the keys of a run."""
    return {
        "redo": [
            {
                "job_id": line.job.job_id,
                "redo_of": line.redo_of,
                "repeat": line.job.repeat,
                "seed": line.job.seed,
                "is_new": number >= order.pending,
            }
            for number, line in enumerate(order.lines)
        ],
        "left_out": {why.value: list(ids) for why, ids in order.left_out.items()},
    }


def _notes(order: Order) -> Iterator[str]:
    if order.pending and order.new:
        yield from labelled(
            "ordered before", f"{counted(order.pending, 'job')} of these: not made so far"
        )
    elif order.pending and not order.ordered:
        yield from labelled(
            "ordered before",
            "nothing new: what was ordered of these and is not made yet comes first",
        )
    if order.whole:
        several = "asks" if order.whole == 1 else "ask"
        yield from labelled(
            "several images",
            f"{counted(order.whole, 'job')} {several} for more than one: all of them are made "
            "once more, not only those that were rejected",
        )
    left_out = order.left_out
    if LeftOut.NOT_MADE in left_out:
        ids = left_out[LeftOut.NOT_MADE]
        yield from labelled("left out", _jobs_have(ids, "no image yet: that is for resume"))
    if LeftOut.REDONE in left_out:
        yield from labelled("left out", _redone(left_out[LeftOut.REDONE]))
    if LeftOut.REDO_FAILED in left_out:
        what = _redo_failed(left_out[LeftOut.REDO_FAILED])
        yield from labelled("left out", f"{what}: that is for resume --retry failed")
    if LeftOut.GONE in left_out:
        yield from labelled("left out", _gone(left_out[LeftOut.GONE]))


def _jobs_have(ids: tuple[str, ...], what: str) -> str:
    return f"{_named(ids)} {'has' if len(ids) == 1 else 'have'} {what}"


def _redone(ids: tuple[str, ...]) -> str:
    was = "was" if len(ids) == 1 else "were"
    return (
        f"{_named(ids)} {was} redone since. If the new image is no better, reject that one too, "
        "or name the job with --jobs"
    )


def _redo_failed(ids: tuple[str, ...]) -> str:
    was = "was" if len(ids) == 1 else "were"
    return f"{_named(ids)} {was} ordered once more before, and that failed"


def _gone(ids: tuple[str, ...]) -> str:
    return (
        f"of {_named(ids)} nobody knows any more what was sent: the manifest has none, "
        "and requests.csv was lost"
    )


def _named(ids: tuple[str, ...]) -> str:
    """Return how many jobs there are, and the first of them by name."""
    more = f" and {len(ids) - MOST_NAMED:,} more" if len(ids) > MOST_NAMED else ""
    return f"{counted(len(ids), 'job')} ({', '.join(ids[:MOST_NAMED])}{more})"
