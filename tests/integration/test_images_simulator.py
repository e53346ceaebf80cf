"""Images from the simulator's host, with every way in which it misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from batchgen.errors import ImageError
from batchgen.images import FetchLimits, ImageStore
from batchgen.job import Json
from batchgen.queue_client import QueueClient, encode_input
from batchgen.reply import Fetched
from batchgen.service import Service
from batchgen.simulator import FAULTS, Kind, Simulator, SimulatorSettings

ENDPOINT = "fal-ai/nano-banana-2"

# Where the image is there all the same, and what it is called then.
HARMLESS = {
    "image_slow": "png",
    "image_wrong_type": "png",
    "image_no_length": "png",
    "image_other_format": None,
    "image_redirect": "png",
}


@pytest.fixture
async def queue() -> AsyncIterator[Simulator]:
    settings = SimulatorSettings(seconds=0, image_scale=0.1, slow_s=0.01)
    async with Simulator(settings) as queue:
        yield queue


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ImageStore]:
    limits = FetchLimits(connect_s=1.0, stall_s=0.3, total_s=5.0)
    async with ImageStore(tmp_path, loopback=True, limits=limits) as store:
        yield store


async def made(queue: Simulator, **parameters: Json) -> str:
    """Let the simulator make an image and return its URL."""
    service = Service(queue_url=queue.url, key="id:secret")
    async with QueueClient(service) as client:
        body = encode_input({"prompt": "a fox", "seed": 7, **parameters})
        request, _ = await client.submit(ENDPOINT, body)
        while not isinstance(result := await client.result(ENDPOINT, request), Fetched):
            await asyncio.sleep(0.005)
    images = result.output["images"]
    assert isinstance(images, list)
    assert isinstance(images[0], dict)
    return str(images[0]["url"])


@pytest.mark.parametrize(
    ("asked", "extension"),
    [
        pytest.param("png", "png", id="png"),
        pytest.param("jpeg", "jpg", id="jpeg"),
        pytest.param("webp", "webp", id="webp"),
    ],
)
async def test_every_kind_of_image_is_saved(
    queue: Simulator, store: ImageStore, asked: str, extension: str
) -> None:
    url = await made(queue, output_format=asked)

    saved = await store.download(url, stem="images/a")

    assert saved.file == f"images/a.{extension}"
    assert queue.seen_authorization_on_images == 0


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault.name, id=fault.name)
        for fault in FAULTS.values()
        if fault.on is Kind.IMAGE
    ],
)
async def test_an_image_is_saved_whole_or_not_at_all(
    queue: Simulator, store: ImageStore, tmp_path: Path, fault: str
) -> None:
    url = await made(queue)
    queue.faults.script(on="image", nth="every", do=fault)

    if fault in HARMLESS:
        saved = await store.download(url, stem="images/a")
        assert store.check(saved.file, saved.sha256) == saved
        assert HARMLESS[fault] in (None, saved.file.rpartition(".")[2])
    else:
        with pytest.raises(ImageError) as caught:
            await store.download(url, stem="images/a")
        assert caught.value.gone == (fault in ("image_404", "image_410"))
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert queue.seen_authorization_on_images == 0
