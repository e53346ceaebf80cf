"""The life of one attempt: what is written down when, and when it has ended."""

from __future__ import annotations

import asyncio
import base64
import errno
import logging
import threading
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.answers import load_sample
from support.queues import ENDPOINT, PATIENT, QUICK
from support.sample_images import sample_image
from support.wire import Do, Seen, Step, Wire, http, refused_url
from support.workshop import PRICE, QuickTime, Workshop, make_job, with_images, workshop

from batchgen.attempt import Request
from batchgen.errors import LedgerError, UnrecordedError
from batchgen.outcome import Completed, Ending, Failed, Lost, StillOpen
from batchgen.pacing import SLOWEST_POLL_S, kind_of
from batchgen.queue_client import Timeouts
from batchgen.state import AttemptState
from batchgen.stop import Cause, Stop
from batchgen.worker import (
    NEW_REQUEST_S,
    Accepted,
    Barred,
    Rejected,
    SlowDown,
    Uncertain,
    Withheld,
)

JOB = make_job()
REQUEST = Request(request_id="r1")
ACCEPTED = http(200, {"request_id": "r1", "queue_position": 3})
IMAGES = http(200, {"images": [{"url": "https://a.example/0.png"}], "description": ""})
FROM_SERVICE = {"x-fal-request-id": "r1"}


def said(name: str) -> bytes:
    """Return a sample as it goes over the wire."""
    sample = load_sample(name)
    return http(sample.http, sample.content, headers=sample.headers)


def patience(script: Sequence[Step]) -> Timeouts:
    """Return how long an answer is waited for: not long, where none is to come."""
    return QUICK if Do.HANG in script else PATIENT


def status(state: str, **beside: Any) -> bytes:
    return http(200 if state == "COMPLETED" else 202, {"status": state, **beside})


COMPLETED = status("COMPLETED", metrics={"inference_time": 3.5})


# -- submitting --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "expected", "states"),
    [
        pytest.param([ACCEPTED], Accepted, ["submitting", "submitted"], id="accepted"),
        pytest.param([said("submit_429")], SlowDown, ["submitting", "refused"], id="429"),
        pytest.param([said("submit_403_rate")], SlowDown, ["submitting", "refused"], id="403 rate"),
        pytest.param([said("submit_503")], SlowDown, ["submitting", "refused"], id="503"),
        pytest.param(
            [said("submit_403_locked_balance")], Barred, ["submitting", "refused"], id="locked"
        ),
        pytest.param([said("submit_401_invalid_key")], Barred, ["submitting", "refused"], id="key"),
        pytest.param([said("submit_404_application")], Barred, ["submitting", "refused"], id="404"),
        pytest.param(
            [said("submit_422_missing_prompt")], Rejected, ["submitting", "refused"], id="422"
        ),
        pytest.param(
            [said("submit_400_downstream")], Failed, ["submitting", "failed"], id="400 that passes"
        ),
        pytest.param(
            [http(422, {"detail": "again?", "error_type": "downstream_service_error"})],
            Rejected,
            ["submitting", "refused"],
            id="422 judges the input, whatever its type",
        ),
        pytest.param([said("submit_504_nginx")], Uncertain, ["submitting", "unknown"], id="504"),
        pytest.param([Do.CLOSE], Uncertain, ["submitting", "unknown"], id="a dropped reply"),
        pytest.param([Do.HANG], Uncertain, ["submitting", "unknown"], id="no reply in time"),
    ],
)
async def test_what_came_of_a_post_is_on_record_when_it_is_told(
    tmp_path: Path, script: Sequence[Step], expected: type, states: list[str]
) -> None:
    async with (
        Wire(script) as server,
        workshop(tmp_path, server.url, timeouts=patience(script)) as shop,
    ):
        submission = await shop.submit(JOB)

        assert isinstance(submission, expected)
        assert shop.states(JOB) == states
        assert server.posts == 1


