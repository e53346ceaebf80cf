"""Numbers and booleans that print as they are written; everything else is text.

One rule for manifests, cells and templates: `0.5` is a number because it prints as `0.5`;
`1.10`, `007` and `1e5` would print otherwise, so they are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from itertools import islice
from math import isfinite

from batchgen.job import Json

# Beyond this an integer is not exact in every JSON reader, and RFC 8785 has no form for it.
MAX_INTEGER = 2**53 - 1

# So many names are listed in a message; a feed may have a hundred columns.
MAX_LISTED = 16

_NUMBER = re.compile(r"(0|-?[1-9][0-9]*)|-?(?:0|[1-9][0-9]*)\.[0-9]*[1-9]", re.ASCII)
_BEGINS_A_SCALAR = frozenset("-0123456789tf")


def read_scalar(text: str) -> str | int | float | bool:
    """Return the number or boolean that `text` is the print of, else `text` itself."""
    if not text or text[0] not in _BEGINS_A_SCALAR:
        return text
    if text == "true":
        return True
    if text == "false":
        return False
    return read_number(text)


def read_number(text: str) -> str | int | float:
    """Return the number that `text` is the print of, else `text` itself."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return text
    if match[1] is None:
        number = float(text)
        # More digits than a float holds: it would print otherwise.
        return number if print_number(number) == text else text
    if len(text) > len(str(MAX_INTEGER)) + 1:
        return text
    return int(text) if abs(int(text)) <= MAX_INTEGER else text


def print_number(number: float) -> str:
    """Return a number without exponent and without a fraction of zero: `0.5`, `2`, `-3`."""
    if isinstance(number, int):
        return str(int(number))
    if not isfinite(number):
        raise ValueError(f"{number} is not a number that can be written")
    return format(Decimal(repr(number)), "f").removesuffix(".0") if number else "0"


def print_scalar(value: Json) -> str:
    """Return text, a number or a boolean as it is written in a manifest.

    Raises:
        ValueError: It is a mapping, a list, nothing at all or not a finite number.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return print_number(value)
    raise ValueError(f"it is {kind_of(value)}")


def listed(names: Iterable[str]) -> str:
    """Return names as a message lists them, the first dozen or so."""
    first = list(islice(names, MAX_LISTED + 1))
    return ", ".join(first if len(first) <= MAX_LISTED else [*first[:MAX_LISTED], "…"])


def kind_of(value: Json) -> str:
    """Return what a value is, as a message says it: `a mapping (name, home)`, `a list of 3`."""
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return f"a mapping ({listed(value)})"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return "true or false"
    return "text" if isinstance(value, str) else "a number"
