"""Time and chance, passed in wherever they matter."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Time and chance, passed in so that tests decide both.

    Attributes:
        now: The time of day, in UTC.
        monotonic: A clock that never goes back, in seconds.
        sleep: Waits so many seconds.
        jitter: Draws from [0, 1).
    """

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    jitter: Callable[[], float]


def real_clock() -> Clock:
    """Return the time and the chance of this machine."""
    return Clock(
        now=lambda: datetime.now(UTC),
        monotonic=time.monotonic,
        sleep=asyncio.sleep,
        jitter=random.random,
    )
