"""The simulated image host, when it behaves and when it does not."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import aiohttp
import pytest
from PIL import Image
from simulator_calls import Caller, ManualClock, Said, simulated

MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "webp": b"RIFF"}


async def first_image(caller: Caller, **given: Any) -> str:
    submitted = await caller.run(**given)
    result = (await caller.call("GET", submitted["response_url"])).body
    return str(result["images"][0]["url"])


async def fetch(caller: Caller, url: str) -> Said:
    return await caller.call("GET", url, key=None)


@pytest.mark.parametrize("format", MAGIC)
async def test_an_image_is_what_its_result_says(format: str) -> None:
    async with simulated(image_scale=0.25) as (_, caller):
        url = await first_image(caller, output_format=format, aspect_ratio="3:2")
        said = await fetch(caller, url)

    assert (said.status, said.headers["content-type"]) == (200, f"image/{format}")
    assert int(said.headers["content-length"]) == len(said.data)
    assert said.data.startswith(MAGIC[format])
    assert Image.open(io.BytesIO(said.data)).size == (316, 212)


async def test_an_image_is_the_same_at_each_fetch_and_counted() -> None:
    async with simulated() as (queue, caller):
        url = await first_image(caller)
        files = {(await fetch(caller, url)).data for _ in range(3)}

    assert len(files) == 1
    assert (queue.image_fetches, queue.seen_authorization_on_images) == (3, 0)


async def test_the_image_host_needs_no_key_and_notes_who_sends_one() -> None:
    async with simulated(keys=("only:this",)) as (queue, caller):
        submitted = (await caller.submit(key="only:this")).body
        url = f"/files/b/{submitted['request_id']}/1/0.png"
        await asyncio.sleep(0.01)
        assert (await fetch(caller, url)).status == 200
        assert queue.seen_authorization_on_images == 0
        assert (await caller.call("GET", url, key="only:this")).status == 200
        assert queue.seen_authorization_on_images == 1


async def test_a_head_request_tells_the_length() -> None:
    async with simulated() as (_, caller):
        url = await first_image(caller)
        head = await caller.call("HEAD", url, key=None)
        whole = await fetch(caller, url)

    assert head.headers["content-length"] == str(len(whole.data))


async def test_a_result_can_say_how_many_bytes_an_image_has() -> None:
    async with simulated(file_sizes=True) as (_, caller):
        submitted = await caller.run()
        image = (await caller.call("GET", submitted["response_url"])).body["images"][0]
        said = await fetch(caller, image["url"])

    assert image["file_size"] == len(said.data)


@pytest.mark.parametrize("place", ["no-such-id/1/0.png", "{id}/1/1.png", "{id}/1/x.png"])
async def test_what_is_not_there_is_404(place: str) -> None:
    async with simulated() as (_, caller):
        submitted = await caller.run()
        said = await fetch(caller, "/files/b/" + place.format(id=submitted["request_id"]))

    assert said.status == 404


async def test_an_image_is_not_there_before_its_request_has_ended() -> None:
    async with simulated(seconds=60.0) as (_, caller):
        submitted = (await caller.submit()).body
        said = await fetch(caller, f"/files/b/{submitted['request_id']}/1/0.png")

    assert said.status == 404


async def test_images_are_gone_after_their_lifetime() -> None:
    clock = ManualClock()
    async with simulated(clock=clock, image_lifetime_s=60.0) as (_, caller):
        url = await first_image(caller)
        assert (await fetch(caller, url)).status == 200
        clock.now += 61.0
        assert (await fetch(caller, url)).status == 410


async def test_moved_images_are_found_by_reading_the_result_again() -> None:
    async with simulated() as (queue, caller):
        queue.faults.script(on="run", nth=1, do="moved_images")
        submitted = await caller.run()
        urls = [
            (await caller.call("GET", submitted["response_url"])).body["images"][0]["url"]
            for _ in range(2)
        ]
        codes = [(await fetch(caller, url)).status for url in urls]

    assert urls[0] != urls[1]
    assert codes == [410, 200]


async def test_gone_images_are_410_whatever_is_read() -> None:
    async with simulated() as (queue, caller):
        queue.faults.script(on="run", nth=1, do="gone_images")
        submitted = await caller.run()
        for _ in range(2):
            result = (await caller.call("GET", submitted["response_url"])).body
            assert (await fetch(caller, result["images"][0]["url"])).status == 410


@pytest.mark.parametrize("code", [403, 404, 408, 410, 429, 500, 502, 503, 504])
async def test_codes_of_the_image_host_are_pages(code: int) -> None:
    async with simulated() as (queue, caller):
        url = await first_image(caller)
        queue.faults.script(on="image", nth=1, do=f"image_{code}")
        broken, whole = await fetch(caller, url), await fetch(caller, url)

    assert (broken.status, whole.status) == (code, 200)
    assert broken.headers["content-type"] == "text/html"
    assert "x-fal-request-id" not in broken.headers


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("image_short", aiohttp.ClientPayloadError),
        ("image_reset", aiohttp.ClientError),
        ("image_stall", TimeoutError),
        ("image_hang", TimeoutError),
    ],
)
async def test_an_image_can_break_off(name: str, expected: type[Exception]) -> None:
    async with simulated() as (queue, caller):
        url = await first_image(caller)
        queue.faults.script(on="image", nth=1, do=name)
        with pytest.raises(expected):
            await asyncio.wait_for(fetch(caller, url), 0.5)
        assert (await fetch(caller, url)).status == 200


async def test_bytes_can_be_wrong_in_many_ways() -> None:
    async with simulated(image_scale=0.125) as (queue, caller):
        url = await first_image(caller)
        whole = await fetch(caller, url)
        names = [
            "image_html",
            "image_empty",
            "image_wrong_type",
            "image_no_length",
            "image_cut",
            "image_wrong_bytes",
            "image_damaged",
            "image_other_format",
        ]
        odd: dict[str, Said] = {}
        for nth, name in enumerate(names, 2):
            queue.faults.script(on="image", nth=nth, do=name)
            odd[name] = await fetch(caller, url)

    assert {said.status for said in odd.values()} == {200}
    assert odd["image_html"].data.startswith(b"<!doctype html>")
    assert odd["image_empty"].data == b""
    assert odd["image_wrong_type"].data == whole.data
    assert odd["image_wrong_type"].headers["content-type"] == "application/octet-stream"
    assert odd["image_no_length"].data == whole.data
    assert "content-length" not in odd["image_no_length"].headers
    assert odd["image_cut"].data == whole.data[: len(whole.data) // 2]
    assert not odd["image_wrong_bytes"].data.startswith(MAGIC["png"])
    assert odd["image_wrong_bytes"].headers["content-type"] == "image/png"
    assert odd["image_damaged"].data.startswith(MAGIC["png"])
    assert len(odd["image_damaged"].data) == len(whole.data)
    assert odd["image_other_format"].data.startswith(MAGIC["webp"])
    assert odd["image_other_format"].headers["content-type"] == "image/png"
    with pytest.raises((OSError, SyntaxError)):
        Image.open(io.BytesIO(odd["image_damaged"].data)).load()


async def test_an_image_can_claim_to_be_larger_than_any_memory() -> None:
    async with simulated() as (queue, caller):
        url = await first_image(caller)
        queue.faults.script(on="image", nth=1, do="image_huge")
        data = (await fetch(caller, url)).data

    assert len(data) < 1000
    assert data.startswith(MAGIC["png"])
    assert int.from_bytes(data[16:20]) == int.from_bytes(data[20:24]) == 60_000


async def test_redirects_lead_to_the_image_round_and_round_or_astray() -> None:
    async with simulated(private_address="10.1.2.3") as (queue, caller):
        url = await first_image(caller)
        names = ["image_redirect", "image_redirect_private", "image_redirect_file"]
        for number, name in enumerate(names, 1):
            queue.faults.script(on="image", nth=number, do=name)
        queue.faults.script(on="image", nth=4, do="image_redirect_loop")

        followed = await caller.call("GET", url, key=None, allow_redirects=True)
        places = [(await fetch(caller, url)).headers["location"] for _ in range(2)]
        with pytest.raises(aiohttp.TooManyRedirects):
            await caller.call("GET", url, key=None, allow_redirects=True)

    assert (followed.status, followed.data[:8]) == (200, MAGIC["png"])
    assert places[0].startswith("http://10.1.2.3/files/")
    assert places[1] == "file:///etc/hostname"


async def test_drawing_large_images_does_not_hold_up_other_calls() -> None:
    async with simulated(image_scale=1.0) as (_, caller):
        url = await first_image(caller, resolution="4K")
        began = asyncio.get_running_loop().time()
        drawing = asyncio.create_task(fetch(caller, url))
        waits = []
        while not drawing.done():
            asked = asyncio.get_running_loop().time()
            await caller.call("GET", "/_simulator", key=None)
            waits.append(asyncio.get_running_loop().time() - asked)
        took = asyncio.get_running_loop().time() - began

    assert (await drawing).status == 200
    assert min(waits) < took / 3
    assert len(waits) > 2
