"""From a recorded result to images on disk, each with its row."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.image_host import ImageHost, answer
from support.sample_images import sample_image
from support.wire import Do, Step, Wire, http
from support.workshop import QuickTime, Workshop, make_job, with_images, workshop

from batchgen.attempt import Request
from batchgen.delivery import LONGEST_WAIT_S, NEW_IMAGE_S, TRIES
from batchgen.errors import StorageError
from batchgen.filename import image_file
from batchgen.job import Job
from batchgen.outcome import Completed
from batchgen.retry import RetryRule
from batchgen.standing import Step as NextStep
from batchgen.standing import next_step

JOB = make_job()
FILE = image_file(JOB.file, job_id=JOB.job_id, index=0, asked=1, extension="png")
REQUEST = Request(request_id="r1")
PNG = sample_image("PNG")
WEBP = sample_image("WEBP")
DEAD = answer(b"try later", status=503)
GONE = answer(b"no more", status=410)
UNKNOWN = answer(b"", status=404)

# On a busy machine, too, what was recorded a moment ago is new.
CALM = QuickTime(speed=10.0)
NOT_FOUND = http(404, {"status": "NOT_FOUND"})


@asynccontextmanager
async def delivering(
    folder: Path,
    *,
    queue: Sequence[Step] = (NOT_FOUND,),
    platform: Sequence[Step] = (),
    **given: Any,
) -> AsyncIterator[tuple[Workshop, ImageHost]]:
    """Open a batch whose queue and platform answer each read alike, and an image host."""
    async with Wire(queue) as server, Wire(platform) as history, ImageHost() as host:
        url = f"{history.url}/v1" if platform else ""
        async with workshop(folder, server.url, platform_url=url, **given) as shop:
            yield shop, host


async def completed(shop: Workshop, job: Job, *urls: Any, cost: str = "0.08") -> None:
    """Write down what a run writes until the images are to be fetched."""
    standing = shop.standing(job)
    await shop.records.submitting(job, standing, price_usd=Decimal(cost))
    await shop.records.submitted(job, standing, REQUEST, detail={})
    images = [{"url": url} if isinstance(url, str) else url for url in urls]
    ending = Completed(output={"images": images}, inference_s=3.5)
    await shop.records.completed(job, standing, REQUEST, ending)


async def deliver(shop: Workshop, job: Job, *, tries: int = TRIES) -> list[dict[str, str]]:
    """Deliver a job's images and return the ledger's rows of it."""
    standing = shop.standing(job)
    await shop.delivery.deliver(standing, job, shop.entry(job), tries=tries)
    return shop.ledger(job)


def seen(rows: list[dict[str, str]], *names: str) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


async def test_an_image_becomes_a_file_and_a_row_that_says_what_it_is(tmp_path: Path) -> None:
    async with delivering(tmp_path) as (shop, host):
        url = host.play("/0", answer(PNG, headers={"Content-Type": "image/webp"}))
        await completed(shop, JOB, url)

        [row] = await deliver(shop, JOB)

        assert (tmp_path / row["file"]).read_bytes() == PNG
        assert row["file"] == FILE
        assert row["url"] == url
        assert row["sha256"] == hashlib.sha256(PNG).hexdigest()
        assert seen([row], "status", "image_index", "content_type", "width", "height", "bytes") == [
            ("succeeded", "0", "image/png", "64", "48", str(len(PNG)))
        ]
        assert seen([row], "request_id", "cost_usd", "cost_source", "attempts", "inference_s") == [
            ("r1", "0.08", "table", "1", "3.5")
        ]
        assert row["submitted_at"] <= row["finished_at"]
        assert shop.delivery.delivered == 1


async def test_the_images_of_a_job_share_its_cost_and_the_rest_is_on_the_first(
    tmp_path: Path,
) -> None:
    job = with_images(JOB, 3)
    async with delivering(tmp_path) as (shop, host):
        urls = [host.play(f"/{index}", answer(PNG)) for index in range(3)]
        await completed(shop, job, *urls, cost="0.25")

        rows = await deliver(shop, job)

    assert seen(rows, "image_index", "cost_usd") == [
        ("0", "0.083334"),
        ("1", "0.083333"),
        ("2", "0.083333"),
    ]
    assert len({row["file"] for row in rows}) == 3
    assert [row["file"].rpartition("-")[2] for row in rows] == ["0.png", "1.png", "2.png"]


@pytest.mark.parametrize("cut", ["missing at the end", "without an address"])
async def test_images_that_did_not_come_get_rows_of_their_own(tmp_path: Path, cut: str) -> None:
    job = with_images(JOB, 2)
    async with delivering(tmp_path) as (shop, host):
        url = host.play("/0", answer(PNG))
        rest = [] if cut == "missing at the end" else [{"width": 5}]
        await completed(shop, job, url, *rest, cost="0.16")

        rows = await deliver(shop, job)

    assert seen(rows, "image_index", "status", "error_type", "cost_usd") == [
        ("0", "succeeded", "", "0.08"),
        ("1", "failed", "missing_image", "0.08"),
    ]
    assert "2 asked for, 1 in the result" in rows[1]["error"]


async def test_more_images_than_asked_for_are_kept_too(tmp_path: Path) -> None:
    async with delivering(tmp_path) as (shop, host):
        await completed(shop, JOB, host.play("/0", answer(PNG)), host.play("/1", answer(WEBP)))

        rows = await deliver(shop, JOB)

        assert seen(rows, "image_index", "status") == [("0", "succeeded"), ("1", "succeeded")]
        assert [(tmp_path / row["file"]).read_bytes() for row in rows] == [PNG, WEBP]


async def test_without_download_the_address_is_recorded_and_nothing_is_fetched(
    tmp_path: Path,
) -> None:
    async with delivering(tmp_path, download=False) as (shop, host):
        await completed(shop, JOB, host.play("/0", answer(PNG)))

        rows = await deliver(shop, JOB)

        assert seen(rows, "status", "file", "cost_usd") == [("succeeded", "", "0.08")]
        assert host.seen == []


async def test_a_later_run_downloads_what_was_only_recorded(tmp_path: Path) -> None:
    async with ImageHost() as images:
        url = images.play("/0", answer(PNG))
        async with delivering(tmp_path, download=False) as (shop, _):
            await completed(shop, JOB, url)
            await deliver(shop, JOB)

        async with delivering(tmp_path) as (shop, _):
            step = next_step(shop.standing(JOB), retry=RetryRule(), download=True)
            rows = await deliver(shop, JOB)

            assert step is NextStep.DOWNLOAD
            assert seen(rows, "status", "file") == [
                ("succeeded", ""),
                ("succeeded", FILE),
            ]


class Flaky(ImageHost):
    """An image host that answers a path with one thing after the other."""

    def play_each(self, path: str, *answers: bytes) -> str:
        self._each = {path: list(answers)}
        return self.play(path, answers[0])

    async def _answer(self, reader: Any, writer: Any) -> bool:
        for path, answers in getattr(self, "_each", {}).items():
            self.play(path, answers.pop(0) if len(answers) > 1 else answers[0])
        return await super()._answer(reader, writer)


async def test_an_image_that_cannot_be_fetched_at_first_is_fetched_later(tmp_path: Path) -> None:
    async with delivering(tmp_path) as (shop, _), Flaky() as host:
        url = host.play_each("/0", DEAD, answer(PNG[:-20]), answer(b"<html>"), answer(PNG))
        await completed(shop, JOB, url)

        rows = await deliver(shop, JOB)

        assert seen(rows, "status") == [("succeeded",)]
        assert len(host.seen) == 4


async def test_an_image_that_cannot_be_fetched_is_undelivered_and_paid(tmp_path: Path) -> None:
    async with delivering(tmp_path) as (shop, host):
        await completed(shop, JOB, host.play("/0", DEAD))

        rows = await deliver(shop, JOB)

        assert seen(rows, "status", "error_type", "cost_usd", "file") == [
            ("undelivered", "download", "0.08", "")
        ]
        assert "503" in rows[0]["error"]
        assert len(host.seen) == TRIES
        assert shop.standing(JOB).lacks_rows


async def test_a_second_failure_writes_no_second_row(tmp_path: Path) -> None:
    async with delivering(tmp_path) as (shop, host):
        await completed(shop, JOB, host.play("/0", DEAD))

        await deliver(shop, JOB)
        rows = await deliver(shop, JOB, tries=1)

    assert seen(rows, "status") == [("undelivered",)]


async def test_an_undelivered_image_is_fetched_when_its_host_is_back(tmp_path: Path) -> None:
    async with delivering(tmp_path) as (shop, host):
        url = host.play("/0", DEAD)
        await completed(shop, JOB, url)
        await deliver(shop, JOB)
        host.play("/0", answer(PNG))

        rows = await deliver(shop, JOB, tries=1)

        assert seen(rows, "status") == [("undelivered",), ("succeeded",)]
        assert not shop.standing(JOB).lacks_rows


async def test_of_several_images_only_the_missing_ones_are_fetched_again(tmp_path: Path) -> None:
    job = with_images(JOB, 2)
    async with delivering(tmp_path) as (shop, host):
        good, bad = host.play("/0", answer(PNG)), host.play("/1", DEAD)
        await completed(shop, job, good, bad)
        await deliver(shop, job)
        host.play("/1", answer(WEBP))
        before = len(host.seen)

        rows = await deliver(shop, job)

        assert [request.path for request in host.seen[before:]] == ["/1"]
        assert seen(rows, "image_index", "status") == [
            ("0", "succeeded"),
            ("1", "undelivered"),
            ("1", "succeeded"),
        ]


# -- addresses that no longer answer -----------------------------------------------------


@pytest.mark.parametrize("tries", [TRIES, 1])
async def test_an_image_that_has_moved_is_found_by_reading_the_result_again(
    tmp_path: Path, tries: int
) -> None:
    async with ImageHost() as images:
        fresh = images.play("/new", answer(PNG))
        result = http(200, {"images": [{"url": fresh}]})
        async with delivering(tmp_path, queue=[result]) as (shop, host):
            await completed(shop, JOB, host.play("/old", GONE))

            rows = await deliver(shop, JOB, tries=tries)

            assert seen(rows, "status") == [("succeeded",)]
            assert shop.delivery.delivered == 1


@pytest.mark.parametrize("tries", [TRIES, 1])
@pytest.mark.parametrize("status", [404, 410])
async def test_an_image_that_is_gone_after_the_result_was_read_again_has_expired(
    tmp_path: Path, tries: int, status: int
) -> None:
    async with ImageHost() as images:
        url = images.play("/0", answer(b"", status=status))
        async with delivering(tmp_path, queue=[http(200, {"images": [{"url": url}]})]) as (shop, _):
            await completed(shop, JOB, url)

            rows = await deliver(shop, JOB, tries=tries)

    assert seen(rows, "status", "error_type", "cost_usd") == [("failed", "expired", "0.08")]


async def test_an_image_that_its_host_does_not_know_yet_has_not_expired(tmp_path: Path) -> None:
    async with Flaky() as host:
        url = host.play_each("/0", UNKNOWN, UNKNOWN, UNKNOWN, answer(PNG))
        result = http(200, {"images": [{"url": url}]})
        async with delivering(tmp_path, queue=[result], time=CALM) as (shop, _):
            await completed(shop, JOB, url)

            rows = await deliver(shop, JOB)

    assert seen(rows, "status") == [("succeeded",)]


@pytest.mark.parametrize(
    ("status", "time", "age_s", "asked"),
    [
        pytest.param(404, CALM, 0.0, TRIES, id="a 404 of a new one may pass"),
        pytest.param(404, None, 2 * NEW_IMAGE_S, 2, id="that of an old one does not"),
        pytest.param(410, CALM, 0.0, 2, id="a 410 is meant for good"),
    ],
)
async def test_how_often_an_image_that_is_gone_is_asked_for(
    tmp_path: Path, status: int, time: QuickTime | None, age_s: float, asked: int
) -> None:
    async with ImageHost() as host:
        url = host.play("/0", answer(b"", status=status))
        result = http(200, {"images": [{"url": url}]})
        async with delivering(tmp_path, queue=[result], time=time) as (shop, _):
            await completed(shop, JOB, url)
            await shop.time.sleep(age_s)

            rows = await deliver(shop, JOB)

        assert seen(rows, "status", "error_type") == [("failed", "expired")]
        assert len(host.seen) == asked


@pytest.mark.parametrize(
    "queue",
    [
        pytest.param([NOT_FOUND], id="forgotten"),
        pytest.param([http(500)], id="broken"),
        pytest.param([http(403, {"detail": "User is locked."})], id="locked"),
        pytest.param([Do.CLOSE], id="silent"),
        pytest.param([http(200, {"images": []})], id="empty now"),
    ],
)
async def test_an_image_that_is_gone_is_not_given_up_before_the_result_was_read(
    tmp_path: Path, queue: Sequence[Step]
) -> None:
    async with delivering(tmp_path, queue=queue) as (shop, host):
        await completed(shop, JOB, host.play("/0", GONE))

        rows = await deliver(shop, JOB)

        assert seen(rows, "status", "error_type") == [("undelivered", "download")]


async def test_an_image_that_is_gone_and_whose_result_nobody_remembers_has_expired(
    tmp_path: Path,
) -> None:
    page = http(200, {"items": [], "has_more": False, "next_cursor": None})
    async with delivering(tmp_path, queue=[NOT_FOUND], platform=[page]) as (shop, host):
        await completed(shop, JOB, host.play("/0", GONE))

        rows = await deliver(shop, JOB)

    assert seen(rows, "status", "error_type") == [("failed", "expired")]


async def test_403_is_not_gone(tmp_path: Path) -> None:
    async with ImageHost() as images:
        url = images.play("/0", answer(b"", status=403))
        async with delivering(tmp_path, queue=[http(200, {"images": [{"url": url}]})]) as (shop, _):
            await completed(shop, JOB, url)

            rows = await deliver(shop, JOB)

    assert seen(rows, "status") == [("undelivered",)]


async def test_where_the_queue_has_forgotten_a_result_the_history_tells_it(
    tmp_path: Path,
) -> None:
    async with ImageHost() as images:
        item = {
            "request_id": "r1",
            "status_code": 200,
            "sent_at": "2026-11-22T21:00:00Z",
            "ended_at": "2026-11-22T21:00:05Z",
            "json_input": {"prompt": "a fox"},
            "json_output": {"images": [{"url": images.play("/new", answer(PNG))}]},
        }
        page = http(200, {"items": [item], "has_more": False, "next_cursor": None})
        async with delivering(tmp_path, platform=[page]) as (shop, host):
            await completed(shop, JOB, host.play("/old", GONE))

            rows = await deliver(shop, JOB)

    assert seen(rows, "status") == [("succeeded",)]


async def test_a_host_that_asks_for_an_hour_is_asked_again_after_a_minute(tmp_path: Path) -> None:
    time = QuickTime(speed=500.0)
    async with delivering(tmp_path, time=time) as (shop, host):
        slow = answer(b"", status=429, headers={"Retry-After": "3600"})
        await completed(shop, JOB, host.play("/0", slow))
        began = time.monotonic()

        await deliver(shop, JOB, tries=2)

        assert LONGEST_WAIT_S - 5.0 <= time.monotonic() - began <= 4 * LONGEST_WAIT_S


async def test_no_key_goes_to_an_image_host(tmp_path: Path) -> None:
    async with delivering(tmp_path) as (shop, host):
        await completed(shop, JOB, host.play("/0", answer(PNG)))

        await deliver(shop, JOB)

        assert all("authorization" not in request.headers for request in host.seen)


# -- images that came inside the result, and disks ---------------------------------------


async def test_an_image_that_came_inside_is_taken_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(PNG)
    sha256 = hashlib.sha256(PNG).hexdigest()
    async with delivering(tmp_path, download=False) as (shop, host):
        await completed(shop, JOB, {"url": f"data:{sha256}", "file": FILE})

        rows = await deliver(shop, JOB)

        assert seen(rows, "status", "file", "sha256", "url") == [
            ("succeeded", FILE, sha256, f"data:{sha256}")
        ]
        assert host.seen == []


async def test_an_image_that_came_inside_and_whose_file_is_gone_has_expired(
    tmp_path: Path,
) -> None:
    async with delivering(tmp_path) as (shop, _):
        await completed(shop, JOB, {"url": f"data:{'0' * 64}", "file": FILE})

        rows = await deliver(shop, JOB)

    assert seen(rows, "status", "error_type") == [("failed", "expired")]


async def test_a_disk_that_refuses_an_image_keeps_the_rows_of_those_before(
    tmp_path: Path,
) -> None:
    job = with_images(JOB, 2)
    async with delivering(tmp_path) as (shop, host):
        urls = [host.play("/0", answer(PNG)), host.play("/1", answer(WEBP))]
        await completed(shop, job, *urls)
        stem = (tmp_path / job.file).name
        (tmp_path / job.file).parent.mkdir(parents=True)
        (tmp_path / job.file).with_name(f"{stem}-1.webp").mkdir()  # in the way

        with pytest.raises(StorageError):
            await deliver(shop, job)

        assert seen(shop.ledger(job), "image_index", "status") == [("0", "succeeded")]
