"""The paths of the queue API: what they name, and how they are written.

Source:
    Protocol notes, section 2: submit to the full id, but status, result and cancel live under
    `owner/alias` only; `workflows/` and `comfy/` are namespaces and shift the split by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

NAMESPACES = ("workflows", "comfy")


class Page(StrEnum):
    """What lies behind a request's id."""

    RESULT = ""
    RESPONSE = "response"
    STATUS = "status"
    STREAM = "status/stream"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What a path of the queue API names.

    Attributes:
        application: `owner/alias`, behind its namespace if there is one.
        path: What stands between that and `/requests/`, or all that follows where there is none.
        request_id: The id of a request, or `""` where the path names an endpoint.
        page: What of the request is meant.
    """

    application: str
    path: str = ""
    request_id: str = ""
    page: Page = Page.RESULT


def parse_address(path: str) -> Address | None:
    """Return what a path names, or None if it is none of the queue API's."""
    parts = path.strip("/").split("/")
    owner_at = 1 if parts[0] in NAMESPACES else 0
    application, rest = parts[: owner_at + 2], parts[owner_at + 2 :]
    if len(application) < owner_at + 2 or not all(application):
        return None
    name = "/".join(application)
    if "requests" not in rest:
        return Address(application=name, path="/".join(rest))
    at = rest.index("requests")
    if len(rest) <= at + 1 or not rest[at + 1]:
        return None
    page = "/".join(rest[at + 2 :])
    if page not in set(Page):
        return None
    return Address(
        application=name, path="/".join(rest[:at]), request_id=rest[at + 1], page=Page(page)
    )


def request_url(base: str, application: str, request_id: str) -> str:
    """Return the URL of a request; its status is at `/status` below it."""
    return f"{base}/{application}/requests/{request_id}"


def image_url(base: str, *, request_id: str, copy: int, index: int, extension: str) -> str:
    """Return the URL of an image.

    Args:
        base: Scheme, host and port.
        request_id: The request that made it.
        copy: How often the result was read, counted from 1: some images move.
        index: Which of the request's images, counted from 0.
        extension: By which the file is called, without a dot.
    """
    return f"{base}/files/b/{request_id}/{copy}/{index}.{extension}"
