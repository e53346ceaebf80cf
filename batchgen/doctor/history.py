"""Look at what is on record about one batch: whether a run could go on with it, and as whom."""

from __future__ import annotations

from batchgen.batch import Batch
from batchgen.binding import check_queue
from batchgen.doctor.finding import Finding, fine, warning, wrong
from batchgen.errors import BatchgenError, QueueError
from batchgen.lock import is_locked, read_holder
from batchgen.record import Record
from batchgen.service import Service
from batchgen.state import AttemptState


def check_record(batch: Batch) -> tuple[Record | None, Finding]:
    """Say whether the batch's files can be read and trusted."""
    try:
        record = batch.replay()
    except BatchgenError as error:
        return None, wrong("record", str(error))
    bill = f"${record.bill.spent_usd:,.2f} spent, ${record.bill.reserved_usd:,.2f} reserved"
    return record, fine("record", f"{_jobs(len(record.jobs))} on record, {bill}")


def check_manifest(batch: Batch) -> tuple[tuple[str, ...], Finding]:
    """Say whether the manifest that the batch keeps can be loaded; return its endpoints too."""
    if batch.is_new:
        return (), fine("manifest", "the batch has never been run")
    try:
        manifest = batch.load_frozen()
    except BatchgenError as error:
        mend = "run it from your own manifest: batchgen run FILE"
        return (), wrong("manifest", str(error), mend=mend, stops_run=False)
    return manifest.endpoints, fine("manifest", f"kept in the folder: {_jobs(manifest.count())}")


def check_lock(batch: Batch) -> Finding:
    """Say whether a run is going on."""
    try:
        is_running = is_locked(batch.folder)
    except OSError as error:
        return warning("run", f"nobody can say whether a run is going on: {error.strerror}")
    holder = read_holder(batch.folder) if is_running else None
    if holder is not None:
        text = f"process {holder.pid} on {holder.host} runs it since {holder.started_at}"
        return fine("run", text)
    return fine("run", "another process runs it" if is_running else "no run is going on")


def check_open_requests(batch: Batch, record: Record, service: Service) -> Finding:
    """Say whether the batch's open requests can be asked for at this service, with this key."""
    open_ = [one for one in record.jobs.values() if one.state is AttemptState.SUBMITTED]
    try:
        check_queue(batch, record, service)
    except QueueError as error:
        first, *more = str(error).splitlines()
        return wrong("requests", first, mend="\n".join(line.strip() for line in more))
    foreign = sum(one.account != service.account for one in open_)
    if foreign and service.key and not service.simulated:
        return warning(
            "requests",
            f"{foreign:,} of {len(open_):,} open requests were sent with another key",
            mend="use that key, unless both belong to the same account",
        )
    return fine("requests", f"{len(open_):,} open")


def _jobs(number: int) -> str:
    return f"{number:,} {'job' if number == 1 else 'jobs'}"
