"""What a batch is bound to: its place beside the manifest, its kind, and its queue."""

from __future__ import annotations

import shlex
from pathlib import Path

from batchgen.batch import Batch
from batchgen.errors import ServiceError, UsageError
from batchgen.record import Record
from batchgen.service import Service
from batchgen.state import UNSETTLED


def check_queue(batch: Batch, record: Record, service: Service) -> None:
    """Refuse another queue while requests are open or unknown at the one that they were sent to.

    A simulated batch is bound to its own server's folder instead, whatever its port.

    Raises:
        ServiceError: The batch is bound to another queue.
    """
    if service.simulated:
        return
    for standing in record.jobs.values():
        if standing.is_shared or standing.state not in UNSETTLED:
            continue
        begun = batch.entry_at(standing.started)
        sent_to = begun.detail.get("service")
        queue_url = sent_to.get("queue_url") if isinstance(sent_to, dict) else None
        if queue_url is not None and queue_url != service.queue_url:
            raise ServiceError(
                f"{batch.name} has requests open at {queue_url}, and this run would ask "
                f"{service.queue_url}. Nothing was sent.\n"
                f"  Go on there first:  BATCHGEN_QUEUE_URL={queue_url}"
            )


def check_service(batch: Batch, service: Service) -> None:
    """Refuse to mix a simulated batch with a real one.

    Raises:
        UsageError: The folder was made by the other.
    """
    if batch.state is None or batch.state.simulated == service.simulated:
        return
    made, asked = ("simulated", "real") if batch.state.simulated else ("real", "simulated")
    raise UsageError(
        f"{batch.folder} is a {made} batch; a {asked} run needs a folder of its own. "
        "Nothing was sent."
    )


def check_place(batch: Batch, manifest: Path) -> None:
    """Refuse to begin anew what was begun beside the manifest: it would be bought again.

    Raises:
        UsageError: The folder would be new, while the manifest's own folder holds the batch.
    """
    beside = (manifest.absolute().parent / "jobs" / batch.folder.name).resolve()
    if batch.is_new and beside.is_dir() and beside != batch.folder.resolve():
        raise UsageError(
            f"{batch.folder} would be new, but {beside} exists beside the manifest: a run from "
            "another folder would buy everything again.\n"
            f"  Go on with that one:  --jobs-dir {shlex.quote(str(beside.parent))}\n"
            "  Begin anew all the same:  give it another name (batch: in the manifest)"
        )
