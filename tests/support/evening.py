"""A batch, a simulated queue and a clock that runs fast: what tests of whole batches need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.queues import KEY
from support.workshop import QuickTime

from batchgen.attempt import JOURNAL_FIRST_CELL, Entry, parse_entry
from batchgen.batch import Batch
from batchgen.csv_file import RowReader
from batchgen.job import Json
from batchgen.launch import Selection, launch
from batchgen.ledger import LEDGER_FIRST_CELL
from batchgen.manifest import Manifest, load_manifest
from batchgen.progress import Progress
from batchgen.report import Report
from batchgen.service import Service
from batchgen.settings import RunSettings
from batchgen.simulator import Simulator, SimulatorSettings

ANIMALS = ("fox", "owl", "cat", "dog", "hen", "cow")


def manifest_of(*animals: str, **changes: Json) -> dict[str, Json]:
    """Return a manifest with one job for each animal."""
    return {
        "batch": "zoo",
        "prompt": "a {{ animal }}",
        "parameters": {"resolution": "0.5K"},
        "grid": {"animal": [*animals]},
        **changes,
    }


@dataclass(slots=True, kw_only=True)
class Evening:
    """One batch and one queue, for as long as a test lasts."""

    folder: Path
    queue: Simulator
    time: QuickTime
    key: str = KEY
    with_platform: bool = True

    @property
    def batch(self) -> Batch:
        """The batch as it is on disk."""
        return Batch(self.folder, now=self.time.now)

    @property
    def service(self) -> Service:
        """The queue, as the batch's runs know it."""
        platform_url = self.queue.platform_url if self.with_platform else ""
        return Service(queue_url=self.queue.url, platform_url=platform_url, key=self.key)

    async def run(
        self,
        manifest: Mapping[str, Json] | Path,
        *,
        selection: Selection | None = None,
        **settings: Any,
    ) -> Report:
        """Run a manifest to its end, or until the run is stopped."""
        return await self.run_loaded(load_manifest(manifest), selection=selection, **settings)

    async def run_loaded(
        self, manifest: Manifest, *, selection: Selection | None = None, **settings: Any
    ) -> Report:
        """Run a manifest that is loaded already."""
        return await launch(
            self.batch,
            manifest,
            service=self.service,
            settings=RunSettings(**settings),
            selection=selection or Selection(),
            progress=Progress(),
            began=lambda runner: None,
            clock=self.time.clock,
        )

    async def leave_open(self, *animals: str, running: int = 0, **settings: Any) -> Report:
        """Send one request for each animal, and stop the run before any of them has ended.

        Args:
            animals: One job each.
            running: How many requests the service has begun when this returns.
            settings: Of the run.
        """
        run = asyncio.create_task(self.run(manifest_of(*animals), **settings))
        while self.states().count("submitted") < len(animals):
            assert not run.done(), run.result()
            await asyncio.sleep(0.01)
        self.batch.request_stop()
        report = await run
        assert report.open == len(animals)
        while sum(request.started_at is not None for request in self.queue.requests) < running:
            await self.time.sleep(1.0)
        return report

    def entries(self) -> list[Entry]:
        """Return the whole rows of the journal."""
        path = self.folder / "requests.csv"
        if not path.exists():
            return []
        return [parse_entry(row.cells) for row in RowReader(path, first_cell=JOURNAL_FIRST_CELL)]

    def states(self) -> list[str]:
        """Return the states of the journal's rows, in order."""
        return [str(entry.state) for entry in self.entries()]

    def ledger(self) -> list[dict[str, str]]:
        """Return the rows of the ledger: column → cell."""
        reader = RowReader(self.folder / "ledger.csv", first_cell=LEDGER_FIRST_CELL)
        return [dict(zip(reader.columns, row.cells, strict=True)) for row in reader]

    def images(self) -> list[Path]:
        """Return the images on disk."""
        return sorted((self.folder / "images").rglob("*.png"))


@asynccontextmanager
async def evening(folder: Path, *, speed: float = 100.0, **settings: Any) -> AsyncIterator[Evening]:
    """Serve a queue on which a request takes two minutes of a time that runs fast."""
    time = QuickTime(speed=speed)
    given: dict[str, Any] = {
        "seconds": 120.0,
        "spread": 0.0,
        "image_scale": 1 / 32,
        "clock": time.timestamp,
        "sleep": time.sleep,
        **settings,
    }
    async with Simulator(SimulatorSettings(**given)) as queue:
        yield Evening(folder=folder / "zoo", queue=queue, time=time)
