"""Every error that batchgen raises on purpose, in one tree.

::

    BatchgenError
    ├── ManifestError             every mistake in the file: where, what, what would be right
    ├── UsageError                the command or the folder does not fit; nothing was sent
    ├── QueueError                the service did not do what was asked
    │   ├── NotSentError          nothing was delivered; sending again is free
    │   ├── UncertainError        it may have been accepted; never sent again by itself
    │   ├── RefusedError          the service said no to this input
    │   ├── ThrottledError        slow down; after retry_after_s
    │   ├── AccountError          key, lock, balance, missing endpoint: stop the batch
    │   ├── ReadError             a read failed; reads are free and repeated
    │   └── ServiceError          this batch is bound to another queue
    ├── ImageError                an image could not be fetched, arrived damaged, or is no image
    │   └── StorageError          the disk refused it; the image itself is not at fault
    ├── LedgerError               the ledger cannot be trusted, or cannot be written
    │   ├── BusyError             another process is running this batch
    │   └── UnrecordedError       a request was accepted, and its id could not be recorded
    └── ExportError               a view of a batch could not be made; the batch is as it was

A branch exists only where some caller treats it differently. A mistake in our own code is
not among them: it must be loud.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class BatchgenError(Exception):
    """Anything that went wrong in a way that batchgen foresaw."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing that is wrong in a manifest, or in a file that it names.

    Attributes:
        file: The file as the user named it; `""` where there is none (a mapping in memory).
        line: Counted from 1, or None where no line can be named.
        column: Counted from 1, or None.
        text: What is wrong and what would be right, as it is shown; may have several lines.
        count: How many equal mistakes this one stands for.
    """

    file: str
    text: str
    line: int | None = None
    column: int | None = None
    count: int = 1

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        return f"{place}  {self.text}" if place else self.text


class ManifestError(BatchgenError):
    """The manifest has mistakes; all of them are in `mistakes`, in the order of the file."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


class UsageError(BatchgenError):
    """The command, its options or the folder do not fit; nothing was sent."""


class QueueError(BatchgenError):
    """The service did not do what was asked."""


class NotSentError(QueueError):
    """Nothing was delivered; sending again is free."""


class UncertainError(QueueError):
    """It may have been accepted; it is never sent again by itself.

    Attributes:
        http: The status code of the answer, or None where none came.
    """

    def __init__(self, message: str, *, http: int | None = None) -> None:
        self.http = http
        super().__init__(message)


class RefusedError(QueueError):
    """The service said no to this input.

    Attributes:
        error_type: The service's own word for it, else `http_<code>`.
        http: The status code of the answer.
    """

    def __init__(self, message: str, *, error_type: str, http: int) -> None:
        self.error_type = error_type
        self.http = http
        super().__init__(message)


class ThrottledError(QueueError):
    """The service said: slow down. Nothing was accepted.

    Attributes:
        retry_after_s: How long it asked us to wait, in seconds, or None if it did not say.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class AccountError(QueueError):
    """The key, the account or the endpoint is at fault, and no job is: the batch stops.

    Attributes:
        cause: One of `key`, `locked`, `endpoint`, `redirect`.
        http: The status code of the answer.
    """

    def __init__(self, message: str, *, cause: str, http: int) -> None:
        self.cause = cause
        self.http = http
        super().__init__(message)


class ReadError(QueueError):
    """A read failed, which says nothing of the request: read again.

    Attributes:
        http: The status code of the answer, or None where none came.
        retry_after_s: How long the service asked us to wait, in seconds, or None.
    """

    def __init__(
        self, message: str, *, http: int | None = None, retry_after_s: float | None = None
    ) -> None:
        self.http = http
        self.retry_after_s = retry_after_s
        super().__init__(message)


class ServiceError(QueueError):
    """The batch has requests open at another queue than the one that is configured."""


class ImageError(BatchgenError):
    """An image could not be fetched, arrived damaged, or is no image.

    Attributes:
        gone: Whether the image host says that the image no longer exists (404, 410).
        http: The status code of the answer where it was not 200, else None.
        retry_after_s: How long the image host asked us to wait, in seconds, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        gone: bool = False,
        http: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.gone = gone
        self.http = http
        self.retry_after_s = retry_after_s
        super().__init__(message)


class StorageError(ImageError):
    """The disk refused an image; fetching it again helps only once the disk has been mended.

    Attributes:
        errno: The system's number for it (`errno.ENOSPC`, …), or None.
    """

    def __init__(self, message: str, *, errno: int | None = None) -> None:
        self.errno = errno
        super().__init__(message)


class LedgerError(BatchgenError):
    """The ledger or the journal cannot be trusted, or cannot be written."""


class BusyError(LedgerError):
    """Another process is running this batch."""


class UnrecordedError(LedgerError):
    """A request was accepted, and the disk took no record of its id: a person has to keep it.

    Attributes:
        job_id: The job.
        request_id: The service's name for the request.
    """

    def __init__(self, message: str, *, job_id: str, request_id: str) -> None:
        self.job_id = job_id
        self.request_id = request_id
        super().__init__(message)


class ExportError(BatchgenError):
    """A view of a batch could not be made; nothing of it is left, and the batch is as it was."""
