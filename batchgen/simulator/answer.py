"""What the service says: a status code, headers and a body, before any web framework."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

# Every answer of the service bears it, and none of the ingress before it does.
# Source: protocol notes, section 3.
REQUEST_ID_HEADER = "x-fal-request-id"

_NGINX_REASONS = {
    413: "Request Entity Too Large",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}


class RetryAfter(StrEnum):
    """The two forms of the header `Retry-After` (RFC 9110, section 10.2.3)."""

    SECONDS = "seconds"
    DATE = "date"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer.

    Attributes:
        status: The status code.
        body: The bytes that are sent.
        content_type: The header `Content-Type`, or `""` for none.
        headers: Further headers, as (name, value).
        from_service: Whether the service itself speaks, with a request id, or the ingress.
        retry_after: Which form of `Retry-After` goes with it, if any.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    from_service: bool = True
    retry_after: RetryAfter | None = None


def json_answer(
    body: Json,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    retry_after: RetryAfter | None = None,
) -> Answer:
    """Return an answer of the service whose body is JSON."""
    return Answer(status=status, body=encode(body), headers=headers or {}, retry_after=retry_after)


def detail(
    text: str,
    *,
    status: int,
    headers: Mapping[str, str] | None = None,
    retry_after: RetryAfter | None = None,
) -> Answer:
    """Return the service's usual way to say no: `{"detail": "..."}`."""
    return json_answer({"detail": text}, status=status, headers=headers, retry_after=retry_after)


def nginx(status: int) -> Answer:
    """Return the page of the ingress before the service: HTML, and no request id.

    Source:
        Protocol notes, section 5.3.
    """
    title = f"{status} {_NGINX_REASONS[status]}"
    page = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n"
        "</body>\r\n</html>\r\n"
    )
    return Answer(status=status, body=page.encode(), content_type="text/html", from_service=False)


def encode(body: Json) -> bytes:
    """Return JSON as bytes. It is ASCII, since an input may hold half a surrogate pair."""
    return json.dumps(body, separators=(",", ":")).encode()


def canonical(body: Json) -> str:
    """Return one text for equal JSON: keys sorted, no spaces. Keys of the counts of inputs."""
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