async def test_a_post_that_is_answered_with_another_jobs_request_is_unknown(
    tmp_path: Path,
) -> None:
    other = make_job(prompt="another")
    async with Wire([ACCEPTED, ACCEPTED]) as server, workshop(tmp_path, server.url) as shop:
        await shop.submit(JOB)
        submission = await shop.submit(other)

        assert isinstance(submission, Uncertain)
        assert shop.states(JOB) == ["submitting", "submitted"]
        assert shop.states(other) == ["submitting", "unknown"]


async def test_a_post_that_could_not_connect_is_refused_and_free(tmp_path: Path) -> None:
    async with workshop(tmp_path, refused_url()) as shop:
        submission = await shop.submit(JOB)

        assert isinstance(submission, SlowDown)
        assert not submission.is_answer
        assert shop.states(JOB) == ["submitting", "refused"]
        assert shop.standing(JOB).attempts == 0
        assert shop.records.record.bill.spent_usd == 0
        assert shop.records.record.bill.reserved_usd == 0
        assert shop.worker.contact.failing_since is not None


async def test_the_intent_is_durable_before_the_post(tmp_path: Path) -> None:
    events: list[str] = []

    def arrived(seen: Seen) -> None:
        on_disk = (tmp_path / "requests.csv").read_text(encoding="utf-8")
        events.append(f"{seen.method} after {on_disk.count(',submitting,')} on disk")

    def sync(file: int) -> None:
        events.append("synced")

    async with (
        Wire([ACCEPTED], on_request=arrived) as server,
        workshop(tmp_path, server.url, sync=sync) as shop,
    ):
        events.clear()
        submission = await shop.submit(JOB)
        events.append(type(submission).__name__)

    assert events == ["synced", "POST after 1 on disk", "synced", "Accepted"]


class BreakingDisk:
    """A disk that takes so many more syncs, and then no more."""

    def __init__(self) -> None:
        self.takes: float = float("inf")

    def __call__(self, file: int) -> None:
        self.takes -= 1
        if self.takes < 0:
            raise OSError(errno.EIO, "the disk is broken")


async def test_without_the_intent_on_disk_nothing_is_sent(tmp_path: Path) -> None:
    disk = BreakingDisk()
    async with Wire([ACCEPTED]) as server, workshop(tmp_path, server.url, sync=disk) as shop:
        disk.takes = 0
        with pytest.raises(LedgerError):
            await shop.submit(JOB)

        assert server.posts == 0


async def test_an_accepted_request_that_the_disk_does_not_take_is_told_by_its_id(
    tmp_path: Path,
) -> None:
    disk = BreakingDisk()
    async with Wire([ACCEPTED]) as server, workshop(tmp_path, server.url, sync=disk) as shop:
        disk.takes = 1
        with pytest.raises(UnrecordedError) as caught:
            await shop.submit(JOB)

    assert (caught.value.job_id, caught.value.request_id) == (JOB.job_id, "r1")


async def test_who_is_cancelled_records_an_answer_that_has_arrived_before_it_ends(
    tmp_path: Path,
) -> None:
    is_idle = threading.Event()
    is_idle.set()

    def sync(file: int) -> None:
        is_idle.wait(30.0)

    def arrived(seen: Seen) -> None:
        is_idle.clear()  # from the answer on, the disk is busy with something else

    async with (
        Wire([ACCEPTED], on_request=arrived) as server,
        workshop(tmp_path, server.url, sync=sync) as shop,
    ):
        submitting = asyncio.create_task(shop.submit(JOB))
        while shop.standing(JOB).state is not AttemptState.SUBMITTED:
            await asyncio.sleep(0.001)
        submitting.cancel()
        ended, _ = await asyncio.wait({submitting}, timeout=0.1)
        is_idle.set()
        with pytest.raises(asyncio.CancelledError):
            await submitting

        assert ended == set()
        assert shop.states(JOB) == ["submitting", "submitted"]


async def test_a_run_that_was_stopped_meanwhile_sends_nothing(tmp_path: Path) -> None:
    async with Wire([ACCEPTED]) as server, workshop(tmp_path, server.url) as shop:
        shop.course.stop(Stop(cause=Cause.SIGNAL, text="interrupted"))

        submission = await shop.submit(JOB)

        assert isinstance(submission, Withheld)
        assert server.posts == 0
        assert shop.states(JOB) == ["submitting", "refused"]
        assert shop.standing(JOB).attempts == 0


