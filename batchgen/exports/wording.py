"""Captions and names of files: the manifest's templates, filled from a row of the ledger."""

from __future__ import annotations

from collections.abc import Mapping

from batchgen.errors import UsageError
from batchgen.filename import FOLDER, compile_filename, image_file, image_stem
from batchgen.job import Json
from batchgen.scalar import read_scalar
from batchgen.template import Template, TemplateError, compile_template


class Wording:
    """Renders captions and names.

    A template sees the ledger's columns by their names: `{{ style }}`, `{{ animal.name }}`,
    `{{ prompt }}`, `{{ row["Product Name"] }}`; numbers are numbers, as in the manifest.
    """

    def __init__(self, *, caption: str = "", name: str = "") -> None:
        """Read both templates.

        Args:
            caption: `--caption`; `""` for the prompt itself.
            name: `--name`; `""` for the name that the batch has.

        Raises:
            UsageError: A template cannot be read.
        """
        self._caption = _compiled("--caption", caption)
        self._name = _compiled("--name", name)

    def caption(self, record: Mapping[str, str]) -> str:
        """Return what an image shows, for a trainer.

        Args:
            record: Column → cell of the ledger.

        Raises:
            UsageError: The template names something that is not there.
        """
        if self._caption is None:
            return record["prompt"]
        return _render(self._caption, record, option="--caption")

    def file(self, record: Mapping[str, str]) -> str:
        """Return an image's name, below the export's folder: no other image has it.

        Raises:
            UsageError: The template names something that is not there.
        """
        file = record["file"]
        if self._name is None:
            return file.removeprefix(f"{FOLDER}/")
        job_id = record["job_id"]
        asked = record.get("num_images", "")
        placed = image_file(
            image_stem(job_id, _render(self._name, record, option="--name")),
            job_id=job_id,
            index=int(record["image_index"]),
            asked=int(asked) if asked.isdecimal() else 1,
            extension=file.rpartition(".")[2],
        )
        return placed.removeprefix(f"{FOLDER}/")


def scope_of(record: Mapping[str, str]) -> dict[str, Json]:
    """Return a row of the ledger as templates see it: `animal.name` is a key of `animal`."""
    values: dict[str, Json] = {name: read_scalar(cell) for name, cell in record.items()}
    scope: dict[str, Json] = {**values, "row": dict(values)}
    for name, value in values.items():
        first, *rest = name.split(".")
        # In a batch of several sweeps one may have a text where another has a mapping.
        if rest and (value != "" or not _is_scalar(scope.get(first))):
            _put(scope, [first, *rest], value)
    return scope


def _is_scalar(value: Json) -> bool:
    return value not in (None, "") and not isinstance(value, dict)


def _put(scope: dict[str, Json], path: list[str], value: Json) -> None:
    for part in path[:-1]:
        below = scope.get(part)
        if not isinstance(below, dict):
            below = scope[part] = {}
        scope = below
    scope[path[-1]] = value


def _compiled(option: str, text: str) -> Template | None:
    if not text:
        return None
    try:
        return compile_filename(text) if option == "--name" else compile_template(text)
    except TemplateError as error:
        raise UsageError(f"{option}: {error}") from None


def _render(template: Template, record: Mapping[str, str], *, option: str) -> str:
    try:
        return template.render(scope_of(record))
    except TemplateError as error:
        raise UsageError(f"{option}: {error}") from None
