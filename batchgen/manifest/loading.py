"""A file or a mapping → a manifest, or every mistake in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path

from batchgen.endpoint import load_endpoint
from batchgen.job import Json
from batchgen.manifest.batch_name import batch_name_fault
from batchgen.manifest.block_loading import BlockLoader
from batchgen.manifest.checks import check_templates
from batchgen.manifest.columns import parameter_columns, variable_columns
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.notes import note_block
from batchgen.manifest.plain import as_json, as_yaml
from batchgen.manifest.reading import Reading
from batchgen.manifest.row_loading import load_table
from batchgen.manifest.rows import Rows
from batchgen.manifest.run_section import load_run
from batchgen.manifest.sections import DEFAULT_ENDPOINT, split
from batchgen.manifest.values import Intake
from batchgen.manifest.yaml_text import read_yaml
from batchgen.scalar import kind_of, print_scalar

# A manifest that is a table: one job a row.
_TABLES = frozenset({".csv", ".tsv", ".tab", ".jsonl", ".ndjson"})


def load_manifest(
    source: str | PathLike[str] | Mapping[str, Json],
    *,
    files: Mapping[str, Path] | None = None,
    batch: str | None = None,
) -> Manifest:
    """Return a manifest, checked.

    Args:
        source: A YAML file, a table with one job a row (CSV, TSV, JSONL), or a mapping with the
            keys of a YAML file; then the files it names are relative to the current folder.
        files: Of a frozen manifest, where each file that it names, as written, is now.
        batch: The batch's name, where the manifest does not give it: of a frozen manifest, or
            of a mapping. The file's stem otherwise.

    Raises:
        ManifestError: With all mistakes.
    """
    if isinstance(source, Mapping):
        return _load_mapping(source, files or {}, batch)
    path = Path(source)
    reading = Reading(file=str(source), folder=path.parent, kept=files or {})
    if path.suffix.lower() in _TABLES:
        return _load_table(path, reading, batch)
    document = read_yaml(path, shown_as=str(source))
    reading = replace(reading, document=document)
    reading.note(document.mistakes)
    value = document.value if isinstance(document.value, dict) else {}
    if not value:
        # What is not there would be missed too.
        reading.raise_mistakes()
    return _check(value, reading, path=path, text=path.read_bytes(), batch=batch or path.stem)


def _load_mapping(
    source: Mapping[str, Json], files: Mapping[str, Path], batch: str | None
) -> Manifest:
    reading = Reading(file="", folder=Path.cwd(), kept=files)
    value = as_json(source, reading=reading)
    reading.raise_mistakes()
    return _check(value, reading, path=None, text=as_yaml(value).encode(), batch=batch or "")


def _load_table(path: Path, reading: Reading, batch: str | None) -> Manifest:
    intake = Intake(endpoint=load_endpoint(DEFAULT_ENDPOINT))
    table = load_table(
        path, shown_as=reading.file, reading=reading, intake=intake, is_manifest=True
    )
    if table is None:
        reading.raise_mistakes()
    return _check({}, reading, path=path, text=None, batch=batch or path.stem, table=table)


def _check(
    value: Mapping[str, Json],
    reading: Reading,
    *,
    path: Path | None,
    text: bytes | None,
    batch: str,
    table: Rows | None = None,
) -> Manifest:
    """Return the manifest of a mapping, or raise everything that is wrong with it."""
    sections = split(value, reading=reading)
    loader = BlockLoader(reading=reading, table=table)
    blocks = [loader.load(section) for section in sections]
    run = load_run(value.get("run"), reading=reading)
    name = _batch_name(value, batch, reading)
    whole = [block for block in blocks if block is not None]
    for block, section in zip(blocks, sections, strict=True):
        if block is not None:
            check_templates(block, keys=section.keys, reading=reading)
    reading.raise_mistakes()
    for block, section in zip(whole, sections, strict=True):
        note_block(block, variables=section.variables, keys=section.keys, reading=reading)
    return Manifest(
        path=path,
        batch=name,
        files=reading.files,
        run=run,
        warnings=reading.warnings,
        endpoints=tuple(dict.fromkeys(block.maker.endpoint.id for block in whole)),
        parameters=parameter_columns(whole),
        variables=variable_columns(whole, sections, value),
        blocks=tuple(whole),
        _text=text,
    )


def _batch_name(value: Mapping[str, Json], default: str, reading: Reading) -> str:
    written = value.get("batch")
    if isinstance(written, dict | list):
        text = f"batch is {kind_of(written)}. It takes a name for its folder: portraits."
        reading.mistake(text, at=("batch",))
        return default
    name = default if written is None else print_scalar(written)
    if fault := batch_name_fault(name):
        hint = "" if "batch" in value else " The manifest may give another: batch: …."
        reading.mistake(f"{fault}{hint}", at=("batch",))
    return name
