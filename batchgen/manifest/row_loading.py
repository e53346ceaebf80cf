"""Rows are read once when a manifest is loaded: every cell that sets a parameter is checked."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from batchgen.errors import ManifestError, Mistake
from batchgen.job import Json
from batchgen.manifest.cells import ParameterColumn
from batchgen.manifest.reading import Part, Reading, Spot
from batchgen.manifest.rows import PROMPT, REPEAT, Rows
from batchgen.manifest.tables import Row, Table, open_table
from batchgen.manifest.values import Intake, flat
from batchgen.scalar import kind_of

# A row with more takes is a slip of the keyboard.
MAX_TAKES = 1_000_000


def load_rows(part: Part, *, reading: Reading, intake: Intake) -> Rows | None:
    """Return the rows that a manifest names or holds; what is wrong with them is noted."""
    match part.value:
        case str(written):
            path = reading.find(written, at=part.spot)
            if path is not None:
                return load_table(path, shown_as=written, reading=reading, intake=intake)
        case [*entries] if entries:
            rows = list(_inline(entries, part.spot, reading))
            columns = tuple(dict.fromkeys(column for row in rows for column in row.cells))
            whole = [Row(row.line, {c: row.cells.get(c, "") for c in columns}) for row in rows]
            name = reading.file or "rows"
            check = _Check(name=name, columns=columns, intake=intake, reading=reading)
            return check.rows(whole, is_manifest=False) if rows else None
        case []:
            reading.mistake("rows has no rows.", at=part.spot)
        case other:
            text = f"rows is {kind_of(other)}. It takes a file, rows: products.csv, or a list of"
            reading.mistake(f"{text} mappings, - {{sku: 1, title: a jug}}.", at=part.spot)
    return None


def load_table(
    path: Path, *, shown_as: str, reading: Reading, intake: Intake, is_manifest: bool = False
) -> Rows | None:
    """Return the rows of a file; what is wrong with them is noted.

    Args:
        path: The file.
        shown_as: As the user named it.
        reading: The manifest.
        intake: Which names set a parameter.
        is_manifest: Whether the file is the manifest.
    """
    try:
        table = open_table(path, shown_as=shown_as)
    except ManifestError as error:
        reading.note(error.mistakes)
        return None
    check = _Check(name=shown_as, columns=table.columns, intake=intake, reading=reading)
    return check.rows(table, is_manifest=is_manifest)


def _inline(entries: Sequence[Json], spot: Spot, reading: Reading) -> Iterator[Row]:
    """Yield rows that stand in the manifest; a key without a value is an empty text."""
    for number, entry in enumerate(entries):
        here = (*spot, number)
        if not isinstance(entry, dict):
            text = (
                f"row {number + 1} is {kind_of(entry)}. It takes a mapping: {{sku: 1, title: jug}}."
            )
            reading.mistake(text, at=here)
            continue
        line, _ = reading.place(here)
        cells: dict[str, Json] = {
            name: "" if value is None else value for name, value in entry.items()
        }
        yield Row(line or number + 1, cells)


@dataclass(slots=True, kw_only=True)
class _Check:
    """Reads rows once: what is wrong in them, and what has to be known of all."""

    name: str
    columns: tuple[str, ...]
    intake: Intake
    reading: Reading
    _found: dict[tuple[str, ...], ParameterColumn] = field(default_factory=dict)
    _most: dict[tuple[str, ...], int] = field(default_factory=dict)
    _nested: dict[str, dict[str, None]] = field(default_factory=dict)
    _takes: array[int] = field(default_factory=partial(array, "L"))
    _braces: int = 0

    def rows(self, source: Table | Sequence[Row], *, is_manifest: bool) -> Rows:
        """Return the rows, checked."""
        has_takes = is_manifest and REPEAT in self.columns
        left_out = {PROMPT, REPEAT} if is_manifest else set()
        for name in self.columns:
            if name not in left_out and self.intake.takes(name):
                self._column((name,))
        for row in source:
            self._check(row)
            if has_takes:
                self._takes.append(self._read_takes(row))
        for column in self._found.values():
            self.reading.note(column.mistakes(self.name))
        self._warn_of_braces()
        return Rows(
            name=self.name,
            columns=self.columns,
            source=source,
            length=len(source),
            intake=self.intake,
            parameters=tuple(self._found.values()),
            most=tuple(self._most.values()),
            takes=self._takes if has_takes else (),
            is_manifest=is_manifest,
            flat_columns=tuple(self._flat_columns(source, left_out)),
        )

    def _column(self, path: tuple[str, ...]) -> ParameterColumn:
        if path not in self._found:
            self._found[path] = ParameterColumn(path, self.intake)
            self._most[path] = 0
        return self._found[path]

    def _check(self, row: Row) -> None:
        for name, cell in row.cells.items():
            if isinstance(cell, dict):
                self._look_into(name, cell)
        for path, column in self._found.items():
            cell = column.cell(row.cells)
            if cell != "":
                self._most[path] = max(self._most[path], column.check(cell, line=row.line))
                self._braces += path == (PROMPT,) and isinstance(cell, str) and "{{" in cell

    def _look_into(self, name: str, cell: dict[str, Json]) -> None:
        """Remember the keys of a mapping in a cell: some set parameters, all are variables."""
        if self.intake.takes(name):
            return
        for key in cell:
            if self.intake.takes(key):
                self._column((name, key))
        pairs = flat(name, cell, but=self.intake)
        self._nested.setdefault(name, {}).update(dict.fromkeys(column for column, _ in pairs))

    def _flat_columns(self, source: Iterable[Row], left_out: set[str]) -> Iterator[str]:
        for name in self.columns:
            if name in self._nested:
                cells = (row.cells[name] for row in source)
                if any(not isinstance(cell, dict) and cell != "" for cell in cells):
                    yield name
                yield from self._nested[name]
            elif name not in left_out and not self.intake.takes(name):
                yield name

    def _read_takes(self, row: Row) -> int:
        cell = row.cells[REPEAT]
        if cell == "":
            return 1
        if isinstance(cell, int) and not isinstance(cell, bool) and 1 <= cell <= MAX_TAKES:
            self._check_seed(row, cell)
            return cell
        text = f"repeat is '{cell}'. It takes a whole number from 1 on."
        self.reading.note([Mistake(file=self.name, line=row.line, text=text)])
        return 1

    def _check_seed(self, row: Row, takes: int) -> None:
        if takes > 1 and row.cells.get("seed", "") != "" and self.intake.takes("seed"):
            text = (
                f"seed is '{row.cells['seed']}' and repeat is {takes}: every take would be the "
                "same job. Write as many seeds, 1|2|3, and no repeat, or no seed."
            )
            self.reading.note([Mistake(file=self.name, line=row.line, text=text)])

    def _warn_of_braces(self) -> None:
        if self._braces:
            prompts = "1 prompt has" if self._braces == 1 else f"{self._braces:,} prompts have"
            self.reading.warn(
                f"{self.name}: {prompts} {{{{ in a cell, which is sent as it is, because rows are "
                "data. Where a table is the manifest, its prompts are templates: "
                f"batchgen plan {self.name}"
            )
