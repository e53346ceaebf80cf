"""What a request has to pass before it is sent, and what is said while it waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from batchgen.gate import (
    DISK_MARGIN_BYTES,
    GIVE_UP_S,
    MOST_WAITING,
    NO_DOWNLOAD_S,
    PLENTY_S,
    ROOM_FACTOR,
    Gate,
    Hold,
)
from batchgen.job import Job, Json
from batchgen.pacing import Spacing, Window
from batchgen.stop import Cause, Stop

NOW = datetime(2026, 11, 22, 23, 41, tzinfo=UTC)
FOLDER = Path("/a/batch")
GB = 10**9


def make_gate(*, free: int = 100 * GB, **given: Any) -> Gate:
    defaults: dict[str, Any] = {"window": Window(cap=20), "rate": Spacing(), "folder": FOLDER}
    return Gate(**{**defaults, "free_bytes": lambda folder: free, **given})


def check(gate: Gate, *, monotonic: float = 1000.0, now: datetime = NOW) -> Hold | Stop | None:
    return gate.check(monotonic=monotonic, now=now)


def job(*, images: int = 1, **input: Json) -> Job:
    return Job(
        job_id="k" * 16,
        endpoint="fal-ai/nano-banana-2",
        input={"prompt": "a fox", **input},
        repeat=0,
        variables={},
        file="images/kk/k",
        images=images,
    )


def test_an_open_gate_lets_a_request_through() -> None:
    assert check(make_gate()) is None


# -- until -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "stops"), [(-0.001, False), (0.0, True), (5.0, True)], ids=["before", "at", "after"]
)
def test_until_ends_submitting_at_its_very_second(seconds: float, stops: bool) -> None:
    gate = make_gate(until_at=NOW)

    held = check(gate, now=NOW + timedelta(seconds=seconds))

    assert isinstance(held, Stop) is stops
    if isinstance(held, Stop):
        assert held.cause is Cause.UNTIL


def test_until_stands_above_everything_else() -> None:
    gate = make_gate(until_at=NOW, window=Window(cap=1, open=1), free=0)

    assert isinstance(check(gate), Stop)


# -- the window and the rate -------------------------------------------------------------


def test_a_full_window_holds_without_a_word() -> None:
    held = check(make_gate(window=Window(cap=2, open=2)))

    assert held == Hold(wait_s=60.0)


def test_a_window_that_the_service_has_made_smaller_says_so() -> None:
    window = Window(cap=20, open=20)
    window.slow_down(900.0, retry_after_s=1.0, jitter=0.0, why="429")

    held = check(make_gate(window=window))

    assert held == Hold(wait_s=60.0, reason="slowed by 429: 10 open of 20")


def test_a_cool_down_is_waited_for() -> None:
    window = Window(cap=20, open=4)
    window.slow_down(1000.0, retry_after_s=7.0, jitter=0.0)
    window.open = 0

    held = check(make_gate(window=window), monotonic=1002.0)

    assert isinstance(held, Hold)
    assert held.wait_s == 5.0
    assert held.reason == "slowed by the service: 2 open of 20"


def test_a_cool_down_of_a_window_of_one_says_why_too() -> None:
    window = Window(cap=1, open=0)
    window.slow_down(1000.0, retry_after_s=7.0, jitter=0.0)

    held = check(make_gate(window=window))

    assert held == Hold(wait_s=7.0, reason="waiting, as the service asked")


def test_the_rate_is_waited_for_without_a_word() -> None:
    rate = Spacing(per_s=0.5)
    rate.take(1000.0)

    assert check(make_gate(rate=rate)) == Hold(wait_s=2.0)
    assert check(make_gate(rate=rate), monotonic=1002.0) is None


# -- downloads ---------------------------------------------------------------------------


@pytest.mark.parametrize(("waiting", "holds"), [(MOST_WAITING, False), (MOST_WAITING + 1, True)])
def test_too_many_results_waiting_for_their_download_hold(waiting: int, holds: bool) -> None:
    held = check(make_gate(waiting=waiting))

    assert isinstance(held, Hold) is holds
    if isinstance(held, Hold):
        assert "1,001 images wait for their download" in held.reason


@pytest.mark.parametrize(("ago", "holds"), [(NO_DOWNLOAD_S - 1, False), (NO_DOWNLOAD_S + 1, True)])
def test_ten_minutes_without_a_download_hold(ago: float, holds: bool) -> None:
    held = check(make_gate(failing_since=1000.0 - ago))

    assert isinstance(held, Hold) is holds
    if isinstance(held, Hold):
        assert held.reason == "no image can be downloaded, not submitting"


def test_half_an_hour_without_a_download_ends_the_run() -> None:
    held = check(make_gate(failing_since=1000.0 - GIVE_UP_S - 1))

    assert isinstance(held, Stop)
    assert held.cause is Cause.NO_ANSWER


# -- the disk ----------------------------------------------------------------------------


def test_a_full_disk_stops_and_says_what_to_do() -> None:
    gate = make_gate(free=3 * 10**6)
    gate.expect(job())

    held = check(gate)

    assert isinstance(held, Stop)
    assert held.cause is Cause.DISK
    assert "3 MB left in /a/batch" in held.text
    assert "make room" in held.mend


def test_a_folder_that_is_gone_stops() -> None:
    def gone(folder: Path) -> int:
        raise FileNotFoundError(2, "No such file or directory", str(folder))

    held = check(make_gate(free_bytes=gone))

    assert isinstance(held, Stop)
    assert held.cause is Cause.DISK
    assert "No such file or directory" in held.text


@pytest.mark.parametrize(
    ("free", "later_s", "looks"),
    [
        pytest.param(100 * GB, PLENTY_S / 2, 1, id="plenty a moment ago is plenty now"),
        pytest.param(100 * GB, PLENTY_S, 2, id="but not for long"),
        pytest.param(1 * GB, PLENTY_S / 2, 2, id="what could be gone by now is looked at anew"),
    ],
)
def test_free_space_is_asked_for_as_often_as_it_could_run_out(
    free: int, later_s: float, looks: int
) -> None:
    asked: list[Path] = []

    def look(folder: Path) -> int:
        asked.append(folder)
        return free

    gate = make_gate(free_bytes=look)

    assert check(gate, monotonic=1000.0) is None
    assert check(gate, monotonic=1000.0 + later_s) is None

    assert len(asked) == looks


def test_a_disk_that_may_become_free_again_holds() -> None:
    gate = make_gate(free=10**6, window=Window(cap=20, open=3))

    held = check(gate)

    assert held == Hold(wait_s=1.0, reason="disk: 1 MB left, not submitting")


def test_every_open_request_and_every_waiting_result_keeps_its_room() -> None:
    gate = make_gate(window=Window(cap=20, open=4), waiting=5, images=10, image_bytes=20 * 10**6)

    assert gate.floor_bytes == DISK_MARGIN_BYTES + 10 * int(ROOM_FACTOR * 2 * 10**6)


def test_a_request_for_four_images_keeps_room_for_four() -> None:
    one, four = make_gate(), make_gate()
    one.expect(job())
    four.expect(job(images=4))

    assert four.floor_bytes - DISK_MARGIN_BYTES == pytest.approx(
        4 * (one.floor_bytes - DISK_MARGIN_BYTES), abs=4
    )


def test_before_an_image_was_seen_its_size_is_judged_by_what_is_asked_for() -> None:
    small, large = make_gate(), make_gate()
    small.expect(job())
    large.expect(job(resolution="4K"))

    assert large.floor_bytes > 10 * small.floor_bytes / 4
    assert small.floor_bytes < 15 * 10**6


def test_what_was_seen_replaces_what_was_assumed() -> None:
    gate = make_gate()
    gate.expect(job(resolution="4K"))
    gate.images, gate.image_bytes = 4, 4 * 10**6

    assert gate.floor_bytes == DISK_MARGIN_BYTES + int(ROOM_FACTOR * 10**6)
