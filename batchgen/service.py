"""Which queue a run talks to, and as whom."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from batchgen.errors import UsageError

DEFAULT_QUEUE_URL = "https://queue.fal.run"
DEFAULT_PLATFORM_URL = "https://api.fal.ai/v1"

# A name, or an address of either kind.
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A queue, the platform that keeps its history, and the key for both.

    Attributes:
        queue_url: Scheme, host and port, and perhaps a path; no slash at the end.
        platform_url: The same of the platform; `""` where there is none.
        key: The key; never printed, logged or written.
        simulated: Whether it is the simulator, started by this run.
    """

    queue_url: str = DEFAULT_QUEUE_URL
    platform_url: str = DEFAULT_PLATFORM_URL
    key: str = field(default="", repr=False)
    simulated: bool = False

    @property
    def account(self) -> str:
        """The first 8 hex digits of the key's SHA-256: tells accounts apart, reveals nothing."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:8]

    @property
    def is_loopback(self) -> bool:
        """Whether the queue is on this machine."""
        return is_loopback(urlsplit(self.queue_url).hostname or "")

    @property
    def is_free(self) -> bool:
        """Whether nothing can be spent there, so that nothing needs to be asked."""
        return self.simulated or self.is_loopback


def find_service(environ: Mapping[str, str], *, env_file: Path | None = None) -> Service:
    """Return the service that the environment names.

    Args:
        environ: The environment: `BATCHGEN_QUEUE_URL` beats `FAL_QUEUE_RUN_HOST`, which beats
            `FAL_RUN_HOST`; `BATCHGEN_PLATFORM_URL`; `FAL_KEY`, or `FAL_KEY_ID` and
            `FAL_KEY_SECRET`.
        env_file: A file to read the key from, if the user named one.

    Raises:
        UsageError: An address is not one, or would send the key in the clear; the file cannot
            be read.
    """
    key = _key(environ if env_file is None else _read_key_file(env_file))
    name, url = _queue_url(environ)
    queue_url = _checked(url, name)
    platform = environ.get("BATCHGEN_PLATFORM_URL", "").strip()
    if not platform and queue_url == DEFAULT_QUEUE_URL:
        platform = DEFAULT_PLATFORM_URL
    return Service(
        queue_url=queue_url,
        platform_url=_checked(platform, "BATCHGEN_PLATFORM_URL") if platform else "",
        key=key,
    )


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine, by its name or its address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _queue_url(values: Mapping[str, str]) -> tuple[str, str]:
    """Return the variable that names the queue, and its address."""
    if url := values.get("BATCHGEN_QUEUE_URL", "").strip():
        return "BATCHGEN_QUEUE_URL", url
    if host := values.get("FAL_QUEUE_RUN_HOST", "").strip():
        return "FAL_QUEUE_RUN_HOST", f"https://{host}"
    if host := values.get("FAL_RUN_HOST", "").strip():
        return "FAL_RUN_HOST", f"https://queue.{host}"
    return "BATCHGEN_QUEUE_URL", DEFAULT_QUEUE_URL


def _key(values: Mapping[str, str]) -> str:
    if key := values.get("FAL_KEY", "").strip():
        return _plain(key)
    key_id = values.get("FAL_KEY_ID", "").strip()
    secret = values.get("FAL_KEY_SECRET", "").strip()
    return _plain(f"{key_id}:{secret}") if key_id and secret else ""


def _plain(key: str) -> str:
    """Return the key if a header can carry it; the message never shows it."""
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(
            "the key (FAL_KEY) holds a blank, a line break or a letter that no key has: "
            "copy it again from fal.ai/dashboard/keys"
        )
    return key


def _checked(url: str, name: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(f"{name} may hold a scheme, a host, a port and a path, and nothing else")
    is_host = _HOST.fullmatch(host) and port != 0 and not parts.netloc.endswith(":")
    if parts.scheme not in ("http", "https") or not is_host:
        raise UsageError(f"{name} makes {url!r}: write an address such as https://queue.fal.run")
    if parts.scheme == "http" and not is_loopback(host):
        raise UsageError(
            f"{name} is {url!r}: over plain http the key could be read on its way. Write https "
            "(http is taken for this machine only)"
        )
    return url.rstrip("/")


def _read_key_file(path: Path) -> dict[str, str]:
    """Return the key settings of a file of `NAME=value` lines, and nothing else of it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"--env-file {path}: cannot be read: {reason}") from None
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and name.strip() in ("FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET"):
            found[name.strip()] = _unquoted(value.strip())
    if not found:
        raise UsageError(f'--env-file {path}: there is no line such as FAL_KEY="id:secret" in it')
    return found


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value.split(" #", 1)[0].rstrip()