async def test_a_400_that_may_pass_counts_as_an_attempt_and_costs_nothing(tmp_path: Path) -> None:
    async with (
        Wire([said("submit_400_downstream")]) as server,
        workshop(tmp_path, server.url) as shop,
    ):
        await shop.submit(JOB)

        assert shop.standing(JOB).attempts == 1
        assert shop.records.record.bill.spent_usd == 0
        assert shop.entry(JOB).detail["error_type"] == "downstream_service_error"


async def test_a_refusal_keeps_the_services_own_word(tmp_path: Path) -> None:
    async with (
        Wire([said("submit_422_missing_prompt")]) as server,
        workshop(tmp_path, server.url) as shop,
    ):
        submission = await shop.submit(JOB)

        assert submission == Rejected(error_type="missing", message="Field required")
        detail = shop.entry(JOB).detail
        assert detail["error_type"] == "missing"
        assert detail["http"] == 422


async def test_an_unknown_keeps_its_reservation_and_is_shown(tmp_path: Path) -> None:
    async with Wire([Do.CLOSE]) as server, workshop(tmp_path, server.url) as shop:
        await shop.submit(JOB)

        assert shop.records.record.bill.reserved_usd == PRICE
        [row] = shop.ledger(JOB)
        assert (row["status"], row["image_index"]) == ("unknown", "")
        assert shop.standing(JOB).state is AttemptState.UNKNOWN


@pytest.mark.parametrize(
    ("header", "expected"), [({"Retry-After": "9"}, 9.0), ({}, None)], ids=["told", "not told"]
)
async def test_a_slow_down_says_how_long(
    tmp_path: Path, header: Mapping[str, str], expected: float | None
) -> None:
    async with (
        Wire([http(429, headers=header)]) as server,
        workshop(tmp_path, server.url) as shop,
    ):
        submission = await shop.submit(JOB)

    assert isinstance(submission, SlowDown)
    assert submission.retry_after_s == expected
    assert submission.is_answer


# -- following ---------------------------------------------------------------------------


