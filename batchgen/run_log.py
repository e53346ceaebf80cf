"""`run.log`: what happened to a batch, for a person."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from batchgen.batch import Batch
from batchgen.errors import LedgerError


@contextmanager
def log_to(batch: Batch) -> Iterator[None]:
    """Tell what happens in `run.log` while the batch runs."""
    try:
        handler = logging.FileHandler(batch.log_path, encoding="utf-8")
    except OSError as error:
        raise LedgerError(f"cannot write {batch.log_path}: {error.strerror}") from error
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S%z")
    )
    package = logging.getLogger("batchgen")
    before = package.level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(before)
        handler.close()
