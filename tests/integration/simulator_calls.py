"""Calls to a simulated queue, made by hand: what the tests of the simulator speak with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from batchgen.simulator import Simulator, SimulatorSettings

KEY = "id:secret"
ENDPOINT = "fal-ai/nano-banana-2"
TINY = 1 / 32


class ManualClock:
    """A clock that moves when the test says so, or when somebody sleeps."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What came back."""

    status: int
    headers: dict[str, str]
    data: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.data)


class Caller:
    """Calls one simulator with one key."""

    def __init__(self, queue: Simulator, session: aiohttp.ClientSession) -> None:
        self.queue = queue
        self.session = session

    async def call(self, method: str, url: str, *, key: str | None = KEY, **options: Any) -> Said:
        headers = {**options.pop("headers", {})}
        if key is not None:
            headers["Authorization"] = f"Key {key}"
        options.setdefault("allow_redirects", False)
        address = url if "://" in url else self.queue.url + url
        async with self.session.request(method, address, headers=headers, **options) as answer:
            return Said(
                status=answer.status,
                headers={name.lower(): value for name, value in answer.headers.items()},
                data=await answer.read(),
            )

    async def submit(self, endpoint: str = ENDPOINT, **given: Any) -> Said:
        options = {name: given.pop(name) for name in ("key", "headers") if name in given}
        return await self.call("POST", f"/{endpoint}", json={"prompt": "a fox", **given}, **options)

    async def run(self, **given: Any) -> Any:
        """Submit, wait for the end, and return what the submission was answered."""
        submitted = (await self.submit(**given)).body
        await self.wait(submitted)
        return submitted

    async def wait(self, submitted: Any) -> None:
        while (said := await self.call("GET", submitted["status_url"])).status != 200:
            assert said.status == 202, said
            await asyncio.sleep(0.005)

    async def history(self, **query: Any) -> Said:
        params = {"endpoint_id": ENDPOINT, "expand": "payloads", **query}
        return await self.call("GET", "/v1/models/requests/by-endpoint", params=[*params.items()])


@asynccontextmanager
async def simulated(**settings: Any) -> AsyncIterator[tuple[Simulator, Caller]]:
    """Start a simulator that is quick and draws tiny images, and a caller for it."""
    settings = {"seconds": 0.0, "spread": 0.0, "image_scale": TINY, **settings}
    async with (
        Simulator(SimulatorSettings(**settings)) as queue,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session,
    ):
        yield queue, Caller(queue, session)
