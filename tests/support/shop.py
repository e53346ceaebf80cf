"""A folder in which batchgen is run as a process, and all that it has ever said there."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.simulated_queue import KEY, SimulatedQueue

PATIENCE_S = 900.0

# What of the caller's environment a command sees.
INHERITED = ("PATH", "HOME", "PYTHONPATH")

csv.field_size_limit(2**31 - 1)


@dataclass(slots=True)
class Shop:
    """Where a user sits: a folder, a queue and a key.

    Attributes:
        folder: Where commands are run; manifests and `jobs/` are there.
        queue: Where they send requests.
        key: With which key.
        batch: The batch that it is about.
        calls: How many commands were begun.
    """

    folder: Path
    queue: SimulatedQueue
    key: str = KEY
    batch: str = "storm"
    calls: int = 0
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The batch's folder."""
        return self.folder / "jobs" / self.batch

    def start(self, *arguments: str, program: tuple[str, ...] = ("-m", "batchgen")) -> Command:
        """Begin a command.

        Args:
            arguments: Of batchgen.
            program: What the interpreter runs.
        """
        self.calls += 1
        said = self.folder / "said" / f"{self.calls}.txt"
        said.parent.mkdir(exist_ok=True)
        with said.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, *program, *arguments],
                cwd=self.folder,
                env=self._environ(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
            out.write(what_others_see(process.pid))
        return Command(process=process, said=said)

    def run(self, *arguments: str) -> Command:
        """Run a command to its end."""
        command = self.start(*arguments)
        command.process.wait(timeout=PATIENCE_S)
        return command

    def manifest(self, text: str) -> None:
        """Write the manifest, which is called m.yaml."""
        (self.folder / "m.yaml").write_text(text, encoding="utf-8")

    def journal(self) -> list[dict[str, str]]:
        """Return the rows of requests.csv as Python's csv module reads them."""
        return read_rows(self.home / "requests.csv")

    def ledger(self) -> list[dict[str, str]]:
        """Return the rows of ledger.csv as Python's csv module reads them."""
        return read_rows(self.home / "ledger.csv")

    def _environ(self) -> Mapping[str, str]:
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return {
            **inherited,
            "PYTHONUTF8": "1",
            "PYTHONWARNINGS": "error",
            "FAL_KEY": self.key,
            "BATCHGEN_QUEUE_URL": self.queue.url,
            "BATCHGEN_PLATFORM_URL": self.queue.platform_url,
            **self.environ,
        }


@dataclass(slots=True, kw_only=True)
class Command:
    """A command that was begun.

    Attributes:
        process: Its process.
        said: The file with its output, on stdout and stderr together.
    """

    process: subprocess.Popen[bytes]
    said: Path

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self.process.poll()

    @property
    def text(self) -> str:
        """What it has said."""
        return self.said.read_text(encoding="utf-8")

    def kill(self) -> bool:
        """Kill it the hard way; return whether it was still alive."""
        was_alive = self.code is None
        self.process.kill()
        self.process.wait()
        return was_alive


def what_others_see(pid: int) -> bytes:
    """Return what any user of the machine can see of a process, where the system shows it."""
    seen = Path(f"/proc/{pid}")
    files = (seen / name for name in ("cmdline", "comm"))
    return b"\n".join(file.read_bytes() for file in files if file.exists()) + b"\n"


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file as Python's csv module reads them."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def detail_of(row: Mapping[str, str]) -> dict[str, Any]:
    """Return the detail of a journal row."""
    found: dict[str, Any] = json.loads(row["detail"] or "{}")
    return found
