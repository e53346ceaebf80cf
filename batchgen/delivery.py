"""Bring the images of a recorded result to disk, and write down what came of each.

A stage of its own: it holds no request's slot, costs nothing, and may be repeated freely.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from batchgen.attempt import Entry, Request, parse_timestamp
from batchgen.clock import Clock
from batchgen.errors import ImageError, QueueError, StorageError
from batchgen.filename import numbered_stem
from batchgen.images import ImageStore, SavedImage
from batchgen.inside import INSIDE
from batchgen.job import Job, Json
from batchgen.outcome import image_urls
from batchgen.platform_client import PlatformClient
from batchgen.queue_client import QueueClient
from batchgen.records import NoFile, Records
from batchgen.reply import Fetched, NotFound
from batchgen.retry import Backoff
from batchgen.standing import Standing

# Tries for one image in one go; a later run begins anew.
TRIES = 4

# The longest wait between two of them, in seconds.
LONGEST_WAIT_S = 60.0

# So soon after its result was recorded, in seconds, a host may not know an image yet: a 404 is
# believed only when it has used up all tries.
NEW_IMAGE_S = 60.0
NOT_FOUND = 404

# What stands for a result that neither the queue nor the history has any more.
FORGOTTEN: Mapping[str, Json] = MappingProxyType({})


@dataclass(slots=True, kw_only=True)
class Delivery:
    """What every download of a run shares.

    Attributes:
        client: The queue, to read a result again when an image's address no longer answers.
        platform: The history, where the queue has forgotten a result; None if there is none.
        records: Where everything is written down.
        images: Where the files go.
        clock: Time and chance.
        download: Whether images are downloaded at all.
        delivered: Images that this run has brought to disk.
        delivered_bytes: Their bytes.
    """

    client: QueueClient
    platform: PlatformClient | None
    records: Records
    images: ImageStore
    clock: Clock
    download: bool
    backoff: Backoff = field(default_factory=lambda: Backoff(base_s=1.0, cap_s=20.0))
    delivered: int = 0
    delivered_bytes: int = 0

    async def deliver(
        self, standing: Standing, job: Job, result: Entry, *, tries: int = TRIES
    ) -> None:
        """Save what is missing of a job's images and record each.

        Args:
            standing: The job's own.
            job: The job, as the attempt's `submitting` row has it.
            result: The attempt's `completed` row; it is durable.
            tries: How often one image is tried before it counts as undelivered.

        Raises:
            StorageError: The disk refused a file; what was saved before is recorded.
            LedgerError: The disk refused a record.
        """
        rows = []
        try:
            for index in range(standing.expected):
                mark = standing.mark(index)
                if mark is not None and (mark.has_file or mark.status == "failed"):
                    continue
                image = await self._bring(job, result, index, tries=tries)
                if isinstance(image, NoFile) and mark is not None and mark.status == image.status:
                    continue  # the ledger says so already
                rows.append(self.records.image_row(job, standing, index, image, result))
        finally:
            if rows:
                await self.records.write_rows(standing, rows)

    async def _bring(
        self, job: Job, result: Entry, index: int, *, tries: int
    ) -> SavedImage | NoFile:
        urls = image_urls(result.detail)
        url = urls[index] if index < len(urls) else ""
        if not url:
            return NoFile(
                status="failed",
                error_type="missing_image",
                error=f"{job.images} asked for, {sum(map(bool, urls))} in the result",
            )
        if url.startswith(INSIDE):
            found = await self._find_inside(result, index, url.removeprefix(INSIDE))
            return found or NoFile(
                status="failed",
                error_type="expired",
                error="it came inside the result; its file is gone",
            )
        if not self.download:
            return NoFile(status="succeeded")
        return await self._fetch(job, result, index, url, tries=tries)

    async def _find_inside(self, result: Entry, index: int, sha256: str) -> SavedImage | None:
        images = result.detail.get("images")
        image = images[index] if isinstance(images, list) else None
        file = image.get("file") if isinstance(image, dict) else None
        if not isinstance(file, str):
            return None
        found = await asyncio.to_thread(self.images.check, file, sha256)
        if found is not None:
            self._note(found)
        return found

    def _note(self, saved: SavedImage) -> None:
        self.delivered += 1
        self.delivered_bytes += saved.bytes

    async def _fetch(
        self, job: Job, result: Entry, index: int, url: str, *, tries: int
    ) -> SavedImage | NoFile:
        """Download one image; where its address is dead, ask for the result once more."""
        stem = numbered_stem(job.file, job_id=job.job_id, index=index, asked=job.images)
        was_read_again = False
        left = tries
        while True:
            try:
                saved = await self.images.download(url, stem=stem)
            except StorageError:
                raise
            except ImageError as problem:
                error = problem
            else:
                self._note(saved)
                return saved
            left -= 1
            if was_read_again and self._is_gone(error, result, left=left):
                return NoFile(status="failed", error_type="expired", error=str(error))
            if result.request is not None and not was_read_again and (error.gone or left <= 1):
                fresh = await self._read_again(job, result.request, index)
                if fresh is not None:
                    was_read_again = True
                    # No verdict on an address that was not tried.
                    url, left = fresh or url, max(left, 1)
            if left <= 0:
                return NoFile(status="undelivered", error_type="download", error=str(error))
            await self._wait(error, failures=max(tries - left, 1))

    def _is_gone(self, error: ImageError, result: Entry, *, left: int) -> bool:
        """Say whether an image is gone for good by the word of its host."""
        age = self.clock.now() - parse_timestamp(result.at)
        may_pass = error.http == NOT_FOUND and age.total_seconds() < NEW_IMAGE_S
        return error.gone and not (may_pass and left > 0)

    async def _wait(self, error: ImageError, *, failures: int) -> None:
        jitter = 0.5 + 0.5 * self.clock.jitter()
        wait = self.backoff.wait_s(failures=failures, jitter=jitter)
        # A host that asks for more is asked again by a later try: others wait behind this one.
        await self.clock.sleep(min(max(error.retry_after_s or 0.0, wait), LONGEST_WAIT_S))

    async def _read_again(self, job: Job, request: Request, index: int) -> str | None:
        """Return where the image is now: `""` if it is nowhere, None if nobody can tell."""
        output = await self._read_result(job, request)
        if output is FORGOTTEN:
            return ""
        urls = image_urls(output or {})
        url = urls[index] if index < len(urls) else ""
        return url if url and not url.startswith(INSIDE) else None

    async def _read_result(self, job: Job, request: Request) -> Mapping[str, Json] | None:
        """Return a result once more: from the queue, else from the platform's history.

        It is `FORGOTTEN` where the history answers and has none; None where nobody answers.
        """
        try:
            result = await self.client.result(job.endpoint, request)
            if isinstance(result, Fetched):
                return result.output
            if isinstance(result, NotFound) and self.platform is not None:
                entry = await self.platform.find(job.endpoint, request.request_id)
                return (entry.result if entry is not None else None) or FORGOTTEN
        except QueueError:
            return None
        return None
