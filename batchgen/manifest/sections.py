"""A manifest's keys → its blocks: each sweep with what stands outside for defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from batchgen.endpoint import Endpoint, load_endpoint
from batchgen.job import Json
from batchgen.manifest.reading import Part, Reading, Spot
from batchgen.manifest.words import IGNORED, OF_MANIFEST, OF_SWEEP, meant_key, unknown_key
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
    """Return the blocks of a manifest; keys that it does not have are noted.

    Such a key is read as the one that it was meant to be, so that what is wrong in it, and what
    would only seem to be wrong without it, is known too.
    """
    keys = _meant(value, (), OF_MANIFEST)
    outer = _read(keys, {}, reading)
    _check_keys(value, (), OF_MANIFEST, outer, reading)
    sweeps = keys.get("sweeps")
    if sweeps is None:
        return [outer]
    if not isinstance(sweeps.value, list) or not sweeps.value:
        what = "an empty list" if sweeps.value == [] else kind_of(sweeps.value)
        text = f"sweeps is {what}. It takes a list of blocks: - {{name: a, parameters: {{…}}}}."
        reading.mistake(text, at=sweeps.spot)
        return [outer]
    return list(_sweeps(sweeps, outer, reading))


def _sweeps(sweeps: Part, outer: Section, reading: Reading) -> Iterator[Section]:
    for number, sweep in enumerate(sweeps.value if isinstance(sweeps.value, list) else ()):
        spot = (*sweeps.spot, number)
        if not isinstance(sweep, dict):
            text = f"sweeps: a block is {kind_of(sweep)}. It takes keys: - {{name: a, …}}."
            reading.mistake(text, at=spot)
            continue
        section = _read(_meant(sweep, spot, OF_SWEEP), outer.keys, reading)
        merged = Section(
            name=section.name,
            keys=section.keys,
            parameters={**outer.parameters, **section.parameters},
            variables={**outer.variables, **section.variables},
        )
        _check_keys(sweep, spot, OF_SWEEP, merged, reading)
        yield merged


def _meant(value: Mapping[str, Json], spot: Spot, known: tuple[str, ...]) -> dict[str, Part]:
    """Return the keys of a manifest or a sweep under the names that they were meant to have."""
    keys = {key: Part(value=value[key], spot=(*spot, key)) for key in value if key in known}
    for key, below in value.items():
        meant = meant_key(key, below, known=known)
        if key not in known and not key.startswith(IGNORED) and meant:
            keys.setdefault(meant, Part(value=below, spot=(*spot, key)))
    return keys


def _read(own: Mapping[str, Part], outer: Mapping[str, Part], reading: Reading) -> Section:
    keys = {key: part for key, part in {**outer, **own}.items() if part.value is not None}
    merged = [_named(own.get(key), reading) for key in _MERGED]
    name = own["name"].value if "name" in own else None
    return Section(
        name="" if name is None or isinstance(name, dict | list) else print_scalar(name),
        keys=keys,
        parameters=merged[0],
        variables=merged[1],
    )


def _named(part: Part | None, reading: Reading) -> dict[str, Part]:
    """Return the entries of `parameters:` or `variables:`."""
    if part is None or part.value is None:
        return {}
    if not isinstance(part.value, dict):
        key = part.spot[-1]
        text = f"{key} is {kind_of(part.value)}. It takes names and values: {key}: {{a: 1}}."
        reading.mistake(text, at=part.spot)
        return {}
    return {name: Part(value=below, spot=(*part.spot, name)) for name, below in part.value.items()}


def _check_keys(
    value: Mapping[str, Json],
    spot: Spot,
    known: tuple[str, ...],
    section: Section,
    reading: Reading,
) -> None:
    for key in value:
        if key not in known and not key.startswith(IGNORED):
            text = unknown_key(key, known=known, endpoint=section.endpoint)
            reading.mistake(text, at=(*spot, key), key=True)
