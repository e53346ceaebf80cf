"""A batch's folder: its frozen manifest, its two files, its lock.

::

    jobs/<batch>/
    ├── manifest.yaml      the manifest as it ran last; read by people
    ├── manifests/<n>/     each manifest that ever ran, with the files it named
    ├── batch.json         which of them is current, and what the batch began with
    ├── requests.csv       the journal
    ├── ledger.csv         the ledger, and ledger-history.csv
    ├── images/
    ├── run.log
    └── .lock
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from batchgen.attempt import (
    JOURNAL_COLUMNS,
    JOURNAL_FIRST_CELL,
    Entry,
    parse_entry,
    timestamp,
)
from batchgen.csv_file import RowReader
from batchgen.endpoint import load_endpoint
from batchgen.errors import LedgerError, UsageError
from batchgen.job import IDENTITY_VERSION, job_id_of
from batchgen.journal import Journal, replace_file, sync_folder
from batchgen.ledger import HEAD, LEDGER_FIRST_CELL, Columns, compact, grow
from batchgen.lock import Lock
from batchgen.manifest import Manifest, load_manifest
from batchgen.records import Records
from batchgen.replay import Record, is_unwritten, replay
from batchgen.service import Service

STATE_NAME = "batch.json"
STOP_NAME = ".stop"

MANIFEST_SUFFIXES = frozenset({".yaml", ".csv", ".tsv", ".tab", ".jsonl", ".ndjson"})


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

    @property
    def columns(self) -> Columns:
        """The ledger's own columns."""
        return Columns(parameters=self.parameters, variables=self.variables)


