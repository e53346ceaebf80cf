"""What is asked before money is spent, and when."""

from __future__ import annotations

from decimal import Decimal

import pytest

from batchgen.cli.questions import spending_question


@pytest.mark.parametrize(
    ("cost", "jobs", "left", "question"),
    [
        pytest.param("240.36", 2003, None, "Spend up to $240.36 on 2,003 jobs?", id="much"),
        pytest.param("10.01", 1, None, "Spend up to $10.01 on 1 job?", id="just more than $10"),
        pytest.param("10.00", 125, None, "", id="$10 is not more than $10"),
        pytest.param("0", 0, None, "", id="nothing is sent"),
        pytest.param("240.36", 2003, "10.00", "", id="the rest of the budget is no more than $10"),
        pytest.param("240.36", 2003, "500", "Spend up to $240.36 on 2,003 jobs?", id="within it"),
        pytest.param(
            "240.36",
            2003,
            "25",
            "Spend up to $25.00, the rest of the budget, on some of 2,003 jobs ($240.36 for all)?",
            id="the budget ends it before",
        ),
        pytest.param(None, 40, None, "Send 40 jobs whose price is not known?", id="no price"),
        pytest.param(None, 0, None, "", id="no price, and nothing to send"),
    ],
)
def test_only_what_may_cost_more_than_ten_dollars_is_asked(
    cost: str | None, jobs: int, left: str | None, question: str
) -> None:
    amount, rest = (None if text is None else Decimal(text) for text in (cost, left))

    assert spending_question(amount, jobs, left_usd=rest) == question
