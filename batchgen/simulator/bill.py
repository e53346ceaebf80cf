"""What the service reports as billed: units, of which one is an image at 1K.

Source:
    Protocol notes, section 9: factors by resolution, and surcharges taken per image.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from batchgen.simulator.answer import Json

UNITS_HEADER = "X-Fal-Billable-Units"
UNIT_PRICE_USD = Decimal("0.08")

_FACTORS = {"0.5K": Decimal("0.75"), "1K": Decimal(1), "2K": Decimal("1.5"), "4K": Decimal(2)}
_WEB_SEARCH_USD = Decimal("0.015")
_THINKING_USD = Decimal("0.002")


def units(input: Mapping[str, Json], *, images: int) -> Decimal:
    """Return the units of so many images made from `input`."""
    each = _FACTORS.get(str(input.get("resolution") or "1K"), Decimal(1))
    if input.get("enable_web_search") is True:
        each += _WEB_SEARCH_USD / UNIT_PRICE_USD
    if input.get("thinking_level") == "high":
        each += _THINKING_USD / UNIT_PRICE_USD
    return each * images


def written(amount: Decimal) -> str:
    """Return units as the header has them: no exponent, no zeros at the end."""
    return f"{amount.normalize():f}"
