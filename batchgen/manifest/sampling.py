"""`--sample`: a fixed part of a manifest's jobs, spread over its blocks, takes and values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from batchgen.grid import Combination, GridPool, ListPool, Pool, choose
from batchgen.job import Draft
from batchgen.manifest.block import Block
from batchgen.manifest.holes import printed

# What rows are called among the axes.
ROWS = "rows"

# A value of an axis, as it prints, or a row by its number.
Shown: TypeAlias = tuple[str, str | int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Take:
    """What is taken of a block in one take: combinations in order."""

    main: Sequence[Combination]
    included: Sequence[Combination]


class ManifestSample:
    """A part of a manifest's jobs.

    Each block gets its share of the jobs and covers what earlier blocks have not shown, so
    that blocks over the same axes show their values together. If values are left out although
    there are enough jobs, the blocks get as many as their longest axis needs first. Within a
    block, takes come one after the other: other combinations are worth more than other seeds.
    """

    def __init__(self, blocks: Sequence[Block], *, jobs: int) -> None:
        """Choose `jobs` jobs, or all that there are."""
        self._blocks = blocks
        counts = [block.count() for block in blocks]
        even = _Choice(blocks, _shares(counts, jobs, needs=[0] * len(counts)))
        needs = [max(block.main.grid.lengths, default=1) for block in blocks]
        self._choice = even
        if even.unseen() and blocks[1:]:
            fitted = _Choice(blocks, _shares(counts, jobs, needs=needs))
            self._choice = min(even, fitted, key=lambda choice: sum(choice.unseen().values()))

    def drafts(self) -> Iterator[Draft]:
        """Yield drafts of the jobs, in the order in which the whole manifest has them."""
        for take in range(max(map(len, self._choice.takes))):
            for block, takes in zip(self._blocks, self._choice.takes, strict=True):
                if take < len(takes):
                    for values in block.main.pick(takes[take].main):
                        yield block.maker.draft(values, take)
                    if block.included:
                        for values in block.included.pick(takes[take].included):
                            yield block.maker.draft(values, take)

    def unseen(self) -> Mapping[str, int]:
        """Return for each axis (`rows` for the rows) how many of its values no job shows."""
        return self._choice.unseen()


class _Choice:
    """What is chosen of each block, given how many jobs each gets."""

    def __init__(self, blocks: Sequence[Block], shares: Sequence[int]) -> None:
        self._several = len(blocks) > 1
        self._pools: list[tuple[Block, Pool]] = []
        self._shown: set[Shown] = set()
        self.takes = [self._choose(*pair) for pair in zip(blocks, shares, strict=True)]

    def unseen(self) -> Mapping[str, int]:
        left = (
            (name, value)
            for block, pool in self._pools
            for name, value in (_shown(block, *pair) for pair in pool.unseen())
            if name and (name, value) not in self._shown
        )
        # Blocks may have the same axes; one block has each value once.
        return Counter(name for name, _ in (set(left) if self._several else left))

    def _choose(self, block: Block, share: int) -> list[_Take]:
        takes: list[_Take] = []
        while share > 0 and len(takes) < block.takes:
            pools = list(self._make_pools(block, len(takes)))
            if not takes:
                self._pools.append((block, pools[0]))
            sample = choose(pools, share)
            takes.append(_Take(main=sample.parts[0], included=[*sample.parts[1:], []][0]))
            share -= sum(map(len, sample.parts))
        self._shown.update(
            _shown(block, *pair) for take in takes for c in take.main for pair in enumerate(c)
        )
        return takes

    def _make_pools(self, block: Block, take: int) -> Iterator[Pool]:
        seen = self._seen(block) if self._several and not take else {}
        if block.draw is not None:
            drawn = list(block.combinations()) if take < block.main.repeat else []
            yield ListPool(drawn, seen=seen)
        else:
            yield GridPool(block.main.in_take(take), seen=seen)
        if block.included:
            yield GridPool(block.included.in_take(take))

    def _seen(self, block: Block) -> dict[int, set[int]]:
        """Return which values of a block's dimensions other blocks show."""
        return {
            depth: {
                value
                for value in range(dimension.size)
                if _shown(block, depth, value) in self._shown
            }
            for depth, dimension in enumerate(block.main.grid.dimensions)
        }


def _shown(block: Block, depth: int, value: int) -> Shown:
    """Return what a value of a dimension shows; nothing, if it is but a place in cells."""
    before = 1 + len(block.rows.several) if block.rows else 0
    if depth >= before:
        axis = block.axes[depth - before]
        return axis.name, printed(axis.values[value])
    return (ROWS, value) if depth == 0 else ("", None)


def _shares(counts: Sequence[int], jobs: int, *, needs: Sequence[int]) -> list[int]:
    """Return how many of some jobs each block gets: what it needs, the rest by its size.

    Every block gets one at least, if there are as many as blocks.
    """
    least = 1 if jobs >= len(counts) else 0
    shares = [min(count, max(need, least)) for count, need in zip(counts, needs, strict=True)]
    if sum(shares) > jobs:
        shares = [min(count, least) for count in counts]
    room = [count - share for count, share in zip(counts, shares, strict=True)]
    left = min(jobs - sum(shares), sum(room))
    whole = sum(room) or 1
    # The largest remainders get what rounding down leaves over; ties go to earlier blocks.
    rest = sorted(range(len(room)), key=lambda n: -(left * room[n] % whole))
    more = [left * size // whole for size in room]
    for number in rest[: left - sum(more)]:
        more[number] += 1
    return [share + extra for share, extra in zip(shares, more, strict=True)]
