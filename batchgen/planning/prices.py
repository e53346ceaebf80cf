"""Which prices a plan is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from batchgen.endpoint import load_endpoint
from batchgen.planning.census import Pile


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """The prices of one endpoint, as far as a plan needs them.

    Attributes:
        endpoint: Its id.
        date: The day of its price table, as in `2026-11-20`; `""` where there is none.
        lines: What an image costs, and what comes on top: `("2K", 0.12)`.
    """

    endpoint: str
    date: str
    lines: tuple[tuple[str, Decimal], ...]


def list_prices(endpoints: Iterable[str], piles: Iterable[Pile]) -> tuple[PriceList, ...]:
    """Return the prices that some jobs are reckoned with, by endpoint.

    Args:
        endpoints: The manifest's endpoints.
        piles: The jobs.
    """
    found: dict[str, dict[str, Decimal]] = {name: {} for name in endpoints}
    for pile in piles:
        job = pile.example
        lines = load_endpoint(job.endpoint).price_lines(job.input)
        found.setdefault(job.endpoint, {}).update(lines)
    return tuple(
        PriceList(
            endpoint=name,
            date=load_endpoint(name).prices_of or "",
            lines=tuple(line for line in load_endpoint(name).price_lines() if line[0] in lines),
        )
        for name, lines in found.items()
    )
