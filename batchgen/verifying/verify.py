"""Verify a batch, and mend it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from batchgen.batch import Batch
from batchgen.errors import LedgerError
from batchgen.lock import is_locked, read_holder
from batchgen.run_log import log_to
from batchgen.verifying.finding import Verification
from batchgen.verifying.inspection import Inspection, Watch
from batchgen.verifying.mending import Mending

# A run may replace the ledger while it is read: then it is read again, so often at most.
LOOKS = 3

# An image is on disk for so long at most before its row is.
YOUNG = timedelta(minutes=15)


def _nobody_watches(stage: str, done: int, total: int) -> None:
    """Take no notice."""


def verify_batch(
    batch: Batch,
    *,
    watch: Watch = _nobody_watches,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Verification:
    """Hold a batch's ledger, journal and files against each other; nothing is changed.

    What a run that is going on is about to write is no finding.

    Args:
        batch: Its folder.
        watch: Told what is being done, how much of it is done, and of how much.
        now: Tells the time.

    Raises:
        LedgerError: A file cannot be read.
    """
    for looks in range(1, LOOKS + 1):
        is_running, ledger = _is_running(batch), _version_of(batch)
        young_from = (now() - YOUNG).timestamp() if is_running else None
        inspection = _begin(batch, watch, young_from=young_from)
        error: LedgerError | None = None
        try:
            inspection.run()
        except LedgerError as problem:
            error = problem
        has_changed = (is_running, ledger) != (_is_running(batch), _version_of(batch))
        if not has_changed or looks == LOOKS:
            break
    if error is not None:
        raise error
    return inspection.found


async def repair_batch(batch: Batch, *, watch: Watch = _nobody_watches) -> Verification:
    """Verify a batch and set right what can be set right without paying.

    What is returned is what was found, and how much of it is mended: what is left is what another
    look finds.

    Args:
        batch: Its folder.
        watch: Told what is being done, how much of it is done, and of how much.

    Raises:
        BusyError: Another process is writing to the batch.
        LedgerError: The files cannot be written.
        StorageError: The disk refused something.
    """
    with batch.lock(), log_to(batch):
        inspection = _begin(batch, watch)
        inspection.run()
        await Mending(batch=batch, inspection=inspection).mend()
        after = _begin(batch, watch, is_quick=True)
        after.run()
        found = inspection.found
        found.mended(after.found)
        return found


def _begin(
    batch: Batch, watch: Watch, *, young_from: float | None = None, is_quick: bool = False
) -> Inspection:
    is_running = young_from is not None
    found = Verification(
        batch=batch.name,
        folder=batch.folder,
        simulated=batch.state is not None and batch.state.simulated,
        is_running=is_running,
        holder=read_holder(batch.folder) if is_running else None,
    )
    return Inspection(
        batch=batch, found=found, watch=watch, is_quick=is_quick, young_from=young_from
    )


def _is_running(batch: Batch) -> bool:
    try:
        return is_locked(batch.folder)
    except OSError:
        return False  # the folder can only be read here, so nobody can be writing from here


def _version_of(batch: Batch) -> int:
    """Return what tells whether the ledger was replaced by another file meanwhile."""
    path = batch.ledger_path
    return path.stat().st_ino if path.exists() else 0
