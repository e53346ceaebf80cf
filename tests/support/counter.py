"""A desk beside a simulated queue, with a key: where commands are called that need both."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.command import COMMAND, PATIENCE_S, Desk, Said
from support.simulated_queue import KEY, SimulatedQueue

QUICK = ("--seconds", "0.05", "--image-scale", "0.03")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """A folder with a manifest, and a queue.

    Attributes:
        desk: Where commands are called.
        queue: Where they send requests.
    """

    desk: Desk
    queue: SimulatedQueue

    def write_zoo(self, *animals: str, more: str = "") -> None:
        """Write zoo.yaml, which has one job for each animal."""
        listed = ", ".join(animals)
        head = 'prompt: "a {{ animal }}"\nparameters: {resolution: 0.5K}\n'
        self.desk.write("zoo.yaml", f"{head}grid: {{animal: [{listed}]}}\n{more}")

    def call(self, *arguments: str) -> Said:
        """Call batchgen and wait for it."""
        return self.desk.call(*arguments)

    def journal(self, name: str = "zoo") -> str:
        """Return the text of a batch's journal, as far as it is written."""
        path = self.desk.folder / "jobs" / name / "requests.csv"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def images(self, name: str = "zoo") -> list[Path]:
        """Return a batch's images."""
        return sorted((self.desk.folder / "jobs" / name / "images").rglob("*.png"))

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start a command; it is killed behind the context if it still runs."""
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.desk.folder,
            env=self.desk.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def leave_open(self, *animals: str) -> None:
        """Send one request for each animal, and kill the run before any of them has ended."""
        self.write_zoo(*animals)
        with self.started("run", "zoo.yaml") as run:
            until(lambda: run.poll() is not None or self._submitted() == len(animals))
            assert run.poll() is None, run.communicate()
            run.kill()

    def _submitted(self) -> int:
        return self.journal().count(",submitted,")


@contextmanager
def counter(folder: Path, *options: str, platform: bool = True) -> Iterator[Counter]:
    """Serve a queue, and set a desk beside it.

    Args:
        folder: Where both are.
        options: Of `batchgen simulate`; a quick service without any.
        platform: Whether the commands know the platform.
    """
    with SimulatedQueue(folder / "queue", options or QUICK) as queue:
        environ = {"FAL_KEY": KEY, "BATCHGEN_QUEUE_URL": queue.url}
        if platform:
            environ["BATCHGEN_PLATFORM_URL"] = queue.platform_url
        desk = folder / "desk"
        desk.mkdir()
        yield Counter(desk=Desk(folder=desk, environ=environ), queue=queue)


def until(happened: Callable[[], bool]) -> None:
    """Wait until something has happened."""
    end = time.monotonic() + PATIENCE_S
    while not happened():
        if time.monotonic() > end:
            raise TimeoutError("it has not happened")
        time.sleep(0.02)
