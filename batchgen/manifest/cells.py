"""What the cells mean that set a parameter; each distinct value is settled once."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from batchgen.errors import Mistake
from batchgen.job import Json
from batchgen.manifest.values import Intake
from batchgen.parameter import UnfitValueError, advice
from batchgen.scalar import read_scalar

# Texts from short lists come back in every row; others, prompts say, do not.
_REMEMBERED = 10_000


class Option(NamedTuple):
    """One of the values that a cell means: as it is written, and settled."""

    written: Json
    settled: Json


@dataclass(slots=True)
class _Unfit:
    """A value that a column's parameter does not take, and where."""

    error: ValueError
    line: int
    rows: int = 0


@dataclass(slots=True)
class ParameterColumn:
    """A column whose cells set a parameter, or a key of the mappings in a column.

    Attributes:
        path: The column, and the key if there is one; the last of them is the parameter.
        intake: What the parameter takes.
        first_line: The line of its first cell that is not empty, or None.
    """

    path: tuple[str, ...]
    intake: Intake
    first_line: int | None = None
    _known: dict[Hashable, tuple[Option, ...]] = field(default_factory=dict)
    _unfit: dict[str, _Unfit] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The parameter."""
        return self.path[-1]

    def cell(self, cells: Mapping[str, Json]) -> Json:
        """Return the cell of a row; `""` if the mapping in it lacks the key."""
        value = cells[self.path[0]]
        if len(self.path) == 1:
            return value
        below = value.get(self.name) if isinstance(value, dict) else None
        return "" if below is None else below

    def put(self, cells: dict[str, Json], value: Json) -> None:
        """Put a value in the place of the cell."""
        whole = cells[self.path[0]]
        cells[self.path[0]] = (
            {**whole, self.name: value} if self.path[1:] and isinstance(whole, dict) else value
        )

    def options(self, cell: Json) -> tuple[Option, ...]:
        """Return the values that a cell means: none if it is empty, both of `1:1|16:9`.

        A cell that the parameter does not take means nothing; `check` has noted it.
        """
        if cell == "":
            return ()
        key = (type(cell), cell) if not isinstance(cell, dict | list) else json.dumps(cell)
        options = self._known.get(key)
        if options is None:
            try:
                options = self._settle(cell)
            except ValueError:
                return ()
            if len(self._known) < _REMEMBERED:
                self._known[key] = options
        return options

    @property
    def settled(self) -> Iterator[Json]:
        """The distinct values that it sets, as far as they are remembered."""
        return (option.settled for options in self._known.values() for option in options)

    def check(self, cell: Json, *, line: int) -> int:
        """Return how many values a cell means, and keep in mind what is wrong with it."""
        if cell == "":
            return 0
        if self.first_line is None:
            self.first_line = line
        if options := self.options(cell):
            return len(options)
        for part in _parts(self.name, cell):
            try:
                self.intake.endpoint.settle(self.name, part)
            except ValueError as error:
                self._unfit.setdefault(str(error), _Unfit(error=error, line=line)).rows += 1
        return 0

    def mistakes(self, file: str) -> Iterator[Mistake]:
        """Yield what `check` found: equal mistakes as one, and what a spreadsheet did as one."""
        by_spreadsheet = []
        for unfit in self._unfit.values():
            if isinstance(unfit.error, UnfitValueError):
                if unfit.error.cause == "spreadsheet":
                    by_spreadsheet.append(unfit)
                else:
                    yield _fold([unfit], [unfit.error], file)
            else:
                yield Mistake(file=file, line=unfit.line, text=str(unfit.error), count=unfit.rows)
        if by_spreadsheet:
            errors = [u.error for u in by_spreadsheet if isinstance(u.error, UnfitValueError)]
            yield _fold(by_spreadsheet, errors, file)

    def _settle(self, cell: Json) -> tuple[Option, ...]:
        settle = self.intake.endpoint.settle
        return tuple(Option(part, settle(self.name, part)) for part in _parts(self.name, cell))


def _parts(name: str, cell: Json) -> Sequence[Json]:
    """Return the values of a cell: `1:1|16:9` is two. A prompt is one, and so is a JSON list."""
    if not isinstance(cell, str) or "|" not in cell or name == "prompt" or cell.startswith("["):
        return [cell]
    return [read_scalar(part.strip()) for part in cell.split("|")]


def _fold(found: Sequence[_Unfit], errors: Sequence[UnfitValueError], file: str) -> Mistake:
    shown = [
        f"{error.shown} in {unfit.rows:,} rows (first: line {unfit.line})"
        if unfit.rows > 1
        else f"{error.shown} in line {unfit.line}"
        for unfit, error in zip(found, errors, strict=True)
    ]
    if len(shown) == 1 and found[0].rows == 1:
        return Mistake(file=file, line=found[0].line, text=str(errors[0]))
    listed = " and ".join([", ".join(shown[:-1]), shown[-1]] if shown[1:] else shown)
    return Mistake(
        file=file,
        line=min(unfit.line for unfit in found),
        text="\n  ".join((f"{errors[0].name} is {listed}.", *advice(errors))),
        count=sum(unfit.rows for unfit in found),
    )
