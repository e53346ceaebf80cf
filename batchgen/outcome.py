"""How an attempt ended, and what that takes to be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from batchgen.job import Json
from batchgen.reply import Failure, Fetched, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """There is a result.

    Attributes:
        output: The model's output, as it came.
        units: What the service charges for, or None where it does not say.
        origin: What served it, or `""`.
        inference_s: How long the model took, in seconds, or None.
    """

    output: dict[str, Json]
    units: Decimal | None = None
    origin: str = ""
    inference_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The service, or we, say that there will be no result.

    Attributes:
        error_type: The service's word, ours, or `http_<code>`.
        message: The service's text, on one line.
        http: The status code that said so; 0 where none did.
        retryable: What the answer's headers say of trying again.
        units: What the service charges for, or None where it does not say.
    """

    error_type: str
    message: str = ""
    http: int = 0
    retryable: bool | None = None
    units: Decimal | None = None

    @property
    def is_free(self) -> bool:
        """Whether the service never charges for it: it says so of every 5xx."""
        return self.http >= 500


@dataclass(frozen=True, slots=True, kw_only=True)
class StillOpen:
    """We stopped asking; the request stays open on record, and the next run reads it first."""

    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The service does not know the request any more."""


Ending = Completed | Failed | StillOpen | Lost

# The platform's failures reach us in the status alone when the result is gone; each has its
# code in the protocol notes, table 5.2.
PLATFORM_CODES: Mapping[str, int] = {
    "request_timeout": 504,
    "startup_timeout": 504,
    "runner_scheduling_failure": 503,
    "runner_connection_timeout": 503,
    "runner_disconnected": 503,
    "runner_connection_refused": 503,
    "runner_connection_error": 503,
    "runner_incomplete_response": 502,
    "runner_server_error": 500,
    "internal_error": 500,
    "client_cancelled": 499,
    "client_disconnected": 499,
    "bad_request": 400,
}


def complete(
    fetched: Fetched, status: Status, *, before: Failure | None
) -> Completed | Failed | Failure:
    """Return what a result amounts to; a `Failure` where that takes a second read.

    One without images is a failure, if the next read says the same: an answer that is no result at
    all looks like one too.

    Args:
        fetched: The result.
        status: What the status said before.
        before: What the result answered with the last time, if that was a failure, or None.
    """
    if not any(image_urls(fetched.output)):
        empty = Failure(
            http=200,
            error_type="empty_result",
            message="the result holds no image",
            units=fetched.units,
        )
        is_same = before is not None and before.error_type == empty.error_type
        return failed(empty, status) if is_same else empty
    return Completed(
        output=fetched.output,
        units=fetched.units,
        origin=fetched.origin,
        inference_s=status.inference_s,
    )


def judge(failure: Failure, *, status: Status, before: Failure | None) -> Failed | None:
    """Return how the attempt ended, or None while that is not proved: then read again.

    A read is free, a wrong verdict is an image. An error of the service's own making (5xx) is
    believed only if it names what failed and a second read says the same; an error about the
    request (4xx) is believed at once if it is named, else the second time.

    Args:
        failure: The error that the result answered with.
        status: What the status said before.
        before: The error that the result answered with the last time, or None.
    """
    if status.has_failed:
        return failed(failure, status)
    is_named = bool(failure.error_type or status.error_type or status.error)
    is_same = before is not None and (before.http, before.error_type) == (
        failure.http,
        failure.error_type,
    )
    if failure.http >= 500:
        believed = is_named and is_same
    elif failure.is_own or is_named:
        believed = bool(failure.error_type) or is_same
    else:
        believed = False
    return failed(failure, status) if believed else None


def failed(failure: Failure | None, status: Status) -> Failed:
    """Return the failure that a result, or the status alone, speaks of."""
    error_type = (failure.error_type if failure else "") or status.error_type
    http = failure.http if failure else PLATFORM_CODES.get(error_type, 200)
    if http == 200 and error_type in PLATFORM_CODES:
        http = PLATFORM_CODES[error_type]
    return Failed(
        error_type=error_type or f"http_{http}",
        message=(failure.message if failure else "") or status.error,
        http=http,
        retryable=failure.retryable if failure else None,
        units=failure.units if failure else None,
    )


def image_urls(output: Mapping[str, Json]) -> list[str]:
    """Return where a result's images are, in order; `""` for an entry without an address."""
    images = output.get("images")
    if images is None:
        images = output.get("image")
    if not isinstance(images, list):
        images = [] if images is None else [images]
    return [_url(image) for image in images]


def _url(image: Json) -> str:
    url = image.get("url") if isinstance(image, dict) else image
    return url if isinstance(url, str) else ""
