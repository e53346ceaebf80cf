"""`include:` → combinations that come on top of a grid."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches

from batchgen.job import Json
from batchgen.manifest.axes import Axis
from batchgen.manifest.names import RESERVED
from batchgen.manifest.reading import Part, Reading, Spot
from batchgen.manifest.values import Intake, Value, make_value
from batchgen.scalar import kind_of


def load_include(
    part: Part,
    *,
    axes: Sequence[Axis],
    columns: Collection[str],
    taken: Collection[str],
    intake: Intake,
    reading: Reading,
) -> list[Value]:
    """Return what each entry of `include:` adds to a job; what is wrong with it is noted.

    Args:
        part: The manifest's `include:`.
        axes: The axes that an entry names, every one.
        columns: The columns of the rows, which an entry may not name.
        taken: The parameters that the rows set.
        intake: Which names set a parameter.
        reading: The manifest.
    """
    if not isinstance(part.value, list):
        text = "include needs a list of entries, each with a value for every axis: - {style: oil}."
        reading.mistake(text, at=part.spot)
        return []
    reader = _Reader(axes=axes, columns=columns, taken=taken, intake=intake, reading=reading)
    found = [reader.read(entry, (*part.spot, number)) for number, entry in enumerate(part.value)]
    return [value for value in found if value is not None]


class _Reader:
    """Reads one entry after the other."""

    def __init__(
        self,
        *,
        axes: Sequence[Axis],
        columns: Collection[str],
        taken: Collection[str],
        intake: Intake,
        reading: Reading,
    ) -> None:
        self._axes = {axis.name: axis for axis in axes}
        self._columns = columns
        self._taken = taken
        self._intake = intake
        self._reading = reading

    def read(self, entry: Json, spot: Spot) -> Value | None:
        if not isinstance(entry, dict):
            text = f"include: an entry is {kind_of(entry)}. It takes a value for every axis:"
            self._reading.mistake(f"{text} {{{self._example()}}}.", at=spot)
            return None
        missing = [name for name in self._axes if name not in entry]
        if missing:
            self._reading.mistake(self._lacks(missing, entry), at=spot)
        faults = [self._fault(name, value) for name, value in entry.items()]
        for name, fault in zip(entry, faults, strict=True):
            if fault:
                self._reading.mistake(f"include: {fault}", at=(*spot, name), key=True)
        if missing or any(faults):
            return None
        ordered = {name: entry[name] for name in (*self._axes, *entry) if name in entry}
        settled = dict(self._settle(ordered, spot))
        return make_value(
            ordered, settled=settled, intake=self._intake, line=self._reading.where(spot)
        )

    def _fault(self, name: str, value: Json) -> str:
        """Return what is wrong with one name of an entry, or `""`."""
        if name in self._columns:
            return f"'{name}' is a column of the rows; the entry meets every row."
        if name in RESERVED:
            return f"'{name}' is {RESERVED[name]}. Give it another name."
        if value is None:
            return f"{name} is empty."
        if isinstance(value, list) and name in self._axes and not self._has_lists(name):
            what = f"{name} is {kind_of(value)}"
            return f"{what}. An entry is one combination: write an entry for each."
        return ""

    def _has_lists(self, name: str) -> bool:
        return any(isinstance(value, list) for value in self._axes[name].values)

    def _settle(self, entry: Mapping[str, Json], spot: Spot) -> Iterator[tuple[str, Json]]:
        """Yield the parameters that an entry sets."""
        set_by: dict[str, str] = dict.fromkeys(self._taken, "the rows")
        for name, value, below in self._setters(entry):
            here = (*spot, name, below) if below else (*spot, name)
            parameter = below or name
            if parameter in set_by:
                text = f"include: {parameter} is set twice, by {set_by[parameter]} and by '{name}'."
                self._reading.mistake(text, at=here, key=True)
                continue
            set_by[parameter] = f"'{name}'"
            try:
                yield parameter, self._intake.endpoint.settle(parameter, value)
            except ValueError as error:
                self._reading.mistake(str(error), at=here)

    def _setters(self, entry: Mapping[str, Json]) -> Iterator[tuple[str, Json, str]]:
        """Yield (name, value, key below it) of all that sets a parameter."""
        for name, value in entry.items():
            if self._intake.takes(name):
                yield name, value, ""
            elif isinstance(value, dict):
                keys = (key for key in value if self._intake.takes(key))
                yield from ((name, value[key], key) for key in keys)

    def _lacks(self, missing: Sequence[str], entry: Mapping[str, Json]) -> str:
        text = f"include needs every axis; this one lacks {', '.join(missing)}."
        for name in entry:
            near = get_close_matches(name, missing, n=1)
            if near and name not in self._axes:
                text += f" Did you mean '{near[0]}' by '{name}'?"
        return text

    def _example(self) -> str:
        return ", ".join(f"{name}: …" for name in self._axes)
