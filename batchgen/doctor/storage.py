"""Look at where batches live: whether it can be written, how fast, and whether locks hold there."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from batchgen.doctor.finding import Finding, fine, warning, wrong
from batchgen.errors import BusyError, LedgerError
from batchgen.gate import DISK_MARGIN_BYTES
from batchgen.lock import Lock
from batchgen.room import FIRST_IMAGE_BYTES

MOUNTS = Path("/proc/self/mountinfo")

# Below the one a run stops at once; below the other a night may not fit.
LEAST_BYTES = DISK_MARGIN_BYTES + 20 * FIRST_IMAGE_BYTES
FEW_BYTES = 2 * 1024**3

# A run waits for a sync before each request that it sends.
SLOW_SYNC_S = 0.1
SYNCS = 5

ELSEWHERE = "--jobs-dir DIR      (or export BATCHGEN_JOBS_DIR=DIR), with DIR on a local disk"

NETWORK = frozenset(
    {
        "9p",
        "afs",
        "afpfs",
        "beegfs",
        "ceph",
        "cifs",
        "drvfs",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "prl_fs",
        "smb2",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
        "vmhgfs",
        "webdav",
    }
)


def check_folder(folder: Path, *, monotonic: Callable[[], float]) -> Finding:
    """Say whether the folder can be written, and how long a sync takes; nothing stays behind.

    Args:
        folder: Where batches live, or one of them; it need not exist.
        monotonic: A clock that never goes back, in seconds.
    """
    place = existing(folder)
    note = "" if place == folder else f" (it will be made in {place})"
    try:
        sync_s = _time_sync(place, monotonic)
    except OSError as error:
        return wrong(
            "folder",
            f"{folder} cannot be written: {error.strerror or error}{note}",
            mend=f'chmod u+rwx "{place}"\n{ELSEWHERE}',
        )
    text = f"{folder} can be written{note}; a sync takes {1000 * sync_s:,.1f} ms"
    if sync_s < SLOW_SYNC_S:
        return fine("folder", text)
    return warning("folder", f"{text}, which slows a run down", mend=ELSEWHERE)


def check_space(folder: Path, *, free: Callable[[Path], int]) -> Finding:
    """Say whether the disk has room.

    Args:
        folder: Where batches live; it need not exist.
        free: Tells the free space of a folder's disk, in bytes.
    """
    try:
        room = free(existing(folder))
    except OSError as error:
        return warning("disk", f"nobody can say how much room there is: {error.strerror or error}")
    images = max(0, room - DISK_MARGIN_BYTES) // FIRST_IMAGE_BYTES
    text = f"{_size(room)} free, about {images:,} images of {FIRST_IMAGE_BYTES / 1e6:.1f} MB"
    if room < LEAST_BYTES:
        return wrong("disk", f"{text}: too little for a run", mend=f"make room, or\n{ELSEWHERE}")
    if room < FEW_BYTES:
        return warning("disk", text, mend=f"make room, or\n{ELSEWHERE}")
    return fine("disk", text)


def check_locks(folder: Path, *, now: Callable[[], datetime]) -> Finding:
    """Say whether a lock keeps a second run away; nothing stays behind."""
    place = existing(folder)
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=place) as name:
            holds = _holds(Path(name), now)
    except (OSError, LedgerError) as error:
        return warning("locks", f"could not be tried in {place}: {error}")
    if holds:
        return fine("locks", "a lock keeps a second run of the same batch away")
    return wrong(
        "locks",
        f"locks do not hold in {place}: two runs could buy the same images",
        mend=ELSEWHERE,
        stops_run=False,
    )


def check_file_system(folder: Path, mounts: str) -> Finding | None:
    """Say whether the folder is on a network file system; None where nobody knows.

    Args:
        folder: Where batches live; it need not exist.
        mounts: What is mounted, as Linux tells it in `/proc/self/mountinfo`; `""` elsewhere.

    Source:
        proc_pid_mountinfo(5).
    """
    place = existing(folder).resolve()
    kind = "a network share" if place.drive.startswith("\\\\") else _kind_of(place, mounts)
    if kind is None:
        return None
    if kind not in NETWORK and kind != "a network share" and "sshfs" not in kind:
        return fine("file system", f"{kind}, on this machine")
    return warning(
        "file system",
        f"{place} is on {kind}: locks and syncs over a network are not always kept",
        mend=f"see that one machine at a time runs a batch, or\n{ELSEWHERE}",
    )


def read_mounts() -> str:
    """Return what is mounted, as Linux tells it; `""` elsewhere."""
    with suppress(OSError):
        return MOUNTS.read_text(encoding="utf-8", errors="replace")
    return ""


def free_bytes(folder: Path) -> int:
    """Return the free space of a folder's disk, in bytes."""
    return shutil.disk_usage(folder).free


def existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _time_sync(place: Path, monotonic: Callable[[], float]) -> float:
    """Return how long writing a row durably takes, in seconds: the middle of a few tries."""
    with tempfile.TemporaryFile(prefix=".doctor-", dir=place) as file:
        times = []
        for _ in range(SYNCS):
            began = monotonic()
            file.write(b"-" * 512)
            file.flush()
            os.fsync(file.fileno())
            times.append(monotonic() - began)
    return sorted(times)[len(times) // 2]


def _holds(folder: Path, now: Callable[[], datetime]) -> bool:
    with Lock(folder, now=now):
        try:
            with Lock(folder, now=now):
                return False
        except BusyError:
            return True


def _kind_of(place: Path, mounts: str) -> str | None:
    """Return the type of the file system that a path is on: the longest mount above it."""
    best: tuple[int, str] | None = None
    for line in mounts.splitlines():
        fields, _, behind = line.partition(" - ")
        parts = fields.split(" ")
        if len(parts) < 5 or not behind:
            continue
        point = Path(_unescaped(parts[4]))
        if place.is_relative_to(point) and (best is None or len(point.parts) >= best[0]):
            best = (len(point.parts), behind.split(" ")[0])
    return best[1] if best else None


def _unescaped(text: str) -> str:
    r"""Return a path of mountinfo, in which `\040` stands for a blank."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _size(number: int) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.0f} MB"
