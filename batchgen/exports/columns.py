"""The columns of an export: the whole ledger, what is made of it, and what the images show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import TypeAlias

from batchgen.errors import UsageError
from batchgen.scalar import listed

# Times are text here: UTC, ISO 8601, milliseconds.
Value: TypeAlias = "str | int | float | bool | None"
Row: TypeAlias = dict[str, Value]


class Kind(StrEnum):
    """What a column holds; text has `""` for an empty cell, all others None."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    SWITCH = "true or false"
    TIME = "time"


# Variables and parameters stay the text that they are in the ledger: `007`, `1:1`, `NA`.
_KINDS = {
    **dict.fromkeys(
        ("image_index", "seed", "repeat", "width", "height", "bytes", "attempts"), Kind.INTEGER
    ),
    **dict.fromkeys(("cost_usd", "inference_s"), Kind.DECIMAL),
    **dict.fromkeys(("submitted_at", "finished_at"), Kind.TIME),
}

# What is made for an export, by the name that its column has.
CAPTION = "caption"
QUALITY = {
    "blank": Kind.SWITCH,
    "duplicate_of": Kind.TEXT,
    "near_duplicate_of": Kind.TEXT,
    "near_distance": Kind.INTEGER,
    "phash": Kind.TEXT,
}
RESIZED = {"resized_width": Kind.INTEGER, "resized_height": Kind.INTEGER}

# What stands before the name of a value that is no column of the ledger, where it is looked up.
_MADE = "\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of an export.

    Attributes:
        name: As the export has it.
        kind: What it holds.
        source: Where its values are looked up.
    """

    name: str
    kind: Kind
    source: str

    def value(self, facts: Mapping[str, Value]) -> Value:
        """Return this column's value of one image."""
        found = facts[self.source]
        if self.kind is Kind.TEXT or not isinstance(found, str):
            return found
        if not found:
            return None
        match self.kind:
            case Kind.INTEGER:
                return int(found)
            case Kind.DECIMAL:
                return float(found)
            case _:
                return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A column that is exported once more under another name: `--column text=prompt`."""

    name: str
    source: str


def parse_copy(text: str) -> Copy:
    """Return what `--column` says.

    Raises:
        UsageError: It is not as in `text=prompt`.
    """
    name, equals, source = text.partition("=")
    if not (name.strip() and equals and source.strip()):
        raise UsageError(f"--column is {text!r}. It takes NEW=COLUMN, as in text=prompt")
    return Copy(name=name.strip(), source=source.strip())


def lay_out(
    ledger: Sequence[str],
    *,
    taken: Sequence[str],
    endings: tuple[str, ...] = (),
    copies: Sequence[Copy] = (),
    has_caption: bool = False,
    is_resized: bool = False,
) -> tuple[Column, ...]:
    """Return the columns of an export, beside those that its format fills in itself.

    Args:
        ledger: The ledger's columns.
        taken: Names that the format needs for itself.
        endings: Names that end so mean something else in it; they get a `_` behind.
        copies: Columns that are exported under another name, too.
        has_caption: Whether captions are rendered.
        is_resized: Whether images are made smaller.

    Raises:
        UsageError: `copies` names a column that is not there, or a name that is taken.
    """
    before = _made({CAPTION: Kind.TEXT} if has_caption else {})
    behind = _made({**(RESIZED if is_resized else {}), **QUALITY})
    own = [Column(name=name, kind=_KINDS.get(name, Kind.TEXT), source=name) for name in ledger]
    known = {column.name: column for column in (*before, *behind, *own)}
    copied = [_copied(copy, known) for copy in copies]
    _refuse_doubles(copied, {*taken, *known})
    names = {*taken, *(column.name for column in (*copied, *before, *behind))}
    renamed = {name: f"{name}_" if name.endswith(endings) else name for name in ledger}
    own = [replace(column, name=_free(renamed[column.source], names, ledger)) for column in own]
    return (*copied, *before, *own, *behind)


def made(name: str) -> str:
    """Return where a value is looked up that is no column of the ledger."""
    return _MADE + name


def find_column(name: str, columns: Sequence[str], *, option: str) -> str:
    """Return a column's name, if there is such a column.

    Raises:
        UsageError: There is none; the message names what there is.
    """
    if name in columns:
        return name
    near = get_close_matches(name, columns, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise UsageError(
        f"{option}: there is no column '{name}'.{hint}\n  There are: {listed(columns)}"
    )


def _made(kinds: Mapping[str, Kind]) -> list[Column]:
    return [Column(name=name, kind=kind, source=made(name)) for name, kind in kinds.items()]


def _copied(copy: Copy, known: Mapping[str, Column]) -> Column:
    option = f"--column {copy.name}={copy.source}"
    return replace(known[find_column(copy.source, list(known), option=option)], name=copy.name)


def _refuse_doubles(copied: Sequence[Column], taken: set[str]) -> None:
    for place, column in enumerate(copied):
        if column.name in taken or column.name in [one.name for one in copied[:place]]:
            raise UsageError(f"--column {column.name}=…: there is a column '{column.name}' already")


def _free(name: str, taken: set[str], ledger: Sequence[str]) -> str:
    """Return a ledger column's name; one that bears a name of ours gets `var.` before it."""
    free = name
    while free in taken or (free != name and free in ledger):
        free = f"var.{free}"
    return free
