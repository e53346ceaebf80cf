"""Lost submissions are looked up in the platform's history, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.jobs import make_entry
from support.jobs import make_job as job_of
from support.queues import ENDPOINT, KEY, QUICK
from support.record_files import write_journal
from support.workshop import QuickTime, Workshop, make_job, workshop

from batchgen.attempt import Entry, Request, parse_timestamp
from batchgen.job import Job, number_of
from batchgen.outcome import Completed, Failed, StillOpen
from batchgen.platform_client import PlatformClient, PlatformLimits
from batchgen.queue_client import Timeouts
from batchgen.reconciler import Reconciler
from batchgen.retry import Backoff
from batchgen.simulator import Kind, Simulator, SimulatorSettings
from batchgen.state import AttemptState
from batchgen.trace import NOT_IN_HISTORY, trace_requests
from batchgen.worker import Accepted, Uncertain

FOX = make_job("a fox", seed=1)
OWL = make_job("an owl", seed=2)
MINUTE_S = 60.0


@dataclass(slots=True, kw_only=True)
class Scene:
    """A queue that loses answers, a batch that has sent to it, and what looks them up."""

    queue: Simulator
    shop: Workshop
    reconciler: Reconciler
    time: QuickTime

    async def lose(self, job: Job, *, accepted: bool) -> None:
        """Send a job and lose the answer."""
        fault = "lost_reply" if accepted else "lost_post"
        nth = self.queue.tally.calls[Kind.SUBMIT] + 1
        self.queue.faults.script(on="submit", nth=nth, do=fault)
        standing = self.shop.standing(job)
        standing.drawn = True
        assert isinstance(await self.shop.submit(job), Uncertain)
        self.reconciler.unknown.add(number_of(job.job_id))

    async def finish(self, job: Job) -> None:
        """Send a job and see it through."""
        submission = await self.shop.submit(job)
        assert isinstance(submission, Accepted)
        request = submission.request
        ending = await self.shop.worker.follow(job, request, ahead=None, age_s=0.0)
        assert isinstance(ending, Completed)
        await self.shop.records.completed(job, self.shop.standing(job), request, ending)

    def go_on_as(self, key: str) -> None:
        """Use another key from here on; what the history is read with was settled before."""
        self.shop.records.service = replace(self.shop.records.service, key=key)

    def said(self, job: Job) -> str:
        return self.reconciler.said[number_of(job.job_id)]


@asynccontextmanager
async def scene(
    folder: Path,
    *,
    resubmit: bool = True,
    unknown_after_s: float = MINUTE_S,
    read_with: str = KEY,
    has_platform: bool = True,
    timeouts: Timeouts = QUICK,
    **settings: Any,
) -> AsyncIterator[Scene]:
    """Set the scene.

    Args:
        folder: The batch's.
        resubmit: Whether what was not accepted is sent again.
        unknown_after_s: How long the history may take to show a request, in seconds.
        read_with: The key that the history is read with.
        has_platform: Whether there is a history.
        timeouts: How patient the client is.
        settings: How the queue behaves.
    """
    time = QuickTime()
    given = {"seconds": 1.0, "spread": 0.0, "image_scale": 1 / 32, **settings}
    simulated = SimulatorSettings(clock=time.timestamp, sleep=time.sleep, **given)
    async with (
        Simulator(simulated) as queue,
        workshop(folder, queue.url, time=time, timeouts=timeouts) as shop,
        PlatformClient(
            queue.platform_url,
            read_with,
            limits=PlatformLimits(answer_s=0.3, tries=2),
            backoff=Backoff(base_s=0.01),
            now=time.now,
        ) as platform,
    ):
        yield Scene(
            queue=queue,
            shop=shop,
            reconciler=Reconciler(
                records=shop.records,
                platform=platform if has_platform else None,
                clock=time.clock,
                unknown_after=timedelta(seconds=unknown_after_s),
                resubmit=resubmit,
            ),
            time=time,
        )


async def test_an_accepted_one_goes_on_as_the_request_that_it_is(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.lose(FOX, accepted=True)
        await at.time.sleep(5.0)

        (going_on,) = await at.reconciler.look()

        (accepted,) = at.queue.requests
        assert going_on.request == Request(request_id=accepted.request_id)
        assert going_on.job == replace(FOX, price_usd=going_on.job.price_usd)
        assert at.shop.states(FOX) == ["submitting", "unknown", "submitted"]
        assert at.shop.entry(FOX).detail == {"adopted": True}
        assert at.reconciler.unknown == set()
        ending = await at.shop.worker.follow(FOX, going_on.request, ahead=None, age_s=1.0)
        assert isinstance(ending, Completed)


async def test_keys_that_the_service_added_do_not_count(tmp_path: Path) -> None:
    async with scene(tmp_path, faults={"history_added_keys": 1.0}) as at:
        await at.lose(FOX, accepted=True)
        await at.time.sleep(5.0)

        assert [one.request is not None for one in await at.reconciler.look()] == [True]


@pytest.mark.parametrize(
    ("resubmit", "states", "goes_on"),
    [
        pytest.param(True, ["submitting", "unknown", "refused"], 1, id="resubmit sends it again"),
        pytest.param(False, ["submitting", "unknown"], 0, id="hold keeps it unknown"),
    ],
)
async def test_one_that_is_not_in_the_history(
    tmp_path: Path, resubmit: bool, states: list[str], goes_on: int
) -> None:
    async with scene(tmp_path, resubmit=resubmit) as at:
        await at.lose(FOX, accepted=False)
        await at.finish(OWL)
        await at.time.sleep(MINUTE_S)

        settled = await at.reconciler.look()

        assert [one.request for one in settled] == [None] * goes_on
        assert at.shop.states(FOX) == states
        if resubmit:
            assert at.shop.entry(FOX).detail == {"reason": NOT_IN_HISTORY}
            assert at.shop.standing(FOX).attempts == 0
        else:
            assert at.said(FOX) == "the history does not show it; held"


async def test_the_history_may_show_it_late(tmp_path: Path) -> None:
    async with scene(tmp_path, history_delay_s=30.0) as at:
        await at.lose(FOX, accepted=True)
        await at.time.sleep(5.0)

        too_early = await at.reconciler.look()
        said = at.said(FOX)
        wait = at.reconciler.next_chance_s()
        assert wait is not None
        await at.time.sleep(wait)
        (going_on,) = await at.reconciler.look()

        assert too_early == []
        assert said == "the history may not show it yet"
        assert 0 < wait <= MINUTE_S
        assert going_on.request is not None
        assert at.reconciler.said == {}


async def test_the_history_has_its_time_from_when_the_post_was_given_up_on(tmp_path: Path) -> None:
    patience = Timeouts(connect_s=20.0, answer_s=1.5, total_s=40.0)  # five minutes by this clock
    async with scene(tmp_path, timeouts=patience, unknown_after_s=4 * MINUTE_S) as at:
        at.queue.faults.script(on="submit", nth=1, do="hanging_reply")
        at.queue.faults.script(on="run", nth=1, do="unlisted")  # for as long as this test lasts
        at.shop.standing(FOX).drawn = True
        began = at.time.monotonic()
        assert isinstance(await at.shop.submit(FOX), Uncertain)
        at.reconciler.unknown.add(number_of(FOX.job_id))
        took_s = at.time.monotonic() - began

        too_early = await at.reconciler.look()
        said, wait = at.said(FOX), at.reconciler.next_chance_s()
        await at.time.sleep(4 * MINUTE_S)
        settled = await at.reconciler.look()

    assert took_s > 4 * MINUTE_S, "a service that is slow to answer"
    assert (too_early, said) == ([], "the history may not show it yet")
    assert wait is not None
    assert wait > 0
    assert [one.request for one in settled] == [None]


async def test_all_pages_are_read(tmp_path: Path) -> None:
    async with scene(tmp_path, seconds=0.0) as at:
        await at.lose(FOX, accepted=True)
        for seed in range(210):
            await at.shop.worker.client.submit(ENDPOINT, b'{"prompt": "a cat", "seed": %d}' % seed)
        await at.time.sleep(5.0)

        (going_on,) = await at.reconciler.look()

        assert going_on.request is not None
        assert going_on.request.request_id == at.queue.requests[0].request_id
        assert at.queue.tally.calls[Kind.HISTORY] == 3


@pytest.mark.parametrize(
    ("script", "settings", "reason"),
    [
        pytest.param(
            {"on": "run", "do": "no_payloads"},
            {},
            "the history shows requests without their input",
            id="the history shows it without its input",
        ),
        pytest.param(
            {"on": "history", "do": "history_no_payloads"},
            {},
            "the history shows requests without their input",
            id="the history shows no inputs at all",
        ),
        pytest.param(
            {"on": "history", "do": "history_500"},
            {},
            "the history could not be read whole",
            id="the history does not answer",
        ),
        pytest.param(
            {"on": "history", "do": "history_no_items"},
            {},
            "the history does not show what was sent after it either",
            id="the history is empty",
        ),
        pytest.param(
            {"on": "history", "do": "history_403"},
            {},
            "the history cannot be read: User is locked. Reason: Exhausted balance. Top up your "
            "balance at fal.ai/dashboard/billing.",
            id="the history is not for this key",
        ),
        pytest.param(
            {"on": "run", "do": "unlisted"},
            {"read_with": "another:key"},
            "it was sent with another key, whose history this may not be",
            id="another account's key",
        ),
        pytest.param(
            {"on": "run", "do": "unlisted"},
            {"has_platform": False},
            "there is no history to look into",
            id="no platform",
        ),
        pytest.param(
            {"on": "run", "do": "unlisted"},
            {"unknown_after_s": 3600.0},
            "the history may not show it yet",
            id="too early",
        ),
    ],
)
async def test_what_is_not_proved_is_never_sent_again(
    tmp_path: Path, script: dict[str, Any], settings: dict[str, Any], reason: str
) -> None:
    async with scene(tmp_path, **settings) as at:
        nth = 1 if script["on"] == "run" else "every"
        at.queue.faults.script(**script, nth=nth)
        await at.lose(FOX, accepted=True)
        await at.finish(OWL)
        at.go_on_as(settings.get("read_with", KEY))
        await at.time.sleep(MINUTE_S)

        settled = await at.reconciler.look()

        assert settled == []
        assert at.said(FOX) == reason
        assert at.shop.states(FOX) == ["submitting", "unknown"]
        assert at.shop.records.record.bill.reserved_usd > 0


async def test_a_request_that_the_history_never_lists_is_the_risk_of_resubmit(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as at:
        at.queue.faults.script(on="run", nth=1, do="unlisted")
        await at.lose(FOX, accepted=True)
        await at.finish(OWL)
        await at.time.sleep(MINUTE_S)

        assert [one.request for one in await at.reconciler.look()] == [None]


async def test_another_key_of_the_same_account_reads_the_same_history(tmp_path: Path) -> None:
    cat = make_job("a cat", seed=3)
    async with scene(tmp_path, read_with="third:key", one_account=True) as at:
        await at.lose(FOX, accepted=False)
        at.go_on_as("another:key")
        await at.finish(OWL)
        at.go_on_as("third:key")
        await at.time.sleep(MINUTE_S)

        of_another_digest = await at.reconciler.look()
        said = at.said(FOX)
        at.go_on_as(KEY)
        await at.finish(cat)
        at.go_on_as("third:key")
        of_the_same_digest = await at.reconciler.look()

        assert of_another_digest == []
        assert said == "it was sent with another key, whose history this may not be"
        assert [one.job.job_id for one in of_the_same_digest] == [FOX.job_id]


async def test_a_job_that_is_no_longer_in_the_manifest_is_never_sent_again(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as at:
        await at.lose(FOX, accepted=False)
        await at.lose(OWL, accepted=True)
        for job in (FOX, OWL):
            at.shop.standing(job).drawn = False
        await at.time.sleep(MINUTE_S)

        (going_on,) = await at.reconciler.look()

        assert going_on.job.job_id == OWL.job_id
        assert going_on.request is not None
        assert at.shop.states(FOX) == ["submitting", "unknown"]


async def test_two_looks_at_a_time_settle_a_submission_once(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.lose(FOX, accepted=True)
        await at.time.sleep(5.0)

        looks = await asyncio.gather(at.reconciler.look(), at.reconciler.look())

        assert sum(map(len, looks)) == 1
        assert at.shop.states(FOX) == ["submitting", "unknown", "submitted"]


async def test_what_is_being_sent_this_moment_is_not_taken_for_what_was_lost(
    tmp_path: Path,
) -> None:
    alike = replace(FOX, job_id=OWL.job_id)  # told apart by the manifest's key alone
    async with scene(tmp_path, timeouts=Timeouts()) as at:
        await at.lose(FOX, accepted=False)
        await at.time.sleep(MINUTE_S)
        at.queue.faults.script(on="submit", nth=2, do="hanging_reply")
        sending = asyncio.create_task(at.shop.submit(alike))
        while not at.queue.requests:
            await asyncio.sleep(0.005)

        assert await at.reconciler.look() == []
        assert at.shop.states(FOX) == ["submitting", "unknown"]
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_what_was_answered_this_moment_is_not_taken_for_what_was_lost(
    tmp_path: Path,
) -> None:
    alike = replace(FOX, job_id=OWL.job_id)
    async with scene(tmp_path, timeouts=Timeouts()) as at:
        await at.lose(FOX, accepted=False)
        await at.time.sleep(MINUTE_S)
        journal = at.shop.records.journal
        append, may_write = journal.append, asyncio.Event()

        async def append_late(cells: Sequence[str]) -> int:
            if (cells[1], cells[3]) == (alike.job_id, "submitted"):
                await may_write.wait()  # its turn comes when those before it are durable
            return await append(cells)

        journal.append = append_late  # type: ignore[method-assign]  # a disk that takes its time
        sending = asyncio.create_task(at.shop.submit(alike))
        while at.shop.standing(alike).state is not AttemptState.SUBMITTED:
            await asyncio.sleep(0.005)
        await at.time.sleep(5.0)

        assert await at.reconciler.look() == []
        assert at.shop.states(FOX) == ["submitting", "unknown"]
        may_write.set()
        await sending


async def test_one_that_was_settled_meanwhile_is_left_alone(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.lose(FOX, accepted=True)
        await at.time.sleep(5.0)
        ending = Failed(error_type="uncertain", message="given up by hand")
        await at.shop.records.failed(FOX, at.shop.standing(FOX), None, ending)

        assert await at.reconciler.look() == []
        assert at.shop.states(FOX) == ["submitting", "unknown", "failed"]


@pytest.mark.parametrize(
    ("settings", "chance"),
    [
        pytest.param({"resubmit": False}, False, id="hold"),
        pytest.param({"has_platform": False}, False, id="no platform"),
        pytest.param({}, True, id="resubmit"),
    ],
)
async def test_a_run_waits_only_where_that_can_lead_to_something(
    tmp_path: Path, settings: dict[str, Any], chance: bool
) -> None:
    async with scene(tmp_path, **settings) as at:
        assert at.reconciler.next_chance_s() is None
        await at.lose(FOX, accepted=False)

        assert (at.reconciler.next_chance_s() is not None) is chance


async def test_what_is_being_settled_this_moment_keeps_nobody_from_asking_how_long(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as at:
        await at.lose(FOX, accepted=True)
        await at.time.sleep(5.0)
        journal = at.shop.records.journal
        append, may_write = journal.append, asyncio.Event()

        async def append_late(cells: Sequence[str]) -> int:
            await may_write.wait()
            return await append(cells)

        journal.append = append_late  # type: ignore[method-assign]  # a disk that takes its time
        looking = asyncio.create_task(at.reconciler.look())
        while at.shop.standing(FOX).state is not AttemptState.SUBMITTED:
            await asyncio.sleep(0.005)

        assert at.reconciler.next_chance_s() is not None
        may_write.set()
        assert len(await looking) == 1


async def test_a_night_with_one_lost_answer_reads_the_history_ever_more_rarely(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, resubmit=False) as at:
        await at.lose(FOX, accepted=False)
        looks = []
        for minute in range(33):
            before = at.queue.tally.calls[Kind.HISTORY]
            assert await at.reconciler.look(only_due=True) == []
            if at.queue.tally.calls[Kind.HISTORY] > before:
                looks.append(minute)
            await at.time.sleep(MINUTE_S)

        assert looks[:2] == [0, 1]
        assert 5 <= len(looks) <= 7
        assert await at.reconciler.look() == []
        assert at.queue.tally.calls[Kind.HISTORY] == len(looks) + 1


async def test_a_new_one_is_looked_up_at_once_whatever_is_not_due(tmp_path: Path) -> None:
    async with scene(tmp_path, resubmit=False) as at:
        await at.lose(FOX, accepted=False)
        await at.time.sleep(10 * MINUTE_S)
        await at.reconciler.look(only_due=True)
        await at.lose(OWL, accepted=True)
        await at.time.sleep(5.0)

        (going_on,) = await at.reconciler.look(only_due=True)

        assert going_on.job.job_id == OWL.job_id


# -- results that the queue has forgotten: rule 8 -----------------------------------------


@pytest.mark.parametrize(
    ("fault", "settings", "expected"),
    [
        pytest.param("forgotten", {}, Completed, id="the history has it"),
        pytest.param("unlisted", {}, Failed, id="the history does not know it"),
        pytest.param("no_payloads", {}, Failed, id="the history has no output"),
        pytest.param("content_policy_violation", {}, Failed, id="the history has an error"),
        pytest.param("empty_images", {}, Failed, id="the history has no image"),
        pytest.param("stuck", {}, StillOpen, id="the history says that it runs"),
        pytest.param("forgotten", {"has_platform": False}, StillOpen, id="there is no history"),
        pytest.param(
            "forgotten", {"faults": {"history_500": 1.0}}, StillOpen, id="it does not answer"
        ),
        pytest.param(
            "forgotten", {"faults": {"history_401": 1.0}}, StillOpen, id="it is not for this key"
        ),
    ],
)
async def test_the_history_is_asked_for_what_the_queue_has_forgotten(
    tmp_path: Path, fault: str, settings: dict[str, Any], expected: type
) -> None:
    async with scene(tmp_path, **settings) as at:
        at.queue.faults.script(on="run", nth=1, do=fault)
        submission = await at.shop.submit(FOX)
        assert isinstance(submission, Accepted)
        await at.time.sleep(5.0)

        found = await at.reconciler.find(FOX, submission.request)

        assert isinstance(found, expected)
        if isinstance(found, Failed):
            assert found.error_type == "lost"


@pytest.mark.parametrize(
    ("read_with", "settings", "known"),
    [
        pytest.param(KEY, {}, True, id="the account that sent it"),
        pytest.param("another:key", {}, False, id="another account"),
        pytest.param(KEY, {"faults": {"history_500": 1.0}}, False, id="no answer"),
        pytest.param(KEY, {"has_platform": False}, False, id="no platform"),
    ],
)
async def test_a_history_remembers_what_its_own_account_has_sent(
    tmp_path: Path, read_with: str, settings: dict[str, Any], known: bool
) -> None:
    async with scene(tmp_path, read_with=read_with, **settings) as at:
        submission = await at.shop.submit(FOX)
        assert isinstance(submission, Accepted)
        await at.time.sleep(5.0)

        assert await at.reconciler.remembers(FOX, submission.request) is known


# -- what the journal knows of the history's requests --------------------------------------

ONE, TWO = job_of(1), job_of(2)


def sent(job: Job, *, second: int, attempt: int = 1, **detail: Any) -> Entry:
    return make_entry(AttemptState.SUBMITTING, job=job, second=second, attempt=attempt, **detail)


def row(state: AttemptState, job: Job, *, second: int, **detail: Any) -> Entry:
    return make_entry(state, job=job, second=second, **detail)


def request_of(job: Job) -> str:
    return f"request-{job.job_id}-1"


def test_an_adopted_request_counts_from_when_it_was_sent(tmp_path: Path) -> None:
    path = tmp_path / "requests.csv"
    adopted = sent(ONE, second=0)
    lost = sent(TWO, second=5)
    write_journal(
        path,
        [
            adopted,
            row(AttemptState.UNKNOWN, ONE, second=1),
            lost,
            row(AttemptState.UNKNOWN, TWO, second=6),
            row(AttemptState.SUBMITTED, ONE, second=100),
            row(AttemptState.COMPLETED, ONE, second=101),
        ],
    )

    trace = trace_requests(path, [request_of(ONE)])

    assert trace.known == {request_of(ONE): parse_timestamp(adopted.at)}
    assert trace.finished == {request_of(ONE)}
    assert trace.last_finished == {ENDPOINT: parse_timestamp(adopted.at)}


def _failed(error_type: str) -> Callable[[], Entry]:
    return lambda: row(AttemptState.FAILED, ONE, second=9, error_type=error_type)


@pytest.mark.parametrize(
    ("end", "has_finished"),
    [
        pytest.param(lambda: row(AttemptState.COMPLETED, ONE, second=9), True, id="completed"),
        pytest.param(_failed("internal_server_error"), True, id="failed by the service"),
        pytest.param(_failed("lost"), False, id="lost: no history shows it"),
        pytest.param(_failed("uncertain"), False, id="given up by hand"),
        pytest.param(
            lambda: row(AttemptState.CANCELLED, ONE, second=9), False, id="cancelled, unbegun"
        ),
        pytest.param(None, False, id="still open"),
    ],
)
def test_a_later_request_counts_once_the_service_has_finished_it(
    tmp_path: Path, end: Callable[[], Entry] | None, has_finished: bool
) -> None:
    path = tmp_path / "requests.csv"
    rows = [sent(ONE, second=0), row(AttemptState.SUBMITTED, ONE, second=1)]
    write_journal(path, [*rows, *([end()] if end is not None else [])])

    trace = trace_requests(path, [request_of(ONE)])

    assert set(trace.known) == {request_of(ONE)}
    assert trace.finished == ({request_of(ONE)} if has_finished else set())
    assert set(trace.last_finished) == ({ENDPOINT} if has_finished else set())


def test_only_what_the_history_shows_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "requests.csv"
    rows = [
        sent(ONE, second=0, account="aaaa0000"),
        row(AttemptState.SUBMITTED, ONE, second=1),
        sent(TWO, second=2, account="bbbb1111", endpoint="fal-ai/other"),
        row(AttemptState.SUBMITTED, TWO, second=3),
        row(AttemptState.COMPLETED, TWO, second=4),
    ]
    write_journal(path, rows)

    trace = trace_requests(path, [request_of(ONE), "of somebody else"])

    assert set(trace.known) == {request_of(ONE)}
    assert trace.accounts == {"aaaa0000"}
    assert trace.finished == set()
    assert trace.last_finished == {"fal-ai/other": parse_timestamp(rows[2].at)}


def test_an_old_row_without_a_digest_speaks_for_no_account(tmp_path: Path) -> None:
    path = tmp_path / "requests.csv"
    write_journal(
        path, [sent(ONE, second=0, account=""), row(AttemptState.SUBMITTED, ONE, second=1)]
    )

    assert trace_requests(path, [request_of(ONE)]).accounts == set()
