"""An image on its way into an export: the batch's own file, or a smaller one made of it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from batchgen.errors import ExportError, ImageError, UsageError
from batchgen.images.formats import sniff

# A resized JPEG, WebP or AVIF is compressed once more, so it is compressed little.
QUALITY = 95

_SAVED_AS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "gif": "GIF", "avif": "AVIF"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize:
    """The most that an image may measure, in pixels; none is made larger."""

    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image that is exported.

    Attributes:
        path: The batch's file.
        extension: By its bytes, without the dot.
        resized: The bytes of a smaller one that takes its place; None where none does.
        width: Of the smaller one, in pixels; None where there is none.
        height: The same.
    """

    path: Path
    extension: str
    resized: bytes | None = None
    width: int | None = None
    height: int | None = None

    def read(self) -> bytes:
        """Return its bytes."""
        return self.path.read_bytes() if self.resized is None else self.resized

    def place(self, target: Path, *, is_linked: bool) -> None:
        """Put it at a place in the export; the batch's file is not changed.

        Args:
            target: The place; nothing is there.
            is_linked: A second name for the batch's file instead of a copy.

        Raises:
            ExportError: The file cannot be linked there.
        """
        if self.resized is not None:
            target.write_bytes(self.resized)
        elif is_linked:
            _link(self.path, target)
        else:
            shutil.copyfile(self.path, target)


def parse_resize(text: str) -> Resize | None:
    """Return what `--resize` says; `""` is nothing.

    Raises:
        UsageError: It is neither a number of pixels nor as in `1024x768`.
    """
    if not text:
        return None
    width, _, height = text.lower().replace("×", "x").partition("x")
    height = height or width
    if width.isdecimal() and height.isdecimal() and int(width) and int(height):
        return Resize(width=int(width), height=int(height))
    raise UsageError(
        f"--resize is {text!r}. It takes the longer side's pixels, as in 512, or a box to fit "
        "into, as in 1024x768"
    )


def take_picture(path: Path, *, resize: Resize | None) -> Picture:
    """Return an image as it is exported: made smaller where it does not fit.

    Raises:
        ExportError: The file is no longer there, or cannot be decoded.
    """
    extension = path.suffix.lstrip(".").lower()
    if resize is None:
        return Picture(path=path, extension=extension)
    try:
        return _resized(path, extension, resize)
    except (ImageError, OSError, ValueError, SyntaxError, MemoryError) as error:
        raise ExportError(f"cannot make {path} smaller: {error}") from error


def _resized(path: Path, extension: str, resize: Resize) -> Picture:
    data = path.read_bytes()
    kind = sniff(data)
    with kind.open(BytesIO(data)) as image:
        if image.width <= resize.width and image.height <= resize.height:
            return Picture(path=path, extension=extension, width=image.width, height=image.height)
        small = _shrunk(image, resize)
        file = BytesIO()
        options = {"quality": QUALITY} if kind.extension in ("jpg", "webp", "avif") else {}
        profile = image.info.get("icc_profile")
        small.save(file, _SAVED_AS[kind.extension], icc_profile=profile, **options)
    return Picture(
        path=path,
        extension=extension,
        resized=file.getvalue(),
        width=small.width,
        height=small.height,
    )


def _shrunk(image: Image.Image, resize: Resize) -> Image.Image:
    # Colours of a palette cannot be mixed.
    full = image.convert("RGBA" if image.has_transparency_data else "RGB")
    whole = full if image.mode in ("P", "PA") else image
    scale = min(resize.width / image.width, resize.height / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return whole.resize(size, Image.Resampling.LANCZOS)


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError as error:
        raise ExportError(
            f"cannot link {path} to {target.parent}: {error.strerror}. Links reach no other disk, "
            "and not every file system has them; export with --copy instead."
        ) from error
