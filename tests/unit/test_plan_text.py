"""A plan as a person reads it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.plans import make_census, make_job, make_plan_of

from batchgen.budget import Budget
from batchgen.cli.layout import duration
from batchgen.cli.plan_text import describe
from batchgen.launch import Selection
from batchgen.planning import Line, Plan, Reason
from batchgen.planning.changes import Changes, Left
from batchgen.planning.disk import Room
from batchgen.planning.folding import Fold
from batchgen.planning.past import Past
from batchgen.planning.prices import PriceList
from batchgen.settings import Rate, RunSettings

SECOND_EVENING = """\
spring-shop      /srv/data/shop/jobs/spring-shop      begun 21 Nov, $356.76 paid
manifest         /srv/data/shop/shop-shots.yaml
                 1,250 rows × 4 scene = 5,000 jobs, 5,000 images
endpoint         fal-ai/nano-banana-2                 prices of 2026-11-20: 2K $0.12, 4K $0.16

                 jobs        USD
done            2,962             kept
download            9             made and paid, file missing: fetched free
re-attach          14             at fal now: asked for, not sent again ($1.68, already counted)
failed             12             content_policy_violation: not tried again (--retry failed does,
                                  for $1.44)
retry               3       0.36  generation_timeout
new             2,000     240.00  never sent
                         -------
this run        2,026    $240.36  the batch as a whole then: $598.80 of the budget's $620.00

disk             about 14 GB (6.9 MB an image so far), 212 GB free
time             about 2 h 22 min at the last run's 14.2 images a minute

first            00751  packshot  1:1  2K  seed 1203345871
                 Product photo of a Nordic Carafe in oat porcelain, on a seamless white sweep,
                 soft box from the left. Soft shadow, 85 mm, brand colour #7A8B6F in the …
                 → images/packshot/00751 Nordic Carafe-kzmxlwvqpronstuy.png

