"""Long storms: 500 jobs, killed again and again, with and without faults; what is left each time.

    PYTHONPATH=tests python tests/benchmarks/storm_long.py [--seeds N] [--kills N] [--jobs N]

It prints a table, and then the same as JSON; it ends with 1 if anything was lost, paid twice, or
not as it is on record.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from support.storm import ALL_FAULTS, FAULTS, Aftermath, Storm, rage

COLUMNS = (
    *("kills", "runs", "wanted", "billed", "lost", "attempts", "unknown"),
    *("adopted", "resent", "refused", "failed", "findings", "seconds"),
)


@dataclass(slots=True)
class Sum:
    """The figures of several storms of a kind, added up."""

    figures: Counter[str] = field(default_factory=Counter)
    aims: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def add(self, left: Aftermath) -> None:
        account = asdict(left.account)
        self.findings += account.pop("findings")
        self.figures.update(account)
        self.figures["kills"] += left.kills.total()
        self.figures["runs"] += left.kills.total() + left.codes.total()
        self.figures["seconds"] += round(left.seconds)
        self.figures["findings"] = len(self.findings)
        self.aims.update(left.kills)

    def as_json(self) -> dict[str, Any]:
        return {**self.figures, "kills_by_aim": self.aims, "findings": self.findings}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4, help="storms of each kind (4)")
    parser.add_argument("--kills", type=int, default=12, help="kills in each storm (12)")
    parser.add_argument("--jobs", type=int, default=500, help="jobs in each storm (500)")
    parser.add_argument("--only", default="", help="one kind of storm")
    options = parser.parse_args()
    sums: dict[str, Sum] = {}
    say("storm", *COLUMNS)
    for kind, storm in storms(jobs=options.jobs, kills=options.kills, seeds=options.seeds):
        if options.only in ("", kind):
            with tempfile.TemporaryDirectory(prefix="storm-") as folder:
                left = rage(Path(folder), storm)
            one = Sum()
            one.add(left)
            say(f"{kind} {storm.seed}", *(one.figures[name] for name in COLUMNS))
            sums.setdefault(kind, Sum()).add(left)
    for kind, total in sums.items():
        say(f"{kind}, all", *(total.figures[name] for name in COLUMNS))
    document = {kind: total.as_json() for kind, total in sums.items()}
    sys.stdout.write(json.dumps(document, indent=1) + "\n")
    sys.exit(any(total.findings for total in sums.values()))


def storms(*, jobs: int, kills: int, seeds: int) -> Iterator[tuple[str, Storm]]:
    """Yield the storms, each with the name of its kind."""
    for seed in range(1, seeds + 1):
        yield "kills", Storm(jobs=jobs, kills=kills, seed=seed)
        yield (
            "kills, faults, lock",
            Storm(jobs=jobs, kills=kills, seed=seed, faults=FAULTS, with_lock=True, max_attempts=5),
        )
        yield (
            "kills, every fault, lock",
            Storm(
                jobs=jobs // 2,
                kills=kills,
                seed=seed,
                faults=ALL_FAULTS,
                with_lock=True,
                max_attempts=6,
            ),
        )


def say(name: str, *cells: object) -> None:
    sys.stdout.write(f"{name:28}" + "".join(f"{cell!s:>9}" for cell in cells) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
