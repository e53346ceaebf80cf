"""Make all that was written to a file system durable with one call, where that is known to work.

A sync of one small file costs the disk seven writes and two flushes, the name included; sixteen
files that are synced together cost about two writes each and two flushes in all. What others have
written to the same file system goes along, so it is done only for images that are ready at the
same time, and not again for a while where it took long.

Source:
    syncfs(2): the call waits for data and names, and reports what could not be written since
    Linux 5.8.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

# Those whose one call is known to write a journal once, and to flush the disk.
FILE_SYSTEMS = frozenset({"ext4", "xfs"})
OLDEST_LINUX = (5, 8)

# A call that takes longer, in seconds, had much of others to write: it is left alone for a while.
LONG_S = 0.25
PAUSE_S = 60.0

MOUNTS = Path("/proc/self/mountinfo")

_RELEASE = re.compile(r"(\d+)\.(\d+)")


class SharedSync:
    """One call for many files of one file system.

    Attributes:
        device: The file system's number, as `os.stat` tells it.
    """

    def __init__(
        self,
        device: int,
        sync: Callable[[int], None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep what makes everything durable that lies beside a file descriptor."""
        self.device = device
        self._sync = sync
        self._monotonic = monotonic
        self._not_before = monotonic()

    @property
    def pays(self) -> bool:
        """Whether it worked, and was quick, lately."""
        return self._monotonic() >= self._not_before

    def __call__(self, handle: int) -> None:
        """Make everything durable that was written to the file system of a file descriptor.

        Raises:
            OSError: Something of it could not be written, be it ours or not.
        """
        began = self._monotonic()
        has_failed = True
        try:
            self._sync(handle)
            has_failed = False
        finally:
            ended = self._monotonic()
            if has_failed or ended - began > LONG_S:
                self._not_before = ended + PAUSE_S


def shared_sync(folder: Path, *, mounts: Path = MOUNTS) -> SharedSync | None:
    """Return what syncs the file system of a folder; None where none is known to be safe."""
    sync = _system_call()
    if sync is None:
        return None
    device = folder.stat().st_dev
    return SharedSync(device, sync) if _kind_of(device, mounts) in FILE_SYSTEMS else None


def _system_call() -> Callable[[int], None] | None:
    release = _RELEASE.match(os.uname().release) if sys.platform == "linux" else None
    if release is None or (int(release[1]), int(release[2])) < OLDEST_LINUX:
        return None
    try:
        import ctypes  # noqa: PLC0415 - some builds of Python have none

        call = ctypes.CDLL(None, use_errno=True).syncfs
    except (ImportError, OSError, AttributeError):
        return None

    def sync(handle: int) -> None:
        if call(handle) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        # ext4 without a journal writes names only after it has flushed the disk: once more.
        os.fsync(handle)

    return sync


def _kind_of(device: int, mounts: Path) -> str:
    """Return the kind of a mounted file system, `ext4`; `""` where it is not known.

    Source:
        proc_pid_mountinfo(5): the third word is the device, and the kind stands behind ` - `.
    """
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    kinds = {
        rest.split()[0]
        for place, dash, rest in (line.partition(" - ") for line in lines)
        if dash and place.split()[2:3] == [wanted]
    }
    return kinds.pop() if len(kinds) == 1 else ""