Go on:           batchgen run shop-shots.yaml"""


def second_evening() -> Plan:
    first = make_job(
        job_id="kzmxlwvqpronstuy",
        file="images/packshot/00751 Nordic Carafe-kzmxlwvqpronstuy",
        variables={
            "sku": "00751",
            "scene.name": "packshot",
            "scene.set": "on a seamless white sweep, with a long description",
        },
    )
    first = replace(
        first,
        input={
            "prompt": "Product photo of a Nordic Carafe in oat porcelain, on a seamless white "
            "sweep, soft box from the left. Soft shadow, 85 mm, brand colour #7A8B6F in the "
            "background. And some more of it.",
            "aspect_ratio": "1:1",
            "resolution": "2K",
            "seed": 1203345871,
        },
    )
    census = make_census(
        {
            Reason.DONE: Line(jobs=2962),
            Reason.UNDELIVERED: Line(jobs=9, images=9),
            Reason.OPEN: Line(jobs=14, images=14, cost_usd=Decimal("1.68")),
            Reason.FAILED: Line(
                jobs=12, types=Counter(content_policy_violation=12), cost_usd=Decimal("1.44")
            ),
            Reason.RETRY: Line(
                jobs=3,
                sent=3,
                images=3,
                cost_usd=Decimal("0.36"),
                types=Counter(generation_timeout=3),
            ),
            Reason.NEW: Line(jobs=2000, sent=2000, images=2000, cost_usd=Decimal(240)),
        },
        first=first,
    )
    return make_plan_of(
        census,
        batch="spring-shop",
        folder="/srv/data/shop/jobs/spring-shop",
        is_new=False,
        begun_at="2026-11-21T12:00:00.000Z",
        manifest=Path("/srv/data/shop/shop-shots.yaml"),
        shape="1,250 rows × 4 scene",
        bill=Budget(
            limit_usd=Decimal(620), spent_usd=Decimal("356.76"), reserved_usd=Decimal("1.68")
        ),
        prices=(
            PriceList(
                endpoint="fal-ai/nano-banana-2",
                date="2026-11-20",
                lines=(("2K", Decimal("0.12")), ("4K", Decimal("0.16"))),
            ),
        ),
        past=Past(image_bytes=6.9e6, per_minute=14.2),
        room=Room(
            images=2026,
            needed_bytes=2026 * 6.9e6,
            image_bytes=6.9e6,
            is_measured=True,
            free_bytes=212 * 10**9,
        ),
    )


def one_new_job(**changes: Any) -> Plan:
    census = make_census(
        {Reason.NEW: Line(jobs=1, sent=1, images=1, cost_usd=Decimal("0.08"))}, first=make_job()
    )
    return make_plan_of(census, **changes)


def test_a_plan_of_the_second_evening_reads_like_this() -> None:
    text = describe(second_evening(), command="batchgen run shop-shots.yaml")

    assert text == SECOND_EVENING


def test_no_line_is_wider_than_a_hundred_columns() -> None:
    plan = replace(
        second_evening(),
        warnings=("a long warning " * 20, "another"),
        fold=Fold(
            first=make_job(line="a.csv:2"), second=make_job(line="a.csv:9"), differing=("sku",)
        ),
    )

    text = describe(plan, command="batchgen run shop-shots.yaml")

    assert max(map(len, text.splitlines())) <= 100


def test_the_first_line_has_the_whole_folder_however_long_it_is() -> None:
    folder = "/" + "/".join(["a-very-long-folder-name"] * 8)

    text = describe(one_new_job(folder=folder), command="batchgen run animals.yaml")

    assert text.splitlines()[0] == f"animals          {folder}      new"
    assert text.splitlines()[-1] == "Run it:          batchgen run animals.yaml"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        pytest.param(
            {"simulated": True},
            "animals          /srv/data/jobs/animals      new (simulated: nothing is paid)",
            id="a simulated batch is marked",
        ),
        pytest.param(
            {"shape": "1 animal", "whole": 1},
            "manifest         /srv/data/animals.yaml               1 animal = 1 job, 1 image",
            id="one is one",
        ),
        pytest.param(
            {"manifest": Path("/srv/data/jobs/animals/manifests/3/manifest.yaml")},
            "manifest         /srv/data/jobs/animals/manifest.yaml      1 job, 1 image",
            id="of a batch's own manifest the copy that people know",
        ),
        pytest.param(
            {"selection": Selection(sample="5%"), "whole": 20},
            "sample           5%                                   1 of 20 jobs, 1 image",
            id="a sample says of how many",
        ),
        pytest.param(
            {"settings": RunSettings(rate=Rate(text="1/min", per_s=1 / 60))},
            "time             at least 1 min at 1/min",
            id="a rate is a least time where no run has shown more",
        ),
        pytest.param(
            {"warnings": ("m.yaml:15  'exclude' removes nothing.",)},
            "warning          m.yaml:15  'exclude' removes nothing.",
            id="warnings",
        ),
        pytest.param(
            {"former": Left(jobs=3, open=1, undelivered=1, unknown=1)},
            "former           3 jobs of an earlier manifest: their images stay; 1 still open: "
            "read and saved; 1",
            id="what an earlier edit has left behind",
        ),
    ],
)
def test_what_a_plan_says_beside_its_figures(changes: dict[str, Any], line: str) -> None:
    assert line in describe(one_new_job(**changes), command="batchgen run m.yaml").splitlines()


@pytest.mark.parametrize(
    ("keys", "kept", "former", "said"),
    [
        pytest.param(
            ("prompt",),
            0,
            Left(jobs=2971),
            "since 21 Nov: prompt (all jobs) · kept 0 · new 5,000 · "
            "no longer in the manifest 2,971 (their images stay)",
            id="every job is another one",
        ),
        pytest.param(
            ("grid.style",),
            2971,
            Left(),
            "since 21 Nov: grid.style · kept 2,971 · new 5,000",
            id="a value more",
        ),
        pytest.param(
            (),
            2971,
            Left(),
            "since 21 Nov: nothing that jobs depend on · kept 2,971 · new 5,000",
            id="a comment",
        ),
    ],
)
def test_an_edit_is_summed_up(keys: tuple[str, ...], kept: int, former: Left, said: str) -> None:
    changes = Changes(
        since="2026-11-21T12:00:00.000Z", keys=keys, kept=kept, new=5000, former=former
    )

    text = describe(one_new_job(changes=changes, former=former), command="batchgen run m.yaml")

    (block,) = (block for block in text.split("\n\n") if block.startswith("changed"))
    assert " ".join(block.split()) == f"changed {said}"


def test_folded_jobs_are_shown_by_an_example_with_both_lines_and_what_to_write() -> None:
    fold = Fold(
        first=make_job(line="products.csv:3", variables={"sku": "1"}),
        second=make_job(line="products.csv:7", variables={"sku": "2"}),
        differing=("sku",),
    )
    plan = one_new_job(fold=fold)
    plan = replace(plan, report=replace(plan.report, folded=2436))

    text = " ".join(describe(plan, command="batchgen run m.yaml").split())

    assert (
        "folded 2,436 jobs are the same as another and are made once, as products.csv:3 and "
        "products.csv:7: only sku differs (sku: 1, 2), and nothing that is sent depends on that. "
        "To make each: key: sku"
    ) in text


def test_jobs_that_cannot_be_rendered_are_listed_each_with_its_line() -> None:
    unfit = tuple(
        make_job(str(number), line=f"animals.csv:{number}", problem="prompt: it is empty.")
        for number in range(2, 14)
    )
    census = make_census(
        {Reason.FAILED: Line(jobs=12, types=Counter(template=12))}, unfit=unfit, unfit_jobs=12
    )

    lines = describe(make_plan_of(census), command="batchgen run m.yaml").splitlines()

    at = lines.index("template         12 jobs fail as written, unsent and unpaid")
    assert lines[at + 1] == "                 animals.csv:2  prompt: it is empty."
    assert lines[at + 11] == "                 and 2 more (--json lists them)"


@pytest.mark.parametrize(
    ("line", "selection", "row"),
    [
        pytest.param(
            Line(jobs=2000, sent=1, cost_usd=Decimal("0.12")),
            Selection(limit=1),
            "new                 1       0.12  never sent; 1,999 more wait behind --limit 1",
            id="a limit",
        ),
        pytest.param(
            Line(jobs=3, sent=3, unpriced=3),
            Selection(),
            "new                 3          ?  never sent",
            id="a price that nobody knows",
        ),
        pytest.param(
            Line(jobs=1_000_000, sent=1_000_000, cost_usd=Decimal(80_000)),
            Selection(),
            "new         1,000,000  80,000.00  never sent",
            id="a million",
        ),
    ],
)
def test_a_row_of_the_table(line: Line, selection: Selection, row: str) -> None:
    plan = make_plan_of(make_census({Reason.NEW: line}), selection=selection)

    assert row in describe(plan, command="batchgen run m.yaml").splitlines()


def test_a_prompt_cannot_command_the_terminal() -> None:
    job = make_job("fox", variables={"animal": "\x1b[2Jfox"})
    job = replace(job, input={**job.input, "prompt": "a\x1b]0;owned\x07 fox\non\ttwo lines"})
    census = make_census({Reason.NEW: Line(jobs=1, sent=1)}, first=job)

    text = describe(make_plan_of(census), command="batchgen run m.yaml")

    assert all(letter.isprintable() for letter in text.replace("\n", ""))


def test_a_parameter_is_named_where_its_value_alone_tells_nothing() -> None:
    sent = {"num_images": 2, "resolution": "1K", "sync_mode": False, "enable_web_search": True}
    job = make_job(input={**sent, "safety_tolerance": "4"}, variables={})
    census = make_census({Reason.NEW: Line(jobs=1, sent=1)}, first=job)

    text = describe(make_plan_of(census), command="batchgen run m.yaml")

    shown = "num_images 2  1K  sync_mode false  enable_web_search"
    assert f"first            {shown}  seed {job.seed}" in text, "what does not fit is left out"


def test_where_nothing_is_left_nothing_is_to_be_run() -> None:
    plan = make_plan_of(
        make_census({Reason.DONE: Line(jobs=3)}), is_new=False, begun_at="2026-11-21"
    )

    assert describe(plan, command="batchgen run m.yaml").splitlines()[-1] == "Nothing to do."


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(0.2, "1 min"), (59.4, "59 min"), (145, "2 h 25 min"), (60 * 1000, "1,000 h 0 min")],
)
def test_a_time_as_people_say_it(minutes: float, said: str) -> None:
    assert duration(minutes) == said
