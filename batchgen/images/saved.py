"""What is known of an image that is on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from batchgen.images.inspection import Measures


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedImage:
    """An image on disk; everything is measured from its bytes.

    Attributes:
        file: Its path relative to the batch's folder, with `/` and its extension.
        content_type: `image/png`, `image/jpeg`, …
        width: In pixels.
        height: In pixels.
        bytes: Its length.
        sha256: Of its bytes, in hex.
    """

    file: str
    content_type: str
    width: int
    height: int
    bytes: int
    sha256: str

    @classmethod
    def measured(cls, file: str, measures: Measures) -> Self:
        """Return an image whose bytes have these measures."""
        return cls(
            file=file,
            content_type=measures.format.content_type,
            width=measures.width,
            height=measures.height,
            bytes=measures.bytes,
            sha256=measures.sha256,
        )
