"""Play what a page shows of a terminal, and compare what comes out.

A block holds commands, each behind `$ `, and under each what it says. `…` stands for anything, and
on a line of its own for any number of lines; times, durations and sizes on disk may differ. `^C`
alone on a line is Ctrl-C, pressed once the first new image is there; a command that ends with `&`
is left running from then on, until `wait`. Commands are run in a folder of their own, which is
shown as `/srv/data/shop`.

To write down anew what the commands of some pages say:

    PYTHONPATH=tests python -m support.console docs/howto/resume.md …
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support.pages import ROOT, blocks

HOME = "/srv/data/shop"
PATIENCE_S = 60.0

_CHANGING = tuple(
    re.compile(changing)
    for changing in (
        r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?",
        r"\b\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b",
        r"\b\d\d:\d\d\b",
        r"\b\d+ (?:s|min|h)\b(?: \d+ (?:s|min)\b)?",
        r"\b[\d.,]+ (?:images a minute|[kMG]?B(?: an image)?)\b",
        r"\bprocess \d+ on \S+",
        r"\b\d+ open requests?(?: and \d+ downloads?)? (?:is|are)\b",
        r"\b\d+ of \d+ images are on disk, \$[\d.]+(?=; nothing is lost)",
        r"\bdone=\d+/.*?(?= reason=|$)",
    )
)


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


_HOW_FAR = re.compile(r"\d{4}-\d\d-\d\dT\S+ \S+ done=\d+/\d+ ")


def is_said(expected: str, said: str) -> bool:
    """Say whether a text is what the page shows."""
    pattern = re.escape(_steady(expected))
    pattern = re.sub(r"(?m)^…(?:\\\n|\Z)", r"(?s:.*)", pattern).replace("…", ".*?")
    return re.fullmatch(pattern, _steady(said)) is not None


def _steady(text: str) -> str:
    """Return a text without what differs from one time to the next."""
    # How often a run says how far it is depends on how busy the machine is.
    lines = [
        line.rstrip()
        for line in text.strip().splitlines()
        if line != "^C" and not _HOW_FAR.match(line)
    ]
    text = "\n".join(lines)
    for changing in _CHANGING:
        text = changing.sub("~", text)
    return text


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
    _left_running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make an environment."""
        self._environ = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder),
            "PYTHONUTF8": "1",
            # Loaders look at what is on this disk, and draw no bars.
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        }

    def run(self, call: Call) -> str:
        """Run a command and return what it says, on stdout and stderr together."""
        if call.command == "echo $?":
            return str(self.code)
        if call.command == "wait":
            return "".join(map(self._end, self._left_running))
        images = self._images()
        process = subprocess.Popen(
            call.command.removesuffix("&"),
            shell=True,
            executable="/bin/bash",
            cwd=self.folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if call.command.endswith("&"):
            self._left_running.append(process)
            self._wait_for_more_than(images)
            return ""
        if "^C" in call.expected.splitlines():
            self._wait_for_more_than(images)
            os.killpg(process.pid, signal.SIGINT)
        return self._end(process)

    def _end(self, process: subprocess.Popen[bytes]) -> str:
        with process:
            said, _ = process.communicate(timeout=PATIENCE_S)
        self.code = process.returncode
        return said.decode().replace(str(self.folder), HOME)

    def _images(self) -> int:
        return sum(1 for _ in self.folder.glob("jobs/*/images/**/*.png"))

    def _wait_for_more_than(self, images: int) -> None:
        until = time.monotonic() + PATIENCE_S
        while self._images() <= images:
            if time.monotonic() > until:
                raise TimeoutError("no image has come")
            time.sleep(0.05)


def play(page: Path, folder: Path) -> str:
    """Return a page with what its commands really say; folder is where they are run."""
    terminal = Terminal(folder=folder)
    text = page.read_text(encoding="utf-8")
    for block in blocks(page):
        if block.file:
            (folder / block.file).write_text(block.body, encoding="utf-8")
        if block.info != "console":
            continue
        played = ""
        for call in calls(block.body):
            said = terminal.run(call)
            has_changed = not is_said(call.expected, said)
            shown = said.rstrip() + "\n" if said.strip() else ""
            stop = "^C\n" if "^C" in call.expected.splitlines() else ""
            played += f"$ {call.command}\n" + (stop + shown if has_changed else call.expected)
        text = text.replace(f"```console\n{block.body}```", f"```console\n{played}```")
    return text


def main() -> None:
    """Rewrite the pages that are named."""
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(ROOT / "sample_manifests", Path(folder) / "sample_manifests")
            page = Path(name).resolve()
            page.write_text(play(page, Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