class Batch:
    """One folder under `jobs/`.

    Attributes:
        folder: The folder, absolute.
        state: What `batch.json` keeps; None while the batch is new.
    """

    def __init__(
        self, folder: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Look at a folder, which need not exist; nothing is changed.

        Raises:
            UsageError: It is not a batch, or was made by a newer batchgen.
        """
        self.folder = folder.absolute()
        self._now = now
        self.state = _read_state(self.folder)

    @property
    def name(self) -> str:
        """The batch's name."""
        return self.state.batch if self.state else self.folder.name

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever run here."""
        return self.state is None or self.state.frozen is None

    @property
    def journal_path(self) -> Path:
        """Where the journal is."""
        return self.folder / "requests.csv"

    @property
    def ledger_path(self) -> Path:
        """Where the ledger is."""
        return self.folder / "ledger.csv"

    @property
    def log_path(self) -> Path:
        """Where what happened is told to a person."""
        return self.folder / "run.log"

    def create(self, *, simulated: bool) -> None:
        """Make the folder of a new batch.

        Raises:
            UsageError: The folder cannot be made, or holds something else.
        """
        if self.state is not None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            strangers = [
                path.name
                for path, columns in (
                    (self.journal_path, JOURNAL_COLUMNS),
                    (self.ledger_path, HEAD),
                )
                if path.exists() and not is_unwritten(path, columns)
            ]
            if strangers:
                raise UsageError(
                    f"{self.folder} holds {' and '.join(strangers)} but no {STATE_NAME}: it is "
                    "not a batch that can go on. Put the folder elsewhere, or give the batch "
                    "another name."
                )
            sync_folder(self.folder.parent)
            self._save(
                BatchState(
                    batch=self.folder.name, created_at=timestamp(self._now()), simulated=simulated
                )
            )
        except OSError as error:
            raise UsageError(
                f"cannot make {self.folder}: {error.strerror or error}. Name another place with "
                "--jobs-dir DIR."
            ) from error

    def lock(self) -> Lock:
        """Return the batch's lock, to be entered before anything is written."""
        return Lock(self.folder, now=self._now)

    def replay(self, *, download: bool = True) -> Record:
        """Read what is on record, changing nothing.

        Raises:
            LedgerError: The record cannot be trusted.
        """
        record = replay(self.journal_path, self.ledger_path, download=download)
        self._check_pair(record)
        return record

    def entry_at(self, start: int) -> Entry:
        """Return the journal row that begins at `start`, in bytes."""
        reader = RowReader(self.journal_path, first_cell=JOURNAL_FIRST_CELL)
        return parse_entry(reader.read_at(start))

    def open_records(
        self, record: Record, *, service: Service, manifest: Manifest | None = None
    ) -> Records:
        """Open both files for writing, under the lock; create them, mend torn tails, add columns.

        Args:
            record: What `replay` returned, under the same lock.
            service: The queue that is written down with each attempt.
            manifest: Whose columns the ledger needs; None where no new job is sent.

        Raises:
            LedgerError: They cannot be written.
        """
        columns = self._grown_columns(manifest)
        has_grown = tuple(record.ledger_columns) != columns.header
        if record.ledger_columns and has_grown:
            grow(self.ledger_path, columns)
        journal = Journal(
            self.journal_path,
            columns=JOURNAL_COLUMNS,
            first_cell=JOURNAL_FIRST_CELL,
            end=record.journal_end or None,
            reserve=True,
        )
        ledger = Journal(
            self.ledger_path,
            columns=columns.header,
            first_cell=LEDGER_FIRST_CELL,
            end=None if has_grown else record.ledger_end,
        )
        return Records(
            record=record,
            journal=journal,
            ledger=ledger,
            columns=columns,
            service=service,
            now=self._now,
        )

    def freeze(self, manifest: Manifest, *, sample: str) -> None:
        """Make a manifest, and the files it names, the current one: in one step.

        What it is made of is written beside the earlier ones first; then `batch.json`, which
        says which is current, is replaced.

        Raises:
            LedgerError: The folder cannot be written.
        """
        state = self._require_state()
        digest = digest_of(manifest)
        frozen = state.frozen
        try:
            if frozen is None or frozen.digest != digest:
                frozen = self._copy(manifest, digest, number=frozen.number + 1 if frozen else 1)
                state = replace(state, frozen=frozen, jobs=None, folded=0)
            if state.sample != sample:
                state = replace(state, sample=sample, jobs=None, folded=0)
            versions = {name: load_endpoint(name).version for name in manifest.endpoints}
            state = replace(state, endpoints={**versions, **state.endpoints})
            if state != self.state:
                self._save(state)
            shown = self.folder / frozen.file
            if not shown.exists() or shown.read_bytes() != manifest.text:
                replace_file(shown, manifest.text)
            for former in self.folder.glob("manifest.*"):
                if former.suffix in MANIFEST_SUFFIXES and former != shown:
                    former.unlink()
        except OSError as error:
            raise _cannot_write(self.folder, error) from error

    def load_frozen(self) -> Manifest:
        """Load the manifest as it ran last.

        Raises:
            UsageError: The batch has never run.
            ManifestError: The copy was damaged.
        """
        frozen = self._require_state().frozen
        if frozen is None:
            raise UsageError(f"{self.folder} has no manifest: it has never been run.")
        folder = self.folder / "manifests" / str(frozen.number)
        files = {written: folder / copy for written, copy in frozen.files.items()}
        return load_manifest(folder / frozen.file, files=files, batch=self.name)

    def remember_count(self, *, jobs: int, folded: int) -> None:
        """Keep how many distinct jobs the current manifest has, so that nobody counts again."""
        state = self._require_state()
        if (state.jobs, state.folded) != (jobs, folded):
            self._save(replace(state, jobs=jobs, folded=folded))

    def request_stop(self) -> None:
        """Ask the process that runs this batch to stop; it looks every half second."""
        replace_file(self.folder / STOP_NAME, timestamp(self._now()).encode())

    def takes_stop_request(self) -> bool:
        """Say whether somebody asked this process to stop; the request is used up by that."""
        path = self.folder / STOP_NAME
        if not path.exists():
            return False
        path.unlink(missing_ok=True)
        return True

    def compact(self, record: Record) -> int:
        """Move superseded ledger rows to the history; return how many.

        Raises:
            LedgerError: The files cannot be written; they mean the same as before.
        """
        if not record.superseded:
            return 0
        moved = compact(
            self.ledger_path, self.folder / "ledger-history.csv", jobs=record.superseded
        )
        record.superseded.clear()
        return moved

    def _grown_columns(self, manifest: Manifest | None) -> Columns:
        state = self._require_state()
        columns = state.columns
        if manifest is not None:
            order = [
                name for known in manifest.endpoints for name in load_endpoint(known).parameters
            ]
            columns = columns.grown_by(
                Columns(parameters=manifest.parameters, variables=manifest.variables), order=order
            )
        if columns != state.columns:
            self._save(replace(state, parameters=columns.parameters, variables=columns.variables))
        return columns

    def _check_pair(self, record: Record) -> None:
        """Refuse a batch of which one of the two files is gone, or is an older copy.

        Each row of the ledger is written after the journal's, so that no crash leaves it alone.
        """
        if self.is_new:
            return
        if record.journal_end and record.jobs and not self.ledger_path.exists():
            raise LedgerError(
                f"{self.ledger_path} is missing, while requests.csv has rows. Nothing was sent.\n"
                f"  Write it again from requests.csv, free:  batchgen verify {self.name} --repair"
            )
        alone = [number for number, one in record.jobs.items() if one.lacks_journal]
        if alone or (record.jobs and not self.journal_path.exists()):
            what = (
                f"lacks {len(alone):,} jobs that ledger.csv has (first: {job_id_of(alone[0])})"
                if record.journal_end and alone
                else "is lost, while ledger.csv has rows"
            )
            raise LedgerError(
                f"{self.journal_path} {what}: what was asked of the service is not known any more. "
                "Nothing was sent.\n"
                "  Put the file back from a copy if there is one."
            )

    def _copy(self, manifest: Manifest, digest: str, *, number: int) -> Frozen:
        folder = self.folder / "manifests" / str(number)
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed right here
        folder.mkdir(parents=True)
        name = _name_of(manifest)
        (folder / name).write_bytes(manifest.text)
        files: dict[str, str] = {}
        for place, file in enumerate(manifest.files):
            copy = f"{place}-{Path(file.written).name}"
            shutil.copyfile(file.path, folder / copy)
            files[file.written] = copy
        for path in folder.iterdir():
            _sync_file(path)
        sync_folder(folder)
        sync_folder(folder.parent)
        sync_folder(self.folder)
        return Frozen(
            number=number,
            file=name,
            source=str(manifest.path.absolute()) if manifest.path else "",
            digest=digest,
            files=files,
            at=timestamp(self._now()),
        )

    def _require_state(self) -> BatchState:
        if self.state is None:
            raise UsageError(f"there is no batch in {self.folder}")
        return self.state

    def _save(self, state: BatchState) -> None:
        content = json.dumps(asdict(state), indent=1, ensure_ascii=False)
        replace_file(self.folder / STATE_NAME, content.encode() + b"\n")
        self.state = state


def digest_of(manifest: Manifest) -> str:
    """Return the SHA-256 over a manifest and the files it names."""
    digest = hashlib.sha256(manifest.text)
    for file in manifest.files:
        digest.update(f"\0{file.written}\0".encode())
        with file.path.open("rb") as source:
            digest.update(hashlib.file_digest(source, "sha256").digest())
    return digest.hexdigest()


def _name_of(manifest: Manifest) -> str:
    """Return what a manifest is called in the batch's folder: what is no table is YAML."""
    suffix = manifest.path.suffix.lower() if manifest.path else ""
    return f"manifest{suffix if suffix in MANIFEST_SUFFIXES else '.yaml'}"


def find_batch(reference: str, *, jobs_dir: Path) -> Batch:
    """Return the batch that a name or a folder means.

    Raises:
        UsageError: There is none.
    """
    named = jobs_dir / reference
    for folder in (named, Path(reference)):
        if (folder / STATE_NAME).exists():
            return Batch(folder)
    known = sorted(path.parent.name for path in jobs_dir.glob(f"*/{STATE_NAME}"))
    there = f" There are: {', '.join(known[:20])}." if known else ""
    raise UsageError(f"there is no batch {reference!r} in {jobs_dir.absolute()}.{there}")


def _read_state(folder: Path) -> BatchState | None:
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


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _cannot_write(folder: Path, error: OSError) -> LedgerError:
    return LedgerError(f"cannot write in {folder}: {error.strerror or error}")
