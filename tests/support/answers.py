"""Answers of the real service, kept with their source: what client and simulator are held to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "data" / "answers"

# The request that all samples speak of.
REQUEST_ID = "764cabcf-b745-4b3e-ae38-1200304cf45b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One answer.

    Attributes:
        name: The file's, without extension.
        source: Where it was seen.
        call: `submit`, `status`, `result` or `cancel`.
        http: Its status code.
        headers: Its headers.
        content: Its body.
    """

    name: str
    source: str
    call: str
    http: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        """The JSON in its body; None if there is none."""
        try:
            return json.loads(self.content)
        except ValueError:
            return None


@cache
def load_sample(name: str) -> Sample:
    """Return the sample of that name."""
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    text = found["text"] if "text" in found else json.dumps(found["body"])
    return Sample(
        name=name,
        source=found["source"],
        call=found["call"],
        http=found["http"],
        headers=found["headers"],
        content=text.encode(),
    )


def sample_names() -> list[str]:
    """Return the names of all samples, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))
