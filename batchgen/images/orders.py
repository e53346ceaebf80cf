"""What two processes say to each other about images: an order, and what came of it.

::

    [7, "https://…/a.png", "images/kz/kzmx-0", null]        → fetch this, store it as that
    [7, "saved", "images/kz/kzmx-0.png", "image/png", …]    ← it is on disk
    [7, "failed", "gone.example answered 404 …", true, 404, null]
    [7, "refused", "cannot write …", 28]                    ← by the disk
    [7, "undone"]                                           ← try it yourself
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from typing import Any, NamedTuple

from batchgen.errors import ImageError, StorageError
from batchgen.images.saved import SavedImage
from batchgen.job import Json

# What the process that takes orders says before anything else, and then now and then, so often in
# seconds: whoever gives orders knows that it is still there.
READY: Sequence[Json] = (0, "ready")
ALIVE: Sequence[Json] = (0, "alive")
PULSE_S = 5.0


class Order(NamedTuple):
    """An image to fetch and to store; see `ImageStore.download`."""

    number: int
    url: str
    stem: str
    size_hint: int | None


def outcome_of(number: int, came: SavedImage | ImageError | None) -> list[Json]:
    """Return the message that says what came of an order; None: nothing, for no known reason."""
    match came:
        case SavedImage():
            return [number, "saved", *astuple(came)]
        case StorageError():
            return [number, "refused", str(came), came.errno]
        case ImageError():
            return [number, "failed", str(came), came.gone, came.http, came.retry_after_s]
        case None:
            return [number, "undone"]


def parse_outcome(said: Sequence[Any]) -> SavedImage | ImageError | None:
    """Return what such a message says."""
    match said:
        case [_, "saved", file, content_type, width, height, length, sha256]:
            return SavedImage(
                file=file,
                content_type=content_type,
                width=width,
                height=height,
                bytes=length,
                sha256=sha256,
            )
        case [_, "refused", message, errno]:
            return StorageError(message, errno=errno)
        case [_, "failed", message, gone, http, retry_after_s]:
            return ImageError(message, gone=gone, http=http, retry_after_s=retry_after_s)
        case _:
            return None
