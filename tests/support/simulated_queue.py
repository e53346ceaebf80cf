"""The simulator as a process of its own, as it is seen through its door."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

# The secret half is looked for in every file and every output, so it is like nothing else.
SECRET = "s3cr3tHalfOfTheKey"
KEY = f"storm-id:{SECRET}"

_ACCEPTED = b'{"event":"accepted"'


@dataclass(slots=True)
class SimulatedQueue:
    """A simulator that keeps what it accepted in a folder; use it as a context manager.

    Attributes:
        folder: Where it keeps that.
        options: Further options of `batchgen simulate`.
        url: The queue's address; the same after a restart.
        platform_url: The platform's.
    """

    folder: Path
    options: Sequence[str] = ()
    url: str = ""
    platform_url: str = ""
    _process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Serve; on the port that it had before, if it had one."""
        port = self.url.rpartition(":")[2] or "0"
        command = [sys.executable, "-m", "batchgen", "simulate", "--port", port, "--json"]
        command += ["--folder", str(self.folder), "--die-with-stdin", *self.options]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        said = json.loads(self._process.stdout.readline())
        self.url, self.platform_url = said["url"], said["platform_url"]

    def stop(self) -> None:
        """End in order."""
        if self._process is not None:
            self._process.communicate(timeout=60)
            self._process = None

    def accepted(self) -> int:
        """Return how many submissions it has accepted, without asking it: its file tells."""
        path = self.folder / "requests.jsonl"
        return path.read_bytes().count(_ACCEPTED) if path.exists() else 0

    def counts(self) -> dict[str, Any]:
        """Return everything that it has counted."""
        return self._call("GET", "")

    def requests(self) -> list[dict[str, Any]]:
        """Return every request that it has accepted, oldest first."""
        found: list[dict[str, Any]] = self._call("GET", "/requests")["requests"]
        return found

    def seen(self, kind: str) -> int:
        """Return how many calls of a kind it has counted since its start."""
        return int(self._call("POST", "/faults", {})["seen"].get(kind, 0))

    def misbehave(
        self,
        *,
        rates: Mapping[str, float] | None = None,
        script: Sequence[Mapping[str, object]] = (),
        clear: bool = False,
    ) -> None:
        """Change its faults."""
        self._call("POST", "/faults", {"rates": rates or {}, "script": script, "clear": clear})

    def lock(self) -> None:
        """Lock the account; reads go on."""
        self._call("POST", "/lock", {})

    def unlock(self) -> None:
        """Lift the lock."""
        self._call("POST", "/unlock", {})

    def release(self) -> None:
        """Let stuck requests go on."""
        self._call("POST", "/release", {})

    def fetch(self, url: str) -> bytes:
        """Fetch an image, wherever it was before a restart."""
        with _DIRECT.open(self.url + urlsplit(url).path, timeout=30) as answer:
            content: bytes = answer.read()
            return content

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/_simulator{path}", data=data, method=method)
        with _DIRECT.open(request, timeout=30) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found


_DIRECT = build_opener(ProxyHandler({}))
