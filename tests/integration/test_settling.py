"""Unknown submissions are settled without a run: by the history, or by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from support.evening import Evening, evening, manifest_of
from support.jobs import BEGAN_AT as SENT_AT
from support.jobs import make_job
from support.queues import KEY

from batchgen.errors import AccountError, BusyError, ServiceError, UsageError
from batchgen.history import HistoryEntry
from batchgen.paid_twice import PaidTwice, match_paid_twice
from batchgen.reconcile import Lost
from batchgen.service import Service
from batchgen.settling import Settled, settle_batch

MINUTE = timedelta(minutes=1)
PRICE = Decimal("0.06")
TWO = manifest_of("fox", "owl")


async def lose(one: Evening, manifest: Mapping[str, object] = TWO, *, fault: str = "lost_reply",
               nth: int | str = 1) -> list[str]:  # fmt: skip
    """Run a manifest, lose some answers, settle none; return the jobs that are unknown now."""
    one.with_platform = False
    one.queue.faults.script(on="submit", nth=nth, do=fault)
    await one.run(manifest, concurrency=1)  # type: ignore[arg-type]  # a mapping
    one.with_platform = True
    one.queue.faults.clear()
    return unknown_in(one)


def unknown_in(one: Evening) -> list[str]:
    last = {entry.job_id: entry.state for entry in one.entries()}
    return [job_id for job_id, state in last.items() if state == "unknown"]


async def settle(
    one: Evening,
    *,
    adopt: Sequence[tuple[str, str]] = (),
    give_up: Sequence[str] = (),
    unknown_after: timedelta = MINUTE,
    service: Service | None = None,
) -> Settled:
    return await settle_batch(
        one.batch,
        service=service or one.service,
        unknown_after=unknown_after,
        adopt=adopt,
        give_up=give_up,
        clock=one.time.clock,
    )


def statuses(one: Evening) -> dict[str, str]:
    """Return each animal's status in the ledger, with its error type if it has one."""
    return {
        row["animal"]: " ".join(filter(None, (row["status"], row["error_type"])))
        for row in one.ledger()
    }


