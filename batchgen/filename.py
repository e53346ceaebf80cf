"""Where an image is stored: a name that is safe in the same way on every system, and no one else's.

The name is the rendered `filename` template and the job's id. A `/` in the template makes a
folder; a `/` in a value does not, so values are made safe before they are joined.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from batchgen.job import Json
from batchgen.scalar import print_scalar
from batchgen.template import Template, compile_template

FOLDER = "images"

# What a folder's or a file's name may have, in UTF-8, extension included.
PART_BYTES = 120
# Kept free for what tells a name from a device's, and for "-<image_index>" and the extension,
# which are known later.
_TAIL_BYTES = len("_") + len("-99.webp")

_COLON_IN_RATIO = re.compile(r"(?<=[0-9]):(?=[0-9])")
# What Windows refuses, control characters, line ends, marks that turn the direction of text,
# and halves of characters, which no file name can hold.
_UNSAFE = re.compile(
    r'[<>:"\\|?*\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]'
)
# Names of devices on Windows, with any extension. Source:
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])", re.IGNORECASE)
_BLANKS_AND_DOTS_BEHIND = re.compile(r"[\s.]+\Z")
_JOB_ID = re.compile(r"(?=([k-z]{16}))")
# It joins what stands on both sides of it, and must not be left over by a cut.
_JOINER = "\u200d"


def compile_filename(text: str) -> Template:
    """Return a file name template, ready to be rendered: its values are made safe.

    Raises:
        TemplateError: It cannot be read.
    """
    return compile_template(text, show=_show)


def _show(value: Json) -> str:
    return safe_value(print_scalar(value))


def safe_value(text: str) -> str:
    """Return a value as it may stand in a path: it makes no folder and names no drive."""
    return _safe(unicodedata.normalize("NFC", text).replace("/", "-"))


def image_stem(job_id: str, rendered: str | None) -> str:
    """Return where a job's images are stored, without image index and extension.

    It begins with `images/`, never leaves that folder, and no other job has it, whether the
    file system tells upper from lower case or not.

    Args:
        job_id: The job's id.
        rendered: The rendered file name template, or None where the manifest has none.
    """
    if rendered is None:
        return f"{FOLDER}/{job_id[:2]}/{job_id}"
    *folders, last = unicodedata.normalize("NFC", rendered).split("/")
    parts = [part for part in map(_folder, folders) if part]
    return "/".join((FOLDER, *parts, _with_id(_part(last), job_id)))


def numbered_stem(stem: str, *, job_id: str, index: int, asked: int) -> str:
    """Return where one image of a job is stored, without its extension.

    Args:
        stem: From `image_stem`.
        job_id: The job's id.
        index: Which of the job's images it is, counted from 0.
        asked: How many images the job asks for.
    """
    is_numbered = asked > 1 or index > 0 or stem == image_stem(job_id, None)
    return f"{stem}-{index}" if is_numbered else stem


def image_file(stem: str, *, job_id: str, index: int, asked: int, extension: str) -> str:
    """Return where one image of a job is stored.

    Args:
        stem: From `image_stem`.
        job_id: The job's id.
        index: Which of the job's images it is, counted from 0.
        asked: How many images the job asks for.
        extension: By the file's bytes: `png`.
    """
    return f"{numbered_stem(stem, job_id=job_id, index=index, asked=asked)}.{extension}"


def _safe(text: str) -> str:
    return _UNSAFE.sub("-", _COLON_IN_RATIO.sub("x", text))


def _part(text: str) -> str:
    """Return one part of a path without what no system takes; nothing where nothing is left."""
    return _stripped(_safe(text))


def _folder(text: str) -> str:
    return _cut(_no_device(_part(text)), PART_BYTES)


def _with_id(part: str, job_id: str) -> str:
    """Return the last part of a path with the job's id in it.

    The id is not repeated where the part has it already. It must be the only one there: with
    the ids of two jobs in it, the same name could be that of both.
    """
    limit = PART_BYTES - _TAIL_BYTES
    whole = _cut(part, limit)
    if job_id in whole and set(_ids_in(whole)) == {job_id}:
        return _no_device(whole)
    cut = _cut(part, limit - len(job_id) - 1)
    return _no_device(f"{cut}-{job_id}" if cut else job_id)


def _no_device(part: str) -> str:
    """Return a part that Windows does not take for a device: one byte longer, or as it was."""
    return f"_{part}" if _DEVICE.fullmatch(part.split(".", 1)[0].rstrip()) else part


def _ids_in(part: str) -> Iterator[str]:
    return (match[1] for match in _JOB_ID.finditer(part.casefold()))


def _cut(part: str, limit_bytes: int) -> str:
    """Return as much of a part as fits, no character cut in two."""
    encoded = part.encode()
    if len(encoded) <= limit_bytes:
        return part
    return _stripped(encoded[:limit_bytes].decode(errors="ignore").rstrip(_JOINER))


def _stripped(part: str) -> str:
    """Return a part without blanks at its ends, nor dots behind it: Windows drops them."""
    return _BLANKS_AND_DOTS_BEHIND.sub("", part).lstrip()
