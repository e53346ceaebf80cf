"""What has changed in a manifest since the batch last ran, and what that leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from batchgen.batch import Batch
from batchgen.budget import ZERO
from batchgen.freezing import digest_of
from batchgen.job import Json
from batchgen.manifest import Manifest
from batchgen.manifest.yaml_text import parse_yaml
from batchgen.record import Record
from batchgen.standing import Standing
from batchgen.state import UNSETTLED, AttemptState

# Keys whose values are mappings of which each entry is something of its own.
_OPENED = frozenset({"grid", "variables", "parameters", "run"})

_TABLES = frozenset({".csv", ".tsv", ".jsonl"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is on record about jobs that the manifest no longer has, or all that is on record.

    Attributes:
        jobs: Jobs on record.
        open: Requests that are open: they are read and saved.
        undelivered: Made and paid, not on disk: they are fetched.
        unknown: Maybe accepted: looked up, never sent again.
        images: Images that were made.
        paid_usd: What they have cost.
    """

    jobs: int = 0
    open: int = 0
    undelivered: int = 0
    unknown: int = 0
    images: int = 0
    paid_usd: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What an edited manifest keeps.

    Attributes:
        since: When the earlier manifest was frozen: UTC, ISO 8601, as text.
        keys: What differs: `prompt`, `grid.style`, `products.csv`.
        kept: Jobs of the manifest that are on record.
        new: Jobs of the manifest that are not.
        former: What is on record and no longer in the manifest.
    """

    since: str
    keys: tuple[str, ...]
    kept: int
    new: int
    former: Left = field(default_factory=Left)


def is_edited(batch: Batch, manifest: Manifest) -> bool:
    """Say whether a manifest, or a file that it names, differs from what the batch ran last."""
    frozen = batch.state.frozen if batch.state is not None else None
    return frozen is not None and frozen.digest != digest_of(manifest)


def sum_up(record: Record, *, drawn: bool | None) -> Left:
    """Return what is on record about some jobs.

    Args:
        record: What is on record; the manifest's jobs are marked in it.
        drawn: True for jobs that the manifest has, False for those it has no longer, None for
            all.
    """
    jobs = open_ = undelivered = unknown = images = 0
    paid_usd = ZERO
    for standing, count in record.alike():
        if not was_sent(standing) or drawn not in (None, standing.drawn):
            continue
        state = standing.state
        jobs += count
        paid_usd += count * standing.charged_usd
        if state is AttemptState.SUBMITTED:
            open_ += count
        elif state in UNSETTLED:
            unknown += count
        elif state is AttemptState.COMPLETED:
            undelivered += count if standing.lacks_rows else 0
            images += count * standing.expected
    return Left(
        jobs=jobs,
        open=open_,
        undelivered=undelivered,
        unknown=unknown,
        images=images,
        paid_usd=paid_usd,
    )


def was_sent(standing: Standing) -> bool:
    """Say whether a job was ever sent; one that could not be rendered left a mere row."""
    return standing.state is not None


def changed_keys(before: Manifest, after: Manifest) -> tuple[str, ...]:
    """Return what differs between two manifests: keys, entries of a grid, files by their content.

    Comments, order and keys that begin with `x-` count for nothing.
    """
    old, new = _value(before), _value(after)
    if old is None or new is None:
        return _changed_table(before, after) + _changed_files(before, after)
    keys = [key for key in dict.fromkeys((*old, *new)) if not key.startswith("x-")]
    changed = [path for key in keys for path in _differing(key, old.get(key), new.get(key))]
    return (*changed, *_changed_files(before, after))


def _differing(key: str, old: Json, new: Json) -> list[str]:
    if old == new:
        return []
    if key not in _OPENED or not isinstance(old, dict) or not isinstance(new, dict):
        return [key]
    names = dict.fromkeys((*old, *new))
    return [f"{key}.{name}" for name in names if old.get(name) != new.get(name)] or [key]


def _value(manifest: Manifest) -> Mapping[str, Json] | None:
    """Return what a manifest says, or None where it is a table."""
    if manifest.path is not None and manifest.path.suffix.lower() in _TABLES:
        return None
    value = parse_yaml(manifest.text.decode(errors="replace"), "").value
    return value if isinstance(value, dict) else None


def _changed_table(before: Manifest, after: Manifest) -> tuple[str, ...]:
    if before.text == after.text:
        return ()
    return (after.path.name if after.path is not None else "the manifest",)


def _changed_files(before: Manifest, after: Manifest) -> tuple[str, ...]:
    kept = {file.written: file.path for file in before.files}
    return tuple(
        Path(file.written).name
        for file in after.files
        if file.written in kept and kept[file.written].read_bytes() != file.path.read_bytes()
    )
