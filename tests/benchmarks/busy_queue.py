"""A raw queue with runners: a request takes its time, and waits where no runner is free.

    PYTHONPATH=tests python tests/benchmarks/busy_queue.py [--jobs N] [--runners N] [--median S] …

Everything is as in `raw_queue.py`, but that service times are drawn (lognormal, the same as those
of a night in virtual time with this seed), that a status says `IN_QUEUE` and how many are before
a request while it waits, and that a result tells how long it ran. Under `/_raw` it says what of
its service times and runners came to the client: reads in vain, how late ends were noticed, how
long runners had nothing to do.

`RealNight` runs `batchgen run`, as anybody calls it, against such a queue.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop
from raw_queue import Desk, RawQueue, serve
from started_run import Started, start
from support.line import Line, Request, Service, least_s, lognormal

MANIFEST = """\
batch: night
prompt: "A portrait of animal {{{{ animal }}}}, soft light, 85 mm"
grid:
  animal: {{range: [{jobs}]}}
run: {{concurrency: {cap}}}
"""


class BusyDesk(Desk):
    """What a queue with runners knows; its time begins with the first submission.

    Attributes:
        service: What it is like.
        line: Its runners, and who waits for them.
        requests: All that came, in that order.
        looks: Reads of each that came before its end.
        late_s: By how much the first read after its end was late, for each that had one.
    """

    def __init__(self, *, service: Service, jobs: int, seed: int, settle_s: float) -> None:
        super().__init__(seconds=0.0)
        dice = random.Random(seed)
        self.service = service
        self.line = Line(service=service, count_from=settle_s)
        self.requests: list[Request] = []
        self.looks: list[int] = []
        self.late_s: dict[int, float] = {}
        self._times = [service.draw(dice, number)[1] for number in range(jobs)]

    def came(self, number: int) -> int:
        request, now = Request(number=number, seconds=self._times[number]), self._now()
        self.requests.append(request)
        self.looks.append(0)
        self.line.add(request, now)
        if len(self.requests) == len(self._times):
            # What is idle when nothing is left to send does not count.
            self.line.count_until = now
        is_told = request.started_at is None and self.service.answers_tell
        return self.line.position(request) if is_told else 0

    def left_s(self, number: int) -> float:
        now = self._now()
        self.line.advance(now)
        left_s = self.requests[number].ends_at - now
        if left_s > 0.0:
            self.looks[number] += 1
        else:
            self.late_s.setdefault(number, -left_s)
        return left_s

    def state(self, number: int) -> str:
        request = self.requests[number]
        if request.started_at is not None:
            return super().state(number)
        place = self.line.position(request) if self.service.tells else "null"
        return f'"status": "IN_QUEUE", "queue_position": {place}'

    def ran_s(self, number: int) -> float:
        return self.requests[number].seconds

    def seen(self) -> dict[str, Any]:
        count = max(1, len(self.requests))
        return {
            **super().seen(),
            "work_s": sum(self._times),
            "least_s": least_s(self._times, runners=self.service.runners),
            "noticed": len(self.late_s),
            "looks": sum(self.looks) / count,
            "delay_s": sum(self.late_s.values()) / count,
            "idle": self.line.idle,
            "queued": self.line.queued,
        }

    def _now(self) -> float:
        return time.monotonic() - (self.first_at or 0.0)


@dataclass(slots=True)
class BusyQueue(RawQueue):
    """The queue as a process of its own: see the options of the same names."""

    options: dict[str, object] = field(default_factory=dict)

    def command(self) -> list[str]:
        given = [f"--{name.replace('_', '-')}={value}" for name, value in self.options.items()]
        return [sys.executable, str(Path(__file__)), *given]


@dataclass(slots=True, kw_only=True)
class RealNight:
    """One run of the whole product, images and all; figures are named as those of `VirtualNight`.

    Attributes:
        jobs: How many jobs.
        cap: The most requests that may be open.
        seed: Of the service times.
        median_s: Half of them take longer, in seconds.
        tells: `statuses` tell how many are before a request, `answers` too, or `nobody`.
        took_s: From the first submission until the process had ended.
    """

    jobs: int
    cap: int
    seed: int
    runners: int = 40
    median_s: float = 4.0
    spread: float = 0.4
    tells: str = "statuses"
    settle_s: float = 0.0
    took_s: float = 0.0
    work_s: float = 0.0
    least_s: float = 0.0
    looks: float = 0.0
    delay_s: float = 0.0
    idle: float = 0.0
    queued: float = 0.0
    cpu_s: float = 0.0

    def run(self) -> RealNight:
        """Let the night pass: it takes its time."""
        names = ("jobs", "seed", "runners", "median_s", "spread", "tells", "settle_s")
        queue = BusyQueue(options={name: getattr(self, name) for name in names})
        with tempfile.TemporaryDirectory(prefix="night-") as folder:
            place = Path(folder)
            text = MANIFEST.format(jobs=self.jobs, cap=self.cap)
            (place / "night.yaml").write_text(text, encoding="utf-8")
            self._take(start(["run", "night.yaml", "--yes"], place, queue))
        return self

    def _take(self, run: Started) -> None:
        if run.calls["submit"] != self.jobs or run.seen["noticed"] != self.jobs:
            raise SystemExit(f"{self.jobs} jobs made these calls: {run.calls}")
        self.took_s, self.cpu_s = run.running_s, run.cpu_s
        for name in ("work_s", "least_s", "looks", "delay_s", "idle", "queued"):
            setattr(self, name, run.seen[name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="(any that is free)")
    parser.add_argument("--jobs", type=int, default=400, help="the most that may come (400)")
    parser.add_argument("--runners", type=int, default=40, help="(40)")
    parser.add_argument("--median-s", type=float, default=4.0, help="half take longer (4 s)")
    parser.add_argument("--spread", type=float, default=0.4, help="σ of the logarithm (0.4)")
    parser.add_argument("--tells", choices=("statuses", "answers", "nobody"), default="statuses")
    parser.add_argument("--settle-s", type=float, default=0.0, help="idle runners count from here")
    parser.add_argument("--seed", type=int, default=0, help="of the service times (0)")
    options = parser.parse_args()
    service = Service(
        draw=lognormal(options.median_s, options.spread),
        runners=options.runners,
        tells=options.tells != "nobody",
        answers_tell=options.tells == "answers",
    )
    desk = BusyDesk(
        service=service, jobs=options.jobs, seed=options.seed, settle_s=options.settle_s
    )
    uvloop.run(serve(desk, port=options.port))


if __name__ == "__main__":
    main()
