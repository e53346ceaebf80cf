"""Batch job runner for paid image generation.

The front door for notebooks and scripts::

    import batchgen

    manifest = batchgen.load_manifest("shots.yaml")     # or a mapping
    print(batchgen.plan(manifest).cost_usd)
    report = batchgen.run(manifest, budget_usd=25)
    images = batchgen.read_ledger(report.folder)        # a pandas DataFrame
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from batchgen.version import VERSION

if TYPE_CHECKING:
    from batchgen.api import plan, run
    from batchgen.errors import BatchgenError, LedgerError, ManifestError, Mistake, UsageError
    from batchgen.job import Job
    from batchgen.manifest import Manifest, load_manifest
    from batchgen.planning import Plan
    from batchgen.report import Report
    from batchgen.views import read_ledger

__version__ = VERSION

# Imported when they are used: `batchgen --help` must need neither pandas nor aiohttp.
_HOMES = {
    "BatchgenError": "batchgen.errors",
    "Job": "batchgen.job",
    "LedgerError": "batchgen.errors",
    "Manifest": "batchgen.manifest",
    "ManifestError": "batchgen.errors",
    "Mistake": "batchgen.errors",
    "Plan": "batchgen.planning",
    "Report": "batchgen.report",
    "UsageError": "batchgen.errors",
    "load_manifest": "batchgen.manifest",
    "plan": "batchgen.api",
    "read_ledger": "batchgen.views",
    "run": "batchgen.api",
}

__all__ = [
    "BatchgenError",
    "Job",
    "LedgerError",
    "Manifest",
    "ManifestError",
    "Mistake",
    "Plan",
    "Report",
    "UsageError",
    "__version__",
    "load_manifest",
    "plan",
    "read_ledger",
    "run",
]


def __getattr__(name: str) -> object:
    """Import a name of the front door from its home."""
    if name not in _HOMES:
        raise AttributeError(f"module 'batchgen' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the names of the front door."""
    return __all__
