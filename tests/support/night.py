"""A batch and a simulated queue, in one process and on one quick clock: runs, one after another."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from simulator_calls import TINY
from support.queues import KEY
from support.workshop import QuickTime

from batchgen.batch import Batch
from batchgen.clock import Clock
from batchgen.launch import Selection, launch
from batchgen.manifest import load_manifest
from batchgen.progress import Progress
from batchgen.report import Report
from batchgen.runner import Runner
from batchgen.service import Service
from batchgen.settings import RunSettings
from batchgen.simulator import Simulator, SimulatorSettings

PRICE = Decimal("0.08")
NOBODY: Callable[[Runner], None] = lambda runner: None  # noqa: E731 - a default, not a function

Row = Mapping[str, str]


def shots(count: int, **beside: Any) -> dict[str, Any]:
    """Return a manifest of so many jobs, one image each."""
    takes = list(range(1, count + 1))
    return {"batch": "night", "prompt": "shot {{ n }}", "grid": {"n": takes}, **beside}


@dataclass(slots=True, kw_only=True)
class Night:
    """One batch, and the queue that it runs against.

    Attributes:
        queue: The simulated queue.
        service: How it is reached.
        folder: The batch's folder.
        time: The clock of both.
        progress: That of the last run.
    """

    queue: Simulator
    service: Service
    folder: Path
    time: QuickTime
    progress: Progress

    async def run(
        self,
        manifest: Mapping[str, Any],
        *,
        began: Callable[[Runner], None] = NOBODY,
        limit: int | None = None,
        sample: str = "",
        service: Service | None = None,
        price_usd: Decimal | None = None,
        clock: Clock | None = None,
        **settings: Any,
    ) -> Report:
        """Run a manifest and return the report."""
        self.progress = Progress()
        return await launch(
            Batch(self.folder, now=self.time.now),
            load_manifest(manifest),
            service=service or self.service,
            settings=replace(RunSettings(), **settings),
            selection=Selection(sample=sample, limit=limit),
            progress=self.progress,
            began=began,
            price_usd=price_usd,
            clock=clock or self.time.clock,
        )

    @property
    def ledger(self) -> list[Row]:
        """The ledger's rows, in order."""
        return _read(self.folder / "ledger.csv")

    @property
    def journal(self) -> list[Row]:
        """The journal's rows, in order."""
        return _read(self.folder / "requests.csv")

    def rows(self, prompt: str) -> list[Row]:
        """Return the ledger's rows of one job."""
        return [row for row in self.ledger if row["prompt"] == prompt]

    def statuses(self) -> Counter[str]:
        """Return how many rows of the ledger have which status."""
        return Counter(row["status"] for row in self.ledger)

    def errors(self) -> Counter[str]:
        """Return how many rows of the ledger have which error type."""
        return Counter(row["error_type"] for row in self.ledger if row["error_type"])

    def states(self) -> Counter[str]:
        """Return how many rows of the journal have which state."""
        return Counter(row["state"] for row in self.journal)

    @property
    def accepted_most(self) -> int:
        """How often the input was accepted that was accepted most often."""
        return max(self.queue.accepted_inputs.values(), default=0)

    def check_books(self) -> None:
        """Check what holds after every run, whatever happened in it."""
        assert self.queue.seen_authorization_on_images == 0
        assert self.queue.tally.landings == 0
        for row in self.ledger:
            if row["file"]:
                content = (self.folder / row["file"]).read_bytes()
                assert hashlib.sha256(content).hexdigest() == row["sha256"]
        ended: Counter[str] = Counter()
        for row in self.journal:
            if row["state"] not in ("submitting", "submitted", "unknown"):
                ended[row["job_id"]] += Decimal(row["cost_usd"] or 0)  # type: ignore[assignment]  # a Counter of money
        written: Counter[str] = Counter()
        for row in self.ledger:
            written[row["job_id"]] += Decimal(row["cost_usd"])  # type: ignore[assignment]  # the same
        assert {job: written[job] for job in written} == {job: ended[job] for job in written}


def _read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def detail(row: Row) -> Any:
    """Return a journal row's detail."""
    return json.loads(row["detail"]) if row["detail"] else {}


@contextmanager
def quick_folder(folder: Path) -> Iterator[Path]:
    """Return a folder in memory, where there is such a place: else one that was given.

    A run waits for the disk some twenty times before its first request is out.
    """
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield folder
        return
    with TemporaryDirectory(prefix="night-", dir=memory) as quick:
        yield Path(quick)


@asynccontextmanager
async def night(
    folder: Path, *, speed: float = 60.0, platform: bool = True, **settings: Any
) -> AsyncIterator[Night]:
    """Start a simulated queue that runs as fast as the clock of the batch's runs."""
    time = QuickTime(speed=speed)
    settings = {
        "seconds": 1.0,
        "spread": 0.0,
        "image_scale": TINY,
        "clock": time.timestamp,
        "sleep": time.sleep,
        **settings,
    }
    with quick_folder(folder) as place:
        async with Simulator(SimulatorSettings(**settings)) as queue:
            service = Service(
                queue_url=queue.url, platform_url=queue.platform_url if platform else "", key=KEY
            )
            yield Night(
                queue=queue,
                service=service,
                folder=place / "jobs" / "night",
                time=time,
                progress=Progress(),
            )