class Follow:
    """One request followed to its end, on a quick clock, and when it was asked about."""

    def __init__(self, folder: Path, *answers: bytes | Do, time: QuickTime | None = None) -> None:
        self._folder = folder
        self._answers = [[answer] for answer in answers]
        self.time = time or QuickTime()
        self.asked: list[tuple[float, str]] = []
        self.shop: Workshop

    async def __call__(
        self, *, age_s: float = 0.0, timeout_s: float = 600.0, images: int = 1
    ) -> Ending:
        def arrived(seen: Seen) -> None:
            what = "status" if seen.target.endswith("/status") else "result"
            self.asked.append((self.time.monotonic(), what))

        job = with_images(JOB, images) if images > 1 else JOB
        async with (
            Wire(*self._answers, on_request=arrived) as server,
            workshop(
                self._folder,
                server.url,
                time=self.time,
                timeout_s=timeout_s,
                timeouts=patience([step for script in self._answers for step in script]),
            ) as self.shop,
        ):
            return await self.shop.worker.follow(job, REQUEST, ahead=None, age_s=age_s)

    @property
    def gaps(self) -> list[float]:
        """The seconds between the reads."""
        return [later - earlier for (earlier, _), (later, _) in pairwise(self.asked)]


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([COMPLETED], id="at once"),
        pytest.param([status("IN_QUEUE"), status("IN_PROGRESS"), COMPLETED], id="step by step"),
        pytest.param(
            [status("IN_PROGRESS"), status("IN_QUEUE", queue_position=5), COMPLETED],
            id="a step back",
        ),
        pytest.param([status("WARMING_UP"), COMPLETED], id="a state that nobody knows"),
        pytest.param([said("status_completed_old")], id="without metrics"),
        pytest.param([http(202, {"status": "COMPLETED"})], id="without anything, and another code"),
        pytest.param([http(200, b"<html>OK</html>"), COMPLETED], id="HTML"),
        pytest.param([http(200, b""), COMPLETED], id="an empty body"),
        pytest.param([http(200, {"request_id": "r1"}), COMPLETED], id="no status in it"),
        pytest.param([http(500), http(502), http(503), http(504), COMPLETED], id="5xx"),
        pytest.param([http(408), http(425), http(429), COMPLETED], id="slow down"),
        pytest.param([said("submit_403_rate"), COMPLETED], id="403 of the rate"),
        pytest.param([Do.CLOSE, Do.RESET, COMPLETED], id="broken connections"),
        pytest.param([Do.HANG, COMPLETED], id="no answer in time"),
        pytest.param([said("status_404"), said("status_404"), COMPLETED], id="404 at first"),
        pytest.param([said("submit_403_locked_top_up"), COMPLETED], id="a lock that flaps"),
    ],
)
async def test_a_request_is_asked_about_until_it_has_ended(
    tmp_path: Path, answers: list[bytes | Do]
) -> None:
    ending = await Follow(tmp_path, *answers, IMAGES)()

    assert isinstance(ending, Completed)
    assert ending.output == {"images": [{"url": "https://a.example/0.png"}], "description": ""}


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([said("result_too_early"), COMPLETED], id="400 too early"),
        pytest.param([http(200, {"status": "IN_PROGRESS"}), COMPLETED], id="a status in its place"),
        pytest.param([said("result_502_nginx"), COMPLETED], id="the ingress"),
        pytest.param([http(200, b'{"images": ['), http(200, b"")], id="half a result"),
        pytest.param([said("result_500_internal"), COMPLETED], id="a 5xx, once"),
        pytest.param(
            [
                *(said("result_500_internal"), COMPLETED),
                *(said("result_504_generation_timeout"), COMPLETED),
            ],
            id="two that differ",
        ),
        pytest.param([said("result_404"), COMPLETED], id="404 at first"),
        pytest.param([http(422, {"detail": "no"}), COMPLETED], id="a 4xx without a name, once"),
        pytest.param([said("result_empty"), COMPLETED], id="no images, once"),
        pytest.param([http(200, {"message": "OK"}), COMPLETED], id="JSON of somebody else"),
    ],
)
async def test_a_result_that_cannot_be_read_yet_is_read_again(
    tmp_path: Path, answers: list[bytes]
) -> None:
    ending = await Follow(tmp_path, COMPLETED, *answers, IMAGES)()

    assert isinstance(ending, Completed)


async def test_what_the_answers_say_beside_the_result_is_kept(tmp_path: Path) -> None:
    result = http(
        200,
        {"images": [{"url": "https://a.example/0.png"}]},
        headers={"X-Fal-Billable-Units": "1.5", "X-Fal-Served-From": "elsewhere"},
    )

    ending = await Follow(tmp_path, COMPLETED, result)()

    assert isinstance(ending, Completed)
    assert (str(ending.units), ending.origin, ending.inference_s) == ("1.5", "elsewhere", 3.5)


@pytest.mark.parametrize(
    ("answers", "error_type", "http_code"),
    [
        pytest.param(
            [COMPLETED, said("result_422_content_policy")],
            "content_policy_violation",
            422,
            id="a 422 at once",
        ),
        pytest.param(
            [COMPLETED, said("result_500_internal")] * 2, "internal_server_error", 500, id="5xx"
        ),
        pytest.param(
            [said("status_completed_failed"), said("result_503_runner")] * 2,
            "runner_scheduling_failure",
            503,
            id="the result's word stands above that of the status",
        ),
        pytest.param(
            [said("status_completed_failed"), said("result_502_nginx")] * 2,
            "runner_disconnected",
            502,
            id="the status's word where the result has none",
        ),
        pytest.param(
            [said("status_completed_failed"), said("result_404")],
            "runner_disconnected",
            503,
            id="the status alone",
        ),
        pytest.param([COMPLETED, said("result_empty")] * 2, "empty_result", 200, id="no images"),
        pytest.param(
            [COMPLETED, http(422, {"detail": "no"})] * 2, "http_422", 422, id="a 4xx without a name"
        ),
        pytest.param(
            [COMPLETED, said("result_499_cancelled")], "client_cancelled", 499, id="cancelled"
        ),
        pytest.param(
            [COMPLETED, http(200, {"status": "FAILED", "error_type": "internal_error"})],
            "internal_error",
            500,
            id="a result that says failed",
        ),
    ],
)
async def test_a_failure_that_is_proved_ends_the_attempt(
    tmp_path: Path, answers: list[bytes], error_type: str, http_code: int
) -> None:
    ending = await Follow(tmp_path, *answers)()

    assert isinstance(ending, Failed)
    assert (ending.error_type, ending.http) == (error_type, http_code)


