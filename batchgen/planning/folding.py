"""Show by an example which jobs of a manifest are the same as another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from batchgen.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Two jobs of a manifest that are one.

    Attributes:
        first: The one that is made.
        second: The one that is the same.
        differing: Variables in which they differ and which nothing that is sent depends on.
    """

    first: Job
    second: Job
    differing: tuple[str, ...]


def find_fold(jobs: Iterable[Job], second: Job) -> Fold | None:
    """Return the fold of which `second` is the second half.

    Keeping where each job stands would cost memory for each; drawing again as far as the first
    half costs only time, and only where something is folded.

    Args:
        jobs: The manifest's jobs, drawn anew.
        second: The first job that was met twice.
    """
    for first in jobs:
        if first.job_id == second.job_id:
            names = dict.fromkeys((*first.variables, *second.variables))
            return Fold(
                first=first,
                second=second,
                differing=tuple(
                    name
                    for name in names
                    if first.variables.get(name) != second.variables.get(name)
                ),
            )
    return None
