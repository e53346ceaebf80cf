"""Images for tests: small, real, of every kind."""

from __future__ import annotations

import random
from functools import cache
from io import BytesIO

from PIL import Image, ImageChops


@cache
def sample_image(
    kind: str = "PNG",
    *,
    width: int = 64,
    height: int = 48,
    mode: str = "RGB",
    frames: int = 1,
    compress_level: int = 6,
    lossless: bool = False,
    progressive: bool = False,
) -> bytes:
    """Return an image of noise, the same each time."""
    pixels = random.Random(1).randbytes(width * height * 3)
    first = Image.frombytes("RGB", (width, height), pixels).convert(mode)
    others = [ImageChops.offset(first, shift) for shift in range(1, frames)]
    options: dict[str, object] = {"save_all": True, "append_images": others} if others else {}
    if kind == "PNG":
        options["compress_level"] = compress_level
    if kind == "WEBP":
        options["lossless"] = lossless
    if kind == "JPEG":
        options["progressive"] = progressive
    file = BytesIO()
    first.save(file, kind, **options)
    return file.getvalue()
