"""Make a small picture of a large one; it runs in processes of its own, so it imports little."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

# More than ten times the largest image that is sold. What is above it was made to fill the memory.
MAX_PIXELS = 200_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a small picture is.

    Attributes:
        edge: Width and height are at most this, in pixels …
        long_edge: … unless the picture is so narrow that its long side may be longer.
        quality: Of WebP, up to 100.
    """

    edge: int
    long_edge: int
    quality: int


THUMBNAIL = Size(edge=320, long_edge=640, quality=72)
PREVIEW = Size(edge=1600, long_edge=1600, quality=84)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One small picture to be made.

    Attributes:
        source: The image.
        target: Where the small one goes; WebP.
        size: How large it is.
    """

    source: str
    target: str
    size: Size


def make_small(orders: Sequence[Order]) -> list[bool]:
    """Make some small pictures, each whole or not at all; return which could be made."""
    return [_make(order) for order in orders]


def _make(order: Order) -> bool:
    target = Path(order.target)
    new = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with Image.open(order.source) as image:
            if image.width * image.height > MAX_PIXELS:
                return False
            box = _box(image.width, image.height, order.size)
            image.draft("RGB", box)  # of a JPEG only so much is decoded as is needed
            small = image if image.mode in ("RGB", "RGBA") else _plain(image)
            small.thumbnail(box, Image.Resampling.LANCZOS, reducing_gap=2.0)
            small.save(new, "WEBP", quality=order.size.quality, method=2, exif=b"", xmp=b"")
        new.replace(target)
    except Exception:  # noqa: BLE001 - Pillow's readers raise whatever their parsing meets
        new.unlink(missing_ok=True)
        return False
    return True


def _plain(image: Image.Image) -> Image.Image:
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _box(width: int, height: int, size: Size) -> tuple[int, int]:
    """Return the most that the small picture may measure.

    A panorama of 8:1 within a square would be a line: its long side may be longer.
    """
    short, long = sorted((width, height))
    edge = min(size.long_edge, max(size.edge, round(size.edge / 2 * long / max(1, short))))
    return edge, edge
