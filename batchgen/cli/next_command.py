"""Write commands about a batch that can be copied as they are."""

from __future__ import annotations

import os
import shlex
from pathlib import Path


def next_command(verb: str, folder: Path, *options: str, jobs_dir: Path) -> str:
    """Return a command about a batch: by its name where that finds it, else by its folder.

    Args:
        verb: As in `resume`.
        folder: The batch's folder, absolute.
        options: What follows it.
        jobs_dir: Where batches live, as this call was told.
    """
    is_here = folder.parent == jobs_dir.absolute()
    parts = ["batchgen", verb, shlex.quote(folder.name if is_here else str(folder)), *options]
    if is_here and jobs_dir != Path(os.environ.get("BATCHGEN_JOBS_DIR", "jobs")):
        parts += ["--jobs-dir", shlex.quote(str(jobs_dir))]
    return " ".join(parts)
