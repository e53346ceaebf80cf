"""Load exports with Hugging Face `datasets`, in a process of its own, without network.

    python -m support.load_datasets FOLDER…

Gives JSON: folder → its features, and split → rows; an image is the SHA-256 of its pixels.
"""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import UTC, datetime
from typing import Any

import datasets
from PIL import Image


def loaded(folder: str) -> dict[str, Any]:
    """Return what `load_dataset` makes of a folder."""
    found = datasets.load_dataset(folder)
    first = next(iter(found.values()))
    return {
        "features": {name: type_of(feature) for name, feature in first.features.items()},
        "splits": {name: [as_json(row) for row in rows] for name, rows in found.items()},
    }


def streamed(folder: str) -> int:
    """Return how many images come when a folder is streamed."""
    parts = datasets.load_dataset(folder, streaming=True)
    return sum(1 for part in parts.values() for _ in part)


def type_of(feature: Any) -> str:
    """Return a column's type in a word."""
    if isinstance(feature, datasets.Image):
        return "image"
    return getattr(feature, "dtype", "struct")


def as_json(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, dict):
        return {name: as_json(one) for name, one in value.items()}
    if isinstance(value, Image.Image):
        return f"{value.size} {hashlib.sha256(value.convert('RGB').tobytes()).hexdigest()}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


if __name__ == "__main__":
    # A warning of theirs is not ours; that theirs is refused, is.
    datasets.disable_progress_bars()
    found = {folder: {**loaded(folder), "streamed": streamed(folder)} for folder in sys.argv[1:]}
    sys.stdout.write(json.dumps(found))
