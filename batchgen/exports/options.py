"""What somebody wants of an export, checked before anything is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from batchgen.errors import UsageError
from batchgen.exports.columns import Copy
from batchgen.exports.formats import FORMATS, Format, Making, require_package
from batchgen.exports.likeness import Dedup
from batchgen.exports.picture import Resize
from batchgen.exports.selection import SUCCEEDED
from batchgen.exports.splits import Splits
from batchgen.picks import Picks

# The kinds of table that an image folder may have; the first is the default.
METADATA = ("parquet", "jsonl", "csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What somebody wants of an export.

    Attributes:
        to: The format's name.
        out: Where it goes.
        metadata: The kind of table that an image folder has; `""` for the default.
        where: As written: `style=ukiyo-e`.
        statuses: Those that a row may have.
        picks: What somebody thinks of the images.
        splits: How images are shared out.
        group_by: Columns whose values stay in one split; empty: takes stay together.
        copies: Columns that are there under another name, too.
        caption: A template; `""` for the prompt.
        name: A template; `""` for the names that the batch has.
        dedup: Which duplicates are left out.
        drop_blank: Whether images of one colour are left out.
        resize: The most that an image may measure.
        is_linked: Whether files are links to the batch's.
        is_strict: Whether nothing is written where something is missing.
        shard_images: The most images in a shard.
        shard_bytes: The size at which a shard is full, in bytes.
    """

    to: str
    out: Path
    metadata: str = ""
    where: Sequence[str] = ()
    statuses: frozenset[str] = frozenset({SUCCEEDED})
    picks: Picks | None = None
    splits: Splits = field(default_factory=Splits)
    group_by: Sequence[str] = ()
    copies: Sequence[Copy] = ()
    caption: str = ""
    name: str = ""
    dedup: Dedup = field(default_factory=Dedup)
    drop_blank: bool = False
    resize: Resize | None = None
    is_linked: bool = False
    is_strict: bool = False
    shard_images: int = 1_000
    shard_bytes: int = 500_000_000

    @property
    def format(self) -> Format:
        """The format."""
        return FORMATS[self.to]

    @property
    def making(self) -> Making:
        """What some formats want to know besides."""
        return Making(
            metadata=self.metadata or METADATA[0],
            shard_images=self.shard_images,
            shard_bytes=self.shard_bytes,
        )

    @property
    def asked(self) -> str:
        """Which images were asked for, as the command has it; `""` for all of them."""
        parts = [f"--where {text}" for text in self.where]
        if self.statuses != {SUCCEEDED}:
            parts += [f"--status {name}" for name in sorted(self.statuses)]
        if self.picks is not None:
            parts.append(f"--picks {self.picks.path.name}")
        if self.dedup.near:
            parts.append(f"--dedup near:{self.dedup.threshold}")
        elif self.dedup.exact:
            parts.append("--dedup exact")
        if self.drop_blank:
            parts.append("--drop-blank")
        if self.resize is not None:
            parts.append(f"--resize {self.resize.width}x{self.resize.height}")
        return " ".join(parts)

    def check(self) -> None:
        """Refuse options that do not go together.

        Raises:
            UsageError: They do not, or a package is missing.
        """
        for is_wrong, text in self._conflicts():
            if is_wrong:
                raise UsageError(text)
        require_package(self.format.package, purpose=f"--to {self.to}")
        if self.to == "imagefolder" and self.making.metadata == "parquet":
            require_package("pyarrow", purpose="--metadata parquet, the default,")

    def _conflicts(self) -> list[tuple[bool, str]]:
        form = self.format
        others = sorted(self.statuses - {SUCCEEDED})
        named = ", ".join(one.name for one in FORMATS.values() if one.names_files)
        placing = ", ".join(one.name for one in FORMATS.values() if one.places_files)
        tables = ", ".join(one.name for one in FORMATS.values() if not one.holds_images)
        return [
            (
                form.holds_images and bool(others),
                f"--status {' and '.join(others)}: such a row has no image, and {self.to} holds "
                f"images. Tables take every row: --to {tables}.",
            ),
            (
                self.is_linked and not form.places_files,
                f"--link: {self.to} has no files of its own that could be links; {placing} have.",
            ),
            (
                self.is_linked and self.resize is not None,
                "--link and --resize: a smaller image is another file. Leave one of them out.",
            ),
            (
                self.resize is not None and not form.holds_images,
                f"--resize: {self.to} is a table and holds no images.",
            ),
            (
                bool(self.name) and not form.names_files,
                f"--name: {self.to} names its files by itself; {named} take names.",
            ),
            (
                bool(self.metadata) and self.to != "imagefolder",
                f"--metadata: {self.to} has no metadata file; imagefolder has.",
            ),
            (
                bool(self.group_by) and not self.splits.parts,
                "--group-by says what a split keeps together: add --split train=0.9,test=0.1",
            ),
        ]
