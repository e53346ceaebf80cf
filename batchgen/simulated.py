"""The simulator as a child of a run: it ends with its parent and holds no file of the batch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from batchgen.errors import LedgerError
from batchgen.service import Service

# Where a simulated batch keeps what its server accepted, so that a killed run finds it again.
SERVER_FOLDER = ".simulator"

# The key of a simulated batch. It opens nothing.
SIMULATED_KEY = "simulated:key"


@contextmanager
def simulated_service(batch_folder: Path) -> Iterator[Service]:
    """Serve the queue API for one batch, for as long as the context lasts.

    Args:
        batch_folder: The batch's folder; it exists.

    Raises:
        LedgerError: The server could not be started.
    """
    command = [
        *(sys.executable, "-m", "batchgen", "simulate"),
        *("--port", "0", "--folder", str(batch_folder / SERVER_FOLDER)),
        *("--die-with-stdin", "--json"),
    ]
    # The pipe to its standard input is the leash: it closes when this process ends, however. A
    # terminal's Ctrl-C is not for it: what is open still has to be read.
    with (
        TemporaryFile("w+") as complaints,
        subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            start_new_session=True,
        ) as server,
    ):
        try:
            yield _service(server, complaints)
        finally:
            if server.stdin is not None:
                server.stdin.close()
            server.wait()


def _service(server: subprocess.Popen[str], complaints: IO[str]) -> Service:
    line = server.stdout.readline() if server.stdout is not None else ""
    try:
        address = json.loads(line)
    except ValueError:
        if not line:
            server.wait()
        complaints.seek(0)
        said = complaints.read().strip()
        raise LedgerError(f"the simulator did not start: {said or repr(line)}") from None
    return replace(
        Service(),
        queue_url=address["url"],
        platform_url=address["platform_url"],
        key=SIMULATED_KEY,
        simulated=True,
    )


@contextmanager
def service_of(batch_folder: Path, real: Service | None) -> Iterator[Service]:
    """Give the service of a batch: the real one, or its own simulator while the context lasts.

    Args:
        batch_folder: The batch's folder; it exists.
        real: The service that the environment names; None for a simulated batch.

    Raises:
        LedgerError: The simulator could not be started.
    """
    if real is not None:
        yield real
        return
    with simulated_service(batch_folder) as service:
        yield service
