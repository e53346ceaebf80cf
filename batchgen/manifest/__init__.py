"""A YAML or CSV file → `Manifest` → jobs; every mistake in it, at once, with its line."""

from batchgen.manifest.loading import load_manifest
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.reading import ManifestFile

__all__ = ["Manifest", "ManifestFile", "load_manifest"]
