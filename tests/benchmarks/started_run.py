"""A `batchgen` command in a process of its own, and when its first submission came."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raw_queue import RawQueue

COMMAND = (sys.executable, "-m", "batchgen")
KEY = "bench-id:bench-secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What a command did.

    Attributes:
        first_post_s: From the process's start until the queue had its first submission; None
            where there was none.
        running_s: From that submission until the process had ended.
        cpu_s: All of the process's CPU time, to its end.
        peak_mb: The most memory that it ever had.
        seen: What the queue has to say of itself; under `calls` what it was asked for, by kind.
    """

    first_post_s: float | None
    running_s: float
    cpu_s: float
    peak_mb: float
    seen: dict[str, Any]

    @property
    def calls(self) -> dict[str, int]:
        calls: dict[str, int] = self.seen["calls"]
        return calls


def start(arguments: Sequence[str], place: Path, queue: RawQueue | None = None) -> Started:
    """Run a command to its end against a raw queue of its own, or against this one."""
    with queue or RawQueue() as queue, (place / "said").open("w") as said:
        environment = {**os.environ, "FAL_KEY": KEY, "BATCHGEN_QUEUE_URL": queue.url}
        began = time.monotonic()
        process = subprocess.Popen(
            [*COMMAND, *arguments], cwd=place, env=environment, stdout=said, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
        ended = time.monotonic()
        process.returncode = os.waitstatus_to_exitcode(status)
        seen = queue.seen()
    if process.returncode not in (0, 1):
        text = (place / "said").read_text()[-2000:]
        raise SystemExit(f"{arguments} ended with {process.returncode}: {text}")
    first_at = seen["first_at"]
    return Started(
        first_post_s=None if first_at is None else first_at - began,
        running_s=0.0 if first_at is None else ended - first_at,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_mb=usage.ru_maxrss / 1024,
        seen=seen,
    )
