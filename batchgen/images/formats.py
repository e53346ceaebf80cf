"""Tell the kinds of image apart by the bytes that they begin with."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from PIL.AvifImagePlugin import AvifImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from batchgen.errors import ImageError
from batchgen.images.wholeness import (
    Data,
    is_whole_avif,
    is_whole_gif,
    is_whole_jpeg,
    is_whole_png,
    is_whole_webp,
)

# So many characters of what came instead of an image are shown.
EXCERPT_CHARACTERS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFormat:
    """A kind of image.

    Attributes:
        extension: What its files end with, without the dot.
        content_type: Its media type.
        signature: What its files begin with.
        open: Pillow's reader for this kind and no other. `PIL.Image.open` is not used: it has
            a bound of its own, half of ours, that is global to the process.
        is_whole: Whether its last byte is there.
    """

    extension: str
    content_type: str
    signature: re.Pattern[bytes]
    open: Callable[[BinaryIO], ImageFile]
    is_whole: Callable[[Data], bool]


FORMATS = (
    ImageFormat(
        extension="png",
        content_type="image/png",
        signature=re.compile(rb"\x89PNG\r\n\x1a\n"),
        open=PngImageFile,
        is_whole=is_whole_png,
    ),
    ImageFormat(
        extension="jpg",
        content_type="image/jpeg",
        signature=re.compile(rb"\xff\xd8\xff"),
        open=JpegImageFile,
        is_whole=is_whole_jpeg,
    ),
    ImageFormat(
        extension="webp",
        content_type="image/webp",
        signature=re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
        open=WebPImageFile,
        is_whole=is_whole_webp,
    ),
    ImageFormat(
        extension="gif",
        content_type="image/gif",
        signature=re.compile(rb"GIF8[79]a"),
        open=GifImageFile,
        is_whole=is_whole_gif,
    ),
    ImageFormat(
        extension="avif",
        content_type="image/avif",
        signature=re.compile(rb".{4}ftypavi[fs]", re.DOTALL),
        open=AvifImageFile,
        is_whole=is_whole_avif,
    ),
)


def sniff(data: Data) -> ImageFormat:
    """Return what kind of image these bytes begin.

    Raises:
        ImageError: None of ours; the message shows what it is instead.
    """
    for image_format in FORMATS:
        if image_format.signature.match(data):
            return image_format
    raise ImageError(f"not an image but {_describe(data[:400])}")


def _describe(head: bytes) -> str:
    if not head:
        return "nothing at all: 0 bytes"
    text = head.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    if "\0" in text or text.count("\N{REPLACEMENT CHARACTER}") > 1:
        return f"bytes of no kind that is known here: {head[:12].hex(' ')}"
    # Control characters could move the cursor of whoever reads the message.
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    kind = {"<": "HTML or XML", "{": "JSON", "[": "JSON"}.get(text[:1], "text")
    return f"{kind}: {shown[:EXCERPT_CHARACTERS]}"
