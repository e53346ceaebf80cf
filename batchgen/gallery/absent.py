"""The jobs of a manifest of which the ledger says nothing: not sent yet, or open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from batchgen.batch import Batch
from batchgen.budget import ZERO
from batchgen.gallery.item import Header, Item, Status
from batchgen.gallery.snapshot import Snapshot
from batchgen.job import Job
from batchgen.ledger import Columns, LedgerRow
from batchgen.manifest import Manifest
from batchgen.standing import Standing, job_state
from batchgen.state import JobState

# A manifest with more jobs is not drawn for a page: its holes are counted and not shown.
MOST_DRAWN = 200_000

# Somebody who watches is told every so many jobs.
TOLD_EVERY = 4096

_STATUS = {
    JobState.LEFT: Status.LEFT,
    JobState.OPEN: Status.OPEN,
    JobState.UNKNOWN: Status.UNKNOWN,
    JobState.FAILED: Status.FAILED,
}


@dataclass(slots=True, kw_only=True)
class Absent:
    """Draws a manifest, and yields what the ledger lacks.

    Attributes:
        batch: Whose manifest.
        snapshot: The ledger.
        header: The columns of items.
        quoted_usd: What the jobs drawn so far cost by the price table; None where an endpoint
            has none.
    """

    batch: Batch
    snapshot: Snapshot
    header: Header
    quoted_usd: Decimal | None = ZERO

    def items(self, manifest: Manifest, *, watch: Callable[[int], None]) -> Iterator[Item]:
        """Yield an item for each job without a row, in the manifest's order, each once.

        Args:
            manifest: Has no more than `MOST_DRAWN` jobs.
            watch: Told now and then how many jobs were drawn.
        """
        state = self.batch.state
        columns = state.columns if state else Columns()
        record = self.snapshot.record
        sample = state.sample if state else ""
        for place, draft in enumerate(manifest.drafts(sample=sample or None), start=1):
            if not place % TOLD_EVERY:
                watch(place)
            if record.mark_drawn(draft.number):
                continue
            self._add(draft.price_usd)
            standing = record.jobs[draft.number]
            if not standing.rows.images and not standing.rows.job_status:
                yield self._item(draft.make(), standing, columns)

    def _add(self, price_usd: Decimal | None) -> None:
        if price_usd is None or self.quoted_usd is None:
            self.quoted_usd = None
        else:
            self.quoted_usd += price_usd

    def _item(self, job: Job, standing: Standing, columns: Columns) -> Item:
        # A result whose images are still on their way is as good as open here.
        status = _STATUS.get(job_state(standing), Status.OPEN)
        row = LedgerRow(job=job, status=status, error_type=standing.error_type)
        known = dict(zip(columns.header, row.cells(columns), strict=True))
        cells = [known.get(name, "") for name in self.header.columns]
        return Item(header=self.header, cells=cells, status=status)