async def test_what_the_history_shows_is_fetched_by_the_next_run(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        (fox,) = await lose(one)
        before = statuses(one)

        settled = await settle(one)
        again = await settle(one)
        report = await one.run(TWO)

        assert before == {"fox": "unknown", "owl": "succeeded"}
        assert settled == Settled(adopted={fox: one.queue.requests[0].request_id})
        assert again == Settled()
        assert report.exit_code == 0
        assert statuses(one) == {"fox": "succeeded", "owl": "succeeded"}
        assert one.queue.accepted == 2
        assert one.batch.replay().bill.spent_usd == 2 * PRICE


async def test_what_it_does_not_show_is_held_whatever_the_time(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        (fox,) = await lose(one, fault="lost_post")
        await one.time.sleep(300.0)

        settled = await settle(one)

        assert settled == Settled(unknown={fox: "the history does not show it; held"})
        assert one.batch.replay().bill.reserved_usd == PRICE
        assert statuses(one)["fox"] == "unknown"


async def test_what_a_killed_run_was_sending_is_unknown_and_looked_up(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await lose(one, manifest_of("fox"))
        # The run was killed before it could write down that the answer was lost.
        journal = one.folder / "requests.csv"
        lines = journal.read_bytes().splitlines(keepends=True)
        assert b",unknown," in lines[-1]
        journal.write_bytes(b"".join(lines[:-1]))
        (one.folder / "ledger.csv").write_bytes(
            (one.folder / "ledger.csv").read_bytes().split(b"\n")[0] + b"\n"
        )

        settled = await settle(one)

        assert list(settled.adopted.values()) == [one.queue.requests[0].request_id]
        assert one.states() == ["submitting", "unknown", "submitted"]


async def test_a_request_is_adopted_by_hand(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        (fox,) = await lose(one)
        one.with_platform = False
        request_id = one.queue.requests[0].request_id

        settled = await settle(one, adopt=[(fox, request_id)])
        adopted = one.entries()[-1]
        report = await one.run(TWO)

        assert settled == Settled(adopted={fox: request_id})
        assert adopted.state == "submitted"
        assert adopted.detail == {"adopted": True, "by_hand": True}
        assert report.exit_code == 0
        assert one.queue.accepted == 2


async def test_an_unknown_job_is_given_up_by_hand(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        (fox,) = await lose(one)

        settled = await settle(one, give_up=[fox, fox])
        held = await one.run(TWO)
        row = next(row for row in one.ledger() if row["animal"] == "fox")
        accepted = one.queue.accepted
        again = await one.run(TWO, retry="failed")

        assert settled == Settled(given_up=[fox])
        assert (row["status"], row["error_type"], row["cost_usd"]) == (
            "failed",
            "uncertain",
            "0.06",
        )
        assert one.batch.replay().bill.reserved_usd == 0
        assert (held.exit_code, held.again, accepted) == (1, 0, 2)
        assert again.exit_code == 0
        assert one.queue.accepted == 3


async def test_an_open_request_is_given_up_by_hand(tmp_path: Path) -> None:
    async with evening(tmp_path) as one:
        await one.leave_open("fox")
        (job_id,) = {entry.job_id for entry in one.entries()}
        request_id = one.entries()[-1].request

        await settle(one, give_up=[job_id])

        last = one.entries()[-1]
        assert (last.state, last.request, last.cost_usd) == ("failed", request_id, PRICE)
        assert statuses(one) == {"fox": "failed uncertain"}


async def test_some_by_hand_and_the_rest_by_the_history(tmp_path: Path) -> None:
    three = manifest_of("fox", "owl", "cat", "dog")
    async with evening(tmp_path, seconds=0.0) as one:
        fox, owl, cat = await lose(one, three, nth="1-3")
        known = {request.input["prompt"]: request.request_id for request in one.queue.requests}

        settled = await settle(one, adopt=[(fox, known["a fox"])], give_up=[owl])

        assert settled.adopted == {fox: known["a fox"], cat: known["a cat"]}
        assert settled.given_up == [owl]
        assert settled.unknown == {}


@pytest.mark.parametrize(
    ("adopt", "give_up", "said"),
    [
        pytest.param([("fox", "r1"), ("fox", "r2")], [], "job {fox} is named twice",
                     id="two requests for a job"),
        pytest.param([("fox", "r1"), ("owl", "r1")], [], "request r1 is named twice",
                     id="two jobs for a request"),
        pytest.param([("fox", "r1")], ["fox"], "job {fox} is named twice",
                     id="adopted and given up"),
        pytest.param([("fox", "{cat's request}")], [], "request {cat's request} is on record",
                     id="another job's request"),
        pytest.param([("fox", "r1"), ("cat", "r2")], [], "job {cat} is completed; this settles "
                     "one that is unknown.", id="a job that is finished"),
        pytest.param([("fox", "r1")], ["cat"], "job {cat} is completed; this settles one that is "
                     "unknown or submitted.", id="given up when it is finished"),
        pytest.param([("kkkkkkkkkkkkkkkk", "r1")], [], "job kkkkkkkkkkkkkkkk is not in this batch",
                     id="a job that is not there"),
        pytest.param([], ["portraits"], "job portraits is not in this batch", id="no job's id"),
        pytest.param([], ["kkkkkkkkkkkkkkk1"], "is not in this batch", id="no letter of an id"),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_refused_before_anything_is_done(
    tmp_path: Path, adopt: list[tuple[str, str]], give_up: list[str], said: str
) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await lose(one, manifest_of("fox", "owl", "cat"), nth="1-2")
        names = {row["animal"]: row["job_id"] for row in one.ledger()}
        names["{cat's request}"] = one.queue.requests[2].request_id
        before = (one.folder / "requests.csv").read_bytes()

        with pytest.raises(UsageError) as caught:
            await settle(
                one,
                adopt=[(names.get(job, job), names.get(request, request))
                       for job, request in adopt],
                give_up=[names.get(job, job) for job in give_up],
            )  # fmt: skip

        for name, stands_for in names.items():
            said = said.replace(name if name.startswith("{") else f"{{{name}}}", stands_for)
        assert said in str(caught.value)
        assert "Nothing was settled." in str(caught.value)
        assert (one.folder / "requests.csv").read_bytes() == before


async def test_there_is_nothing_to_look_up_without_a_key(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        fox, owl = await lose(one, nth="1-2")
        one.key = ""

        with pytest.raises(AccountError, match="there is no key"):
            await settle(one)
        settled = await settle(one, give_up=[fox])
        await settle(one, give_up=[owl])
        nothing = await settle(one)

        assert settled == Settled(given_up=[fox], unknown={owl: "there is no key"})
        assert nothing == Settled()


async def test_another_accounts_history_settles_nothing(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        (fox,) = await lose(one)
        one.key = "another:key"
        await one.time.sleep(60.0)

        settled = await settle(one)

        assert settled.unknown == {
            fox: "it was sent with another key, whose history this may not be"
        }


async def test_a_batch_is_settled_at_its_own_queue(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await lose(one)

        with pytest.raises(ServiceError, match="has requests open at"):
            await settle(one, service=Service(queue_url="http://127.0.0.1:9", key="a:b"))


async def test_a_batch_that_is_being_run_is_left_alone(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await lose(one)

        with one.batch.lock(), pytest.raises(BusyError):
            await settle(one)


# -- by a run ------------------------------------------------------------------------------


async def test_a_run_looks_them_up_at_its_start(tmp_path: Path) -> None:
    async with evening(tmp_path, speed=30.0, seconds=50.0) as one:
        await lose(one, manifest_of("fox"))
        await one.time.sleep(10.0)  # until the history lists it

        report = await one.run(manifest_of("fox", "owl"), timeout_s=600.0)

        told = [(entry.state, bool(entry.detail.get("adopted"))) for entry in one.entries()]
        completed = told.index(("completed", False))
        assert ("submitted", True) in told[:completed]
        assert report.exit_code == 0
        assert one.queue.accepted == 2


@pytest.mark.parametrize(
    ("fault", "has_platform", "expected"),
    [
        pytest.param("forgotten", True, {"fox": "succeeded"}, id="the history has its result"),
        pytest.param("unlisted", True, {"fox": "failed lost"}, id="the history does not know it"),
        pytest.param("no_payloads", True, {"fox": "failed lost"}, id="the history has no output"),
        pytest.param("forgotten", False, {}, id="there is no history: it stays open"),
    ],
)
async def test_a_request_that_the_queue_has_forgotten_is_asked_for_in_the_history(
    tmp_path: Path, fault: str, has_platform: bool, expected: dict[str, str]
) -> None:
    async with evening(tmp_path, seconds=10.0) as one:
        one.with_platform = has_platform
        one.queue.faults.script(on="run", nth=1, do=["forgotten", fault])

        report = await one.run(manifest_of("fox"), timeout_s=600.0)
        again = await one.run(manifest_of("fox"), timeout_s=600.0)

        assert statuses(one) == expected
        assert (report.open, again.open) == ((0, 0) if expected else (1, 1))
        assert report.exit_code == again.exit_code == (0 if "succeeded" in expected.values() else 1)
        assert one.queue.accepted == 1
        assert one.batch.replay().bill.spent_usd == (PRICE if expected else 0)


async def test_a_lost_request_is_sent_again_only_by_retry_failed(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=10.0) as one:
        one.queue.faults.script(on="run", nth=1, do=["forgotten", "unlisted"])
        await one.run(manifest_of("fox"))

        report = await one.run(manifest_of("fox"), retry="failed")

        assert report.exit_code == 0
        assert one.queue.accepted == 2


async def test_another_accounts_key_marks_nothing(tmp_path: Path) -> None:
    async with evening(tmp_path) as one:
        await one.leave_open("fox", running=1)
        before = one.states()
        one.key = "another:key"

        report = await one.run(manifest_of("fox", "owl"))

        assert report.exit_code == 3
        assert "belong to another account" in report.reason
        assert one.states() == before
        one.key = KEY
        assert (await one.run(manifest_of("fox", "owl"))).exit_code == 0
        assert one.queue.accepted == 2


# -- paid twice ----------------------------------------------------------------------------


async def test_a_first_attempt_that_turns_up_later_was_paid_twice(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        one.queue.faults.script(on="submit", nth=1, do="lost_reply")
        one.queue.faults.script(on="run", nth=1, do="unlisted")
        report = await one.run(TWO, on_unknown="resubmit", unknown_after_s=10.0, concurrency=1)
        before = await settle(one)
        (first, *_) = one.queue.requests
        first.marks -= {"unlisted"}  # the history shows it after all

        settled = await settle(one)

        assert report.exit_code == 0
        assert one.queue.accepted == 3
        assert before == Settled()
        (twice,) = settled.paid_twice
        assert twice.request_id == first.request_id
        assert twice.job_id == next(row["job_id"] for row in one.ledger() if row["animal"] == "fox")
        assert [first.request_id in url for url in twice.urls] == [True]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param("history_500", "the history could not be read whole", id="no answer"),
        pytest.param("history_401", "the history cannot be read: ", id="not for this key"),
    ],
)
async def test_a_history_that_cannot_be_read_hides_nothing_that_was_settled(
    tmp_path: Path, fault: str, said: str
) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        one.queue.faults.script(on="submit", nth=1, do="lost_post")
        await one.run(TWO, on_unknown="resubmit", unknown_after_s=10.0, concurrency=1)
        (hen,) = await lose(one, manifest_of("fox", "owl", "hen"), nth=4)
        one.queue.faults.script(on="history", nth="every", do=fault)

        settled = await settle(one, give_up=[hen])

        assert settled.given_up == [hen]
        assert settled.paid_twice == []
        assert settled.not_looked_up.startswith(said)


def test_one_entry_is_one_second_purchase() -> None:
    one, two = make_job(1), make_job(2)
    lost = [
        Lost(number=number, at=SENT_AT, endpoint=one.endpoint, input={"prompt": "a fox"},
             account="a")
        for number in (1, 2)
    ]  # fmt: skip
    shown = HistoryEntry(
        request_id="r1",
        sent_at=SENT_AT,
        input={"prompt": "a fox"},
        output={"images": [{"url": "https://a.example/1.png"}, {}]},
    )

    assert match_paid_twice(lost, [shown]) == [
        PaidTwice(job_id=one.job_id, request_id="r1", urls=("https://a.example/1.png",))
    ]
    assert [found.job_id for found in match_paid_twice(lost, [shown, shown])] == [
        one.job_id,
        two.job_id,
    ]
    assert match_paid_twice(lost, []) == []
