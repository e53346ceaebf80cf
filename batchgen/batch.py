"""A batch's folder: its frozen manifest, its two files, its lock.

::

    jobs/<batch>/
    ├── manifest.yaml      the manifest as it ran last; read by people
    ├── manifests/<n>/     each manifest that ever ran, with the files it named
    ├── batch.json         which of them is current, and what the batch began with
    ├── requests.csv       the journal
    ├── ledger.csv         the ledger, and ledger-history.csv
    ├── redo.csv           what is made once more
    ├── images/
    ├── run.log
    └── .lock
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from batchgen.attempt import (
    JOURNAL_COLUMNS,
    JOURNAL_FIRST_CELL,
    Entry,
    parse_entry,
    timestamp,
)
from batchgen.batch_state import STATE_NAME, BatchState, begin_state, read_state, save_state
from batchgen.csv_file import RowReader
from batchgen.endpoint import load_endpoint
from batchgen.errors import LedgerError, UsageError
from batchgen.freezing import digest_of, freeze_copy, load_frozen, show_current
from batchgen.journal import Journal, kept_path, replace_file, sync_folder
from batchgen.ledger import HEAD, LEDGER_FIRST_CELL, Columns, compact, grow
from batchgen.lock import Lock
from batchgen.loss import Loss, find_loss, sum_alone
from batchgen.manifest import Manifest
from batchgen.record import Record
from batchgen.records import Records
from batchgen.redo_file import (
    REDO_NAME,
    Redo,
    RedoLines,
    add_lines,
    lines_of,
    read_redo,
)
from batchgen.replay import is_unwritten, replay
from batchgen.service import Service

STOP_NAME = ".stop"


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
        self.state = read_state(self.folder)

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
    def history_path(self) -> Path:
        """Where the ledger's rows go that later ones have replaced."""
        return self.folder / "ledger-history.csv"

    @property
    def redo_path(self) -> Path:
        """Where the jobs stand that are made once more."""
        return self.folder / REDO_NAME

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
            state = BatchState(
                batch=self.folder.name, created_at=timestamp(self._now()), simulated=simulated
            )
            begin_state(self.folder, state)
            self.state = read_state(self.folder)
        except OSError as error:
            raise UsageError(
                f"cannot make {self.folder}: {error.strerror or error}. Name another place with "
                "--jobs-dir DIR."
            ) from error

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the batch's lock; what another process has changed before is read again.

        Raises:
            BusyError: Another process has it.
            LedgerError: The lock cannot be had at all.
        """
        with Lock(self.folder, now=self._now):
            self.state = read_state(self.folder)
            yield

    def require_free(self) -> None:
        """Return if no process is running the batch at this moment.

        Raises:
            BusyError: One is.
            LedgerError: The lock cannot be had at all.
        """
        with self.lock():
            pass

    def replay(self, *, download: bool = True, accept_loss: bool = False) -> Record:
        """Read what is on record, changing nothing.

        Args:
            download: Whether an image that was not downloaded leaves a job unfinished.
            accept_loss: Go on without a journal that is lost.

        Raises:
            LedgerError: The record cannot be trusted.
        """
        record = replay(self.journal_path, self.ledger_path, download=download)
        self._check_pair(record, accept_loss=accept_loss)
        # The journal is the bill; of what it does not know, the ledger's word has to do.
        record.bill.spent_usd += sum_alone(record, self.ledger_path)
        return record

    def find_loss(self, record: Record) -> Loss | None:
        """Return what is lost of the journal and was not known to be so; None if nothing is."""
        if self.state is None or self.is_new:
            return None
        return find_loss(
            record,
            folder=self.folder,
            journal=self.journal_path,
            known=self.state.unjournalled,
        )

    def accept_loss(self, record: Record) -> Loss | None:
        """Go on without what is lost of the journal, and remember that; return what it is.

        What the ledger calls unknown is settled by nothing any more, so it is left to do.

        Args:
            record: What `replay` returned, under the lock.
        """
        loss = self.find_loss(record)
        if loss is not None:
            for number in loss.alone:
                record.forget_unknown(number)
            self._save(replace(self._require_state(), unjournalled=len(loss.alone)))
        return loss

    def entry_at(self, start: int) -> Entry:
        """Return the journal row that begins at `start`, in bytes."""
        with closing(RowReader(self.journal_path, first_cell=JOURNAL_FIRST_CELL)) as reader:
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

    def freeze(self, manifest: Manifest, *, sample: str) -> Manifest:
        """Make a manifest, and the files it names, the current one: in one step.

        What it is made of is written beside the earlier ones first; then `batch.json`, which
        says which is current, is replaced.

        Returns:
            The manifest to draw jobs from: one that streams files reads the kept copies, so that
            a table that is edited during the night changes no job.

        Raises:
            LedgerError: The folder cannot be written.
        """
        state = self._require_state()
        digest = digest_of(manifest)
        frozen = state.frozen
        try:
            if frozen is None or frozen.digest != digest:
                frozen = freeze_copy(
                    self.folder,
                    manifest,
                    number=frozen.number + 1 if frozen else 1,
                    digest=digest,
                    at=timestamp(self._now()),
                )
                state = replace(state, frozen=frozen, jobs=None, folded=0)
            if state.sample != sample:
                state = replace(state, sample=sample, jobs=None, folded=0)
            versions = {name: load_endpoint(name).version for name in manifest.endpoints}
            state = replace(state, endpoints={**versions, **state.endpoints})
            if state != self.state:
                self._save(state)
            show_current(self.folder, frozen)
        except OSError as error:
            raise _cannot_write(self.folder, error) from error
        is_text_alone = not manifest.files and frozen.file.endswith(".yaml")
        return manifest if is_text_alone else self.load_frozen()

    def load_frozen(self) -> Manifest:
        """Load the manifest as it ran last, and what is made once more behind it.

        Raises:
            UsageError: The batch has never run.
            ManifestError: The copy was damaged.
            LedgerError: redo.csv is not as batchgen writes it.
        """
        frozen = self._require_state().frozen
        if frozen is None:
            raise UsageError(f"{self.folder} has no manifest: it has never been run.")
        manifest = load_frozen(self.folder, frozen, batch=self.name)
        return manifest.with_redo(self.redo_lines())

    def redo_lines(self) -> RedoLines:
        """Return what is made once more.

        Raises:
            LedgerError: redo.csv is not as batchgen writes it.
        """
        return read_redo(self.redo_path)

    def order(self, manifest: Manifest, lines: Sequence[Redo]) -> Manifest:
        """Return what a run is about, under the lock: the manifest, or what is made once more.

        Args:
            manifest: The current one.
            lines: Those that the run is about alone; they are in redo.csv, durable, when this
                returns. Where there are none, it is about the manifest and all of redo.csv.

        Raises:
            LedgerError: redo.csv is not as batchgen writes it, or cannot be written.
        """
        known = self.redo_lines()
        if not lines:
            return manifest.with_redo(known)
        ids = {line.job.job_id for line in known}
        add_lines(self.redo_path, [line for line in lines if line.job.job_id not in ids])
        return manifest.only_redo(lines_of(lines))

    def remember_count(self, *, jobs: int, folded: int) -> None:
        """Keep how many distinct jobs the current manifest has, so that nobody counts again."""
        state = self._require_state()
        if (state.jobs, state.folded) != (jobs, folded):
            with suppress(OSError):  # else somebody counts again
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
        moved = compact(self.ledger_path, self.history_path, jobs=record.superseded)
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

    def _check_pair(self, record: Record, *, accept_loss: bool) -> None:
        """Refuse a batch of which one of the two files is gone, or is an older copy."""
        if self.is_new:
            return
        kept = kept_path(self.journal_path)
        if kept.exists():
            raise LedgerError(
                f"{self.journal_path} was taken away, or replaced, while a run was writing to it. "
                f"What the run had written is in {kept.name}. Nothing was sent.\n"
                f"  Put it back, so that nothing is bought twice:  mv {shlex.quote(str(kept))} "
                f"{shlex.quote(str(self.journal_path))}\n"
                f"  Go on with requests.csv as it is:              rm {shlex.quote(str(kept))}"
            )
        if record.journal_end and record.jobs and not self.ledger_path.exists():
            raise LedgerError(
                f"{self.ledger_path} is missing, while requests.csv has rows. Nothing was sent.\n"
                f"  Write it again from requests.csv, free:  batchgen verify {self.name} --repair"
            )
        loss = None if accept_loss else self.find_loss(record)
        if loss is not None:
            raise LedgerError(
                f"{self.journal_path} {loss.describe()}: what was asked of the service is not "
                "known any more. Nothing was sent.\n"
                "  Put the file back from a copy if there is one. Without it, what ledger.csv does "
                "not settle may be bought a second time:\n"
                f"  batchgen resume {self.name} --on-unknown resubmit"
            )

    def _require_state(self) -> BatchState:
        if self.state is None:
            raise UsageError(f"there is no batch in {self.folder}")
        return self.state

    def _save(self, state: BatchState) -> None:
        save_state(self.folder, state)
        self.state = state


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


def _cannot_write(folder: Path, error: OSError) -> LedgerError:
    return LedgerError(f"cannot write in {folder}: {error.strerror or error}")
