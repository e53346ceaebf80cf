"""`batch.json`: what a batch began with, and which manifest is its current one."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from batchgen.endpoint import load_endpoint
from batchgen.errors import UsageError
from batchgen.job import IDENTITY_VERSION
from batchgen.journal import replace_file, sync_folder
from batchgen.ledger import Columns

STATE_NAME = "batch.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """A manifest as it ran.

    Attributes:
        number: Counted from 1.
        file: Its name in `manifests/<number>/`.
        source: Where the user's own stands, as an absolute path; `""` for one in memory.
        digest: SHA-256 over it and the files it names.
        files: The files it names: as written → their copy in `manifests/<number>/`.
        at: When it was frozen: UTC, ISO 8601, as text.
    """

    number: int
    file: str
    source: str
    digest: str
    files: Mapping[str, str]
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """What `batch.json` keeps.

    Attributes:
        batch: The batch's name.
        created_at: UTC, ISO 8601, as text.
        simulated: Whether its images are the simulator's.
        identity: The version of the rule by which its jobs' ids are made.
        endpoints: The version of each endpoint's defaults that it began with.
        parameters: The ledger's parameter columns.
        variables: The ledger's variables.
        sample: The selection that it was last run with, or `""`.
        frozen: The current manifest; None before the first run.
        jobs: Distinct jobs of that manifest and sample, once they have been counted.
        folded: Jobs of it that are the same as another.
        unjournalled: Jobs that the ledger has and the journal, which was lost, has not; a run has
            gone on all the same.
    """

    batch: str
    created_at: str
    simulated: bool = False
    identity: int = IDENTITY_VERSION
    endpoints: Mapping[str, int] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    sample: str = ""
    frozen: Frozen | None = None
    jobs: int | None = None
    folded: int = 0
    unjournalled: int = 0

    @property
    def columns(self) -> Columns:
        """The ledger's own columns."""
        return Columns(parameters=self.parameters, variables=self.variables)


def read_state(folder: Path) -> BatchState | None:
    """Return what `batch.json` says; None if the folder is no batch yet.

    Raises:
        UsageError: The folder is none, or its batch was made by another version of batchgen.
    """
    path = folder / STATE_NAME
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise UsageError(f"{folder} is not a folder") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    try:
        frozen = found.pop("frozen")
        for name in ("parameters", "variables"):
            found[name] = tuple(found[name])
        state = BatchState(**found, frozen=Frozen(**frozen) if frozen else None)
    except (AttributeError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is not as batchgen writes it: {error}") from None
    _check_versions(path, state)
    return state


def save_state(folder: Path, state: BatchState) -> None:
    """Replace `batch.json`: when this returns it is there, whole and durable."""
    replace_file(folder / STATE_NAME, _encode(state))


def begin_state(folder: Path, state: BatchState) -> None:
    """Write the first `batch.json` of a folder, unless another process has done so meanwhile."""
    new = folder / f".{STATE_NAME}.{os.getpid()}-{threading.get_ident()}"
    new.write_bytes(_encode(state))
    try:
        os.link(new, folder / STATE_NAME)
        sync_folder(folder)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        if not (folder / STATE_NAME).exists():
            save_state(folder, state)
    finally:
        new.unlink()


def _encode(state: BatchState) -> bytes:
    return json.dumps(asdict(state), indent=1, ensure_ascii=False).encode() + b"\n"


def _check_versions(path: Path, state: BatchState) -> None:
    """Refuse a batch whose ids this version would make otherwise: it would buy all again."""
    newer = state.identity != IDENTITY_VERSION or any(
        load_endpoint(name).version != version for name, version in state.endpoints.items()
    )
    if newer:
        raise UsageError(
            f"{path}: this batch was begun by another version of batchgen, which makes job ids by "
            "other rules. Go on with that version; this one would buy its images again."
        )
