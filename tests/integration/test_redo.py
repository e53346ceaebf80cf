"""What is made once more, and what a batch is with it: the same as if its manifest had said so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.evening import Evening, evening, manifest_of

from batchgen.cli.redo_text import nothing_to_redo
from batchgen.cli.verify_text import describe
from batchgen.errors import LedgerError, ManifestError, UsageError
from batchgen.job import Json
from batchgen.launch import Selection
from batchgen.manifest import load_manifest
from batchgen.overview import look
from batchgen.picks import read_picks
from batchgen.planning import Plan, make_plan
from batchgen.redo import LeftOut, Order, Wish, make_order
from batchgen.report import Report
from batchgen.settings import RunSettings
from batchgen.verifying import verify_batch


def order_of(one: Evening, **wish: Any) -> Order:
    batch = one.batch
    return make_order(batch, Wish(**wish), record=batch.replay(), now=one.time.now())


def rejecting(one: Evening, *images: tuple[str, int]) -> Any:
    lines = [f"{job_id},{index},rejected\n" for job_id, index in images]
    path = one.folder.parent / "picks.csv"
    path.write_text("job_id,image_index,verdict\n" + "".join(lines), encoding="utf-8")
    return read_picks(path)


async def redo(one: Evening, order: Order, **settings: Any) -> Report:
    """Write the lines of an order and make them, as the command does."""
    manifest = one.batch.load_frozen()
    return await one.run_loaded(manifest, selection=Selection(redo=order.lines), **settings)


async def resume(one: Evening, *, sample: str = "", **settings: Any) -> Report:
    manifest = one.batch.load_frozen()
    return await one.run_loaded(manifest, selection=Selection(sample=sample), **settings)


def plan_of(one: Evening, manifest: dict[str, Json], *, sample: str = "") -> Plan:
    return make_plan(
        one.batch,
        load_manifest(manifest),
        settings=RunSettings(),
        selection=Selection(sample=sample),
    )


def ids_by_animal(one: Evening, *, repeat: int = 0) -> dict[str, str]:
    rows = [row for row in one.ledger() if row["repeat"] == str(repeat)]
    return {row["animal"]: row["job_id"] for row in rows}


def prompts_sent(one: Evening) -> Counter[str]:
    return Counter(str(request.input["prompt"]) for request in one.queue.requests)


async def test_a_job_is_made_once_more_and_the_earlier_image_stays(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox", "owl"))
        before = {path: path.read_bytes() for path in one.images()}
        fox = ids_by_animal(one)["fox"]

        report = await redo(one, order_of(one, jobs=[fox]))

        assert (report.jobs, report.images, report.succeeded, report.exit_code) == (1, 1, 1, 0)
        assert prompts_sent(one) == {"a fox": 2, "a owl": 1}
        assert len(one.images()) == 3
        assert {path: path.read_bytes() for path in before} == before
        old, new = (row for row in one.ledger() if row["animal"] == "fox")
        assert (old["repeat"], new["repeat"]) == ("0", "1")
        assert old["seed"] != new["seed"]
        assert look(one.batch).report.succeeded == 3


async def test_the_take_is_one_that_the_batch_has_never_used(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox", "owl", repeat=3))
        await one.run(manifest_of("fox", repeat=2))
        fox = ids_by_animal(one)["fox"]

        takes = []
        for _ in range(3):
            order = order_of(one, jobs=[fox])
            takes += [line.job.repeat for line in order.lines]
            await redo(one, order)

        assert takes == [3, 4, 5]


@pytest.mark.parametrize("lost", ["redo.csv", "requests.csv"])
async def test_a_take_that_only_a_table_knows_counts_as_used(tmp_path: Path, lost: str) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        # What looks like a take in a prompt is none.
        name = 'fox","repeat":77,"variables":{'
        await one.run(manifest_of(name, repeat=2))
        for _ in range(2):
            await redo(one, order_of(one, where=["repeat=0"]))
        (one.folder / lost).unlink()
        record = one.batch.replay(accept_loss=True)
        jobs = [one.ledger()[0]["job_id"]]

        order = make_order(one.batch, Wish(jobs=jobs), record=record, now=one.time.now())

        assert [line.job.repeat for line in order.lines] == [4]


async def test_takes_of_one_combination_get_a_take_each(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox", "owl", repeat=2))

        order = order_of(one, where=["animal=fox", "animal=owl"])

        assert [(line.job.prompt, line.job.repeat) for line in order.lines] == [
            ("a fox", 2),
            ("a owl", 2),
            ("a fox", 3),
            ("a owl", 3),
        ]
        assert len({line.job.job_id for line in order.lines}) == 4
        assert len({line.job.seed for line in order.lines}) == 4


async def test_more_takes_in_the_manifest_fold_nothing_onto_a_redo(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox"))
        await redo(one, order_of(one, jobs=[ids_by_animal(one)["fox"]]))

        report = await one.run(manifest_of("fox", repeat=3))

        assert (report.jobs, report.folded, report.succeeded) == (4, 0, 4)
        assert prompts_sent(one) == {"a fox": 4}
        assert len({row["seed"] for row in one.ledger()}) == 4


async def test_what_was_ordered_belongs_to_the_batch_from_then_on(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox", "owl"))
        fox = ids_by_animal(one)["fox"]
        one.queue.faults.script(on="run", nth="every", do="generation_timeout")
        order = order_of(one, jobs=[fox])
        await redo(one, order, max_attempts=1)
        one.queue.faults.clear()

        overview = look(one.batch)
        plan = plan_of(one, manifest_of("fox", "owl", "cat"))

        assert (overview.report.jobs, overview.report.images) == (3, 3)
        assert (overview.report.failed, overview.report.again) == (1, 1)
        assert (plan.whole, plan.redone, plan.report.jobs) == (3, 1, 4)
        assert {
            reason.value: line.jobs for reason, line in plan.census.lines.items() if line.jobs
        } == {
            "done": 2,
            "retry": 1,
            "new": 1,
        }
        report = await one.run(manifest_of("fox", "owl", "cat"))
        assert (report.jobs, report.succeeded, report.former) == (4, 4, 0)
        assert one.queue.requests[-1].input["prompt"] == "a fox"  # after everything else


async def test_it_stays_when_the_manifest_no_longer_has_the_job(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox", "owl"))
        await redo(one, order_of(one, jobs=[ids_by_animal(one)["fox"]]))

        report = await one.run(manifest_of("owl"))

        assert (report.jobs, report.succeeded, report.former) == (2, 2, 1)
        again = ids_by_animal(one, repeat=1)["fox"]
        assert look(one.batch).former.jobs == 1
        # The manifest has neither of the two any more, and both can be made once more.
        order = order_of(one, jobs=[ids_by_animal(one)["fox"], again])
        assert [line.job.prompt for line in order.lines] == ["a fox", "a fox"]
        assert [line.job.repeat for line in order.lines] == [2, 3]


async def test_what_nobody_knows_any_more_is_left_out(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox", "owl"))
        await one.run(manifest_of("owl"))
        fox = ids_by_animal(one)["fox"]
        one.batch.journal_path.unlink()
        record = one.batch.replay(accept_loss=True)

        order = make_order(one.batch, Wish(jobs=[fox]), record=record, now=one.time.now())

        assert (order.lines, order.left_out) == ((), {LeftOut.GONE: (fox,)})
        said = nothing_to_redo(order, batch="zoo", resume="batchgen resume zoo")
        assert f"of 1 job ({fox}) nobody knows any more what was sent" in said


async def test_it_belongs_to_every_sample(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        animals = ("fox", "owl", "cat", "dog")
        await one.run(manifest_of(*animals), selection=Selection(sample="2"))
        order = order_of(one, jobs=[next(iter(ids_by_animal(one).values()))])
        batch = one.batch
        with batch.lock():
            batch.order(batch.load_frozen(), order.lines)

        overview, plan = look(one.batch), plan_of(one, manifest_of(*animals), sample="2")
        report = await resume(one, sample="2")

        assert (overview.report.jobs, overview.report.left, overview.sample) == (3, 1, "2")
        assert (plan.report.jobs, plan.census.sent) == (3, 1)
        assert (report.jobs, report.succeeded, report.exit_code) == (3, 3, 0)


async def test_a_limit_counts_it_like_any_other_job(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox", "owl"))
        order = order_of(one, where=["animal=fox", "animal=owl"])

        manifest = one.batch.load_frozen()
        first = await one.run_loaded(manifest, selection=Selection(redo=order.lines, limit=1))
        again = await resume(one)

        assert (first.jobs, first.succeeded, first.left) == (2, 1, 1)
        assert (again.jobs, again.succeeded) == (4, 4)


async def test_a_redo_sends_nothing_else_that_is_left(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox", "owl", "cat"), selection=Selection(limit=1))

        report = await redo(one, order_of(one, where=["animal=fox"]))

        assert prompts_sent(one) == {"a fox": 2}
        assert (report.jobs, report.left, report.exit_code) == (1, 0, 0)
        assert look(one.batch).report.left == 2


async def test_orders_that_were_not_made_are_not_given_twice(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox", "owl"))
        ids = ids_by_animal(one)
        fox, owl = ids["fox"], ids["owl"]
        first = order_of(one, jobs=[fox])
        batch = one.batch
        with batch.lock():
            batch.order(batch.load_frozen(), first.lines)

        by_id = order_of(one, jobs=[fox, owl])
        by_value = order_of(one, where=["animal=fox"])
        by_picks = order_of(one, rejected=rejecting(one, (fox, 0), (owl, 0)))
        everything = order_of(one)

        (line,) = first.lines
        for same in (by_id, by_value, everything):
            assert [one.job.job_id for one in same.lines] == [line.job.job_id]
            assert (same.pending, same.new) == (1, 0)
        assert [one.redo_of for one in by_picks.lines] == [fox, owl]
        assert (by_picks.pending, by_picks.new) == (1, 1)


async def test_a_rejected_image_is_answered_once(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox", "owl"))
        fox = ids_by_animal(one)["fox"]
        await redo(one, order_of(one, rejected=rejecting(one, (fox, 0))))

        same = order_of(one, rejected=rejecting(one, (fox, 0)))
        again = ids_by_animal(one, repeat=1)["fox"]
        both = order_of(one, rejected=rejecting(one, (fox, 0), (again, 0)))

        assert (same.lines, same.left_out) == ((), {LeftOut.REDONE: (fox,)})
        assert [line.redo_of for line in both.lines] == [again]


async def test_a_rejected_image_whose_redo_failed_is_not_said_to_be_redone(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox"))
        fox = ids_by_animal(one)["fox"]
        one.queue.faults.script(on="run", nth="every", do="content_policy_violation")
        await redo(one, order_of(one, rejected=rejecting(one, (fox, 0))))

        order = order_of(one, rejected=rejecting(one, (fox, 0)))

        assert (order.lines, order.left_out) == ((), {LeftOut.REDO_FAILED: (fox,)})
        said = nothing_to_redo(order, batch="animals", resume="batchgen resume animals")
        assert "and that failed" in said
        assert said.endswith("batchgen resume animals --retry failed")
        assert order_of(one, jobs=[fox]).new == 1


async def test_a_job_that_is_named_twice_is_made_once_more_once(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox", parameters={"num_images": 3, "resolution": "0.5K"}))
        fox = ids_by_animal(one)["fox"]

        named = order_of(one, jobs=[fox, fox])
        rejected = order_of(one, rejected=rejecting(one, (fox, 0), (fox, 2)))

        assert (len(named.lines), named.whole) == (1, 1)
        assert (len(rejected.lines), rejected.whole) == (1, 1)
        report = await redo(one, rejected)
        assert (report.jobs, report.images) == (1, 3)
        assert len(one.images()) == 6


async def test_jobs_that_were_folded_are_one(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        manifest = manifest_of("fox", grid={"animal": ["fox"], "lens": ["wide", "long"]})
        await one.run(manifest)
        (row,) = one.ledger()

        by_id = order_of(one, jobs=[row["job_id"]])
        by_value = order_of(one, where=["lens=long"])

        assert [len(order.lines) for order in (by_id, by_value)] == [1, 1]
        assert by_value.lines[0].redo_of == row["job_id"]


@pytest.mark.parametrize(
    ("fault", "settings"),
    [
        pytest.param("content_policy_violation", {}, id="failed"),
        pytest.param(None, {"limit": 0}, id="not sent yet"),
    ],
)
async def test_what_has_no_image_is_left_to_resume(
    tmp_path: Path, fault: str | None, settings: dict[str, int]
) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        if fault is not None:
            one.queue.faults.script(on="run", nth="every", do=fault)
        await one.run(manifest_of("fox"), selection=Selection(**settings))
        (job,) = one.batch.load_frozen().jobs()

        for wish in ({"jobs": [job.job_id]}, {"where": ["animal=fox"]}):
            order = order_of(one, **wish)

            assert order.lines == ()
            assert order.left_out == {LeftOut.NOT_MADE: (job.job_id,)}


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        pytest.param({"jobs": ["kkkkkkkkkkkkkkkk"]}, "there is no job", id="an unknown id"),
        pytest.param({"jobs": ["fox"]}, "16 letters k to z", id="no id"),
        pytest.param({"where": ["animal"]}, "AXIS=VALUE", id="no value"),
        pytest.param({"where": ["anima=fox"]}, "Did you mean 'animal'", id="an unknown axis"),
        pytest.param({"where": ["animal=fix"]}, "Did you mean 'fox'", id="an unknown value"),
        pytest.param({"where": ["place=wood"]}, r"place\.name=VALUE", id="a mapping"),
    ],
)
async def test_what_is_not_there_is_said(
    tmp_path: Path, wish: dict[str, Sequence[str]], said: str
) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        grid: dict[str, Json] = {"animal": ["fox", "owl"], "place": [{"name": "wood"}]}
        await one.run(manifest_of("fox", grid=grid))

        with pytest.raises(UsageError, match=said):
            order_of(one, **wish)
        assert not one.batch.redo_path.exists()


async def test_picks_of_another_batch_are_refused_line_by_line(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox"))
        fox = ids_by_animal(one)["fox"]

        with pytest.raises(ManifestError) as caught:
            order_of(one, rejected=rejecting(one, (fox, 0), ("k" * 16, 0), ("l" * 16, 1)))

        assert [mistake.line for mistake in caught.value.mistakes] == [3, 4]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        pytest.param(["animal=fox"], ["a fox 1K", "a fox 2K"], id="an axis"),
        pytest.param(["resolution=2K"], ["a fox 2K", "a owl 2K"], id="a parameter"),
        pytest.param(["aspect_ratio=auto"], 4, id="a default that is not sent"),
        pytest.param(["animal=fox", "resolution=2K"], ["a fox 2K"], id="both"),
        pytest.param(["animal=fox", "animal=owl"], 4, id="either"),
        pytest.param(["prompt=a owl"], ["a owl 1K", "a owl 2K"], id="the prompt"),
    ],
)
async def test_values_choose_jobs(
    tmp_path: Path, where: list[str], expected: list[str] | int
) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        grid: dict[str, Json] = {"animal": ["fox", "owl"], "resolution": ["1K", "2K"]}
        await one.run(manifest_of("fox", grid=grid, parameters={}))

        order = order_of(one, where=where)

        chosen = [f"{line.job.prompt} {line.job.input['resolution']}" for line in order.lines]
        assert chosen == expected or len(chosen) == expected


async def test_a_file_is_named_by_the_template_with_the_new_seed(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        filename = "{{ animal }}/{{ repeat }}-{{ seed }}"
        await one.run(manifest_of("fox", filename=filename, seed={"start": 1000}))
        await redo(one, order_of(one, where=["animal=fox"]))

        old, new = one.ledger()

        assert old["file"] == f"images/fox/0-1000-{old['job_id']}.png"
        assert new["file"] == f"images/fox/1-{new['seed']}-{new['job_id']}.png"


async def test_a_broken_file_of_orders_stops_everything_that_would_buy(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox"))
        await redo(one, order_of(one, where=["animal=fox"]))
        content = one.batch.redo_path.read_bytes()
        one.batch.redo_path.write_bytes(content[:-1])
        sent = len(one.queue.requests)

        with pytest.raises(LedgerError, match="middle of a line"):
            await one.run(manifest_of("fox", "owl"))
        with pytest.raises(LedgerError, match="middle of a line"):
            look(one.batch)
        with pytest.raises(LedgerError, match="middle of a line"):
            plan_of(one, manifest_of("fox", "owl"))
        found = verify_batch(one.batch, now=one.time.now)
        assert found.reason == "1 redo_broken"
        assert "move it away" in describe(found, command=lambda verb, *options: verb)
        assert len(one.queue.requests) == sent


async def test_two_orders_at_the_same_time_are_one(tmp_path: Path) -> None:
    async with evening(tmp_path, seconds=0.0) as one:
        await one.run(manifest_of("fox"))
        first, second = (order_of(one, where=["animal=fox"]) for _ in range(2))

        await redo(one, first)
        report = await redo(one, second)

        assert (report.submitted, report.succeeded) == (0, 1)
        assert prompts_sent(one) == {"a fox": 2}
