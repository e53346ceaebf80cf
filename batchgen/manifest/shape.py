"""What a manifest's jobs are combinations of, in a few words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from batchgen.manifest.block import Block


def shape_of(blocks: Sequence[Block]) -> str:
    """Return the shape of all blocks: `1,250 rows × 4 scene`, `3 sweeps × (…)`."""
    shapes = [_shape(block) for block in blocks]
    if len(shapes) == 1:
        return shapes[0]
    if len(set(shapes)) == 1:
        inner = f"({shapes[0]})" if " " in shapes[0] else shapes[0]
        return f"{len(shapes)} sweeps × {inner}"
    return " + ".join(
        f"{block.name or f'sweep {number}'}: {shape}"
        for number, (block, shape) in enumerate(zip(blocks, shapes, strict=True), start=1)
    )


def _shape(block: Block) -> str:
    """Return the shape of a block: `4 market × 4 format − 3 + 1 include, × 3 takes`."""
    factors = " × ".join(_factors(block))
    main = block.main
    whole = prod(main.grid.lengths)
    left_out = whole - main.grid.count
    text = factors or "1 job"
    if left_out and not (block.rows and block.rows.several):
        text += f" − {left_out:,}"
    if block.drawn is not None:
        text = f"{block.drawn:,} drawn of {main.grid.count:,} ({text})"
    if block.included:
        text += f" + {block.included.grid.count:,} include"
    if block.takes > 1:
        takes = f"up to {block.takes:,}" if block.rows and block.rows.takes else f"{block.takes:,}"
        is_product = text == factors
        text += f" × {takes} takes" if is_product else f", × {takes} takes"
    return text


def _factors(block: Block) -> Iterator[str]:
    if block.rows:
        yield f"{len(block.rows):,} rows" if len(block.rows) > 1 else "1 row"
        if block.rows.several:
            names = (block.rows.parameters[number].name for number in block.rows.several)
            yield f"the values of {', '.join(names)} in their cells"
    for axis in block.axes:
        yield f"{len(axis):,} {axis.name}"
