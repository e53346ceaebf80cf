"""What came of an export."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from batchgen.exports.holes import LEFT, NOT_IN_LEDGER, Hole
from batchgen.job import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What came of an export.

    Attributes:
        batch: The batch's name.
        simulated: Whether its images are drawn stand-ins.
        format: The format's name.
        folder: Where it is; nothing is there if it was refused.
        images: Images in it; of a table, those that its rows name.
        rows: Rows in it.
        bytes: What the images come to.
        splits: Split → its images.
        left_out: Why images were left out that are there → how many.
        former: Images in it that the manifest no longer asks for.
        holes: Why images are missing → how many.
        first_holes: The first of them.
        damaged: Files that are not there, or not what the ledger says.
        is_refused: Whether it was refused because something is missing.
        warnings: What somebody should know of it.
    """

    batch: str
    simulated: bool
    format: str
    folder: Path
    images: int = 0
    rows: int = 0
    bytes: int = 0
    splits: Mapping[str, int] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    former: int = 0
    holes: Counter[str] = field(default_factory=Counter)
    first_holes: tuple[Hole, ...] = ()
    damaged: int = 0
    is_refused: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 where it was refused, or a file is not what the ledger says; else 0."""
        return 1 if self.is_refused or self.damaged else 0

    @property
    def is_left(self) -> bool:
        """Whether an image is missing that a further run would make, or fetch."""
        return any(label in LEFT for label in self.holes)

    @property
    def has_failed(self) -> bool:
        """Whether an image is missing because it failed."""
        return any(label not in {*LEFT, NOT_IN_LEDGER} for label in self.holes)

    @property
    def reason(self) -> str:
        """Why it does not end with 0, or `""`."""
        if self.is_refused:
            return f"{self.holes.total()} missing"
        return f"{self.damaged} damaged" if self.damaged else ""

    def as_json(self) -> dict[str, Json]:
        """Return it as `--json` has it."""
        return {
            "batch": self.batch,
            "simulated": self.simulated,
            "format": self.format,
            "folder": str(self.folder),
            "images": self.images,
            "rows": self.rows,
            "bytes": self.bytes,
            "splits": dict(self.splits),
            "left_out": dict(self.left_out),
            "former": self.former,
            "missing": self.holes.total(),
            "missing_by_reason": dict(self.holes),
            "damaged": self.damaged,
            "warnings": list(self.warnings),
            "exit_code": self.exit_code,
            "reason": self.reason,
        }
