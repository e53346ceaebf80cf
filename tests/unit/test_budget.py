"""What is spent, reserved and left."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.budget import Budget, dollars, share

AMOUNTS = st.decimals(0, 100_000, places=6, allow_nan=False)


@pytest.mark.parametrize(
    ("limit", "spent", "reserved", "price", "expected"),
    [
        pytest.param("1.00", "0", "0", "1.00", True, id="exactly the limit is allowed"),
        pytest.param("1.00", "0", "0", "1.01", False, id="a cent more is not"),
        pytest.param("1.00", "0.90", "0", "0.12", False, id="what is spent counts"),
        pytest.param("1.00", "0", "0.90", "0.12", False, id="what is reserved counts too"),
        pytest.param("1.00", "0.60", "0.30", "0.10", True, id="both together leave the rest"),
        pytest.param("1.00", "2.00", "0", "0.00", False, id="a lowered limit allows nothing"),
        pytest.param("0", "0", "0", "0", True, id="what costs nothing is always allowed"),
        pytest.param(None, "9999", "0", "9999", True, id="no limit, no end"),
    ],
)
def test_one_more_attempt_is_allowed(
    limit: str | None, spent: str, reserved: str, price: str, expected: bool
) -> None:
    budget = Budget(
        limit_usd=None if limit is None else Decimal(limit),
        spent_usd=Decimal(spent),
        reserved_usd=Decimal(reserved),
    )

    assert budget.allows(Decimal(price)) is expected


def test_ten_dimes_are_a_dollar_to_the_cent() -> None:
    budget = Budget(limit_usd=Decimal("1.00"))
    for _ in range(10):
        assert budget.allows(Decimal("0.10"))
        budget.reserve(Decimal("0.10"))

    assert budget.left_usd == 0
    assert not budget.allows(Decimal("0.01"))


def test_a_reservation_becomes_a_charge_and_leaves_the_difference() -> None:
    budget = Budget(limit_usd=Decimal("1.00"))

    budget.reserve(Decimal("0.12"))
    budget.settle(reserved_usd=Decimal("0.12"), charged_usd=Decimal("0.08"))

    assert (budget.spent_usd, budget.reserved_usd) == (Decimal("0.08"), 0)
    assert budget.left_usd == Decimal("0.92")


@given(total=AMOUNTS, rows=st.integers(1, 7))
def test_shares_add_up_to_the_charge_exactly(total: Decimal, rows: int) -> None:
    shares = share(total, rows=rows)

    assert len(shares) == rows
    assert sum(shares) == total
    assert all(isinstance(one, Decimal) for one in shares)


@given(total=AMOUNTS, rows=st.integers(1, 7))
def test_what_cannot_be_shared_goes_to_the_first_row(total: Decimal, rows: int) -> None:
    first, *others = share(total, rows=rows)

    assert len(set(others)) <= 1
    assert all(0 <= other <= first for other in others)
    assert first - (others or [first])[0] < Decimal("0.000001") * rows


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        pytest.param("0", "0.00", id="nothing"),
        pytest.param("0.1", "0.10", id="at least cents"),
        pytest.param("0.080000", "0.08", id="no zeros behind them"),
        pytest.param("0.026667", "0.026667", id="as exact as it is"),
        pytest.param("1E+2", "100.00", id="no exponent"),
        pytest.param("0.0000001", "0.0000001", id="not even for the smallest"),
        pytest.param("1234567.5", "1234567.50", id="no separators"),
    ],
)
def test_an_amount_is_written_plainly(amount: str, expected: str) -> None:
    assert dollars(Decimal(amount)) == expected


@given(AMOUNTS)
def test_an_amount_is_read_again_as_it_was_written(amount: Decimal) -> None:
    assert Decimal(dollars(amount)) == amount
