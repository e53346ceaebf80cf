"""The command as a user calls it: a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "batchgen")
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command came to.

    Attributes:
        code: Its exit code.
        out: What it gave on stdout.
        err: What it said on stderr.
    """

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON document on stdout."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A folder in which commands are called, with nothing of the caller's environment.

    Attributes:
        folder: Where.
        environ: Variables beside the bare ones.
    """

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def call(self, *arguments: str, folder: Path | None = None) -> Said:
        """Call batchgen without a terminal."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=folder or self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return Said(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())

    def write(self, name: str, text: str) -> Path:
        """Write a file into the folder."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every call."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONUTF8": "1",
            "PYTHONWARNINGS": "error",
            **self.environ,
        }
