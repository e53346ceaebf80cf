"""Decode an image once, completely, and measure it."""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL.ImageFile import ImageFile

from batchgen.errors import ImageError, StorageError
from batchgen.images.formats import ImageFormat, sniff
from batchgen.images.wholeness import Data

# More than ten times the largest image that is sold (4K, about 17 million). What is above it
# was made to fill the memory. In pixels, all frames of an animation together.
MAX_PIXELS = 200_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What the bytes of an image say of it.

    Attributes:
        format: Its kind.
        width: In pixels.
        height: In pixels.
        bytes: How long it is.
        sha256: Of the bytes, in hex.
    """

    format: ImageFormat
    width: int
    height: int
    bytes: int
    sha256: str


def measure(data: Data, stream: BinaryIO, *, max_pixels: int = MAX_PIXELS) -> Measures:
    """Return the measures of an image that is whole and can be decoded to its last pixel.

    Args:
        data: The image.
        stream: The same bytes, to read from the beginning.
        max_pixels: An image with more is refused before it is decoded.

    Raises:
        ImageError: It is cut short, damaged, too large, or no image.
        OSError: The disk could not be read.
    """
    image_format = sniff(data)
    kind = image_format.extension.upper()
    if not image_format.is_whole(data):
        raise ImageError(f"the {kind} is damaged or ends early, after {len(data):,} bytes")
    try:
        with image_format.open(stream) as image:
            width, height = image.size
            _decode(image, max_pixels)
    except ImageError:
        raise
    except Exception as error:
        # Pillow's readers raise whatever their parsing meets: OSError, SyntaxError, ValueError,
        # struct.error, zlib.error, MemoryError … Only an OSError with a number is the disk's.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ImageError(f"the {kind} cannot be decoded: {error}") from error
    return Measures(
        format=image_format,
        width=width,
        height=height,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def measure_file(path: Path, *, max_pixels: int = MAX_PIXELS) -> Measures:
    """Return the measures of an image on disk, without reading it all into memory.

    Args:
        path: The image.
        max_pixels: An image with more is refused before it is decoded.

    Raises:
        ImageError: It is missing, cut short, damaged, too large, or no image.
        StorageError: The disk could not be read.
    """
    try:
        if not path.is_file() or not path.stat().st_size:
            raise ImageError(f"{path} is missing or empty")
        with (
            path.open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            return measure(data, stream, max_pixels=max_pixels)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"cannot read {path}: {reason}", errno=error.errno) from error


def _decode(image: ImageFile, max_pixels: int) -> None:
    frames = int(getattr(image, "n_frames", 1))
    pixels = image.width * image.height * frames
    if pixels > max_pixels:
        raise ImageError(f"the image has {pixels:,} pixels; {max_pixels:,} is the most")
    for frame in range(frames):
        image.seek(frame)
        image.load()
