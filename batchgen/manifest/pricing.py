"""What all jobs of a block cost, without expansion: counted by what the price depends on."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import product
from math import prod

from batchgen.job import Json
from batchgen.manifest.block import Block
from batchgen.manifest.cells import ParameterColumn
from batchgen.manifest.region import Region
from batchgen.manifest.rows import Rows

# Beyond so many classes the dearest price is assumed for every job.
MAX_CLASSES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Values of a dimension that cost the same.

    Attributes:
        members: The values, by number.
        options: Parameter → what they set; a cell may have several values, by place.
        takes: How many takes these rows have, or None if they do not say.
        place: For a place in cells: the parameter, and which of its values is meant.
    """

    members: Sequence[int] = ()
    options: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    takes: int | None = None
    place: tuple[str, int] | None = None


def price_bound_usd(block: Block) -> Decimal | None:
    """Return what the block's jobs cost before folding; None where there is no price table.

    It is exact, but for what is drawn: then the dearest combinations are assumed to be.
    """
    price = block.maker.endpoint.price
    if price is None:
        return None
    names = {price.by, "num_images", *(extra.parameter for extra in price.surcharges)}
    counted = _Counted(block=block, names=frozenset(names))
    main = counted.total(block.main, most=block.drawn)
    return main + (counted.total(block.included) if block.included else Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """Counts the jobs of a block by what their price depends on."""

    block: Block
    names: frozenset[str]

    def total(self, region: Region, *, most: int | None = None) -> Decimal:
        """Return what the jobs of a region cost, or of the dearest `most` combinations."""
        dimensions = [*self._rows(region.rows), *self._axes(region)]
        if prod(map(len, dimensions)) > MAX_CLASSES:
            return self._dearest(dimensions) * (
                region.count() if most is None else most * region.repeat
            )
        total = Decimal(0)
        left = region.grid.count if most is None else most
        classes = ((self._price(chosen), chosen) for chosen in product(*dimensions))
        for price, chosen in sorted(classes, key=lambda found: -found[0]):
            keep = {
                depth: frozenset(group.members)
                for depth, group in enumerate(chosen)
                if dimensions[depth][1:]
            }
            combinations = min(left, region.grid.restricted(keep).count)
            takes = chosen[0].takes if chosen else None
            total += price * combinations * (region.repeat if takes is None else takes)
            left -= combinations
        return total

    def _price(self, chosen: Sequence[_Group]) -> Decimal:
        places = dict(group.place for group in chosen if group.place)
        settled = dict(self.block.maker.parameters)
        for group in chosen:
            for name, options in group.options.items():
                settled[name] = options[min(places.get(name, 0), len(options) - 1)]
        return self.block.maker.endpoint.price_usd(settled) or Decimal(0)

    def _dearest(self, dimensions: Iterable[Sequence[_Group]]) -> Decimal:
        """Return the price of a job that has the dearest of everything."""
        found = {name: [value] for name, value in self.block.maker.parameters.items()}
        for groups in dimensions:
            for group in groups:
                for name, options in group.options.items():
                    found.setdefault(name, []).extend(options)
        few = {name: list({repr(v): v for v in values}.values()) for name, values in found.items()}
        endpoint = self.block.maker.endpoint
        names = [name for name in few if name in self.names]
        prices = (
            endpoint.price_usd(dict(zip(names, values, strict=True)))
            for values in product(*(few[name] for name in names))
        )
        return max((price for price in prices if price is not None), default=Decimal(0))

    def _rows(self, rows: Rows | None) -> Iterator[list[_Group]]:
        if rows is None:
            return
        priced = [column for column in rows.parameters if column.name in self.names]
        if priced or rows.takes:
            yield self._grouped_rows(rows, priced)
        else:
            yield [_Group(members=range(len(rows)))]
        for number in rows.several:
            name, most = rows.parameters[number].name, rows.most[number]
            if name in self.names:
                yield [_Group(members=[place], place=(name, place)) for place in range(most)]
            else:
                yield [_Group(members=range(most))]

    def _grouped_rows(self, rows: Rows, priced: Sequence[ParameterColumn]) -> list[_Group]:
        groups: dict[Hashable, tuple[_Group, list[int]]] = {}
        for number, row in enumerate(rows):
            cells = ((column.name, column.options(column.cell(row.cells))) for column in priced)
            options = {name: [o.settled for o in found] for name, found in cells if found}
            takes = rows.takes[number] if rows.takes else None
            key = (repr(options), takes)
            if key not in groups:
                groups[key] = _Group(options=options, takes=takes), []
            groups[key][1].append(number)
        return [replace(group, members=members) for group, members in groups.values()]

    def _axes(self, region: Region) -> Iterator[list[_Group]]:
        if region is not self.block.main:
            for entries in region.axes:
                yield self._axis([entries.value(n).parameters for n in range(len(entries))])
            return
        for axis in self.block.axes:
            if self.names & axis.sets:
                yield self._axis(axis.settled)
            else:
                yield [_Group(members=range(len(axis)))]

    def _axis(self, settled: Iterable[Mapping[str, Json]]) -> list[_Group]:
        groups: dict[str, tuple[_Group, list[int]]] = {}
        for number, parameters in enumerate(settled):
            options = {n: [value] for n, value in parameters.items() if n in self.names}
            groups.setdefault(repr(options), (_Group(options=options), []))[1].append(number)
        return [replace(group, members=members) for group, members in groups.values()]
