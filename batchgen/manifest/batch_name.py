"""`batch:` → a name that is the name of a folder on every system."""

from __future__ import annotations

import re
import unicodedata

# Room for "-simulated" in what file systems take.
MOST_BYTES = 100

_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


def batch_name_fault(name: str) -> str:
    """Return what is wrong with a batch's name, and what would be right; `""` if nothing is."""
    if not name.strip():
        return "batch is empty. It takes a name for its folder: portraits."
    if unsafe := _UNSAFE.search(name):
        shown = repr(unsafe[0])
        return f"batch is '{name}'. A folder's name has no {shown} in it: write {_tidy(name)}."
    if name[0] in ".- " or name[-1] in ". ":
        return f"batch is '{name}'. A folder's name begins and ends with a letter: {_tidy(name)}."
    if _DEVICE.fullmatch(name):
        return f"batch is '{name}', which is the name of a device on Windows: write {name}-1."
    if name != unicodedata.normalize("NFC", name) or not name.isprintable():
        return f"batch is '{name}', which has characters that do not print: write it anew."
    if len(name.encode()) > MOST_BYTES:
        return f"batch is '{name}', which is longer than {MOST_BYTES} bytes."
    return ""


def _tidy(name: str) -> str:
    return _UNSAFE.sub("-", name).strip(".- ") or "portraits"
