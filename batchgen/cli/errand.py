"""One run that somebody asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchgen.batch import Batch
from batchgen.cli.options import RunOptions
from batchgen.job import Json
from batchgen.launch import Selection
from batchgen.manifest import Manifest
from batchgen.settings import RunSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One run that somebody asked for.

    Attributes:
        batch: Its folder.
        manifest: What to run.
        options: What the command line says.
        settings: What the run keeps to.
        selection: Which part of the manifest.
        command: The command that goes on, without the options that are for one call only.
        simulated: Whether it runs against the simulator.
        said: What `--json` says beside the counts of the run.
    """

    batch: Batch
    manifest: Manifest
    options: RunOptions
    settings: RunSettings
    selection: Selection
    command: str
    simulated: bool
    said: Mapping[str, Json] = field(default_factory=dict)
