"""How a request can fail: tables 5.1 and 5.2 of the protocol notes, and what is beside them.

A failure of the model has a list as its `detail`, one of the platform a text. Both show at the
result, after a submission that was answered with 200 and a status that says COMPLETED.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from batchgen.simulator.answer import Json

ERROR_TYPE_HEADER = "X-Fal-Error-Type"
TIMEOUT_TYPE_HEADER = "X-Fal-Request-Timeout-Type"
RETRYABLE_HEADER = "X-Fal-Retryable"

_ERRORS_PAGE = "https://docs.fal.ai/errors/#"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a request has no images.

    Attributes:
        error_type: The service's word for it.
        status: The status code of the result.
        body: The body of the result.
        text: The sentence that a person reads; it is the status's `error`.
        headers: Further headers of the result.
        units: What the service reports as billed, or None where it reports nothing.
    """

    error_type: str
    status: int
    body: dict[str, Json]
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)
    units: str | None = None


def model_failure(
    error_type: str, *, status: int, text: str, where: str = "prompt", said: str = ""
) -> Failure:
    """Return a failure of the model: `detail` is a list.

    Args:
        error_type: The entry's `type`.
        status: The status code of the result.
        text: The entry's `msg`.
        where: The parameter that is blamed.
        said: What the entry's `type` reads, if not `error_type`.
    """
    entry: Json = {
        "loc": ["body", where],
        "msg": text,
        "type": said or error_type,
        "url": f"{_ERRORS_PAGE}{error_type}",
    }
    # A service further down may do better the next time, whatever code tells of it.
    may_pass = status >= 500 or error_type.startswith("downstream_service")
    headers = {RETRYABLE_HEADER: "true" if may_pass else "false"}
    return Failure(
        error_type=said or error_type,
        status=status,
        body={"detail": [entry]},
        text=text,
        headers=headers,
    )


def platform_failure(
    error_type: str, *, status: int, text: str, headers: Mapping[str, str] | None = None
) -> Failure:
    """Return a failure of the platform: `detail` is a text, the type stands beside it."""
    return Failure(
        error_type=error_type,
        status=status,
        body={"detail": text, "error_type": error_type},
        text=text,
        headers={ERROR_TYPE_HEADER: error_type, **(headers or {})},
    )


def unknown_path(path: str) -> Failure:
    """Return what an application says of a sub-path that it does not have. It costs nothing."""
    text = f"Path /{path} not found"
    return Failure(error_type="http_404", status=404, body={"detail": text}, text=text, units="0")


def invalid_input(entries: list[Json]) -> Failure:
    """Return the failure of an input that does not fit. It costs nothing."""
    first = entries[0]
    kind = str(first["type"]) if isinstance(first, dict) else "value_error"
    text = str(first["msg"]) if isinstance(first, dict) else str(first)
    return Failure(error_type=kind, status=422, body={"detail": entries}, text=text, units="0")


_MODEL: tuple[tuple[str, int, str, str], ...] = (
    ("internal_server_error", 500, "prompt", "Internal server error"),
    ("generation_timeout", 504, "prompt", "The generation took too long"),
    ("downstream_service_error", 500, "prompt", "A downstream service failed"),
    ("downstream_service_unavailable", 500, "prompt", "A downstream service is unavailable"),
    (
        "content_policy_violation",
        422,
        "prompt",
        "The content could not be processed because it was flagged by a content checker.",
    ),
    (
        "no_media_generated",
        422,
        "prompt",
        "The model did not generate any media. Try rephrasing your prompt.",
    ),
    ("image_too_small", 422, "image_urls", "The image is too small"),
    ("image_too_large", 422, "image_urls", "The image is too large"),
    ("image_load_error", 422, "image_urls", "The image could not be loaded"),
    ("file_download_error", 422, "image_urls", "The file could not be downloaded"),
    ("file_too_large", 422, "image_urls", "The file is too large"),
    ("face_detection_error", 422, "image_urls", "No face was detected in the image"),
    ("unsupported_image_format", 422, "image_urls", "The image's format is not supported"),
    ("greater_than", 422, "seed", "Input should be greater than -1"),
    ("greater_than_equal", 422, "num_images", "Input should be greater than or equal to 1"),
    ("less_than", 422, "seed", "Input should be less than 2147483648"),
    ("less_than_equal", 422, "num_images", "Input should be less than or equal to 4"),
    ("multiple_of", 422, "seed", "Input should be a multiple of 8"),
    ("sequence_too_short", 422, "prompt", "The prompt is too short"),
    ("sequence_too_long", 422, "prompt", "The prompt is too long"),
    ("one_of", 422, "aspect_ratio", "Input should be one of the given values"),
    ("feature_not_supported", 422, "enable_web_search", "This feature is not supported"),
    ("missing", 422, "prompt", "Field required"),
    ("string_type", 422, "prompt", "Input should be a valid string"),
    ("literal_error", 422, "aspect_ratio", "Input should be '1:1' or '16:9'"),
    ("value_error", 422, "prompt", "Value error"),
    ("input_value_error", 422, "prompt", "The input's value cannot be used"),
)

_PLATFORM: tuple[tuple[str, int, str], ...] = (
    ("request_timeout", 504, "Request timed out"),
    ("startup_timeout", 504, "Runner startup timed out"),
    ("runner_scheduling_failure", 503, "No runner could be scheduled"),
    ("runner_connection_timeout", 503, "Connecting to the runner timed out"),
    ("runner_disconnected", 503, "The runner disconnected"),
    ("runner_connection_refused", 503, "The runner refused the connection"),
    ("runner_connection_error", 503, "The connection to the runner failed"),
    ("runner_incomplete_response", 502, "The runner's response was incomplete"),
    ("runner_server_error", 500, "The runner failed"),
    ("internal_error", 500, "Internal error"),
    ("client_cancelled", 499, "The request was cancelled by the client"),
    ("client_disconnected", 499, "The client disconnected"),
    ("bad_request", 400, "Bad request"),
)


def _all_failures() -> dict[str, Failure]:
    failures = {
        kind: model_failure(kind, status=status, where=where, text=text)
        for kind, status, where, text in _MODEL
    }
    # The older copy of the error page has 400 for it, the newer one 500.
    failures["downstream_service_error_400"] = model_failure(
        "downstream_service_error", status=400, text="A downstream service failed"
    )
    failures |= {
        kind: platform_failure(kind, status=status, text=text) for kind, status, text in _PLATFORM
    }
    failures["request_timeout_user"] = platform_failure(
        "request_timeout",
        status=504,
        text="Request timed out",
        headers={TIMEOUT_TYPE_HEADER: "user"},
    )
    return failures


# By the name of the fault that brings it: the service's own type, but for two that have two faces.
FAILURES: Mapping[str, Failure] = MappingProxyType(_all_failures())
