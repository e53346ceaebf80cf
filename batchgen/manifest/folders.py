"""Whether a folder of images may outgrow what tools and hubs take."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from batchgen.manifest.axes import Axis
from batchgen.manifest.block import Block
from batchgen.manifest.holes import printed
from batchgen.manifest.rows import Rows
from batchgen.template import TemplateError, compile_template

# What file browsers, `ls` and the Hugging Face Hub are content with.
MOST_FILES = 10_000

_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def outgrown_folder(block: Block, *, images: int) -> str:
    """Return what to say of a `filename` that puts too many files into a folder, or `""`.

    Args:
        block: The block.
        images: How many images a job asks for, at most.
    """
    template = block.maker.filename
    files = block.count() * images
    names = _folder_names(template.text) if template and files > MOST_FILES else None
    if template is None or names is None or _is_unique(block, names):
        return ""
    files //= _folders(block, names)
    if files <= MOST_FILES:
        return ""
    text = (
        f"filename puts about {files:,} files into {'a' if names else 'one'} folder, and beyond "
        f"{MOST_FILES:,} tools and hubs give up."
    )
    choice = _choice(block, names, files)
    if not choice:
        return f"{text} Leave filename out, and 256 folders share them."
    return f'{text} Write filename: "{{{{ {choice} }}}}/{template.text}".'


def _folder_names(text: str) -> frozenset[str] | None:
    """Return the variables in the folders of a file name; None if that cannot be told."""
    bare = _TAG.sub(lambda tag: " " * len(tag[0]), text)
    try:
        return compile_template(text[: bare.rfind("/") + 1]).variables
    except TemplateError:
        return None


def _is_unique(block: Block, names: frozenset[str]) -> bool:
    return "job_id" in names or ("seed" in names and block.maker.seed.is_automatic)


def _folders(block: Block, names: frozenset[str]) -> int:
    """Return into how many folders of even size the images go, at least."""
    folders = block.main.repeat if "repeat" in names else 1
    for axis in block.axes:
        folders *= 1 if names.isdisjoint(axis.names) else len(axis)
    if block.rows:
        columns = block.rows.names if "row" in names else names.intersection(block.rows.names)
        folders *= _shares(block.rows, tuple(columns)) if columns else 1
    return folders


def _shares(rows: Rows, columns: Sequence[str]) -> int:
    """Return in how many parts of even size some columns divide the rows, at least."""
    counts = Counter(tuple(printed(row.cells[name]) for name in columns) for row in rows)
    return max(1, len(rows) // max(counts.values()))


def _choice(block: Block, names: frozenset[str], files: int) -> str:
    """Return what to put before a `/`: the smallest that is enough, else the largest."""
    sizes = {
        readable(axis): len(axis)
        for axis in block.axes
        if names.isdisjoint(axis.names) and len(axis) > 1
    }
    if not any(files // size <= MOST_FILES for size in sizes.values()) and block.rows:
        for name in block.rows.names:
            if name.isidentifier() and name not in names:
                sizes[name] = _shares(block.rows, (name,))
    enough = [name for name, size in sizes.items() if files // size <= MOST_FILES]
    if enough:
        return min(enough, key=sizes.__getitem__)
    return max(sizes, key=sizes.__getitem__, default="")


def readable(axis: Axis) -> str:
    """Return the axis as a template may print it."""
    first = axis.values[0]
    return f"{axis.name}.{next(iter(first))}" if isinstance(first, dict) and first else axis.name
