"""Read the bytes that a data URI carries."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_to_bytes

from batchgen.errors import ImageError


def parse_data_uri(url: str) -> bytes:
    """Return the bytes of a data URI, base64 or percent-encoded.

    Its media type is not looked at: what the bytes are shows in the bytes.

    Raises:
        ImageError: It is no data URI, or its base64 is damaged.

    Source:
        RFC 2397; RFC 4648, sections 4 and 5.
    """
    scheme, colon, rest = url.partition(":")
    head, comma, body = rest.partition(",")
    if scheme.lower() != "data" or not colon or not comma:
        raise ImageError(f"not a data URI: {url[:40]!a}")
    payload = unquote_to_bytes(body) if "%" in body else _ascii(body)
    if head.lower().replace(" ", "").endswith(";base64"):
        return _decode_base64(payload)
    return payload


def _ascii(body: str) -> bytes:
    try:
        return body.encode("ascii")
    except UnicodeEncodeError as error:
        raise ImageError("the data URI holds characters that no data URI may hold") from error


def _decode_base64(payload: bytes) -> bytes:
    # Line breaks are usual, padding is often left out, and some encoders use the alphabet that
    # is safe in URLs.
    compact = b"".join(payload.split()).translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        return base64.b64decode(compact + b"=" * (-len(compact) % 4), validate=True)
    except binascii.Error as error:
        raise ImageError(f"the base64 of the data URI is damaged: {error}") from error
