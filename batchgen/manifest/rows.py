"""Rows as an axis: of a table on disk, which is streamed, or of the manifest itself."""

from __future__ import annotations

import json
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import IO
from weakref import finalize

from batchgen.job import Json
from batchgen.manifest.cells import ParameterColumn
from batchgen.manifest.tables import Row
from batchgen.manifest.values import Intake, Value, make_value

# The columns of a CSV manifest that are no variables.
PROMPT, REPEAT = "prompt", "repeat"


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows, and what their cells mean.

    Attributes:
        name: The file as the manifest names it, or the manifest itself.
        columns: All its columns, in order.
        source: The rows, readable again and again.
        length: How many there are.
        intake: Which names set a parameter.
        parameters: The cells that set a parameter in some row.
        most: For each of these the most values that one cell means.
        takes: For each row how many takes it has; empty if rows do not say.
        is_manifest: Whether this is a CSV manifest: its `prompt` is a template, its `repeat`
            the number of a row's takes, and neither is a variable.
        flat_columns: Its flat variables, in order of first appearance.
    """

    name: str
    columns: tuple[str, ...]
    source: Iterable[Row]
    length: int
    intake: Intake
    parameters: tuple[ParameterColumn, ...]
    most: tuple[int, ...]
    takes: Sequence[int]
    is_manifest: bool
    flat_columns: tuple[str, ...]
    _spools: list[_Spool] = field(default_factory=list, init=False, repr=False, compare=False)

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows in order, read anew."""
        return iter(self.source)

    def __len__(self) -> int:
        return self.length

    @cached_property
    def sets(self) -> frozenset[str]:
        """The parameters that one of the rows sets."""
        return frozenset(column.name for column in self.parameters if column.first_line)

    @cached_property
    def several(self) -> tuple[int, ...]:
        """The numbers of those `parameters` of which a cell means several values.

        Each is a dimension of its own.
        """
        return tuple(number for number, most in enumerate(self.most) if most > 1)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns that are variables of templates."""
        left_out = (PROMPT, REPEAT) if self.is_manifest else ()
        return tuple(column for column in self.columns if column not in left_out)

    def at(self, number: int) -> Row:
        """Return one row by its number, from 0."""
        if isinstance(self.source, Sequence):
            row: Row = self.source[number]
            return row
        if not self._spools:
            self._spools.append(_Spool(self))
        return self._spools[0].at(number)

    def counts(self, row: Row) -> tuple[int, ...]:
        """Return for each of `several` how many values a row has; an empty cell counts as one."""
        columns = (self.parameters[number] for number in self.several)
        return tuple(max(1, len(column.options(column.cell(row.cells)))) for column in columns)

    def value(self, row: Row, chosen: Sequence[int] = ()) -> Value:
        """Return what a row adds to a job.

        Args:
            row: The row.
            chosen: For each of `several` which of the cell's values is meant, from 0.
        """
        cells = {name: row.cells[name] for name in self.names}
        which = dict(zip(self.several, chosen, strict=False))
        settled: dict[str, Json] = {}
        for number, column in enumerate(self.parameters):
            if options := column.options(column.cell(row.cells)):
                option = options[which.get(number, 0)]
                settled[column.name] = option.settled
                if self.most[number] > 1:
                    column.put(cells, option.written)
        value = make_value(
            cells,
            settled=settled,
            intake=self.intake,
            template=row.cells.get(PROMPT) if self.is_manifest else None,
            row=cells,
            line=f"{self.name}:{row.line}",
        )
        return replace(value, variables=self._known(value.variables)) if self._nested else value

    @cached_property
    def _nested(self) -> bool:
        """Whether cells hold mappings, which have variables of their own."""
        plain = {name for name in self.names if not self.intake.takes(name)}
        return plain != set(self.flat_columns)

    def _known(self, variables: Mapping[str, Json]) -> dict[str, Json]:
        """Return the variables that have a column: an empty cell is no mapping."""
        return {name: variables[name] for name in self.flat_columns if name in variables}


class _Spool:
    """Rows of a table in a temporary file, readable at any place; 8 bytes a row in memory."""

    def __init__(self, rows: Rows) -> None:
        self._columns = rows.columns
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the rows
        finalize(self, self._file.close)
        self._starts = array("Q")
        for row in rows:
            self._starts.append(self._file.tell())
            cells = [row.cells[name] for name in self._columns]
            self._file.write(json.dumps([row.line, cells]).encode() + b"\n")

    def at(self, number: int) -> Row:
        self._file.seek(self._starts[number])
        line, cells = json.loads(self._file.readline())
        return Row(line, dict(zip(self._columns, cells, strict=True)))
