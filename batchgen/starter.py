"""A starter manifest: one screen that runs as it is."""

from __future__ import annotations

import shlex
from pathlib import Path

from batchgen.errors import UsageError
from batchgen.manifest.batch_name import batch_name_fault

STARTER_NAME = "shots.yaml"

_TEMPLATE = Path(__file__).with_name("starter.yaml")
_SUFFIXES = (".yaml", ".yml")


def starter_text(name: str = STARTER_NAME) -> str:
    """Return the starter manifest for a file of that name: its comments say what to type."""
    text = _TEMPLATE.read_text(encoding="utf-8")
    stem = Path(name).stem
    return text.replace(STARTER_NAME, shlex.quote(name)).replace("jobs/shots/", f"jobs/{stem}/")


def write_starter(path: Path) -> None:
    """Write the starter manifest to a new file.

    Raises:
        UsageError: The file exists already, would be no name for a batch, or cannot be written.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{path}: the starter is YAML. Give it such a name: {path.stem}.yaml")
    if fault := batch_name_fault(path.stem):
        raise UsageError(f"{path}: the batch is called like its file, and {fault}")
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(starter_text(path.name))
    except FileExistsError:
        raise UsageError(
            f"{path} exists already, and nothing was written. Give the new one another name:\n"
            f"    batchgen init {_other_name(path)}"
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from None


def _other_name(path: Path) -> Path:
    """Return the first name of this kind that is free: `shots-2.yaml`."""
    number = 2
    while (other := path.with_stem(f"{path.stem}-{number}")).exists():
        number += 1
    return other
