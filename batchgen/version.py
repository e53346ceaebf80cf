"""The version of batchgen, as its package metadata has it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("batchgen")
except PackageNotFoundError:  # run from a source tree that was never installed
    VERSION = "0+source"

USER_AGENT = f"batchgen/{VERSION}"
