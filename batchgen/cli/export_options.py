"""The options of `batchgen export`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

# A test compares these with what `batchgen.exports` has, which is slow to import.
FORMAT_NAMES = ("imagefolder", "parquet", "webdataset", "captions", "files", "csv", "xlsx")
METADATA_NAMES = ("parquet", "jsonl", "csv")
STATUS_NAMES = ("succeeded", "undelivered", "failed", "unknown", "all")


def export_options(command: F) -> F:
    """Add the options of `export`."""
    decorators = [*_WHAT, *_HOW, *_WHICH]
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


_WHAT = (
    click.option("--to", required=True, type=click.Choice(FORMAT_NAMES), help="The format."),
    click.option(
        "--out",
        required=True,
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Where it goes; a folder that is not there, or an earlier export.",
    ),
)

_HOW = (
    click.option(
        "--metadata",
        type=click.Choice(METADATA_NAMES),
        help="imagefolder: the kind of its table (parquet, which keeps types).",
    ),
    click.option(
        "--column",
        multiple=True,
        metavar="NEW=COLUMN",
        help="A column under another name, too, as in text=prompt; repeatable.",
    ),
    click.option(
        "--caption",
        metavar="TEMPLATE",
        help="What an image shows, as a column and in captions (the prompt).",
    ),
    click.option(
        "--name",
        metavar="TEMPLATE",
        help="files, captions: what images are called (as in the batch).",
    ),
    click.option(
        "--split",
        metavar="NAME=SHARE,…",
        help="Share images out, as in train=0.9,test=0.1; the same each time.",
    ),
    click.option(
        "--group-by",
        multiple=True,
        metavar="COLUMN",
        help="Keep images with the same value in one split; repeatable.",
    ),
    click.option(
        "--shard-images",
        type=click.IntRange(min=1),
        default=1000,
        show_default=True,
        metavar="N",
        help="parquet, webdataset: the most images in one file.",
    ),
    click.option(
        "--shard-bytes",
        default="500MB",
        show_default=True,
        metavar="SIZE",
        help="parquet, webdataset: the most bytes of images in one file, as 200MB or 1GB.",
    ),
    click.option(
        "--resize", metavar="PIXELS|WxH", help="Make larger images fit; keep their shape."
    ),
    click.option(
        "--copy/--link",
        "copy",
        default=True,
        help="Copy the images, or give the batch's own files a second name (hard links).",
    ),
)

_WHICH = (
    click.option(
        "--where",
        multiple=True,
        metavar="AXIS=VALUE",
        help="Only rows with this value; repeatable: any of one axis, all of several.",
    ),
    click.option(
        "--picks",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Only what is picked in this file; where nothing is, all but the rejected.",
    ),
    click.option(
        "--status",
        multiple=True,
        type=click.Choice(STATUS_NAMES),
        help="Rows with this status (succeeded); others in tables only; repeatable.",
    ),
    click.option(
        "--dedup",
        metavar="exact|near[:BITS]",
        help="Leave out images that are, or look like, an earlier one (near: 6 of 64 bits).",
    ),
    click.option("--drop-blank", is_flag=True, help="Leave out images of one colour all over."),
    click.option("--strict", is_flag=True, help="Write nothing where an image is missing."),
)