@pytest.mark.parametrize("state", ["FAILED", "ERROR", "CANCELLED"])
@pytest.mark.parametrize(
    "result",
    [
        pytest.param(IMAGES, id="images"),
        pytest.param(said("result_404"), id="404"),
        pytest.param(said("result_500_internal"), id="500"),
        pytest.param(said("result_502_nginx"), id="nginx"),
        pytest.param(said("result_422_content_policy"), id="422"),
        pytest.param(said("result_too_early"), id="too early"),
    ],
)
async def test_a_status_that_says_failed_is_final_whatever_the_result_is(
    tmp_path: Path, state: str, result: bytes
) -> None:
    ending = await Follow(tmp_path, status(state), result)()

    assert isinstance(ending, Failed)


async def test_a_second_read_comes_some_seconds_after_the_first(tmp_path: Path) -> None:
    follow = Follow(
        tmp_path, *[COMPLETED, said("result_500_internal")] * 2, time=QuickTime(speed=10.0)
    )

    await follow()

    results = [at for at, what in follow.asked if what == "result"]
    assert results[1] - results[0] >= 3.0


async def test_a_404_means_nothing_at_first_and_is_believed_later(tmp_path: Path) -> None:
    follow = Follow(tmp_path, said("status_404"))

    ending = await follow()

    assert ending == Lost()
    (first, _), *_, (last, _) = follow.asked
    assert last - first >= NEW_REQUEST_S - 5.0


async def test_an_old_request_is_not_given_up_for_a_single_404(tmp_path: Path) -> None:
    follow = Follow(tmp_path, said("status_404"), status("IN_PROGRESS"), COMPLETED, IMAGES)

    assert isinstance(await follow(age_s=400.0), Completed)


async def test_an_old_request_that_is_not_found_again_and_again_is_lost(tmp_path: Path) -> None:
    follow = Follow(tmp_path, said("status_404"))

    assert await follow(age_s=400.0) == Lost()
    assert len(follow.asked) <= 4


async def test_a_result_that_is_gone_is_lost(tmp_path: Path) -> None:
    follow = Follow(tmp_path, *[COMPLETED, said("result_404")] * 20)

    assert await follow(age_s=400.0) == Lost()


# -- how long, and how often -------------------------------------------------------------


async def test_a_request_that_passes_its_deadline_stays_open(tmp_path: Path) -> None:
    follow = Follow(tmp_path, status("IN_PROGRESS"))

    ending = await follow(timeout_s=40.0)

    assert isinstance(ending, StillOpen)
    assert "40" in ending.reason
    (first, _), *_, (last, _) = follow.asked
    assert 30.0 <= last - first <= 60.0


async def test_the_deadline_counts_from_this_runs_first_read(tmp_path: Path) -> None:
    follow = Follow(tmp_path, status("IN_PROGRESS"), status("IN_PROGRESS"), COMPLETED, IMAGES)

    assert isinstance(await follow(age_s=86_400.0, timeout_s=300.0), Completed)


async def test_a_result_that_is_there_when_the_deadline_has_passed_is_taken(
    tmp_path: Path,
) -> None:
    assert isinstance(await Follow(tmp_path, COMPLETED, IMAGES)(timeout_s=0.001), Completed)


