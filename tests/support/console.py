"""Play what a page shows of a terminal, and compare what comes out.

A block holds commands, each behind `$ `, and under each what it says. In the expected text `…`
stands for anything, and a line that is `…` alone for any number of lines. `^C` alone on a line is
Ctrl-C, pressed once the first image is there. What a command writes below the page's folder is
shown as if that were `/home/ann/shop`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HOME = "/home/ann/shop"
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One command of a block, and what it says by the page."""

    command: str
    expected: str


def calls(body: str) -> Iterator[Call]:
    """Yield the commands of a block."""
    command, expected = "", ""
    for line in body.splitlines(keepends=True):
        if line.startswith("$ "):
            if command:
                yield Call(command=command, expected=expected)
            command, expected = line[2:].rstrip("\n"), ""
        elif command.endswith("\\"):
            command = command[:-1] + line.strip()
        else:
            expected += line
    if command:
        yield Call(command=command, expected=expected)


def is_said(expected: str, said: str) -> bool:
    """Say whether a text is what the page shows."""
    pattern = re.escape(expected.strip()).replace(re.escape("…"), "…")
    pattern = re.sub(r"(?m)^…\\\n", r"(?:.*\\n)*?", pattern)
    pattern = re.sub(r"(?m)^…$", r"(?s:.*)", pattern).replace("…", ".*?")
    return re.fullmatch(pattern, said.strip()) is not None


@dataclass(slots=True, kw_only=True)
class Terminal:
    """A shell in a folder, with batchgen on its path and nothing of the caller's environment.

    Attributes:
        folder: Where commands are run.
        code: What the last one ended with.
    """

    folder: Path
    code: int = 0
    _environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make an environment."""
        self._environ = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder),
            "PYTHONUTF8": "1",
        }

    def run(self, call: Call) -> str:
        """Run a command and return what it says, on stdout and stderr together."""
        if call.command == "echo $?":
            return str(self.code)
        expected = call.expected.splitlines()
        with subprocess.Popen(
            call.command,
            shell=True,
            executable="/bin/bash",
            cwd=self.folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            if "^C" in expected:
                self._wait_for_an_image()
                os.killpg(process.pid, signal.SIGINT)
            said, _ = process.communicate(timeout=PATIENCE_S)
        self.code = process.returncode
        return said.decode().replace(str(self.folder), HOME)

    def _wait_for_an_image(self) -> None:
        until = time.monotonic() + PATIENCE_S
        while not any(self.folder.glob("jobs/*/images/**/*.png")):
            if time.monotonic() > until:
                raise TimeoutError("no image has come")
            time.sleep(0.05)
