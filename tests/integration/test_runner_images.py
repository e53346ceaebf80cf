"""Images of a whole run: a stage of their own, free to repeat, and never bought twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.night import Night, night, shots

from batchgen.downloads import SIDE_BY_SIDE
from batchgen.runner import Runner


@pytest.fixture
async def tonight(tmp_path: Path) -> AsyncIterator[Night]:
    async with night(tmp_path) as tonight:
        yield tonight
        tonight.check_books()


async def test_a_host_that_is_dead_leaves_images_undelivered_and_then_they_are_fetched_free(
    tonight: Night,
) -> None:
    tonight.queue.faults.script(on="image", nth="every", do="image_503")
    first = await tonight.run(shots(5))
    tonight.queue.faults.clear()

    second = await tonight.run(shots(5))

    assert (first.exit_code, first.undelivered, first.succeeded, first.again) == (1, 5, 0, 5)
    assert (second.exit_code, second.submitted, second.succeeded) == (0, 0, 5)
    assert tonight.queue.accepted == 5
    assert tonight.statuses() == {"succeeded": 5}
    assert second.bill.spent_usd == first.bill.spent_usd


async def test_a_host_that_comes_back_during_the_run_delivers_in_it(tonight: Night) -> None:
    tonight.queue.faults.script(on="image", nth="1-15", do="image_503")

    report = await tonight.run(shots(5))

    assert (report.exit_code, report.succeeded) == (0, 5)


@pytest.mark.parametrize(
    "fault",
    [
        "image_404",
        "image_403",
        "image_429",
        "image_500",
        "image_dropped",
        "image_html",
        "image_empty",
        "image_short",
        "image_cut",
        "image_reset",
        "image_wrong_bytes",
        "image_damaged",
        "image_huge",
        "image_redirect_loop",
        "image_redirect_file",
    ],
)
async def test_an_image_that_comes_wrong_is_fetched_again(tonight: Night, fault: str) -> None:
    tonight.queue.faults.script(on="image", nth=1, do=fault)

    report = await tonight.run(shots(2))

    assert (report.exit_code, report.succeeded) == (0, 2)
    assert tonight.queue.accepted == 2
    assert all(row["file"] for row in tonight.ledger)


@pytest.mark.parametrize(
    "fault", ["image_wrong_type", "image_no_length", "image_other_format", "image_redirect"]
)
async def test_an_image_that_only_looks_wrong_is_taken(tonight: Night, fault: str) -> None:
    tonight.queue.faults.script(on="image", nth="every", do=fault)

    report = await tonight.run(shots(2))

    assert (report.exit_code, report.succeeded) == (0, 2)


async def test_images_that_have_moved_are_found_by_reading_the_result_again(
    tonight: Night,
) -> None:
    tonight.queue.faults.script(on="run", nth="every", do="moved_images")

    report = await tonight.run(shots(3))

    assert (report.exit_code, report.succeeded, tonight.queue.accepted) == (0, 3, 3)


async def test_images_that_are_gone_have_expired_and_are_bought_again_only_if_asked(
    tonight: Night,
) -> None:
    tonight.queue.faults.script(on="run", nth="1-2", do="gone_images")
    first = await tonight.run(shots(2))
    second = await tonight.run(shots(2))
    accepted = tonight.queue.accepted

    third = await tonight.run(shots(2), retry="failed")
    fourth = await tonight.run(shots(2), retry="failed")

    assert (first.exit_code, first.failed) == (1, 2)
    assert (second.exit_code, accepted) == (1, 2)
    assert (third.exit_code, third.succeeded, tonight.queue.accepted) == (0, 2, 4)
    assert (fourth.exit_code, fourth.submitted) == (0, 0)


async def test_a_job_of_which_one_image_is_on_disk_is_not_bought_again(tonight: Night) -> None:
    tonight.queue.faults.script(on="image", nth="2-", do="image_410")
    manifest = shots(1, parameters={"num_images": 2})
    first = await tonight.run(manifest, concurrency=1)

    second = await tonight.run(manifest, retry="failed")

    assert (first.exit_code, second.exit_code) == (1, 1)
    assert sorted(row["status"] for row in tonight.ledger) == ["failed", "succeeded"]
    assert tonight.errors() == {"expired": 1}
    assert tonight.queue.accepted == 1


async def test_without_download_nothing_is_fetched_until_a_run_that_downloads(
    tonight: Night,
) -> None:
    first = await tonight.run(shots(4), download=False)
    again = await tonight.run(shots(4), download=False)

    assert (first.exit_code, first.succeeded, tonight.queue.image_fetches) == (0, 4, 0)
    assert (again.exit_code, again.submitted) == (0, 0)
    assert not any(row["file"] for row in tonight.ledger)

    second = await tonight.run(shots(4))

    assert (second.exit_code, second.submitted, tonight.queue.image_fetches) == (0, 0, 4)
    assert all(row["file"] for row in tonight.ledger)
    assert len(tonight.ledger) == 4


async def test_a_download_holds_no_requests_slot(tmp_path: Path) -> None:
    async with night(tmp_path, slow_s=60.0) as tonight:
        tonight.queue.faults.script(on="image", nth="every", do="image_slow")
        open_while_downloading: list[int] = []

        def watch(runner: Runner) -> None:
            window = runner.dispatcher.gate.window
            images = runner.dispatcher.downloads.delivery.images
            download = images.download

            async def noted(url: str, **given: Any) -> Any:
                saved = await download(url, **given)
                open_while_downloading.append(window.open)
                return saved

            images.download = noted  # type: ignore[method-assign]  # to listen

        report = await tonight.run(shots(12), concurrency=1, began=watch)

        assert report.exit_code == 0
        assert tonight.queue.most_open == 1
        finished = [row["at"] for row in tonight.journal if row["state"] == "completed"]
        saved = [row["finished_at"] for row in tonight.ledger]
        assert finished[-1] < saved[0], "every request had ended before the first image was there"


async def test_downloads_have_their_own_cap(tmp_path: Path) -> None:
    async with night(tmp_path, slow_s=20.0, seconds=0.1) as tonight:
        tonight.queue.faults.script(on="image", nth="every", do="image_slow")
        fetching, most = 0, 0

        def watch(runner: Runner) -> None:
            images = runner.dispatcher.downloads.delivery.images
            download = images.download

            async def noted(url: str, **given: Any) -> Any:
                nonlocal fetching, most
                fetching += 1
                most = max(most, fetching)
                try:
                    return await download(url, **given)
                finally:
                    fetching -= 1

            images.download = noted  # type: ignore[method-assign]  # to listen

        report = await tonight.run(shots(40), concurrency=40, began=watch)

        assert report.exit_code == 0
        assert most == SIDE_BY_SIDE


async def test_when_nothing_can_be_downloaded_for_ten_minutes_nothing_more_is_bought(
    tmp_path: Path,
) -> None:
    async with night(tmp_path, speed=600.0, seconds=60.0) as tonight:
        tonight.queue.faults.script(on="image", nth="every", do="image_503")
        reasons: list[str] = []

        def watch(runner: Runner) -> None:
            gate = runner.dispatcher.gate
            check = gate.check

            def noted(**given: Any) -> Any:
                held = check(**given)
                reason = getattr(held, "reason", "")
                if "downloaded" in reason:
                    reasons.append(reason)
                    tonight.queue.faults.clear()
                return held

            runner.dispatcher.gate = _Listening(gate, noted)  # type: ignore[assignment]  # to listen

        report = await tonight.run(shots(24), concurrency=1, began=watch)

        assert reasons
        assert (report.exit_code, report.succeeded) == (0, 24)


class _Listening:
    """A gate whose answers are overheard."""

    def __init__(self, gate: Any, check: Any) -> None:
        object.__setattr__(self, "_gate", gate)
        object.__setattr__(self, "check", check)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gate, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._gate, name, value)


async def test_a_key_never_goes_to_an_image_host(tonight: Night) -> None:
    await tonight.run(shots(3))

    assert tonight.queue.image_fetches == 3
    assert tonight.queue.seen_authorization_on_images == 0


async def test_an_image_that_names_a_file_of_this_machine_is_not_fetched(tonight: Night) -> None:
    tonight.queue.faults.script(on="run", nth=1, do="file_image_url")

    report = await tonight.run(shots(2))

    assert (report.exit_code, report.undelivered, report.succeeded) == (1, 1, 1)
    [row] = [row for row in tonight.ledger if row["status"] == "undelivered"]
    assert row["error_type"] == "download"