async def test_a_machine_that_slept_fails_no_request(tmp_path: Path) -> None:
    follow = Follow(tmp_path, Do.CLOSE, status("IN_PROGRESS"))

    ending = await follow(timeout_s=0.001)

    assert isinstance(ending, StillOpen)


async def test_polls_back_off(tmp_path: Path) -> None:
    follow = Follow(tmp_path, status("IN_PROGRESS"), time=QuickTime(speed=300.0))

    await follow(timeout_s=500.0)

    assert follow.gaps[-1] > 4 * follow.gaps[0]
    assert len(follow.asked) < 80


@pytest.mark.parametrize(
    "retry_after",
    [
        pytest.param("3600", id="an hour"),
        pytest.param("Wed, 22 Nov 2036 07:28:00 GMT", id="a date far away"),
    ],
)
async def test_no_answer_makes_us_ask_less_often_than_once_a_minute(
    tmp_path: Path, retry_after: str
) -> None:
    slow = http(429, headers={"Retry-After": retry_after})
    follow = Follow(tmp_path, slow, COMPLETED, IMAGES, time=QuickTime(speed=300.0))

    ending = await follow(timeout_s=7200.0)

    assert isinstance(ending, Completed)
    assert SLOWEST_POLL_S - 5.0 <= follow.gaps[0] <= SLOWEST_POLL_S + 10.0


@pytest.mark.parametrize(
    ("retry_after", "least"), [("20", 20.0), ("Sun, 22 Nov 2026 21:01:00 GMT", 30.0)]
)
async def test_a_read_waits_as_long_as_the_service_asks(
    tmp_path: Path, retry_after: str, least: float
) -> None:
    slow = http(503, headers={"Retry-After": retry_after})
    follow = Follow(tmp_path, slow, COMPLETED, IMAGES)

    await follow()

    assert follow.gaps[0] >= least


async def test_reads_that_are_refused_for_their_rate_slow_all_reads_down(tmp_path: Path) -> None:
    follow = Follow(tmp_path, http(429), COMPLETED, IMAGES)

    await follow()

    assert follow.shop.worker.reads.per_s is not None


def usual_delay_s(follow: Follow) -> float:
    """Return when a new request would be asked about first, that nobody is curious about."""
    polling = follow.shop.worker.polling
    polling.watch(kind_of(JOB)).close()
    return polling.watch(kind_of(JOB)).delay_s(0.0)


async def test_how_long_requests_take_is_learned(tmp_path: Path) -> None:
    follow = Follow(tmp_path, *[status("IN_PROGRESS")] * 10, COMPLETED, IMAGES)

    await follow()

    assert usual_delay_s(follow) > 0.5


async def test_what_a_request_took_that_nobody_watched_teaches_nothing(tmp_path: Path) -> None:
    follow = Follow(tmp_path, COMPLETED, IMAGES)

    await follow(age_s=28_800.0)

    assert usual_delay_s(follow) < 0.5


# -- the account -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "cause", "patience_s"),
    [
        pytest.param(said("submit_403_locked_balance"), Cause.LOCKED, 60.0, id="locked"),
        pytest.param(said("status_401"), Cause.KEY, 5.0, id="a wrong key"),
    ],
)
async def test_reads_that_the_account_is_barred_from_stop_the_run_and_fail_no_job(
    tmp_path: Path, answer: bytes, cause: Cause, patience_s: float
) -> None:
    follow = Follow(tmp_path, answer)

    ending = await follow()

    assert isinstance(ending, StillOpen)
    assert follow.shop.course.stopped is not None
    assert follow.shop.course.stopped.cause is cause
    (first, _), *_, (last, _) = follow.asked
    assert patience_s <= last - first <= patience_s + 60.0


