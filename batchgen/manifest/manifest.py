"""A manifest: what a person wants, checked, and its jobs, drawn lazily."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain
from pathlib import Path

from batchgen.job import Draft, Job, draft_of
from batchgen.manifest.block import Block, Made
from batchgen.manifest.pricing import price_bound_usd
from batchgen.manifest.reading import ManifestFile
from batchgen.manifest.sampling import ManifestSample
from batchgen.manifest.shape import shape_of
from batchgen.redo_file import NO_LINES, RedoLines
from batchgen.settings import Portion, Setting, parse_portion


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest, found in order.

    Attributes:
        path: Where it is; None for a mapping in memory.
        batch: The batch's name, which is that of its folder.
        files: The files that it names.
        run: The options that it sets, in their types; see `RunSettings.merged`.
        warnings: What is not wrong and probably not meant, each with what to write.
        endpoints: The endpoints of its jobs, in order of first appearance.
        parameters: What any of its jobs sets besides prompt and seed, in the order of the
            endpoint's description: ledger columns.
        variables: Its flat variables, in order of first appearance: ledger columns. One that
            sets the parameter of its own name is not among them.
        blocks: Its sweeps; a manifest without sweeps has one block.
        redo: What the batch makes once more: jobs behind its own, in every part of it.
    """

    path: Path | None
    batch: str
    files: tuple[ManifestFile, ...]
    run: Mapping[str, Setting]
    warnings: tuple[str, ...]
    endpoints: tuple[str, ...]
    parameters: tuple[str, ...]
    variables: tuple[str, ...]
    blocks: tuple[Block, ...]
    _text: bytes | None
    redo: RedoLines = NO_LINES

    @property
    def text(self) -> bytes:
        """The manifest as it was read; of a mapping, YAML that means the same.

        Of a table it is read anew each time: it may be as long as its jobs are many.
        """
        if self._text is not None:
            return self._text
        return self.path.read_bytes() if self.path else b""

    @property
    def shape(self) -> str:
        """What its jobs are combinations of: `1,250 rows × 4 scene`."""
        return shape_of(self.blocks)

    def count(self, *, sample: str = "") -> int:
        """Return how many jobs there are before folding, by arithmetic.

        Args:
            sample: Only of this part, or `""`.
        """
        own = sum(block.count() for block in self.blocks)
        return (parse_portion(sample).of(own) if sample else own) + self.redo.count

    def with_redo(self, lines: RedoLines) -> Manifest:
        """Return this manifest with lines of `redo.csv` behind its own jobs."""
        return replace(self, redo=lines)

    def only_redo(self, lines: RedoLines) -> Manifest:
        """Return this manifest with some lines of `redo.csv` instead of its own jobs."""
        return replace(self, redo=lines, blocks=())

    def price_bound_usd(self) -> Decimal | None:
        """Return what all jobs cost at the most, without expansion.

        It is what they cost before folding; of drawn ones, the dearest are assumed to be
        drawn. None where an endpoint has no price table.
        """
        prices = [*map(price_bound_usd, self.blocks), self.redo.price_usd]
        known = [price for price in prices if price is not None]
        return sum(known, Decimal(0)) if len(known) == len(prices) else None

    def jobs(self, *, sample: str | None = None) -> Iterator[Job]:
        """Yield its jobs, drawn lazily, in order: takes, blocks, rows, axes, included entries.

        What is made once more comes after everything else, whatever part is drawn.

        The same job may come twice (`job_id` tells); folding is the caller's. A job that
        cannot be rendered comes with a `problem`.

        Args:
            sample: A part of them, the same each time: `40` or `5%`; None for all.

        Raises:
            ValueError: `sample` is no portion.
            ManifestError: A table on disk is no longer what it was when it was checked.
        """
        return (draft.make() for draft in self.drafts(sample=sample))

    def drafts(self, *, sample: str | None = None) -> Iterator[Draft]:
        """Yield its jobs as `jobs` does, made only as far as their identities need it.

        Args:
            sample: As for `jobs`.

        Raises:
            ValueError: As for `jobs`.
            ManifestError: As for `jobs`.
        """
        if sample is None or not self.blocks:
            own = self._all()
        else:
            own = self._sample(parse_portion(sample)).drafts()
        return chain(own, map(draft_of, self.redo.jobs()))

    def made(self) -> Iterator[Made]:
        """Yield its own jobs as `jobs` does, each with what is needed to name it once more."""
        for take, block in self._takes():
            yield from block.made(take)

    @property
    def takes(self) -> int:
        """The most takes that one of its combinations has."""
        return max((block.takes for block in self.blocks), default=0)

    def sample_note(self, sample: str) -> str:
        """Return what `plan` says where a sample shows not every value of every axis, or `""`.

        Raises:
            ValueError: `sample` is no portion.
        """
        unseen = self._sample(parse_portion(sample)).unseen()
        if not unseen:
            return ""
        left_out = ", ".join(f"{count:,} of {name}" for name, count in unseen.items())
        return f"a sample of {sample} has no room for every value; left out: {left_out}"

    def _sample(self, portion: Portion) -> ManifestSample:
        own = sum(block.count() for block in self.blocks)
        return ManifestSample(self.blocks, jobs=portion.of(own))

    def _all(self) -> Iterator[Draft]:
        for take, block in self._takes():
            yield from block.drafts(take)

    def _takes(self) -> Iterator[tuple[int, Block]]:
        for take in range(self.takes):
            for block in self.blocks:
                if take < block.takes:
                    yield take, block
