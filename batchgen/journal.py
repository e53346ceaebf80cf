"""Append rows to a CSV file so that they survive a power cut.

One writer, group commit: many `await append(row)` share one write and one sync, off the event
loop. Each commit checks that the file still ends where the last one left it, because a lock may
not hold on a network file system.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from batchgen.csv_file import MAX_WRITE_BYTES, RowReader, format_row, is_piece
from batchgen.errors import LedgerError

# Set aside on disk, so that the ids of answered requests can be recorded on a full one.
RESERVE_BYTES = 256 * 1024

_sync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class _Waiting(NamedTuple):
    """A row that is not durable yet, and who is told where it begins once it is."""

    row: bytes
    written: asyncio.Future[int]


class Journal:
    """A durable append-only CSV file with one writer.

    When `append` returns, the row survives a power cut. After a write or a sync that failed
    nothing more is appended: what the disk holds then is not known.

    Attributes:
        path: The file.
        columns: Its columns.
        failed: Why nothing can be appended any more, or None.
        strained: The disk is full and the reserve is used up: only what ends open requests
            should still be appended.
    """

    def __init__(
        self,
        path: Path,
        *,
        columns: Sequence[str],
        first_cell: re.Pattern[bytes],
        end: int | None = None,
        sync: Callable[[int], None] = _sync,
        reserve: bool = False,
    ) -> None:
        """Open the file, create it with its header if it is new, and cut off a torn tail.

        Args:
            path: The file.
            columns: Its header. A file that is empty, or holds a piece of it, is new. A header
                is there whole or not at all.
            first_cell: What the first cell of every row looks like.
            end: Where the last whole row ends, in bytes, if the caller has read the file.
            sync: Makes a file descriptor durable; passed in so that tests can let it fail.
            reserve: Keep a reserve beside the file for a disk that fills up.

        Raises:
            LedgerError: It is not our file, it is damaged, or it cannot be written.
        """
        self.path = path
        self.columns = list(columns)
        self.failed: LedgerError | None = None
        self.strained = False
        self._sync = sync
        self._pending: list[_Waiting] = []
        self._is_writing = False
        self._reserve = path.with_name(f".{path.name}.reserve") if reserve else None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=path.stem)
        try:
            _create_if_new(path, format_row(self.columns))
            self._reader = RowReader(path, first_cell=first_cell)
            self._end = self._find_end(end)
            self._fill_reserve()
            self._file = _open_append(path)
            self._cut_tail()
        except OSError as error:
            raise _cannot_write(path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def end(self) -> int:
        """Where the next row will begin, in bytes, once all that was appended is committed."""
        return self._end

    def read_at(self, start: int) -> list[str]:
        """Return the cells of the row that begins at `start`, in bytes; it must be durable."""
        return self._reader.read_at(start)

    async def append(self, cells: Sequence[str]) -> int:
        """Append one row and return where it begins, in bytes, once it is durable.

        Raises:
            LedgerError: The row could not be made durable, or an earlier one could not.
        """
        if self.failed is not None:
            raise self.failed
        loop = asyncio.get_running_loop()
        written: asyncio.Future[int] = loop.create_future()
        self._pending.append(_Waiting(_encode(cells), written))
        if not self._is_writing:
            self._is_writing = True
            # What else is appended in this turn of the loop shares the write.
            loop.call_soon(self._write_next, loop)
        # The row is on its way: whoever stops waiting for it does not stop the write.
        return await written

    def append_now(self, rows: Sequence[Sequence[str]]) -> None:
        """Append rows and return when they are durable; for use without an event loop.

        Raises:
            LedgerError: They could not be made durable.
        """
        if self.failed is not None:
            raise self.failed
        try:
            self._write(b"".join(map(_encode, rows)))
        except (OSError, LedgerError) as error:
            failed = self._give_up(error)
            raise failed from failed.__cause__

    def close(self) -> None:
        """Close the file and give the reserve back; rows that still wait are not written."""
        if self.failed is None:
            self.failed = LedgerError(f"{self.path} is closed")
        self._thread.shutdown(wait=True)
        os.close(self._file)
        self._reader.close()
        if self._reserve is not None:
            self._reserve.unlink(missing_ok=True)

    def _write_next(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand what waits to the writer's thread, as much as one write takes."""
        if self.failed is not None:
            self._tell(self.failed, self._pending)
            self._pending = []
        self._is_writing = bool(self._pending)
        if self._is_writing:
            self._thread.submit(self._commit, loop, self._take_batch())

    def _commit(self, loop: asyncio.AbstractEventLoop, batch: Sequence[_Waiting]) -> None:
        """Make rows durable, in the writer's own thread, and have the loop told."""
        start = self._end
        error: Exception | None = None
        try:
            self._write(b"".join([waiting.row for waiting in batch]))
        except Exception as problem:  # noqa: BLE001 - whoever waits must be told of a bug too
            error = problem
        with suppress(RuntimeError):  # a loop that is closed: nobody waits any more
            loop.call_soon_threadsafe(self._committed, loop, batch, start, error)

    def _committed(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: Sequence[_Waiting],
        start: int,
        error: Exception | None,
    ) -> None:
        """Tell whoever waits for these rows, and go on with the next ones."""
        if error is not None:
            self._tell(self._give_up(error), batch)
        self._write_next(loop)
        if error is None:
            for row, written in batch:
                if not written.done():
                    written.set_result(start)
                start += len(row)

    def _take_batch(self) -> list[_Waiting]:
        size = 0
        count = 0
        for row, _ in self._pending:
            if count and size + len(row) > MAX_WRITE_BYTES:
                break
            size += len(row)
            count += 1
        batch, self._pending = self._pending[:count], self._pending[count:]
        return batch

    def _give_up(self, error: Exception) -> LedgerError:
        """Append nothing more, and return why."""
        if self.failed is None and isinstance(error, LedgerError):
            self.failed = error
        elif self.failed is None:
            self.failed = _cannot_write(self.path, error)
            self.failed.__cause__ = error
        return self.failed

    def _tell(self, failed: LedgerError, batch: Sequence[_Waiting]) -> None:
        for _, written in batch:
            if not written.done():
                written.set_exception(failed)

    def _write(self, blob: bytes) -> None:
        """Append the bytes and make them durable; in the writer's own thread."""
        self._check_end(self._end)
        written = 0
        while written < len(blob):
            try:
                written += os.write(self._file, blob[written:])
            except OSError:
                # Once: the reserve is there for exactly this.
                if not self._release_reserve():
                    raise
        self._sync(self._file)
        # Looked at once more: another file may have taken the place of ours, as long as it was.
        self._check_end(self._end + len(blob))
        self._end += len(blob)

    def _check_end(self, expected: int) -> None:
        # By its name: a file that was removed or replaced still takes what is written to it.
        try:
            there = self.path.stat()
        except FileNotFoundError:
            there = None
        if there is not None and there.st_size == expected:
            return
        if there is None or not os.path.samestat(os.fstat(self._file), there):
            raise LedgerError(
                f"{self.path.name} was taken away, or replaced, while it was being written to."
                f"{self._keep()} Nothing further is sent."
            )
        raise LedgerError(
            f"{self.path.name} ends at byte {there.st_size:,} and not at {expected:,}: "
            "another program writes to it. Nothing further is sent."
        )

    def _keep(self) -> str:
        """Give what was written a name again, beside the file's own; say which, if it worked."""
        if self._reserve is None:  # the ledger's rows can be had from the journal
            return ""
        kept = kept_path(self.path)
        try:
            with kept.open("wb") as copy:
                os.lseek(self._file, 0, os.SEEK_SET)
                while block := os.read(self._file, MAX_WRITE_BYTES):
                    copy.write(block)
                copy.flush()
                os.fsync(copy.fileno())
            sync_folder(kept.parent)
        except OSError:  # its folder is gone, or the disk is full
            return ""
        return f" What it held is in {kept.name}."

    def _find_end(self, end: int | None) -> int:
        """Return where the last whole row ends, in bytes, unless the caller knows it."""
        if self._reader.columns != self.columns:
            raise LedgerError(
                f"{self.path.name} does not begin with the columns that it should have"
            )
        if end is not None:
            return end
        for _ in self._reader:
            pass
        return self._reader.end

    def _cut_tail(self) -> None:
        if self._end < os.fstat(self._file).st_size:
            os.ftruncate(self._file, self._end)
            self._sync(self._file)

    def _fill_reserve(self) -> None:
        if self._reserve is not None:
            with self._reserve.open("wb") as file:
                file.write(b"\0" * RESERVE_BYTES)
                os.fsync(file.fileno())

    def _release_reserve(self) -> bool:
        if self._reserve is None or not self._reserve.exists():
            return False
        self._reserve.unlink()
        self.strained = True
        return True


def kept_path(path: Path) -> Path:
    """Return where a journal is kept that lost its name while it was written to."""
    return path.with_name(f"{path.stem}.kept{path.suffix}")


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable, where the system knows such a thing."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems sync entries by themselves and know no such call.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: when this returns it is there and durable.

    A crash leaves the old file, or the new one, and perhaps a hidden `.new` beside it.
    """
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_folder(path.parent)


def _create_if_new(path: Path, header: str) -> None:
    """Give a new file its header, whole or not at all; a piece of it makes no file of ours."""
    if path.exists():
        with path.open("rb") as file:
            if not is_piece(file.read(len(header.encode()) + 1), header):
                return
    replace_file(path, header.encode())


def _open_append(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0))


def stored_text(text: str) -> str:
    """Return what is read back of a text that was written."""
    return _stored(text).decode()


def _encode(cells: Sequence[str]) -> bytes:
    return _stored(format_row(cells))


def _stored(text: str) -> bytes:
    # A zero byte is how a torn tail looks, so none may be part of a row.
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace")


def _cannot_write(path: Path, error: Exception) -> LedgerError:
    reason = error.strerror if isinstance(error, OSError) else None
    return LedgerError(f"cannot write {path}: {reason or error}")
