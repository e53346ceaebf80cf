"""Keep what is spent and reserved below what may be spent."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

ZERO = Decimal(0)


@dataclass(slots=True, kw_only=True)
class Budget:
    """What a batch has cost, may still cost, and may cost at the most.

    Attributes:
        limit_usd: The most that all runs of the batch together may cost, or None for no limit.
        spent_usd: The charges of the attempts that have ended.
        reserved_usd: What the open and the unknown attempts may still cost.
    """

    limit_usd: Decimal | None = None
    spent_usd: Decimal = ZERO
    reserved_usd: Decimal = ZERO

    @property
    def left_usd(self) -> Decimal | None:
        """What may still be reserved; None where there is no limit."""
        if self.limit_usd is None:
            return None
        return self.limit_usd - self.spent_usd - self.reserved_usd

    def allows(self, price_usd: Decimal) -> bool:
        """Say whether one more attempt at this price stays within the limit."""
        left = self.left_usd
        return left is None or price_usd <= left

    def reserve(self, price_usd: Decimal) -> None:
        """Set the price of an attempt aside, before its POST."""
        self.reserved_usd += price_usd

    def settle(self, *, reserved_usd: Decimal, charged_usd: Decimal) -> None:
        """Turn the reservation of an attempt that has ended into its charge."""
        self.reserved_usd -= reserved_usd
        self.spent_usd += charged_usd


def share(total_usd: Decimal, *, rows: int) -> list[Decimal]:
    """Share a charge over the ledger rows of a job, to the millionth; the rest goes to the first.

    The shares add up to `total_usd` exactly, so that the sum over the ledger is the bill.
    """
    each = (total_usd / rows).quantize(Decimal("0.000001"), rounding="ROUND_DOWN")
    shares = [each] * rows
    shares[0] = total_usd - each * (rows - 1)
    return shares


def dollars(amount: Decimal) -> str:
    """Write an amount as the CSVs have it: plain, with at least cents, no exponent."""
    cents = amount.quantize(Decimal("0.01"))
    return f"{cents if cents == amount else amount.normalize():f}"
