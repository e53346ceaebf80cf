"""A price table: what an image costs, and what a billed unit costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self, cast

from batchgen.job import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Surcharge:
    """What an image costs more where a parameter has a certain value.

    Attributes:
        name: As `plan` says it: `web search`.
        parameter: Its parameter.
        value: The value at which it is charged.
        usd: An image.
    """

    name: str
    parameter: str
    value: Json
    usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The price table of an endpoint. Prices are USD, for one image.

    Attributes:
        date: The day of the table, as in `2026-11-20`.
        unit_usd: What a billed unit costs.
        by: The parameter that decides how many units an image is.
        units: That parameter's values → units an image.
        surcharges: What comes on top; the service does not say whether it is charged for
            each image or each request, so each image is assumed: a budget must hold.
    """

    date: str
    unit_usd: Decimal
    by: str
    units: Mapping[str, Decimal]
    surcharges: tuple[Surcharge, ...]
    # A grid of a million jobs has a handful of prices.
    _known: dict[tuple[Json, ...], Decimal] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def parse(cls, table: Mapping[str, Json]) -> Self:
        """Return the table of a description's `price`."""
        units = cast("dict[str, str]", table["units"])
        surcharges = cast("list[dict[str, str]]", table["surcharges"])
        return cls(
            date=str(table["date"]),
            unit_usd=Decimal(str(table["unit_usd"])),
            by=str(table["by"]),
            units={value: Decimal(factor) for value, factor in units.items()},
            surcharges=tuple(
                Surcharge(
                    name=entry["name"],
                    parameter=entry["parameter"],
                    value=entry["value"],
                    usd=Decimal(entry["usd"]),
                )
                for entry in surcharges
            ),
        )

    def of_image(self, input: Mapping[str, Json], defaults: Mapping[str, Json]) -> Decimal:
        """Return the price of one image of a settled input, surcharges included."""
        key = (input.get(self.by), *(input.get(extra.parameter) for extra in self.surcharges))
        usd = self._known.get(key)
        if usd is None:
            usd = sum((line for _, line in self.lines(input, defaults)), Decimal(0))
            self._known[key] = usd
        return usd

    def of_units(self, units: Decimal) -> Decimal:
        """Return what so many billed units cost."""
        return _plain(units * self.unit_usd)

    def lines(
        self, input: Mapping[str, Json] | None, defaults: Mapping[str, Json]
    ) -> tuple[tuple[str, Decimal], ...]:
        """Return the table's lines; with an input, only those that make up its price."""
        sizes = self.units if input is None else [str(input.get(self.by, defaults[self.by]))]
        # A size that the table lacks raises here: no price is better than a wrong one.
        base = [(size, _plain(self.units[size] * self.unit_usd)) for size in sizes]
        extras = [
            (extra.name, extra.usd)
            for extra in self.surcharges
            if input is None or input.get(extra.parameter) == extra.value
        ]
        return (*base, *extras)


def _plain(usd: Decimal) -> Decimal:
    """Return an amount with at least two places and no zeros behind them."""
    return (
        max(usd.normalize(), usd.quantize(Decimal("0.01")), key=_places) if usd else Decimal("0.00")
    )


def _places(usd: Decimal) -> int:
    return -int(usd.as_tuple().exponent)
