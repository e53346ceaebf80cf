"""A mapping in memory → plain data, and the YAML text that means the same."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import isfinite

from batchgen.job import Json
from batchgen.manifest.reading import Reading, Spot, dotted
from batchgen.scalar import MAX_INTEGER

# YAML takes these for line ends, or does not take them at all, unless they are escaped.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def as_json(value: Mapping[str, object], *, reading: Reading) -> dict[str, Json]:
    """Return a copy of a mapping as plain data; what cannot stand in a manifest is noted."""
    return {
        str(key): _plain(below, (str(key),), reading)
        for key, below in value.items()
        if _is_name(key, (), reading)
    }


def as_yaml(value: Json) -> str:
    """Return a YAML text for plain data: JSON, its keys in order."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n"


def _plain(value: object, spot: Spot, reading: Reading) -> Json:
    match value:
        case None | bool():
            return value
        case str():
            return _text(value, spot, reading)
        case int() if abs(value) <= MAX_INTEGER:
            return int(value)
        case float() if isfinite(value) and value.is_integer() and abs(value) <= MAX_INTEGER:
            return int(value)
        case float() if isfinite(value):
            return float(value)
        case int() | float():
            reading.mistake(f"{dotted(spot)}: {value} is no number that JSON has.", at=spot)
        case Mapping():
            return {
                str(key): _plain(below, (*spot, str(key)), reading)
                for key, below in value.items()
                if _is_name(key, spot, reading)
            }
        case list() | tuple():
            return [_plain(below, (*spot, number), reading) for number, below in enumerate(value)]
        case _:
            kind = type(value).__name__
            text = f"{dotted(spot)}: a {kind} cannot stand in a manifest; write it as text."
            reading.mistake(text, at=spot)
    return None


def _text(text: str, spot: Spot, reading: Reading) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        reading.mistake(f"{dotted(spot)}: the text holds half a character.", at=spot)
    return text


def _is_name(key: object, spot: Spot, reading: Reading) -> bool:
    if isinstance(key, str):
        _text(key, spot, reading)
        return True
    where = dotted(spot) or "the manifest"
    reading.mistake(f"{where}: the key {key!r} is no text. Write '{key}'.", at=spot)
    return False
