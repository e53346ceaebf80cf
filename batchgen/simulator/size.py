"""How large an image is, by resolution and aspect ratio.

Source:
    The sizes of the model behind the endpoint at 1K,
    https://ai.google.dev/gemini-api/docs/image-generation; the others are half, twice and four
    times that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from batchgen.simulator.answer import Json

_AT_1K = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:2": (1264, 848),
    "3:4": (896, 1200),
    "4:3": (1200, 896),
    "4:5": (928, 1152),
    "5:4": (1152, 928),
    "9:16": (768, 1376),
    "16:9": (1376, 768),
    "21:9": (1584, 672),
    "1:4": (512, 2048),
    "4:1": (2048, 512),
    "1:8": (384, 3072),
    "8:1": (3072, 384),
}
_TIMES = {"0.5K": 0.5, "1K": 1.0, "2K": 2.0, "4K": 4.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Width and height, in pixels."""

    width: int
    height: int


def size_of(input: Mapping[str, Json], *, scale: float = 1.0) -> Size:
    """Return the size of the images that an input asks for.

    `auto`, and what nobody knows, is square; the model would choose.

    Args:
        input: What was sent.
        scale: By how much all images are smaller, as a factor.
    """
    width, height = _AT_1K.get(str(input.get("aspect_ratio")), _AT_1K["1:1"])
    times = _TIMES.get(str(input.get("resolution")), 1.0) * scale
    return Size(width=max(1, round(width * times)), height=max(1, round(height * times)))
