"""Images that come inside a result: files first, so that no row ever holds their bytes."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from functools import partial

from batchgen.errors import ImageError, StorageError
from batchgen.filename import numbered_stem
from batchgen.images import ImageStore, parse_data_uri
from batchgen.job import Job, Json

# What stands in a record in place of an image: this, and the SHA-256 of its bytes in hex.
INSIDE = "data:"

# A text of so many characters in nothing but base64's alphabet is bytes, not a text.
LEAST_BASE64 = 4096

# No image endpoint nests deeper; what was made to exhaust a reader's stack is cut off here.
MOST_LEVELS = 50

_BASE64 = re.compile(r"[A-Za-z0-9+/_=\s-]+")


async def keep_inside(
    output: Mapping[str, Json], job: Job, *, images: ImageStore
) -> dict[str, Json]:
    """Return a result without the bytes of its images; when this returns, they are files.

    Args:
        output: The model's output. An image is a mapping with a `url`, or a URL alone; there is
            a list `images`, or one `image`.
        job: The job, which names the files.
        images: Where they go.

    Returns:
        The output, where each image that came inside has a `url` of `data:<sha256>` and its
        `file`, or no `url` and an `error`. Other bytes in it are left out in the same way.

    Raises:
        StorageError: The disk refused an image.
    """
    kept = dict(output)
    found = kept.get("images")
    if found is None and _is_inside(_url(kept.get("image"))):
        found = [kept.pop("image")]
    elif _is_inside(_url(found)):
        found = [found]  # one image where a list is due
    if isinstance(found, list):
        kept["images"] = [
            await _kept(image, job, index, images) if _is_inside(_url(image)) else image
            for index, image in enumerate(found)
        ]
    return {name: _without_bytes(value) for name, value in kept.items()}


async def _kept(image: Json, job: Job, index: int, images: ImageStore) -> Json:
    """Return an image's entry after its bytes have become a file."""
    beside = image if isinstance(image, dict) else {}

    stem = numbered_stem(job.file, job_id=job.job_id, index=index, asked=job.images)
    try:
        data = await asyncio.to_thread(parse_data_uri, _url(image))
        saved = await asyncio.to_thread(partial(images.save, data, stem=stem))
    except StorageError:
        raise
    except ImageError as error:
        return {**beside, "url": "", "error": str(error)}
    return {**beside, "url": f"{INSIDE}{saved.sha256}", "file": saved.file}


def _url(image: Json) -> str:
    url = image.get("url") if isinstance(image, dict) else image
    return url if isinstance(url, str) else ""


def _is_inside(url: str) -> bool:
    return url[: len(INSIDE)].lower() == INSIDE


def _without_bytes(value: Json, *, levels: int = MOST_LEVELS) -> Json:
    match value:
        case dict() | list() if not levels:
            return "…"
        case dict():
            return {name: _without_bytes(one, levels=levels - 1) for name, one in value.items()}
        case list():
            return [_without_bytes(one, levels=levels - 1) for one in value]
        case str() if len(value) >= LEAST_BASE64 and (
            _is_inside(value) or _BASE64.fullmatch(value)
        ):
            return f"{INSIDE}{hashlib.sha256(value.encode(errors='replace')).hexdigest()}"
        case _:
            return value
