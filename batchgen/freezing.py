"""Keep a manifest, and the files it names, as they ran.

Each one that ever ran stays in `manifests/<number>/`; the current one is shown beside the ledger
too, for people, with the files it names.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from batchgen.batch_state import Frozen
from batchgen.journal import replace_file, sync_folder
from batchgen.manifest import Manifest, load_manifest

MANIFEST_SUFFIXES = frozenset({".yaml", ".csv", ".tsv", ".tab", ".jsonl", ".ndjson"})

# Names in a batch's folder that are batchgen's own: no file of a manifest is shown under them.
OWN_NAMES = frozenset(
    {"batch.json", "ledger.csv", "ledger-history.csv", "requests.csv", "run.log", "images"}
    | {"manifests", "gallery", "redo.csv"}
)


def freeze_copy(folder: Path, manifest: Manifest, *, number: int, digest: str, at: str) -> Frozen:
    """Copy a manifest and the files it names into a batch; durable when this returns.

    Args:
        folder: The batch's folder.
        manifest: The manifest.
        number: Its number, which no other one has.
        digest: What `digest_of` returns.
        at: The time: UTC, ISO 8601, as text.
    """
    home = folder / "manifests" / str(number)
    shutil.rmtree(home, ignore_errors=True)  # of a run that was killed right here
    home.mkdir(parents=True)
    name = _name_of(manifest)
    (home / name).write_bytes(manifest.text)
    files: dict[str, str] = {}
    for place, file in enumerate(manifest.files):
        copy = f"{place}-{Path(file.written).name}"
        shutil.copyfile(file.path, home / copy)
        files[file.written] = copy
    for path in home.iterdir():
        _sync_file(path)
    for changed in (home, home.parent, folder):
        sync_folder(changed)
    return Frozen(
        number=number,
        file=name,
        source=str(manifest.path.absolute()) if manifest.path else "",
        digest=digest,
        files=files,
        at=at,
    )


def show_current(folder: Path, frozen: Frozen) -> None:
    """Show the current manifest, and the files it names, beside the ledger; only for people."""
    home = folder / "manifests" / str(frozen.number)
    _show(home / frozen.file, folder / frozen.file)
    for written, copy in frozen.files.items():
        name = Path(written).name
        if name not in OWN_NAMES and not name.startswith((".", "manifest.")):
            _show(home / copy, folder / name)
    for former in folder.glob("manifest.*"):
        if former.suffix in MANIFEST_SUFFIXES and former.name != frozen.file:
            former.unlink()


def load_frozen(folder: Path, frozen: Frozen, *, batch: str) -> Manifest:
    """Load a manifest as it ran, whatever has become of the original.

    Raises:
        ManifestError: The copy was damaged.
    """
    home = folder / "manifests" / str(frozen.number)
    files = {written: home / copy for written, copy in frozen.files.items()}
    return load_manifest(home / frozen.file, files=files, batch=batch)


def digest_of(manifest: Manifest) -> str:
    """Return the SHA-256 over a manifest and the files it names."""
    digest = hashlib.sha256(manifest.text)
    for file in manifest.files:
        digest.update(f"\0{file.written}\0".encode())
        with file.path.open("rb") as source:
            digest.update(hashlib.file_digest(source, "sha256").digest())
    return digest.hexdigest()


def _show(source: Path, shown: Path) -> None:
    if shown.exists() and shown.read_bytes() == source.read_bytes():
        return
    replace_file(shown, source.read_bytes())


def _name_of(manifest: Manifest) -> str:
    """Return what a manifest is called in the batch's folder: what is no table is YAML."""
    suffix = manifest.path.suffix.lower() if manifest.path else ""
    return f"manifest{suffix if suffix in MANIFEST_SUFFIXES else '.yaml'}"


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
