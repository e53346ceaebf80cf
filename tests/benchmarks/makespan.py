"""How long a night takes, against the least that its service times allow.

    PYTHONPATH=tests python tests/benchmarks/makespan.py [--jobs N] [--seeds N]

The service runs 40 requests at a time, 4 s each (lognormal, σ 0.4); 60 may be open, or 200. The
least that is possible is the sum of the service times by the number of runners, and a tail in
which the last requests run and nothing is left to send. Printed are the time against that least,
what came on top of it in seconds, the part of the runners' time in which they had nothing to do
(after two minutes), how many requests waited at the service, and the reads of a status a job. The
nights pass in virtual time; window and polling are those of the product.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from typing import Any

from support.virtual_queue import Service, VirtualNight, lognormal

RUNNERS = 40
SERVICES: dict[str, dict[str, Any]] = {
    "60 open, statuses tell places": {"cap": 60},
    "60 open, answers tell them too": {"cap": 60, "answers_tell": True},
    "60 open, nobody tells": {"cap": 60, "tells": False},
    "200 open, statuses tell places": {"cap": 200},
    "40 open": {"cap": 40},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000, help="(2000)")
    parser.add_argument("--seeds", type=int, default=10, help="nights (10)")
    options = parser.parse_args()
    for name, given in SERVICES.items():
        service = {key: value for key, value in given.items() if key != "cap"}
        nights = [
            VirtualNight(
                service=Service(draw=lognormal(4.0, 0.4), runners=RUNNERS, **service),
                jobs=options.jobs,
                cap=given["cap"],
                seed=seed,
                settle_s=120.0,
            ).run()
            for seed in range(options.seeds)
        ]
        say(name, nights)


def say(name: str, nights: list[VirtualNight]) -> None:
    """Print the figures of one service as one line."""
    figures = {
        "makespan": figure([night.took_s / (night.work_s / RUNNERS) for night in nights]),
        "tail_s": figure([night.took_s - night.work_s / RUNNERS for night in nights]),
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
