"""A manifest's keys → its blocks: each sweep with what stands outside for defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from batchgen.endpoint import Endpoint, load_endpoint
from batchgen.job import Json
from batchgen.manifest.reading import Part, Reading, Spot
from batchgen.manifest.words import (
    DEFINING,
    IGNORED,
    OF_MANIFEST,
    OF_SWEEP,
    meant_key,
    unknown_key,
)
from batchgen.scalar import kind_of, print_scalar

DEFAULT_ENDPOINT = "fal-ai/nano-banana-2"

# These merge by key; all else that a sweep has replaces what stands outside.
_MERGED = ("parameters", "variables")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The keys of one block.

    Attributes:
        name: The sweep's name, or `""`.
        keys: Key → its value and place; keys without a value are left out.
        parameters: Name → value and place.
        variables: Name → value and place.
    """

    name: str
    keys: Mapping[str, Part]
    parameters: Mapping[str, Part]
    variables: Mapping[str, Part]

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint that is named, or the default one."""
        part = self.keys.get("endpoint")
        return load_endpoint(
            part.value if part and isinstance(part.value, str) else DEFAULT_ENDPOINT
        )


def split(value: Mapping[str, Json], *, reading: Reading) -> list[Section]:
    """Return the blocks of a manifest; keys that it does not have are noted."""
    outer = _read(value, (), {}, reading)
    _check_keys(value, (), OF_MANIFEST, outer, reading)
    sweeps = value.get("sweeps")
    if sweeps is None:
        return [outer]
    if not isinstance(sweeps, list) or not sweeps:
        what = "an empty list" if sweeps == [] else kind_of(sweeps)
        text = f"sweeps is {what}. It takes a list of blocks: - {{name: a, parameters: {{…}}}}."
        reading.mistake(text, at=("sweeps",))
        return [outer]
    return list(_sweeps(sweeps, outer, reading))


def _sweeps(sweeps: list[Json], outer: Section, reading: Reading) -> Iterator[Section]:
    for number, sweep in enumerate(sweeps):
        spot: Spot = ("sweeps", number)
        if not isinstance(sweep, dict):
            text = f"sweeps: a block is {kind_of(sweep)}. It takes keys: - {{name: a, …}}."
            reading.mistake(text, at=spot)
            continue
        section = _read(sweep, spot, outer.keys, reading)
        merged = Section(
            name=section.name,
            keys=section.keys,
            parameters={**outer.parameters, **section.parameters},
            variables={**outer.variables, **section.variables},
        )
        _check_keys(sweep, spot, OF_SWEEP, merged, reading)
        yield merged


def _read(
    value: Mapping[str, Json], spot: Spot, outer: Mapping[str, Part], reading: Reading
) -> Section:
    keys = dict(outer)
    for key, below in value.items():
        keys.pop(key, None)
        if below is not None:
            keys[key] = Part(value=below, spot=(*spot, key))
    merged = [_named(value.get(key), (*spot, key), reading) for key in _MERGED]
    name = value.get("name") if spot else None
    return Section(
        name="" if name is None or isinstance(name, dict | list) else print_scalar(name),
        keys=keys,
        parameters=merged[0],
        variables=merged[1],
    )


def _named(value: Json, spot: Spot, reading: Reading) -> dict[str, Part]:
    """Return the entries of `parameters:` or `variables:`."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        text = f"{spot[-1]} is {kind_of(value)}. It takes names and values: {spot[-1]}: {{a: 1}}."
        reading.mistake(text, at=spot)
        return {}
    return {name: Part(value=below, spot=(*spot, name)) for name, below in value.items()}


def _check_keys(
    value: Mapping[str, Json],
    spot: Spot,
    known: tuple[str, ...],
    section: Section,
    reading: Reading,
) -> None:
    for key in value:
        if key not in known and not key.startswith(IGNORED):
            if meant_key(key, known=known) in DEFINING:
                reading.gaps.append(key)
            text = unknown_key(key, known=known, endpoint=section.endpoint)
            reading.mistake(text, at=(*spot, key), key=True)
