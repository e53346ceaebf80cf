"""What the service has accepted, kept in a folder so that a restart finds it again.

One JSON object a line, only ever added to. A line is with the operating system before the answer
that depends on it is sent: it survives the death of the process at any moment, though not a
power cut. A last line that a death cut short is dropped by the next start.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import portalocker

from batchgen.errors import UsageError
from batchgen.simulator.answer import Json, encode
from batchgen.simulator.request import Ending, Phase, Request

FILE_NAME = "requests.jsonl"
LOCK_NAME = ".lock"

_CLOSED = -1


class Memory:
    """The file of one service; see `open_memory`.

    Attributes:
        start: How often a service was started on the folder, this time included.
        requests: What earlier starts had accepted, oldest first, as it stood.
    """

    def __init__(self, file: int, lock: int, *, start: int, requests: list[Request]) -> None:
        """Take over two open file descriptors."""
        self.start = start
        self.requests = requests
        self._file = file
        self._lock = lock

    def accepted(self, request: Request) -> None:
        """Keep a request that is about to be accepted.

        Raises:
            OSError: It could not be kept, and so must not be accepted.
        """
        self._add([_accepted_line(request)])

    def ended(self, requests: Iterable[Request]) -> None:
        """Keep that requests have ended, and how."""
        self._add([_ended_line(request) for request in requests])

    def close(self) -> None:
        """Close the file and let others use the folder; nothing is kept from then on."""
        os.close(self._file)
        self._file = _CLOSED
        portalocker.unlock(self._lock)
        os.close(self._lock)

    def _add(self, lines: list[dict[str, Json]]) -> None:
        if self._file == _CLOSED:
            return
        data = b"".join(encode(dict(line)) + b"\n" for line in lines)
        end = os.fstat(self._file).st_size
        written = os.write(self._file, data)
        if written < len(data):  # the disk is full: half a line must not stand before the next
            os.ftruncate(self._file, end)
            raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes could be written")


def open_memory(folder: Path) -> Memory | None:
    """Return what the folder remembers, or None if another service uses it now.

    Raises:
        UsageError: The folder cannot be used, or the file in it is not of this kind.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UsageError(f"{folder} cannot be used: {error.strerror}.") from error
    try:
        portalocker.lock(lock, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
    except portalocker.LockException:
        os.close(lock)
        return None
    try:
        return _open_locked(folder / FILE_NAME, lock)
    except (OSError, ValueError, KeyError, TypeError) as error:
        os.close(lock)
        raise UsageError(f"{folder / FILE_NAME} is no memory of a simulator: {error}.") from error


def _open_locked(path: Path, lock: int) -> Memory:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    data = path.read_bytes() if path.exists() else b""
    whole = data[: data.rfind(b"\n") + 1]
    starts, requests = _replay(json.loads(line) for line in whole.splitlines())
    file = os.open(path, flags, 0o666)
    os.ftruncate(file, len(whole))
    memory = Memory(file, lock, start=starts + 1, requests=requests)
    memory._add([{"event": "started", "start": memory.start}])  # noqa: SLF001 its maker
    return memory


def _replay(events: Iterator[dict[str, Json]]) -> tuple[int, list[Request]]:
    starts = 0
    requests: dict[str, Request] = {}
    for event in events:
        match event["event"]:
            case "started":
                starts += 1
            case "accepted":
                request = _accepted_from(event)
                requests[request.request_id] = request
            case "ended":
                _end(requests[str(event["request_id"])], event)
            case unknown:
                raise ValueError(f"it speaks of '{unknown}'")
    return starts, list(requests.values())


def _accepted_line(request: Request) -> dict[str, Json]:
    return {
        "event": "accepted",
        "request_id": request.request_id,
        "application": request.application,
        "path": request.path,
        "account": request.account,
        "input": request.input,
        "sent_at": request.sent_at,
        "seconds": request.seconds,
        "marks": [*sorted(request.marks)],
        "start_within_s": request.start_within_s,
        "stored": request.stored,
    }


def _accepted_from(event: dict[str, Json]) -> Request:
    marks, given = event["marks"], event["input"]
    if not isinstance(marks, list) or not isinstance(given, dict):
        raise TypeError("a request in it has no input or no marks")
    within = event["start_within_s"]
    return Request(
        request_id=str(event["request_id"]),
        application=str(event["application"]),
        path=str(event["path"]),
        account=str(event["account"]),
        input=given,
        sent_at=_number(event["sent_at"]),
        seconds=_number(event["seconds"]),
        marks=frozenset(map(str, marks)),
        start_within_s=None if within is None else _number(within),
        stored=bool(event["stored"]),
    )


def _ended_line(request: Request) -> dict[str, Json]:
    return {
        "event": "ended",
        "request_id": request.request_id,
        "ending": str(request.ending),
        "attempts": request.attempts,
        "started_at": request.started_at,
        "ended_at": request.ended_at,
        "forgotten": request.forgotten,
    }


def _end(request: Request, event: dict[str, Json]) -> None:
    started_at = event["started_at"]
    request.phase = Phase.COMPLETED
    request.ending = Ending(str(event["ending"]))
    request.attempts = int(_number(event["attempts"]))
    request.started_at = None if started_at is None else _number(started_at)
    request.ended_at = _number(event["ended_at"])
    request.forgotten = bool(event["forgotten"])


def _number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)
