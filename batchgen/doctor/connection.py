"""Look at the service: the key, the queue, the platform, and whose clock is right."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from batchgen.doctor.finding import Finding, fine, warning, wrong
from batchgen.errors import AccountError, ReadError, UsageError
from batchgen.platform_client import PlatformClient, PlatformLimits
from batchgen.queue_client import QueueClient, Timeouts
from batchgen.service import Service, find_service

# Nobody waits long for a doctor: seconds to connect, for an answer, in all.
TIMEOUTS = Timeouts(connect_s=10.0, answer_s=15.0, total_s=20.0)
LIMITS = PlatformLimits(connect_s=10.0, answer_s=15.0, total_s=20.0, tries=1)
TRIES = 2

# Times in the records are this machine's: further off, they mislead.
MOST_OFF = timedelta(minutes=1)

SET_KEY = """export FAL_KEY="id:secret"              PowerShell:  $env:FAL_KEY = "id:secret"
or keep it in a file: --env-file .env     Get one at fal.ai/dashboard/keys"""

SET_CLOCK = {
    "Linux": "sudo timedatectl set-ntp true",
    "Darwin": "sudo sntp -sS time.apple.com",
    "Windows": "w32tm /resync",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What the service said, and when.

    Attributes:
        error: Why it gave no answer, or None.
        barred: Why it does not take the key, or None.
        took_s: How long the answer took, in seconds.
        its_time: The time by its clock, in UTC; None if it did not say.
        our_time: The time by ours, in UTC.
    """

    error: ReadError | None = None
    barred: AccountError | None = None
    took_s: float = 0.0
    its_time: datetime | None = None
    our_time: datetime


def read_key(
    environ: Mapping[str, str], *, env_file: Path | None
) -> tuple[Service | None, Finding]:
    """Return the service that the environment names, and what is to be said of its key.

    Args:
        environ: The environment.
        env_file: A file to read the key from, if the user named one.
    """
    try:
        service = find_service(environ, env_file=env_file)
    except UsageError as error:
        return None, wrong("key", str(error), mend=SET_KEY)
    where = _where(environ, env_file)
    if not service.key:
        return service, wrong("key", "there is none", mend=SET_KEY)
    key_id, colon, secret = service.key.partition(":")
    if not (key_id and colon and secret):
        text = f"{where} is set; it does not look like id:secret"
        return service, warning("key", text, mend=SET_KEY)
    return service, fine("key", f"{where} is set")


async def call(
    service: Service,
    endpoint: str,
    *,
    now: Callable[[], datetime],
    monotonic: Callable[[], float],
) -> Called:
    """Make a free read at the queue, twice if need be."""
    called = Called(our_time=now())
    async with QueueClient(service, timeouts=TIMEOUTS, now=now) as client:
        for _ in range(TRIES):
            began = monotonic()
            try:
                its_time = await client.check_key(endpoint)
            except ReadError as error:
                called = Called(error=error, our_time=now())
            except AccountError as error:
                return Called(barred=error, took_s=monotonic() - began, our_time=now())
            else:
                took_s = monotonic() - began
                return Called(took_s=took_s, its_time=its_time, our_time=now())
    return called


def judge_queue(service: Service, called: Called, *, environ: Mapping[str, str]) -> Finding:
    """Say whether the queue answers."""
    if called.error is None:
        return fine("queue", f"{service.queue_url} answers in {1000 * called.took_s:,.0f} ms")
    proxies = [name for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY") if environ.get(name)]
    hint = f"\n{proxies[0]} is set, and batchgen uses no proxy" if proxies else ""
    return wrong(
        "queue",
        f"{service.queue_url} gives no answer: {called.error}",
        mend=f"curl -I {service.queue_url}      (the network, a firewall, the address){hint}",
    )


def judge_key(key: Finding, called: Called) -> Finding:
    """Say whether the service takes the key.

    Args:
        key: What is known of the key by itself.
        called: What the service said.
    """
    barred = called.barred
    if key.stops_run:
        return key
    if barred is None:
        if called.error is not None:
            return key
        return fine("key", f"{key.text}, and the service takes it")
    if barred.cause == "key":
        return wrong("key", f'{key.text}; the service does not take it ("{barred}")', mend=SET_KEY)
    text = f'{key.text}; the account is locked ("{barred}")'
    return wrong("key", text, mend="top up at fal.ai/dashboard/billing")


def judge_clock(called: Called) -> Finding | None:
    """Say whether this machine's clock is right; None if the service did not say the time."""
    if called.its_time is None:
        return None
    off = called.our_time - called.its_time
    if abs(off) <= MOST_OFF:
        return fine("clock", "right to the minute, by the service's")
    way = "ahead of" if off > timedelta(0) else "behind"
    return warning(
        "clock",
        f"{_duration(abs(off))} {way} the service's; times in the records are wrong by that",
        mend=SET_CLOCK.get(platform.system(), "set the clock by the network"),
    )


async def check_platform(
    service: Service, endpoint: str, *, now: Callable[[], datetime]
) -> Finding:
    """Say whether the history of requests can be read, by which lost answers are looked up."""
    lost = "what is lost between you and the queue cannot be looked up"
    if not service.platform_url:
        text = f"this queue has none, so {lost}"
        return warning(
            "platform", text, mend="export BATCHGEN_PLATFORM_URL=…      (if there is one)"
        )
    end = now()
    try:
        async with PlatformClient(
            service.platform_url, service.key, limits=LIMITS, now=now
        ) as client:
            history = client.history(endpoint, start=end - timedelta(minutes=1), end=end)
            async for _ in history:
                break
    except AccountError as error:
        text = f'{service.platform_url}: this key may not read the history ("{error}"), so {lost}'
        return warning("platform", text, mend="make a key with API scope: fal.ai/dashboard/keys")
    except ReadError as error:
        text = f"{service.platform_url}: {error}; meanwhile {lost}"
        return warning("platform", text, mend=f"curl -I {service.platform_url}")
    return fine("platform", f"{service.platform_url} shows the history of requests")


def _where(environ: Mapping[str, str], env_file: Path | None) -> str:
    if env_file is not None:
        return f"the key in {env_file}"
    return "FAL_KEY" if environ.get("FAL_KEY", "").strip() else "FAL_KEY_ID with FAL_KEY_SECRET"


def _duration(span: timedelta) -> str:
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)
