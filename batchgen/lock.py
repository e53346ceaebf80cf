"""Let one process at a time write to a batch.

The lock is the operating system's, on a file that is never deleted: a killed process leaves
none behind. The file's text names who has it, for people.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import portalocker

from batchgen.attempt import timestamp
from batchgen.errors import BusyError, LedgerError

LOCK_NAME = ".lock"

# Whoever asks whether the lock is held holds it for a moment: it is tried so often, with so many
# seconds between.
TRIES = 5
BETWEEN_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has a batch's lock, or had it last.

    Attributes:
        host: The machine's name.
        pid: The process.
        started_at: When it took the lock: UTC, ISO 8601, as text.
    """

    host: str
    pid: int
    started_at: str


class Lock:
    """The lock on one batch, held from `__enter__` to `__exit__`."""

    def __init__(
        self,
        folder: Path,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Name the folder; nothing is locked yet."""
        self._path = folder / LOCK_NAME
        self._now = now
        self._sleep = sleep

    def __enter__(self) -> Self:
        try:
            # Opened for appending: whoever fails to get the lock must not empty the file in
            # which its holder is named. Python's files are not inherited by child processes.
            self._file = self._path.open("a+", encoding="utf-8")
        except OSError as error:
            raise LedgerError(f"cannot write {self._path}: {error.strerror}") from error
        try:
            self._take()
        except portalocker.LockException as error:
            self._file.close()
            if isinstance(error, portalocker.AlreadyLocked):
                text = _describe(self._path.parent, read_holder(self._path.parent))
                raise BusyError(text) from error
            raise LedgerError(f"cannot lock {self._path}: {error.strerror or error}") from error
        self._write_holder()
        return self

    def _take(self) -> None:
        for _ in range(TRIES - 1):
            try:
                _lock(self._file)
            except portalocker.AlreadyLocked:
                self._sleep(BETWEEN_S)
            else:
                return
        _lock(self._file)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        portalocker.unlock(self._file)
        self._file.close()

    def _write_holder(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        json.dump(
            {
                "host": platform.node(),
                "pid": os.getpid(),
                "started_at": timestamp(self._now()),
            },
            self._file,
        )
        self._file.write("\n")
        self._file.flush()


def is_locked(folder: Path) -> bool:
    """Say whether a process has the batch's lock now; nothing is written for that."""
    path = folder / LOCK_NAME
    if not path.exists():
        return False
    with _open_existing(path) as file:
        try:
            _lock(file)
        except portalocker.LockException:
            return True
        portalocker.unlock(file)
        return False


def read_holder(folder: Path) -> Holder | None:
    """Return who has the lock, or had it last, as far as its file tells."""
    try:
        found = json.loads((folder / LOCK_NAME).read_text(encoding="utf-8"))
        return Holder(
            host=str(found["host"]), pid=int(found["pid"]), started_at=str(found["started_at"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _lock(file: IO[str]) -> None:
    portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)


def _open_existing(path: Path) -> IO[str]:
    try:
        return path.open("r+", encoding="utf-8")  # a network file system locks no other
    except PermissionError:
        return path.open("r", encoding="utf-8")


def _describe(folder: Path, holder: Holder | None) -> str:
    who = "another process"
    if holder is not None:
        who = f"process {holder.pid} on {holder.host} since {holder.started_at}"
    return (
        f"{folder} is being run by {who}.\n"
        f"  Look:  batchgen status {folder.name} --watch      "
        f"Stop it:  batchgen cancel {folder.name} --keep-open"
    )
