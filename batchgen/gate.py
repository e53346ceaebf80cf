"""Decide whether the next request may be sent now, and if not, why."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from batchgen.job import Job
from batchgen.pacing import Spacing, Window
from batchgen.room import assumed_bytes
from batchgen.stop import Cause, Stop

# More results than this waiting for their download mean that submitting would only add to them.
MOST_WAITING = 1000

# Without one successful download for so long, in seconds, no more images are bought; and after
# so long the run ends: an image host that is gone all night must not keep it waiting.
NO_DOWNLOAD_S = 600.0
GIVE_UP_S = 1800.0

# Room on the disk that is never used, in bytes: rows, the log, other programs.
DISK_MARGIN_BYTES = 8 * 1024 * 1024

# Where so much more than is needed is free, in bytes, it is for so long, in seconds: no disk takes
# that much in that time. Asking costs little here, and a round trip on a network file system.
PLENTY_BYTES = 4 * 1024**3
PLENTY_S = 0.25

# How much larger than the average seen so far an image may be.
ROOM_FACTOR = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Nothing may be sent at the moment.

    Attributes:
        wait_s: When to look again, in seconds.
        reason: Why, for the progress line; `""` where it is nothing but the cap at work.
    """

    wait_s: float
    reason: str = ""


@dataclass(slots=True, kw_only=True)
class Gate:
    """Everything that a request has to pass before it is sent.

    Attributes:
        window: How many may be open.
        rate: How many a second.
        folder: On the disk whose free space counts.
        until_at: When submitting ends, in UTC, or None.
        waiting: Results that wait for their download.
        images: Images saved so far in this run.
        image_bytes: Their bytes.
        images_each: The most images that one request of this run asks for.
        assumed_bytes: The most that one of them is assumed to take, before any was seen.
        failing_since: Since when downloads have failed without one that worked, by the
            monotonic clock in seconds; None while they work.
        free_bytes: Tells the free space of a folder's disk.
    """

    window: Window
    rate: Spacing
    folder: Path
    until_at: datetime | None = None
    waiting: int = 0
    images: int = 0
    image_bytes: int = 0
    images_each: int = 1
    assumed_bytes: float = 0.0
    failing_since: float | None = None
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free
    _found_bytes: int = 0
    _looked_at: float = float("-inf")

    def check(self, *, monotonic: float, now: datetime) -> Hold | Stop | None:
        """Return why nothing may be sent now, or None if something may.

        Args:
            monotonic: The clock that never goes back, in seconds.
            now: The time of day, in UTC.
        """
        if self.until_at is not None and now >= self.until_at:
            return Stop(cause=Cause.UNTIL, text="the time given by --until has come")
        if not self.window.has_room(monotonic):
            return Hold(wait_s=self.window.room_in_s(monotonic), reason=self._slowed())
        if (wait := self.window.wait_s(monotonic)) > 0:
            return Hold(wait_s=wait, reason=self._slowed() or "waiting, as the service asked")
        if (wait := self.rate.wait_s(monotonic)) > 0:
            return Hold(wait_s=wait)
        return self._check_downloads(monotonic) or self._check_disk(monotonic)

    def expect(self, job: Job) -> None:
        """Take note of a job whose images will need room."""
        self.images_each = max(self.images_each, job.images)
        self.assumed_bytes = max(self.assumed_bytes, assumed_bytes(job))

    @property
    def floor_bytes(self) -> int:
        """The free space that has to stay: every open request's images, and one more's."""
        size = self.assumed_bytes
        if self.images:
            size = ROOM_FACTOR * self.image_bytes / self.images
        requests = self.window.open + self.waiting + 1
        return DISK_MARGIN_BYTES + int(requests * self.images_each * size)

    def _slowed(self) -> str:
        if not self.window.slowed:
            return ""
        return f"slowed by {self.window.why}: {self.window.allowed} open of {self.window.cap}"

    def _check_downloads(self, monotonic: float) -> Hold | Stop | None:
        failing_s = 0.0 if self.failing_since is None else monotonic - self.failing_since
        if failing_s > GIVE_UP_S:
            return Stop(
                cause=Cause.NO_ANSWER,
                text="no image could be downloaded for half an hour",
                mend="check the network (batchgen doctor)",
            )
        if self.waiting > MOST_WAITING:
            return Hold(wait_s=5.0, reason=f"{self.waiting:,} images wait for their download")
        if failing_s > NO_DOWNLOAD_S:
            return Hold(wait_s=5.0, reason="no image can be downloaded, not submitting")
        return None

    def _check_disk(self, monotonic: float) -> Hold | Stop | None:
        floor = self.floor_bytes
        was_plenty = self._found_bytes >= floor + PLENTY_BYTES
        if was_plenty and monotonic - self._looked_at < PLENTY_S:
            return None
        try:
            free = self._found_bytes = self.free_bytes(self.folder)
        except OSError as error:
            text = f"cannot look at {self.folder}: {error.strerror or error}"
            return Stop(cause=Cause.DISK, text=text, mend="put the folder back")
        self._looked_at = monotonic
        if free >= floor:
            return None
        left = f"{free / 1e9:.1f} GB" if free >= 1e8 else f"{free / 1e6:.0f} MB"
        if self.window.open or self.waiting:
            return Hold(wait_s=1.0, reason=f"disk: {left} left, not submitting")
        return Stop(
            cause=Cause.DISK,
            text=f"the disk is full: {left} left in {self.folder}",
            mend=f"make room (at least {self.floor_bytes / 1e6:.0f} MB)",
        )
