"""The data set's card: a README that says what is in it, with a head that the hub reads.

Source:
    https://huggingface.co/docs/hub/datasets-cards, https://huggingface.co/docs/datasets/repository_structure
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from batchgen.exports.census import Axis, Census
from batchgen.exports.exported import Exported
from batchgen.exports.features import Feature
from batchgen.exports.writer import Loading
from batchgen.version import VERSION

NAME = "README.md"

# So many values of an axis, and sizes of images, are listed.
MOST_LISTED = 12

# Up to so many images → the hub's word for it.
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)

_COLUMNS = """\
The columns of batchgen's `ledger.csv`, and beside them what the images show: `blank` (one colour
all over), `duplicate_of` (byte for byte an earlier image, as `job_id-image_index`),
`near_duplicate_of` and `near_distance` (looks like an earlier one; so many of 64 bits differ),
`phash` (those 64 bits in hex). `file` is the name that the image has in the batch."""

_Pair: TypeAlias = tuple[str, str] | tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """How an export was made.

    Attributes:
        at: When: UTC, ISO 8601, as text.
        selection: What was asked for, as the command has it; `""` for everything.
        caption: The template of the captions, or `""`.
    """

    at: str
    selection: str
    caption: str


def write_card(exported: Exported, census: Census, loading: Loading, made: Made) -> str:
    """Return the card of an export."""
    blocks = [
        *_head(exported, census, loading),
        "",
        f"# {_plain(exported.batch)}",
        "",
        *_summary(exported, census, made),
        *_table("Where the images are", ("split", "images"), exported.splits.items()),
        *_sizes(census),
        *_axes(census),
        *_money(exported, census),
        *_left_out(exported),
        *_missing(exported),
        *_columns(exported),
    ]
    return "\n".join(blocks).rstrip() + "\n"


def _head(exported: Exported, census: Census, loading: Loading) -> Iterator[str]:
    """Yield the YAML between its rules; every text is quoted as JSON does, which YAML reads."""
    yield "---"
    yield f"pretty_name: {_quoted(exported.batch)}"
    yield "task_categories:\n- text-to-image"
    yield f"size_categories:\n- {_size_category(exported.images)}"
    yield "tags:\n- synthetic\n- batchgen"
    if exported.simulated:
        yield "- simulated"
    if loading.data_files:
        yield "configs:\n- config_name: default\n  data_files:"
        for split, pattern in loading.data_files.items():
            yield f"  - split: {split}\n    path: {_quoted(pattern)}"
    if loading.features:
        yield "dataset_info:\n  features:"
        yield from _features(loading.features, indent="  ")
        yield "  splits:"
        for split in loading.data_files:
            yield f"  - name: {split}\n    num_bytes: {census.split_bytes[split]}"
            yield f"    num_examples: {exported.splits[split]}"
    yield "---"


def _features(features: Iterable[Feature], *, indent: str) -> Iterator[str]:
    for name, kind in features:
        yield f"{indent}- name: {_quoted(name)}"
        if isinstance(kind, str):
            yield f"{indent}  dtype: {_quoted(kind)}"
        else:
            yield f"{indent}  struct:"
            yield from _features(kind, indent=f"{indent}  ")


def _summary(exported: Exported, census: Census, made: Made) -> Iterator[str]:
    if exported.simulated:
        yield "**Simulated: the images are drawn stand-ins, no model made them, nothing was paid.**"
        yield ""
    what = (
        f"{exported.images:,} images"
        if exported.images == exported.rows
        else (f"{exported.rows:,} rows, {exported.images:,} of them with an image")
    )
    made_by = ", ".join(f"`{name}`" for name in census.endpoints)
    yield f"{what}, made by {made_by}; exported as `{exported.format}` by batchgen {VERSION}"
    yield f"at {made.at}."
    yield ""
    if made.selection:
        yield f"Exported: {_code(made.selection)}."
        yield ""
    if made.caption:
        yield f"Captions: {_code(made.caption)}."
        yield ""
    if exported.former:
        yield (
            f"{exported.former:,} of them are of jobs that the batch's manifest, as it is now, no "
            "longer has."
        )
        yield ""


def _sizes(census: Census) -> Iterator[str]:
    yield from _table("Sizes", ("pixels", "images"), census.sizes.most_common(MOST_LISTED))


def _axes(census: Census) -> Iterator[str]:
    rows = [(name, _values(axis)) for name, axis in census.axes.items() if any(axis.values)]
    yield from _table("Axes", ("column", "values, and how many rows have each"), rows)


def _values(axis: Axis) -> str:
    count = f"more than {len(axis.values) - 1:,}" if axis.is_long else f"{len(axis.values):,}"
    listed = ", ".join(
        f"{value or '(empty)'} ({times:,})" for value, times in axis.values.most_common(MOST_LISTED)
    )
    return listed if len(axis.values) <= MOST_LISTED else f"{count} values: {listed}, …"


def _money(exported: Exported, census: Census) -> Iterator[str]:
    rows = [
        (f"${price.normalize():f}", times)
        for price, times in census.prices.most_common(MOST_LISTED)
    ]
    yield from _table("Prices", ("price", "rows"), rows)
    billed, total = census.sources["billed"], f"Together ${census.spent_usd:,.2f}"
    if exported.simulated:
        yield f"{total}, if a service had made them."
    elif billed == census.rows:
        yield f"{total}, as the service billed them."
    else:
        yield f"{total}; {billed:,} rows as the service billed them, the others by the price table."
    yield ""


def _left_out(exported: Exported) -> Iterator[str]:
    yield from _table("Left out", ("why", "images"), exported.left_out.items())


def _missing(exported: Exported) -> Iterator[str]:
    yield "## Missing"
    yield ""
    if not exported.holes:
        yield "Nothing: every image that was asked for is there."
        yield ""
        return
    yield f"{exported.holes.total():,} images that were asked for are not there; all of them are in"
    yield "`missing.csv`."
    yield ""
    yield from _rows(("why", "images"), exported.holes.most_common())


def _columns(exported: Exported) -> Iterator[str]:
    for warning in exported.warnings:
        yield f"Note: {warning}."
        yield ""
    yield "## Columns"
    yield ""
    yield _COLUMNS
    yield ""


def _table(title: str, header: tuple[str, str], rows: Iterable[_Pair]) -> Iterator[str]:
    listed = list(rows)
    if listed:
        yield f"## {title}"
        yield ""
        yield from _rows(header, listed)


def _rows(header: tuple[str, str], rows: Iterable[_Pair]) -> Iterator[str]:
    yield f"| {header[0]} | {header[1]} |"
    yield "| --- | --- |"
    for left, right in rows:
        number = f"{right:,}" if isinstance(right, int) else _plain(str(right))
        yield f"| {_plain(str(left))} | {number} |"
    yield ""


def _size_category(images: int) -> str:
    return next((word for most, word in _SIZES if images < most), "10M<n<100M")


def _plain(text: str) -> str:
    """Return a text on one line that is no markup: the values are data."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    for letter in "\\`*_[]<>|#":
        line = line.replace(letter, f"\\{letter}")
    return line


def _code(text: str) -> str:
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    fence = "``" if "`" in line else "`"
    return f"{fence} {line} {fence}" if "`" in line else f"`{line}`"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
