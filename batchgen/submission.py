"""What is known of an attempt once its POST was answered, or was not."""

from __future__ import annotations

from dataclasses import dataclass

from batchgen.attempt import Request
from batchgen.errors import AccountError
from batchgen.outcome import Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The service took the attempt; its names are on record."""

    request: Request
    ahead: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowDown:
    """Nothing was accepted, for the time being; the attempt does not count."""

    reason: str
    retry_after_s: float | None = None
    is_answer: bool = True

    @property
    def why(self) -> str:
        """The reason in a word, for the progress line: `429`."""
        return self.reason.partition(":")[0] if self.is_answer else "no connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The service will never take this input."""

    error_type: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """The key, the account or the endpoint is at fault; the job stays left to do."""

    error: AccountError


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertain:
    """It may have been accepted; nobody can tell yet."""

    reason: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """It was not sent, because the run was stopped a moment before."""


Submission = Accepted | SlowDown | Rejected | Barred | Uncertain | Failed | Withheld
