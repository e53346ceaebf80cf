"""Draw a stand-in: a flat picture that shows what was asked for.

The bytes are a function of the input alone. At 1K it takes under 50 ms of CPU.
"""

from __future__ import annotations

import colorsys
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw

from batchgen.simulator.answer import Json, canonical
from batchgen.simulator.lettering import Type
from batchgen.simulator.size import Size

FORMATS: Mapping[str, tuple[str, str]] = {
    "jpeg": ("image/jpeg", "jpg"),
    "png": ("image/png", "png"),
    "webp": ("image/webp", "webp"),
}
# Below this there is no room for words.
LEAST_WIDTH_WITH_TEXT = 96
MOST_CHARACTERS = 1000
MOST_CHARACTERS_OF_A_VALUE = 60
LEAST_TYPE_PX = 8

_PROMPT_SHARES = (0.055, 0.042, 0.032, 0.024, 0.018)  # of the shorter side, tried in this order
_NOTE_SHARE = 0.024
_MARGIN_SHARE = 0.05

_SAVE: Mapping[str, Mapping[str, int]] = {
    "jpeg": {"quality": 85},
    "png": {"compress_level": 1},
    "webp": {"quality": 80, "method": 0},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What a picture shows.

    Attributes:
        input: What was sent.
        seed: The seed that was used.
        index: Which of the request's images, counted from 0.
        of: How many there are.
        size: In pixels.
        format: One of `FORMATS`.
    """

    input: Mapping[str, Json]
    seed: int
    index: int
    of: int
    size: Size
    format: str


def draw_picture(picture: Picture) -> bytes:
    """Return the picture's file. Takes long enough to belong into a thread."""
    size = (picture.size.width, picture.size.height)
    digest = hashlib.sha256(
        canonical([dict(picture.input), picture.seed, picture.index]).encode("utf-8", "replace")
    ).digest()
    image = Image.new("RGB", size, _colour(digest[0], lightness=0.24))
    canvas = ImageDraw.Draw(image)
    _draw_shapes(canvas, digest, size)
    if size[0] >= LEAST_WIDTH_WITH_TEXT:
        _draw_words(canvas, picture)
    file = io.BytesIO()
    image.save(file, picture.format.upper(), **_SAVE[picture.format])
    return file.getvalue()


def _colour(hue: int, *, lightness: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hls_to_rgb(hue / 256, lightness, 0.45)
    return round(red * 255), round(green * 255), round(blue * 255)


def _draw_shapes(canvas: ImageDraw.ImageDraw, digest: bytes, size: tuple[int, int]) -> None:
    """Draw three discs by which pictures are told apart at a glance."""
    width, height = size
    for disc in range(3):
        hue, across, down, share = digest[1 + 4 * disc : 5 + 4 * disc]
        radius = min(size) * (0.15 + 0.25 * share / 255)
        x, y = width * across / 255, height * down / 255
        box = (x - radius, y - radius, x + radius, y + radius)
        canvas.ellipse(box, fill=_colour(hue, lightness=0.28 + 0.04 * disc))


def _draw_words(canvas: ImageDraw.ImageDraw, picture: Picture) -> None:
    shorter = min(picture.size.width, picture.size.height)
    margin = max(2, round(shorter * _MARGIN_SHARE))
    room = picture.size.width - 2 * margin
    small = _type(max(LEAST_TYPE_PX, round(shorter * _NOTE_SHARE)))
    notes = small.wrap("  ·  ".join(_notes(picture)), width=room)
    notes_top = picture.size.height - margin - len(notes) * small.line_height
    prompt = _cut(str(picture.input.get("prompt") or ""), MOST_CHARACTERS)
    large, lines = _fit(prompt, shorter=shorter, width=room, height=notes_top - 2 * margin)
    large.write(canvas, lines, left=margin, top=margin)
    small.write(canvas, notes, left=margin, top=notes_top)


def _notes(picture: Picture) -> list[str]:
    shown = {key: value for key, value in picture.input.items() if key not in ("prompt", "seed")}
    return [
        *(f"{key} {_plain(value)}" for key, value in shown.items()),
        f"seed {picture.seed}",
        f"{picture.size.width} x {picture.size.height}",
        *([f"image {picture.index + 1} of {picture.of}"] if picture.of > 1 else []),
        "simulated",
    ]


def _plain(value: Json) -> str:
    text = value if isinstance(value, str) else canonical(value)
    return _cut(text, MOST_CHARACTERS_OF_A_VALUE)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}…"


def _fit(text: str, *, shorter: int, width: int, height: float) -> tuple[Type, list[str]]:
    """Return the largest type in which a text fits, and its lines; at worst it is cut."""
    for share in _PROMPT_SHARES:
        letters = _type(max(LEAST_TYPE_PX, round(shorter * share)))
        lines = letters.wrap(text, width=width)
        room = max(1, int(height / letters.line_height))
        if len(lines) <= room:
            return letters, lines
    return letters, [*lines[: room - 1], f"{lines[room - 1]} …"]


@lru_cache(maxsize=64)
def _type(size_px: int) -> Type:
    return Type(size_px)
