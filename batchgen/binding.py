"""A batch is bound to its queue: what is open there cannot be gone on with elsewhere."""

from __future__ import annotations

from batchgen.batch import Batch
from batchgen.errors import ServiceError, UsageError
from batchgen.replay import Record
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
