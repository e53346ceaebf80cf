"""Who defines which name: one thing defines a variable, one thing sets a parameter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from batchgen.manifest.axes import Axis
from batchgen.manifest.reading import Part, Reading, Spot
from batchgen.manifest.rows import PROMPT, REPEAT, Rows

# Names that templates have without anybody's doing, and what they are.
RESERVED: Mapping[str, str] = {
    "repeat": "the take",
    "row": 'the row, as in row["Product Name"]',
    "job_id": "the job's id, in file names",
    "sweep": "the name of the sweep",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setter:
    """Something that sets a parameter, as a message says it."""

    what: str
    spot: Spot


def check_names(
    *,
    rows: Rows | None,
    axes: Sequence[Axis],
    variables: Mapping[str, Part],
    reading: Reading,
) -> None:
    """Note names that two things define, and parameters that two things set."""
    for name, part in variables.items():
        if name in RESERVED:
            _reserve(f"variable '{name}'", name, part.spot, reading)
    for axis in axes:
        if axis.name in RESERVED:
            _reserve(f"axis '{axis.name}'", axis.name, axis.spot, reading)
        if rows and axis.name in rows.names:
            text = f"'{axis.name}' is an axis and a column of {rows.name}. Give one another name."
            reading.mistake(text, at=axis.spot, key=True)
    if rows and not rows.is_manifest and REPEAT in rows.columns:
        text = f"{rows.name} has a column 'repeat', which is the name of the take. Give it another"
        reading.mistake(f"{text} name; repeat: 4 stands in the manifest.", at=("rows",))
    _check_setters(rows, axes, reading)
    _warn_of_shadows(rows, axes, variables, reading)


def _reserve(what: str, name: str, spot: Spot, reading: Reading) -> None:
    hint = " Write repeat: 4 beside grid." if name == "repeat" else ""
    text = f"{what}: '{name}' is {RESERVED[name]}. Give it another name.{hint}"
    reading.mistake(text, at=spot, key=True)


def _check_setters(rows: Rows | None, axes: Sequence[Axis], reading: Reading) -> None:
    """Note parameters that two things set; axes that are columns too were noted before."""
    first: dict[str, _Setter] = {}
    for parameter, setter in _setters(rows, axes, reading):
        if parameter not in first:
            first[parameter] = setter
        else:
            text = f"{parameter} is set twice: by {first[parameter].what} and by {setter.what}."
            reading.mistake(text, at=setter.spot, key=True)


def _setters(
    rows: Rows | None, axes: Sequence[Axis], reading: Reading
) -> Iterator[tuple[str, _Setter]]:
    """Yield everything that sets a parameter, or a variable of the name of one."""
    for column in rows.parameters if rows else ():
        if rows and column.first_line:
            what = f"column '{column.path[0]}' ({rows.name}:{column.first_line})"
            yield column.name, _Setter(what=what, spot=("rows",))
    if rows and PROMPT in rows.names and not rows.intake.takes(PROMPT):
        yield PROMPT, _Setter(what=f"column 'prompt' ({rows.name})", spot=("rows",))
    for axis in axes:
        if rows and axis.name in rows.names:
            continue
        what = f"axis '{axis.name}' ({reading.where(axis.spot)})"
        for name in axis.names if not axis.intake.takes(axis.name) else (axis.name,):
            if axis.intake.knows(name):
                yield name, _Setter(what=what, spot=axis.spot)


def _warn_of_shadows(
    rows: Rows | None, axes: Sequence[Axis], variables: Mapping[str, Part], reading: Reading
) -> None:
    """Warn of constants that never count, and of constants that look like parameters."""
    defined = {axis.name: f"the axis '{axis.name}'" for axis in axes}
    defined |= {name: f"the column '{name}' of {rows.name}" for name in rows.names} if rows else {}
    for name, part in variables.items():
        if name in defined:
            where = reading.where(part.spot)
            reading.warn(
                f"{where}  variables: '{name}' never counts, because {defined[name]} does."
            )
