"""What a simulated service is like: its keys, its speed, its memory, its misbehaviour."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from batchgen.errors import UsageError
from batchgen.simulator.address import parse_address
from batchgen.simulator.script import ScriptLine, check_rates

# A real service shows a request as queued for a moment even when a runner is free: this share
# of the usual time.
QUEUED_SHARE = 0.1


def _new_id() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorSettings:
    """How the simulated service behaves. Times are in seconds.

    Attributes:
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        keys: The keys that are good; empty: any key is.
        one_account: Whether all keys belong to one account; else each is an account of its own.
        endpoints: Further endpoints, as `owner/alias` or `owner/alias/path`, which take any input.
        concurrency: How many requests run at a time.
        max_open: A submission beyond so many open requests is answered 429; None: no limit.
        seconds: How long a request runs; half of them are faster where there is a spread.
        spread: The standard deviation of that time's logarithm; 0: all take the same.
        seed: The seed of every draw.
        faults: The chance of each fault at each call of its kind, by name.
        script: The faults of exact calls.
        folder: Where what was accepted is kept; None: in memory alone.
        result_lifetime_s: How long after its end a result can be read; None: for ever.
        image_lifetime_s: How long after its request's end an image can be fetched; None: for ever.
        history_delay_s: How much later than it starts a request is listed in the history.
        history_shows_queued: Whether the history lists requests that have not started yet.
        image_scale: Width and height of the images are the real ones times this.
        file_sizes: Whether results give `file_size`; the images are then drawn for the result.
        retry_after_s: What `Retry-After` asks for.
        slow_s: How late a slow answer is.
        hang_s: When a call that hangs is closed at last.
        private_address: The address that stands for a private one in image URLs and redirects.
        clock: The time, in seconds since 1970.
        sleep: Waits.
        new_id: Makes a request id.
    """

    host: str = "127.0.0.1"
    port: int = 0
    keys: tuple[str, ...] = ()
    one_account: bool = False
    endpoints: tuple[str, ...] = ()
    concurrency: int = 20
    max_open: int | None = None
    seconds: float = 1.0
    spread: float = 0.25
    seed: int = 0
    faults: Mapping[str, float] = field(default_factory=dict)
    script: tuple[ScriptLine, ...] = ()
    folder: Path | None = None
    result_lifetime_s: float | None = None
    image_lifetime_s: float | None = None
    history_delay_s: float = 0.0
    history_shows_queued: bool = False
    image_scale: float = 1.0
    file_sizes: bool = False
    retry_after_s: float = 1.0
    slow_s: float = 5.0
    hang_s: float = 3600.0
    private_address: str = "10.255.255.1"
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    new_id: Callable[[], str] = _new_id

    def __post_init__(self) -> None:
        """Check what was given.

        Raises:
            UsageError: A value makes no sense; the text says which one and what would.
        """
        check_rates(self.faults)
        _at_least(self.concurrency, 1, "concurrency")
        _at_least(0 if self.max_open is None else self.max_open, 0, "max-open")
        if not 0.0 < self.image_scale <= 1.0:
            raise UsageError(f"image-scale is above 0 and at most 1; not {self.image_scale}.")
        for name in ("seconds", "spread", "history_delay_s", "retry_after_s", "slow_s", "hang_s"):
            _at_least(getattr(self, name), 0, name.removesuffix("_s").replace("_", "-"))
        for endpoint in self.endpoints:
            address = parse_address(endpoint)
            if address is None or address.request_id:
                raise UsageError(
                    f"an endpoint is owner/alias or owner/alias/path; not '{endpoint}'."
                )

    @property
    def queued_s(self) -> float:
        """How long a request is shown as queued although a runner is free."""
        return self.seconds * QUEUED_SHARE


def _at_least(value: float, least: float, name: str) -> None:
    if not value >= least:
        raise UsageError(f"{name} is at least {least:g}; not {value:g}.")
