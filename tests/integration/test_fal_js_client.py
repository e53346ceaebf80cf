"""The official JavaScript client against the simulated queue, driven by node."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from simulator_calls import ENDPOINT, KEY, simulated

from batchgen.simulator import Simulator

PACKAGE = "@fal-ai/client@1.10.1"

# The client builds https://queue.fal.run/…; its own hook for that sends it here instead.
SCRIPT = """
const { createFalClient } = require("@fal-ai/client");
const [base, key, work] = process.argv.slice(2);
const fal = createFalClient({
  credentials: key,
  requestMiddleware: async (request) => ({
    ...request,
    url: request.url.replace("https://queue.fal.run", base),
  }),
});
const told = (error) => ({
  name: error.name, status: error.status, body: error.body, fields: error.fieldErrors,
});
const works = {
  async subscribe(endpoint, input) {
    const walk = [];
    const result = await fal.subscribe(endpoint, {
      input, pollInterval: 20, logs: true, onQueueUpdate: (update) => walk.push(update.status),
    });
    return { ...result, walk: [...new Set(walk)] };
  },
  async stream(endpoint, input) {
    const walk = [];
    const result = await fal.subscribe(endpoint, {
      input, mode: "streaming", connectionMode: "server",
      onQueueUpdate: (update) => walk.push(update.status),
    });
    return { ...result, walk };
  },
  async steps(endpoint, input) {
    const submitted = await fal.queue.submit(endpoint, { input });
    const requestId = submitted.request_id;
    const first = await fal.queue.status(endpoint, { requestId, logs: true });
    const last = await fal.queue.subscribeToStatus(endpoint, { requestId, pollInterval: 20 });
    const result = await fal.queue.result(endpoint, { requestId });
    return { submitted, first, last, result };
  },
  async cancel(endpoint, input) {
    const { request_id: requestId } = await fal.queue.submit(endpoint, { input });
    await fal.queue.cancel(endpoint, { requestId });
    const status = await fal.queue.status(endpoint, { requestId });
    const again = await fal.queue.cancel(endpoint, { requestId }).catch(told);
    return { status, again };
  },
  async refused(endpoint, input) {
    return fal.subscribe(endpoint, { input, pollInterval: 20 }).catch(told);
  },
};
const { name, endpoint, input } = JSON.parse(work);
works[name](endpoint, input)
  .then((found) => console.log(JSON.stringify(found)))
  .catch((error) => { console.error(error); process.exit(1); });
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the client installed and the script beside it."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("node and npm are not installed here")
    folder = tmp_path_factory.mktemp("js")
    quick = ["--no-audit", "--no-fund", "--fetch-retries=0", "--fetch-timeout=30000"]
    installed = subprocess.run(
        [npm, "install", "--prefix", str(folder), *quick, PACKAGE],
        capture_output=True,
        text=True,
        timeout=100,
    )
    if installed.returncode:
        pytest.skip(f"npm cannot install {PACKAGE}: {installed.stderr.strip()[-200:]}")
    file = folder / "client.js"
    file.write_text(SCRIPT)
    return file


async def work(
    script: Path, queue: Simulator, name: str, endpoint: str, input: Any, *, key: str = KEY
) -> Any:
    order = json.dumps({"name": name, "endpoint": endpoint, "input": input})
    node = await asyncio.create_subprocess_exec(
        *("node", str(script), queue.url, key, order),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await node.communicate()
    assert node.returncode == 0, err.decode()
    return json.loads(out)


async def test_subscribe(script: Path) -> None:
    async with simulated(seconds=2.0, keys=(KEY,)) as (queue, _):
        found = await work(
            script, queue, "subscribe", ENDPOINT, {"prompt": "a fox", "num_images": 2}
        )

    assert found["walk"] == ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
    assert found["requestId"] == queue.requests[0].request_id
    assert len(found["data"]["images"]) == 2


async def test_subscribe_by_stream(script: Path) -> None:
    async with simulated(seconds=2.0) as (queue, _):
        found = await work(script, queue, "stream", ENDPOINT, {"prompt": "a fox"})

    assert found["walk"] == ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
    assert len(found["data"]["images"]) == 1


@pytest.mark.parametrize(
    ("endpoint", "given"),
    [
        (f"{ENDPOINT}/edit", {"prompt": "a fox", "image_urls": ["https://example.com/a.png"]}),
        ("workflows/ann/shop", {"any": "thing"}),
    ],
)
async def test_submit_status_result(script: Path, endpoint: str, given: Any) -> None:
    async with simulated(seconds=0.4, endpoints=("workflows/ann/shop",)) as (queue, _):
        found = await work(script, queue, "steps", endpoint, given)

    assert found["first"]["status"] in ("IN_QUEUE", "IN_PROGRESS")
    assert found["last"]["status"] == "COMPLETED"
    assert found["result"]["requestId"] == found["submitted"]["request_id"]
    assert len(found["result"]["data"]["images"]) == 1


async def test_cancel(script: Path) -> None:
    async with simulated(seconds=60.0) as (queue, _):
        found = await work(script, queue, "cancel", ENDPOINT, {"prompt": "a fox"})

    assert found["status"]["error_type"] == "client_cancelled"
    assert found["again"]["status"] == 400
    assert queue.requests[0].ending == "cancelled"


async def test_a_wrong_key(script: Path) -> None:
    async with simulated(keys=(KEY,)) as (queue, _):
        found = await work(script, queue, "refused", ENDPOINT, {"prompt": "x"}, key="wrong:key")

    assert (found["name"], found["status"], queue.accepted) == ("ApiError", 401, 0)
    assert found["body"] == {"detail": "invalid key credentials"}


async def test_bad_input(script: Path) -> None:
    async with simulated() as (queue, _):
        found = await work(
            script, queue, "refused", ENDPOINT, {"prompt": "x", "aspect_ratio": "16:09"}
        )

    assert (found["name"], found["status"]) == ("ValidationError", 422)
    assert found["fields"][0]["loc"] == ["body", "aspect_ratio"]
