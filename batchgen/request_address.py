"""Where a request is asked for: the path that the service gave, on the host that we were given."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from yarl import URL

from batchgen.attempt import Request

# A path of these has nothing in it that would have to be quoted.
_UNQUOTED = re.compile(r"[A-Za-z0-9_/.~-]+")

# Namespaces whose applications have one more part in their path.
NAMESPACES = frozenset({"workflows", "comfy"})


class RequestAddresses:
    """The addresses of requests at one queue. The key goes to its host and to no other."""

    def __init__(self, queue_url: str) -> None:
        """Take a queue's address, without a slash behind it."""
        self._queue_url = queue_url
        self._base = URL(queue_url)
        self._path = self._base.raw_path.rstrip("/")

    def of(self, endpoint: str, request: Request, given: str, suffix: str) -> URL:
        """Return where to ask.

        Args:
            endpoint: The endpoint's id.
            request: The request.
            given: The address that the service gave, or `""`.
            suffix: What is asked for, where it gave none that can be used: `/status`, or `""`.
        """
        base = self._queue_url
        if given.startswith(base):
            rest = given[len(base) :]
            if _is_tidy(rest) and request.request_id in rest.split("/"):
                # Ours to the letter, as it is as a rule: nothing has to be taken apart.
                return self._base.with_path(self._path + rest, encoded=True)
        if place := _place_of(request.request_id, given):
            # Where the queue lies behind a path of its own, an answer may know of it or not.
            known = place.startswith(f"{self._path}/")
            url = base + (place.removeprefix(self._path) if known else place)
            return URL(url, encoded=_is_tidy(place))
        request_id = quote(request.request_id, safe="")
        return URL(f"{base}/{quote(application_of(endpoint))}/requests/{request_id}{suffix}")


def application_of(endpoint: str) -> str:
    """Return the part of an endpoint's id under which its requests live: owner and alias."""
    parts = endpoint.strip("/").split("/")
    return "/".join(parts[:3] if parts[0] in NAMESPACES else parts[:2])


def _place_of(request_id: str, given: str) -> str:
    """Return path and query of an address in an answer; `""` unless it names that request.

    The path has to begin with a slash: behind a host's name anything else makes another host.
    """
    if not given:
        return ""
    try:
        parts = urlsplit(given)
    except ValueError:
        return ""
    if not request_id or not parts.path.startswith("/"):
        return ""
    if request_id not in parts.path.split("/"):
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _is_tidy(path: str) -> bool:
    """Say whether nothing in a path would have to be quoted, or left out (`/../`)."""
    return path[:1] == "/" and _UNQUOTED.fullmatch(path) is not None and "/." not in path