async def test_what_the_service_has_queued_is_counted(tmp_path: Path) -> None:
    waiting: list[int] = []
    time = QuickTime()

    def arrived(seen: Seen) -> None:
        waiting.append(len(shop.worker.waiting))

    async with (
        Wire(
            [status("IN_QUEUE")],
            [status("IN_PROGRESS")],
            [COMPLETED],
            [IMAGES],
            on_request=arrived,
        ) as server,
        workshop(tmp_path, server.url, time=time) as shop,
    ):
        await shop.worker.follow(JOB, REQUEST, ahead=None, age_s=0.0)

        assert waiting == [0, 1, 0, 0]
        assert not shop.worker.waiting


async def test_a_state_that_nobody_knows_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    follow = Follow(tmp_path, *[status("WARMING_UP")] * 4, COMPLETED, IMAGES)

    with caplog.at_level(logging.WARNING, "batchgen"):
        await follow()

    assert [record.getMessage() for record in caplog.records].count(
        "WARMING_UP is in a state that is new to us, asked on"
    ) == 1


# -- images that come inside the result --------------------------------------------------

PNG = sample_image("PNG")
DATA_URI = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


@pytest.mark.parametrize(
    "output",
    [
        pytest.param({"images": [{"url": DATA_URI, "content_type": "image/png"}]}, id="as usual"),
        pytest.param({"images": [DATA_URI]}, id="as a plain text"),
        pytest.param({"image": {"url": DATA_URI}}, id="as a single image"),
        pytest.param({"image": DATA_URI}, id="as a single text"),
        pytest.param({"images": [{"url": "DATA" + DATA_URI[4:]}]}, id="in capitals"),
        pytest.param(
            {"images": [{"url": DATA_URI}], "preview": DATA_URI, "more": [{"mask": DATA_URI}]},
            id="and elsewhere too",
        ),
    ],
)
async def test_images_inside_a_result_become_files_before_it_is_recorded(
    tmp_path: Path, output: dict[str, Any]
) -> None:
    follow = Follow(tmp_path, COMPLETED, http(200, output))

    ending = await follow()

    assert isinstance(ending, Completed)
    [file] = (tmp_path / "images").rglob("*.png")
    assert file.read_bytes() == PNG
    assert JOB.job_id in file.name
    assert "base64" not in repr(ending.output)
    assert "data:" in repr(ending.output)


async def test_several_images_inside_a_result_become_several_files(tmp_path: Path) -> None:
    other = sample_image("WEBP")
    inside = f"data:image/webp;base64,{base64.b64encode(other).decode()}"
    output = {"images": [{"url": DATA_URI}, {"url": inside}]}

    ending = await Follow(tmp_path, COMPLETED, http(200, output))(images=2)

    assert isinstance(ending, Completed)
    files = sorted((tmp_path / "images").rglob("*.*"))
    assert [file.suffix for file in files] == [".png", ".webp"]
    assert [file.read_bytes() for file in files] == [PNG, other]


async def test_an_image_inside_a_result_that_is_damaged_is_noted_and_kept_from_the_record(
    tmp_path: Path,
) -> None:
    broken = "data:image/png;base64,!!!!"
    output = {"images": [{"url": DATA_URI}, {"url": broken}]}

    ending = await Follow(tmp_path, COMPLETED, http(200, output))(images=2)

    assert isinstance(ending, Completed)
    assert "!!!!" not in repr(ending.output)


async def test_a_result_that_is_nested_to_do_harm_is_kept_without_what_lies_too_deep(
    tmp_path: Path,
) -> None:
    nested: Any = []
    for _ in range(900):
        nested = [nested]
    output = {"images": [{"url": "https://fal.media/a.png"}], "nested": nested}

    ending = await Follow(tmp_path, COMPLETED, http(200, output))()

    assert isinstance(ending, Completed)
    assert ending.output["images"] == output["images"]
    assert "…" in repr(ending.output["nested"])


async def test_images_that_the_disk_does_not_take_leave_the_request_open(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("in the way")

    ending = await Follow(tmp_path, COMPLETED, http(200, {"images": [{"url": DATA_URI}]}))()

    assert isinstance(ending, StillOpen)


def test_the_endpoint_of_these_tests_is_described() -> None:
    assert JOB.endpoint == ENDPOINT
    assert JOB.price_usd == PRICE
