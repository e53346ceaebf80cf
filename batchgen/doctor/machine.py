"""Look at the machine: versions, and how many files may be open."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, requires, version

from batchgen.doctor.finding import Finding, fine, warning, wrong
from batchgen.version import VERSION

# What a run with the usual twenty open requests needs, with room to spare.
FEW_FILES = 256

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*(?:>=\s*([0-9.]+))?")

# Faster, and done without where it is missing.
_OPTIONAL = frozenset({"uvloop"})


def check_versions() -> Finding:
    """Say what runs here."""
    system = f"{platform.system()} {platform.release()}"
    return fine("versions", f"batchgen {VERSION}, Python {platform.python_version()}, {system}")


def needed_packages() -> list[str]:
    """Return what batchgen needs on this system, as `name>=version`."""
    try:
        needed = requires("batchgen") or []
    except PackageNotFoundError:  # run from a source tree that was never installed
        return []
    return [one.split(";")[0].strip() for one in needed if _is_needed_here(one)]


def installed_version(name: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def check_packages(needed: Sequence[str], *, installed: Callable[[str], str | None]) -> Finding:
    """Say whether everything that batchgen needs is there, and new enough.

    Args:
        needed: As `name>=version`.
        installed: Tells the version of an installed package, or None.
    """
    shown, missing = [], []
    for one in needed:
        match = _REQUIREMENT.match(one)
        if match is None:
            continue
        name, least = match[1], match[2] or "0"
        found = installed(name)
        if found is None and name in _OPTIONAL:
            continue
        if found is None or _numbers(found) < _numbers(least):
            missing.append(one)
        shown.append(f"{name} {found or 'is missing'}")
    text = ", ".join(shown) or "not installed as a package, so nobody knows what it needs"
    if not missing:
        return fine("packages", text)
    wanted = " ".join(f'"{one}"' for one in missing)
    return wrong(
        "packages",
        f"{text}; too old or missing: {', '.join(missing)}",
        mend=f"{sys.executable} -m pip install {wanted}",
        stops_run=False,
    )


def check_uvloop(found: str | None, *, is_windows: bool) -> Finding:
    """Say whether the faster event loop is there."""
    if found is not None:
        return fine("uvloop", f"{found}: the faster event loop")
    if is_windows:
        return fine("uvloop", "there is none on Windows; the standard event loop is used")
    return warning(
        "uvloop",
        "not installed: a run goes all the same, with more of the processor",
        mend=f"{sys.executable} -m pip install uvloop",
    )


def open_file_limit() -> int | None:
    """Return how many files this process may have open; None where there is no such limit."""
    try:
        import resource  # noqa: PLC0415 - there is none on Windows
    except ImportError:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def check_open_files(limit: int | None) -> Finding:
    """Say whether enough files and connections may be open."""
    if limit is None:
        return fine("open files", "no limit")
    if limit >= FEW_FILES:
        return fine("open files", f"{limit:,} may be open: enough for -j {max(20, limit // 8)}")
    return warning(
        "open files",
        f"only {limit:,} may be open; a run may need more",
        mend="ulimit -n 4096",
    )


def _is_needed_here(requirement: str) -> bool:
    _, _, condition = requirement.partition(";")
    if "extra" in condition:
        return False
    return not ("sys_platform" in condition and sys.platform == "win32")


def _numbers(text: str) -> tuple[int, ...]:
    """Return a version as numbers: `3.14.0rc1` → 3, 14, 0."""
    match = re.match(r"[0-9]+(?:\.[0-9]+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()
