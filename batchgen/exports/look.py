"""Look at one image: is it what the ledger says, is there anything on it, what is it like?"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from batchgen.errors import ImageError
from batchgen.images.formats import sniff

# A frame is blank if no channel spans more than this, of 255. A flat frame that was saved as a
# JPEG spans one or two; the faintest night sky spans far more.
BLANK_SPAN = 12

# The perceptual hash: the lowest frequencies of a small grey copy, each above the median or not.
GREY_SIDE = 32
HASH_SIDE = 8

# A JPEG is decoded at a smaller scale where that is at least so many pixels a side.
_DRAFT_SIDE = 256

_NUMBERS = np.arange(GREY_SIDE)
# The first rows of the discrete cosine transform, type II.
_COSINES = np.cos(np.pi * np.arange(HASH_SIDE)[:, None] * (2 * _NUMBERS + 1) / (2 * GREY_SIDE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What an image shows.

    Attributes:
        fault: Why it is not what the ledger says, or `""`: `file missing`, `file damaged`.
        blank: Whether it is one colour all over.
        phash: Its perceptual hash, 64 bits.
    """

    fault: str = ""
    blank: bool = False
    phash: int = 0


def look(path: Path, *, sha256: str) -> Look:
    """Return what an image shows.

    Args:
        path: The image.
        sha256: The hash of its bytes as the ledger has it; `""` where it has none.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return Look(fault="file missing")
    if not sha256 or hashlib.sha256(data).hexdigest() != sha256:
        return Look(fault="file damaged")
    try:
        return look_at(data)
    except (ImageError, OSError, ValueError, SyntaxError, MemoryError):
        return Look(fault="file damaged")


def look_at(data: bytes) -> Look:
    """Return what the bytes of an image show."""
    with sniff(data).open(BytesIO(data)) as image:
        image.draft("RGB", (_DRAFT_SIDE, _DRAFT_SIDE))
        seen = _opaque(image)
    return Look(blank=_is_blank(seen), phash=perceptual_hash(seen))


def perceptual_hash(image: Image.Image) -> int:
    """Return 64 bits of which few differ between two images that look alike.

    Source:
        http://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html, with the
        median; the bits are those of `imagehash.phash`.
    """
    side = (GREY_SIDE, GREY_SIDE)
    grey = np.asarray(image.convert("L").resize(side, Image.Resampling.LANCZOS), dtype=float)
    low = _COSINES @ grey @ _COSINES.T
    bits = (low > np.median(low)).flatten()
    return int.from_bytes(np.packbits(bits).tobytes())


def _opaque(image: Image.Image) -> Image.Image:
    """Return an image without transparency: on grey, so that nothing invisible counts."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    visible = image.convert("RGBA")
    ground = Image.new("RGBA", visible.size, (128, 128, 128, 255))
    return Image.alpha_composite(ground, visible).convert("RGB")


def _is_blank(image: Image.Image) -> bool:
    return all(high - low <= BLANK_SPAN for low, high in _spans(image))


def _spans(image: Image.Image) -> list[tuple[float, float]]:
    return [band.getextrema() for band in image.split()]  # type: ignore[misc]  # one band: a pair
