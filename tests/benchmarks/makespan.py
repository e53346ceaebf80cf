"""How long a night takes, against the least that its service times allow.

    PYTHONPATH=tests python tests/benchmarks/makespan.py [--jobs N] [--seeds N]
    PYTHONPATH=tests python tests/benchmarks/makespan.py --real [--jobs N] [--seeds N] [--median S]

The service runs 40 requests at a time, 4 s each (lognormal, σ 0.4); 60 may be open, or 200. The
least that is possible is the sum of the service times by the number of runners, and a tail in
which the last requests run and nothing is left to send: what runners that never wait for anybody
take on top, with the same times in the same order. Printed are the time against that sum, the
same without the tail, the tail in seconds, the part of the runners' time in which they had nothing
to do (after thirty service times), how many requests waited at the service, and the looks at a
job, the one that noticed its end included.

The nights pass in virtual time; window and polling are those of the product. With --real they
take theirs: `batchgen run`, as anybody calls it, images and all, against a queue on loopback with
the same runners and service times. Its time counts from the first submission until the process
has ended.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from busy_queue import RealNight
from support.line import Service, lognormal
from support.virtual_queue import VirtualNight

RUNNERS = 40
MEDIAN_S = 4.0
SPREAD = 0.4
SETTLED = 30.0
SERVICES: dict[str, dict[str, Any]] = {
    "60 open, statuses tell places": {"cap": 60},
    "60 open, answers tell them too": {"cap": 60, "answers_tell": True},
    "60 open, nobody tells": {"cap": 60, "tells": False},
    "200 open, statuses tell places": {"cap": 200},
    "40 open": {"cap": 40},
}
REAL: dict[str, dict[str, Any]] = {
    "60 open, statuses tell places": {"cap": 60, "tells": "statuses"},
    "60 open, nobody tells": {"cap": 60, "tells": "nobody"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000, help="(2000)")
    parser.add_argument("--seeds", type=int, help="nights (10, or 3 real ones)")
    parser.add_argument("--real", action="store_true", help="the whole product, in real time")
    parser.add_argument("--median", type=float, default=MEDIAN_S, help="of a real night, in s (4)")
    options = parser.parse_args()
    if options.real:
        for name, given in REAL.items():
            say(name, real(given, options.jobs, options.seeds or 3, median_s=options.median))
        return
    for name, given in SERVICES.items():
        say(name, virtual(given, options.jobs, options.seeds or 10))


def virtual(given: dict[str, Any], jobs: int, seeds: int) -> Sequence[VirtualNight]:
    """Let so many nights pass in virtual time."""
    told = {key: value for key, value in given.items() if key != "cap"}
    return [
        VirtualNight(
            service=Service(draw=lognormal(MEDIAN_S, SPREAD), runners=RUNNERS, **told),
            jobs=jobs,
            cap=given["cap"],
            seed=seed,
            settle_s=SETTLED * MEDIAN_S,
        ).run()
        for seed in range(seeds)
    ]


def real(given: dict[str, Any], jobs: int, seeds: int, *, median_s: float) -> Sequence[RealNight]:
    """Let so many nights pass, run by the whole product."""
    return [
        RealNight(
            jobs=jobs,
            seed=seed,
            runners=RUNNERS,
            median_s=median_s,
            spread=SPREAD,
            settle_s=SETTLED * median_s,
            **given,
        ).run()
        for seed in range(seeds)
    ]


def say(name: str, nights: Sequence[VirtualNight | RealNight]) -> None:
    """Print the figures of one service as one line."""
    each_s = [night.work_s / RUNNERS for night in nights]
    tails = [night.least_s - each for night, each in zip(nights, each_s, strict=True)]
    took = [night.took_s for night in nights]
    figures = {
        "makespan": figure([one / each for one, each in zip(took, each_s, strict=True)]),
        "without_tail": figure(
            [(one - tail) / each for one, tail, each in zip(took, tails, each_s, strict=True)]
        ),
        "tail_s": figure(tails),
        "idle": figure([night.idle for night in nights]),
        "queued": figure([night.queued * RUNNERS for night in nights]),
        "looks": figure([night.looks + 1.0 for night in nights]),
    }
    document = {"service": name, "jobs": nights[0].jobs, "nights": len(nights), **figures}
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def figure(values: list[float]) -> dict[str, float]:
    """Return a mean and how far the values spread."""
    mean, least, most = statistics.mean(values), min(values), max(values)
    return {"mean": round(mean, 4), "least": round(least, 4), "most": round(most, 4)}


if __name__ == "__main__":
    main()
