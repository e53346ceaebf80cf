"""The ledger's columns that come of a manifest, in order of first appearance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from batchgen.job import Json
from batchgen.manifest.block import Block
from batchgen.manifest.reading import Spot
from batchgen.manifest.sections import Section
from batchgen.manifest.values import flat

_APART = frozenset({"prompt", "seed"})


def parameter_columns(blocks: Sequence[Block]) -> tuple[str, ...]:
    """Return what any job sets besides prompt and seed, in the order of the descriptions."""
    found = dict.fromkeys(name for block in blocks for name in _set_by(block))
    order = [name for block in blocks for name in block.maker.endpoint.parameters]
    return tuple(
        name for name in dict.fromkeys((*order, *found)) if name in found and name not in _APART
    )


def variable_columns(
    blocks: Sequence[Block], sections: Sequence[Section], value: Mapping[str, Json]
) -> tuple[str, ...]:
    """Return the flat variables in the order in which the manifest first has them."""
    found = [
        pair
        for block, section in zip(blocks, sections, strict=True)
        for pair in _defined(block, section)
    ]
    # Sorting is stable, so what stands at one place keeps its order.
    found.sort(key=lambda pair: _rank(dict(value), pair[0]))
    taken = parameter_columns(blocks)
    names = dict.fromkeys(name for _, name in found)
    return tuple(name for name in names if name not in taken)


def _set_by(block: Block) -> Iterator[str]:
    yield from block.maker.parameters
    yield from (name for axis in block.axes for name in axis.sets)
    yield from block.rows.sets if block.rows else ()
    for entries in block.included.axes if block.included else ():
        for number in range(len(entries)):
            yield from entries.value(number).parameters


def _defined(block: Block, section: Section) -> Iterator[tuple[Spot, str]]:
    """Yield where a variable is defined, and its flat name."""
    if block.name:
        yield ("sweeps",), "sweep"
    for name, part in section.variables.items():
        yield from ((part.spot, flat_name) for flat_name, _ in flat(name, part.value))
    for axis in block.axes:
        yield from ((axis.spot, name) for name in axis.columns)
    if block.rows:
        spot = section.keys["rows"].spot if "rows" in section.keys else ()
        yield from ((spot, name) for name in block.rows.flat_columns)
    for entries in block.included.axes if block.included else ():
        spot = section.keys["include"].spot
        for number in range(len(entries)):
            yield from ((spot, name) for name in entries.value(number).variables)


def _rank(value: Json, spot: Spot) -> tuple[int, ...]:
    """Return where a part stands among the others, as numbers that can be compared."""
    rank = []
    for step in spot:
        if isinstance(value, dict) and step in value:
            rank.append(list(value).index(str(step)))
            value = value[str(step)]
        elif isinstance(value, list) and isinstance(step, int):
            rank.append(step)
            value = value[step]
    return tuple(rank)
