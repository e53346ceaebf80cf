"""`run.log`: what happened to a batch, for a person."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from batchgen.batch import Batch
from batchgen.errors import LedgerError

# What is no warning may wait so long for its place in the file, in seconds: with thousands of
# lines a second, a write for each would take more time than the line.
LATE_S = 0.2


@contextmanager
def log_to(batch: Batch) -> Iterator[None]:
    """Tell what happens in `run.log` while the batch runs."""
    try:
        handler = _RunLog(batch.log_path, encoding="utf-8")
    except OSError as error:
        raise LedgerError(f"cannot write {batch.log_path}: {error.strerror}") from error
    handler.setFormatter(_Line())
    package = logging.getLogger("batchgen")
    before = package.level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(before)
        with suppress(OSError):  # a log that does not fit ends no run
            handler.close()


class _RunLog(logging.FileHandler):
    """A file that gets warnings at once, and what happens all the time a moment later."""

    _is_late = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; called under the handler's lock."""
        try:
            if self.stream is not None:
                self.stream.write(f"{self.format(record)}\n")
            if record.levelno >= logging.WARNING or not self._flush_later():
                self.flush()
        except Exception:  # noqa: BLE001 - as every handler does: a lost line stops no run
            self.handleError(record)

    def _flush_later(self) -> bool:
        """Have the file written in a moment; return whether somebody is there to do it."""
        if self._is_late:
            return True
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        loop.call_later(LATE_S, self._flush_late)
        self._is_late = True
        return True

    def _flush_late(self) -> None:
        self._is_late = False
        with suppress(OSError):  # the next line tries again
            self.flush()


class _Line(logging.Formatter):
    """Lines that begin with the local time to the second, which is written out once a second."""

    _second = 0
    _written = ""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its name in logging
        """Return a line; what was raised is written below it."""
        second = int(record.created)
        if second != self._second:
            self._second = second
            self._written = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(second))
        return f"{self._written} {record.levelname} {record.message}"
