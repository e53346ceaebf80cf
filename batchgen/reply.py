"""What the service says of a request, as values that know nothing of HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from batchgen.job import Json

# States in which the service says in so many words that a request failed. Its own documents know
# none of them; others have seen them.
FINAL_FAILURES = frozenset({"FAILED", "ERROR", "CANCELLED", "CANCELED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the service says of a request.

    Attributes:
        state: `IN_QUEUE`, `IN_PROGRESS`, `COMPLETED`, or a word that nobody knows yet.
        ahead: Requests before it in the queue, or None.
        error: The service's text, if it says that the request failed.
        error_type: The service's word for the failure, or `""`.
        inference_s: How long the model took, in seconds, or None.
    """

    state: str
    ahead: int | None = None
    error: str = ""
    error_type: str = ""
    inference_s: float | None = None

    @property
    def is_done(self) -> bool:
        """Whether there is a result, or a reason why there is none."""
        return self.state == "COMPLETED" or self.has_failed

    @property
    def has_failed(self) -> bool:
        """Whether the service says in so many words that the request failed."""
        return self.state in FINAL_FAILURES


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The result of a request.

    Attributes:
        output: The model's output, as it came.
        units: What the service charges for, or None where it does not say.
        origin: What served it, where the answer says so.
    """

    output: dict[str, Json]
    units: Decimal | None = None
    origin: str = ""


@dataclass(frozen=True, slots=True)
class NotReady:
    """The request has not finished yet."""


@dataclass(frozen=True, slots=True)
class NotFound:
    """The service does not know the request, or no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The result is an error; whether it is the request's outcome, `outcome.judge` decides.

    Attributes:
        http: The status code.
        error_type: The service's word for it, or `""`.
        message: Its text, on one line, or `""`.
        is_own: Whether the service itself speaks: a JSON object with a `detail`, or one that bears
            its request id. What a proxy says may be JSON as well.
        retryable: What its headers say of trying again.
        units: What the service charges for, or None where it does not say.
    """

    http: int
    error_type: str
    message: str
    is_own: bool = True
    retryable: bool | None = None
    units: Decimal | None = None


Result = Fetched | NotReady | NotFound | Failure
