"""What a plan warns of, and in which order."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.plans import make_census

from batchgen.budget import Budget
from batchgen.planning import Line, Reason
from batchgen.planning.disk import Room
from batchgen.planning.neighbours import Neighbour
from batchgen.planning.warning import Findings, warn
from batchgen.settings import RunSettings

ROOMY = Room(images=1, needed_bytes=10**6, image_bytes=10**6, is_measured=True, free_bytes=10**9)
HUNDRED = Line(jobs=100, sent=100, images=100, cost_usd=Decimal(8))


def findings(lines: dict[Reason, Line] | None = None, **changes: Any) -> Findings:
    crowded = changes.pop("crowded", {})
    given: dict[str, Any] = {
        "census": make_census(lines or {Reason.NEW: HUNDRED}, crowded=crowded),
        "bill": Budget(),
        "settings": RunSettings(),
        "neighbours": (),
        "room": ROOMY,
        "notes": (),
        **changes,
    }
    return Findings(**given)


def test_a_plan_in_order_warns_of_nothing() -> None:
    assert warn(findings(bill=Budget(limit_usd=Decimal(8)))) == ()


@pytest.mark.parametrize(
    ("lines", "changes", "said"),
    [
        pytest.param(
            None,
            {"bill": Budget(limit_usd=Decimal(10), spent_usd=Decimal(6))},
            "the budget of $10.00 ends the run after about 50 of 100 jobs: $4.00 of it is left. "
            "For all: --budget 14.00",
            id="a budget that ends it",
        ),
        pytest.param(
            None,
            {"bill": Budget(limit_usd=Decimal(5), spent_usd=Decimal(6))},
            "the budget of $5.00 ends the run after about 0 of 100 jobs: $0.00 of it is left. "
            "For all: --budget 14.00",
            id="a budget that is used up",
        ),
        pytest.param(
            {Reason.NEW: Line(jobs=3, sent=3, unpriced=3)},
            {},
            "what this costs is not known: there is no price for the endpoint. "
            "Say what a job costs: --price USD",
            id="no price",
        ),
        pytest.param(
            {Reason.NEW: Line(jobs=3, sent=3, unpriced=3)},
            {"bill": Budget(limit_usd=Decimal(5))},
            "the budget cannot be kept without a price. Say what a job costs: --price USD",
            id="no price, and a budget",
        ),
        pytest.param(
            {Reason.UNKNOWN: Line(jobs=3, cost_usd=Decimal("0.36"))},
            {"settings": RunSettings(on_unknown="resubmit")},
            "--on-unknown resubmit: 3 unknown submissions may be sent once more and then be paid "
            "twice ($0.36).",
            id="what may be paid twice",
        ),
        pytest.param(
            None,
            {"neighbours": (Neighbour(folder=Path("/srv/data/jobs/old"), jobs=100),)},
            "all 100 new jobs were already paid for in the batch old ($8.00 would be paid again). "
            "To go on there: batchgen resume old, or batch: old in the manifest",
            id="a batch under another name",
        ),
        pytest.param(
            None,
            {"neighbours": (Neighbour(folder=Path("/srv/data/jobs/old"), jobs=25),)},
            "25 of the 100 new jobs were already paid for in the batch old ($2.00 would be paid "
            "again). To go on there: batchgen resume old, or batch: old in the manifest",
            id="a batch that shares some jobs",
        ),
        pytest.param(
            None,
            {
                "room": Room(
                    images=100,
                    needed_bytes=2e9,
                    image_bytes=2e7,
                    is_measured=False,
                    free_bytes=10**9,
                )
            },
            "the disk is too small: about 2.0 GB are needed and 1.0 GB are free. "
            "Put the batch elsewhere: --jobs-dir DIR",
            id="a small disk",
        ),
        pytest.param(
            None,
            {"crowded": {"images/all": 12_000, "images/more": 11_000}},
            "images/all/ gets 12,000 files; many tools and hubs take 10,000 in a folder. "
            "Put a variable before a / in filename",
            id="a folder that outgrows what tools take",
        ),
    ],
)
def test_a_warning_says_what_to_write(
    lines: dict[Reason, Line] | None, changes: dict[str, Any], said: str
) -> None:
    assert warn(findings(lines, **changes)) == (said,)


def test_unknowns_that_are_held_are_no_warning() -> None:
    held = {Reason.UNKNOWN: Line(jobs=3, cost_usd=Decimal("0.36"))}

    assert warn(findings(held)) == ()


def test_a_budget_that_is_used_up_is_no_warning_where_nothing_is_sent() -> None:
    bill = Budget(limit_usd=Decimal(5), spent_usd=Decimal(6))

    assert warn(findings({Reason.DONE: Line(jobs=100)}, bill=bill)) == ()


def test_a_full_folder_is_told_once() -> None:
    note = "m.yaml:3  filename puts about 12,000 files into one folder, and beyond 10,000 …"

    assert warn(findings(crowded={"images/all": 12_000}, notes=(note,))) == (note,)


def test_what_may_cost_most_comes_first_and_what_costs_nothing_last() -> None:
    warnings = warn(
        findings(
            bill=Budget(limit_usd=Decimal(5)),
            neighbours=(
                Neighbour(folder=Path("/jobs/few"), jobs=10),
                Neighbour(folder=Path("/jobs/all"), jobs=100),
            ),
            crowded={"images/all": 12_000},
            notes=("m.yaml:3  a note",),
        )
    )

    assert [text.split()[0] for text in warnings] == ["all", "the", "10", "images/all/", "m.yaml:3"]
