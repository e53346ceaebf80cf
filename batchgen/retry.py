"""Decide what a failure means: again, once more, or never; and how long to wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

# Keeps 2.0**n finite, however many attempts are allowed.
MAX_DOUBLINGS = 60

# Nobody means a longer pause than this by Retry-After, in seconds.
MAX_RETRY_AFTER_S = 3600.0

# Failures that the service may not repeat: the protocol notes' tables 5.1 and 5.2.
TRANSIENT_TYPES = frozenset(
    {
        "internal_server_error",
        "generation_timeout",
        "downstream_service_error",
        "downstream_service_unavailable",
        "request_timeout",
        "startup_timeout",
        "runner_scheduling_failure",
        "runner_connection_timeout",
        "runner_disconnected",
        "runner_connection_refused",
        "runner_connection_error",
        "runner_incomplete_response",
        "runner_server_error",
        "internal_error",
    }
)

# A 5xx verdict without a type is the same failure without its name.
TRANSIENT_CODES = frozenset({"http_500", "http_502", "http_503", "http_504"})

# The service calls these final, yet users measured that the same request often works. Each
# try may be charged, so one more it is.
ONCE_MORE_TYPES = frozenset({"no_media_generated", "empty_result"})


class Again(Enum):
    """Whether a failed job is sent again by itself."""

    TRANSIENT = "transient"
    ONCE_MORE = "once more"
    NEVER = "never"


def again(error_type: str, *, retryable: bool | None = None) -> Again:
    """Say whether a job whose attempt ended with this error may be sent again.

    Args:
        error_type: The service's word for the failure, or ours.
        retryable: What the answer's own header said of it, or None where it said nothing.
    """
    if error_type in ONCE_MORE_TYPES:
        return Again.ONCE_MORE
    if error_type in TRANSIENT_TYPES or error_type in TRANSIENT_CODES:
        return Again.NEVER if retryable is False else Again.TRANSIENT
    return Again.NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """Which jobs a run takes up again after they failed.

    Attributes:
        mode: `failed`, `transient` or `none`, as `--retry` has it: which *closed* failures
            this run takes up again.
        max_attempts: Attempts a job gets, counted since its last `failed` row in the ledger.
    """

    mode: str = "transient"
    max_attempts: int = 3

    def takes_up(self, error_type: str) -> bool:
        """Say whether a run takes up a job whose failure is closed in the ledger."""
        if self.mode == "none" or error_type == "missing_image":
            return False
        if self.mode == "failed":
            return True
        return again(error_type) is Again.TRANSIENT

    def goes_on(
        self, error_type: str, *, attempts: int, alike: int, retryable: bool | None
    ) -> bool:
        """Say whether a job is sent again at once, right after one of its attempts failed.

        Args:
            error_type: How the attempt ended.
            attempts: Attempts so far, refused ones not counted, since the last `failed` row.
            alike: How many of these ended with this very error type, this one included.
            retryable: What the answer's own header said of it.
        """
        if attempts >= self.max_attempts:
            return False
        match again(error_type, retryable=retryable):
            case Again.TRANSIENT:
                return True
            case Again.ONCE_MORE:
                return alike <= 1
            case Again.NEVER:
                return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential backoff with full jitter.

    Attributes:
        base_s: Upper bound of the first wait, in seconds.
        cap_s: Upper bound of any wait, in seconds.

    Source:
        https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    base_s: float = 1.0
    cap_s: float = 60.0

    def wait_s(self, *, failures: int, jitter: float) -> float:
        """Return the seconds to wait after so many failures in a row.

        Args:
            failures: Counted from 1.
            jitter: A draw from [0, 1), passed in so that tests need no patching.
        """
        doublings = min(failures - 1, MAX_DOUBLINGS)
        return jitter * min(self.cap_s, self.base_s * 2.0**doublings)


def parse_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for; None where it says nothing usable.

    Args:
        value: The header: seconds (`120`), or a date (`Wed, 21 Oct 2026 07:28:00 GMT`).
        now: The time of the answer, in UTC.

    Source:
        RFC 9110, section 10.2.3.
    """
    if value is None:
        return None
    seconds = _seconds_until(value.strip(), now)
    if seconds is None or seconds != seconds:  # NaN is not equal to itself
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def _seconds_until(value: str, now: datetime) -> float | None:
    try:
        return float(value)
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - now).total_seconds()
