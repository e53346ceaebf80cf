"""Share images out over splits: always the same way, and takes of one thing together."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from batchgen.errors import UsageError
from batchgen.ledger import FIXED
from batchgen.manifest import Manifest

# What everything is in where nothing is split, as loaders call it.
WHOLE = "train"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_SPACE = Decimal(2**64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One split, and where its share ends, from 0 to 1."""

    name: str
    until: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """All splits of an export, in order; none where it is not split."""

    parts: tuple[Split, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(part.name for part in self.parts) or (WHOLE,)

    def of(self, key: Sequence[str]) -> str:
        """Return the split of all images that have this key: it depends on nothing else."""
        if not self.parts:
            return WHOLE
        digest = hashlib.sha256("\x1f".join(key).encode(errors="replace")).digest()
        place = Decimal(int.from_bytes(digest[:8])) / _SPACE
        return next((part.name for part in self.parts if place < part.until), self.parts[-1].name)


def parse_splits(text: str) -> Splits:
    """Return what `--split` says; `""` is nothing.

    Raises:
        UsageError: It is not as in `train=0.9,test=0.1`.
    """
    if not text:
        return Splits()
    parts: list[Split] = []
    until = Decimal(0)
    for entry in text.split(","):
        name, _, share = entry.strip().partition("=")
        size = _share(share)
        if not _NAME.fullmatch(name) or size is None or name in [part.name for part in parts]:
            raise _unfit(text)
        until += size
        parts.append(Split(name=name, until=until))
    if until != 1:
        raise UsageError(f"--split is {text!r}. Its shares add up to {until}, and should to 1")
    return Splits(parts=tuple(parts))


def _share(text: str) -> Decimal | None:
    try:
        share = Decimal(text)
    except InvalidOperation:
        return None
    return share if share.is_finite() and 0 < share <= 1 else None


def _unfit(text: str) -> UsageError:
    return UsageError(
        f"--split is {text!r}. It takes names and their shares, as in train=0.9,test=0.1"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """What stays together: all images with the same cells in these columns."""

    columns: tuple[str, ...]

    def key(self, record: Mapping[str, str]) -> list[str]:
        """Return what images of one group have in common.

        Args:
            record: Column → cell of the ledger.
        """
        return [record[name] for name in self.columns]


def take_grouping(columns: Sequence[str], manifest: Manifest) -> Grouping:
    """Return what keeps all takes of one combination together.

    Parameters, variables and prompt tell combinations apart; a prompt that is rendered with the
    take does not.

    Args:
        columns: The ledger's.
        manifest: The batch's, as it is now.
    """
    settings = tuple(name for name in columns if name == "endpoint" or name not in FIXED)
    prompts = (block.maker.prompt for block in manifest.blocks)
    names_take = any(prompt is not None and "repeat" in prompt.variables for prompt in prompts)
    return Grouping(columns=settings if names_take else (*settings, "prompt"))
