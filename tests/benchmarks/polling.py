"""How near the polling is to the best that is possible, in reads and in delay.

    PYTHONPATH=tests python tests/benchmarks/polling.py [--seeds N]
    PYTHONPATH=tests python tests/benchmarks/polling.py --real [--seeds N] [--median S]

400 jobs, 40 of them open, 40 runners. Who knows the distribution of the service times can work
out the best schedule of looks by dynamic programming: the frontier. The polling does not know it
and learns it on the way, first requests included. Printed is, for each kind of service, how many
looks a job takes (that which notices the end included), how late that is noticed on average, in
parts of the usual time, and the ratio to the frontier's delay at as many looks.

The nights pass in virtual time. With --real they take theirs: `batchgen run`, as anybody calls
it, images and all, against a queue on loopback that draws lognormal service times (σ 0.4), the
same as those of the first kind of service, and counts the reads that reach it.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from busy_queue import RealNight
from support.frontier import delay_at, frontier
from support.line import Draw, Service, lognormal
from support.virtual_queue import VirtualNight

JOBS = 400
OPEN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """One kind of service: what it draws, and the distribution behind it, where it is one."""

    draw: Draw
    usual_s: float
    done: Callable[[float], float] | None = None
    runners: int = OPEN

    @property
    def queue(self) -> Service:
        return Service(draw=self.draw, runners=self.runners)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, help="nights (20, or 3 real ones)")
    parser.add_argument("--real", action="store_true", help="the whole product, in real time")
    parser.add_argument("--median", type=float, default=4.0, help="of a real night, in s (4)")
    options = parser.parse_args()
    if options.real:
        name = f"the whole product, {options.median:g} s, 0.4"
        say(name, measure_real(options.median, seeds=options.seeds or 3))
        return
    for name, service in SERVICES.items():
        say(name, measure(service, seeds=options.seeds or 20))


def measure(service: Night, *, seeds: int) -> dict[str, object]:
    """Let so many nights pass in virtual time, and return their figures."""
    began = time.process_time()
    nights = [
        VirtualNight(service=service.queue, jobs=JOBS, cap=OPEN, seed=seed, is_fixed=True).run()
        for seed in range(seeds)
    ]
    return figures(service, nights, cpu_s=time.process_time() - began)


def measure_real(median_s: float, *, seeds: int) -> dict[str, object]:
    """Let so many nights pass, run by the whole product, and return their figures."""
    service = Night(draw=lognormal(median_s, 0.4), usual_s=median_s, done=below(median_s, 0.4))
    nights = [
        RealNight(jobs=JOBS, cap=OPEN, seed=seed, median_s=median_s).run() for seed in range(seeds)
    ]
    return figures(service, nights, cpu_s=sum(night.cpu_s for night in nights))


def figures(
    service: Night, nights: Sequence[VirtualNight | RealNight], *, cpu_s: float
) -> dict[str, object]:
    """Return what came of some nights."""
    points = frontier(service.done, usual_s=service.usual_s) if service.done else []
    ratios = [night.delay_s / delay_at(points, night.looks) for night in nights if points]
    return {
        "nights": len(nights),
        "looks": figure([night.looks + 1.0 for night in nights]),
        "delay": figure([night.delay_s / service.usual_s for night in nights]),
        "to_frontier": figure(ratios) if ratios else None,
        "cpu_ms_a_job": round(1000.0 * cpu_s / (len(nights) * JOBS), 3),
    }


def figure(values: list[float]) -> dict[str, float]:
    """Return a mean and how far the values spread."""
    return {
        "mean": round(statistics.mean(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
    }


def say(name: str, figures: dict[str, object]) -> None:
    sys.stdout.write(json.dumps({"service": name, **figures}) + "\n")
    sys.stdout.flush()


# -- the services --------------------------------------------------------------------------------


def below(median_s: float, spread: float) -> Callable[[float], float]:
    """Return a lognormal distribution."""
    normal = NormalDist()
    return lambda age: normal.cdf(math.log(age / median_s) / spread) if age > 0 else 0.0


def two_resolutions(dice: random.Random, number: int) -> tuple[Hashable, float]:
    """Half of the jobs are 1K and take 4 s, half are 4K and take 12 s; who asks knows which."""
    name, median_s = (("1K", 4.0), ("4K", 12.0))[number % 2]
    return name, dice.lognormvariate(math.log(median_s), 0.3)


def hidden_modes(dice: random.Random, number: int) -> tuple[Hashable, float]:
    """The same, but nobody can tell which job is which."""
    return "", two_resolutions(dice, dice.randrange(2))[1]


def heavy_tail(dice: random.Random, number: int) -> tuple[Hashable, float]:
    """One request of twenty takes five times as long."""
    longer = 5.0 if dice.random() < 0.05 else 1.0
    return "", longer * dice.lognormvariate(math.log(4.0), 0.3)


def drifting(dice: random.Random, number: int) -> tuple[Hashable, float]:
    """The service becomes three times as slow in the course of the night."""
    return "", dice.lognormvariate(math.log(4.0 * 3.0 ** (number / JOBS)), 0.3)


SERVICES: dict[str, Night] = {
    "lognormal 4 s, 0.4": Night(draw=lognormal(4.0, 0.4), usual_s=4.0, done=below(4.0, 0.4)),
    "lognormal 4 s, 0.2": Night(draw=lognormal(4.0, 0.2), usual_s=4.0, done=below(4.0, 0.2)),
    "lognormal 4 s, 0.8": Night(draw=lognormal(4.0, 0.8), usual_s=4.0, done=below(4.0, 0.8)),
    "lognormal 50 ms, 0.4": Night(draw=lognormal(0.05, 0.4), usual_s=0.05, done=below(0.05, 0.4)),
    "lognormal 60 s, 0.4": Night(draw=lognormal(60.0, 0.4), usual_s=60.0, done=below(60.0, 0.4)),
    "4 s and 12 s, told apart": Night(draw=two_resolutions, usual_s=8.0),
    "4 s and 12 s, alike": Night(
        draw=hidden_modes,
        usual_s=8.0,
        done=lambda age: 0.5 * (below(4.0, 0.3)(age) + below(12.0, 0.3)(age)),
    ),
    "one of twenty five times slower": Night(
        draw=heavy_tail,
        usual_s=4.0,
        done=lambda age: 0.95 * below(4.0, 0.3)(age) + 0.05 * below(20.0, 0.3)(age),
    ),
    "4 s, then 12 s": Night(draw=drifting, usual_s=7.0),
    "lognormal 4 s, 0.4, behind a queue": Night(
        draw=lognormal(4.0, 0.4), usual_s=4.0, done=below(4.0, 0.4), runners=20
    ),
}

if __name__ == "__main__":
    main()
