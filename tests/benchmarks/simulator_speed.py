"""How many requests the simulator serves a second: submit, status, result.

    python tests/benchmarks/simulator_speed.py [REQUESTS] [FOLDER]

It serves as a process of its own, at a service time of 0; its CPU time is what counts, since the
caller here is slower than it is.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import time
from typing import Any

import aiohttp

SERVE = "from batchgen.cli.simulate import command; command()"
CALLERS = 40
HEADERS = {"Authorization": "Key id:secret"}


async def call(session: aiohttp.ClientSession, method: str, url: str, **options: Any) -> Any:
    async with session.request(method, url, **options) as answer:
        return json.loads(await answer.read())


async def run(url: str, requests: int) -> None:
    seeds = iter(range(requests))

    async def work(session: aiohttp.ClientSession) -> None:
        for seed in seeds:
            given = {"prompt": "A wide photograph of a fox in a birch wood", "seed": seed}
            said = await call(session, "POST", f"{url}/fal-ai/nano-banana-2", json=given)
            await call(session, "GET", said["status_url"])
            await call(session, "GET", said["response_url"])

    connector = aiohttp.TCPConnector(limit=CALLERS)
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:
        await asyncio.gather(*(work(session) for _ in range(CALLERS)))


def main() -> None:
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    options = ["--port", "0", "--seconds", "0"]
    options += ["--folder", sys.argv[2]] if len(sys.argv) > 2 else []
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    began = time.monotonic()
    asyncio.run(run(url, requests))
    took = time.monotonic() - began
    server.terminate()
    server.wait()
    cpu = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    cpu += resource.getrusage(resource.RUSAGE_CHILDREN).ru_stime
    sys.stdout.write(
        f"{requests} requests in {took:.2f} s: {requests / took:,.0f} a second as called here\n"
        f"{cpu:.2f} s of the server's CPU: {requests / cpu:,.0f} a second on one core\n"
    )


if __name__ == "__main__":
    main()
