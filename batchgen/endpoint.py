"""What an endpoint takes, and what it costs: read from the descriptions in `endpoints/`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TypeAlias, cast

from batchgen.job import Json
from batchgen.parameter import Parameter
from batchgen.price import Price

_FOLDER = Path(__file__).parent / "endpoints"

_Description: TypeAlias = dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What an endpoint takes, and what it costs.

    An endpoint without a description takes everything unchecked, has no price, and gets no
    automatic seed.

    Attributes:
        id: As in `fal-ai/nano-banana-2`.
        described: Whether there is a description.
        version: The version of its defaults, from 1; 0 without a description.
        parameters: The names of what it takes, in the order of the API reference.
        required: Those of them without which it takes nothing.
        price: Its price table, or None.
    """

    id: str
    described: bool = False
    version: int = 0
    parameters: tuple[str, ...] = ()
    required: tuple[str, ...] = ("prompt",)
    price: Price | None = None
    _takes: Mapping[str, Parameter] = field(default_factory=dict, repr=False)
    _defaults: Mapping[str, Json] = field(default_factory=dict, repr=False)
    _also_called: Mapping[str, str] = field(default_factory=dict, repr=False)
    _has_none_of: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def prices_of(self) -> str | None:
        """The date of the price table, as in `2026-11-20`, or None where there is no table."""
        return self.price.date if self.price else None

    @property
    def sets_seed(self) -> bool:
        """Whether a job without a seed gets one of ours."""
        return "seed" in self._takes

    def settle(self, name: str, value: Json) -> Json:
        """Return `value` in the type that the service needs: `"2"` → 2, 4 → `"4"`.

        Raises:
            UnfitValueError: A ValueError; the parameter does not take the value. Its text
                is what the user reads, its attributes allow to fold many into one.
            ValueError: There is no such parameter.
        """
        parameter = self._takes.get(name)
        if parameter is not None:
            return parameter.settle(value)
        if self.described:
            raise ValueError(self.lacks(name))
        return value

    def knows(self, name: str) -> bool:
        """Return whether an axis, a column or a key of that name sets a parameter.

        Nothing is known of an endpoint without a description. There a name counts as a
        parameter if a described endpoint has it, so that a manifest means the same when its
        endpoint is replaced by a sibling; what else it takes stands under `parameters:`,
        which is sent unchecked.
        """
        return name in self._takes if self.described else name in _known_names()

    def nearest(self, name: str) -> str | None:
        """Return the parameter that `name` was meant to be, if one is near."""
        tidy = name.strip().casefold().replace("-", "_").replace(" ", "_")
        if tidy in self._has_none_of:
            return None
        if tidy in self._also_called:
            return self._also_called[tidy]
        return next(iter(get_close_matches(tidy, self.parameters, n=1, cutoff=0.7)), None)

    def lacks(self, name: str) -> str:
        """Return the sentence that says that there is no such parameter, and what there is."""
        reason = self._has_none_of.get(name.casefold())
        if reason is not None:
            return f"{self.id} has no '{name}', nor anything like it; {reason}."
        near = self.nearest(name)
        guess = f" Did you mean '{near}'?" if near else ""
        return f"{self.id} has no '{name}'.{guess} It has {', '.join(self.parameters)}."

    def default(self, name: str) -> Json:
        """Return a parameter's default.

        Raises:
            KeyError: It has none.
        """
        return self._defaults[name]

    def without_defaults(self, input: Mapping[str, Json]) -> dict[str, Json]:
        """Return a settled input without the parameters that have their default value.

        Spelling out a default must not make another job of it.
        """
        defaults = self._defaults
        return {
            name: value
            for name, value in input.items()
            if name not in defaults or defaults[name] != value
        }

    def images(self, input: Mapping[str, Json]) -> int:
        """Return how many images a settled input asks for."""
        count = input.get("num_images", 1)
        return count if isinstance(count, int) and count > 0 else 1

    def price_usd(self, input: Mapping[str, Json]) -> Decimal | None:
        """Return the price of all images of a settled input; None where there is no table."""
        if self.price is None:
            return None
        return self.price.of_image(input, self._defaults) * self.images(input)

    def units_price_usd(self, units: Decimal) -> Decimal | None:
        """Return what so many billed units cost (`X-Fal-Billable-Units`), None without a table."""
        return self.price.of_units(units) if self.price else None

    def price_lines(
        self, input: Mapping[str, Json] | None = None
    ) -> tuple[tuple[str, Decimal], ...]:
        """Return the price table in USD an image: `("2K", 0.12)` …, surcharges last.

        Args:
            input: Return only the lines that make up the price of this settled input.
        """
        return self.price.lines(input, self._defaults) if self.price else ()

    def takes(self, name: str) -> str:
        """Return what a parameter takes, for messages: `auto, 21:9, 16:9, …`."""
        return self._takes[name].takes if name in self._takes else "anything"


@cache
def load_endpoint(endpoint_id: str, *, version: int | None = None) -> Endpoint:
    """Return the endpoint of that id, whether there is a description of it or not.

    Args:
        endpoint_id: As in `fal-ai/nano-banana-2`.
        version: The version of the defaults that a batch began with; None for the newest.

    Raises:
        ValueError: The description has no such version.
    """
    name = _index().get(endpoint_id)
    if name is None:
        return Endpoint(id=endpoint_id)
    description = _describe(name)
    chosen = str(description["version"] if version is None else version)
    defaults = cast("dict[str, Json]", _mapping(description, "defaults").get(chosen))
    if defaults is None:
        raise ValueError(f"{endpoint_id} has no defaults of version {chosen}")
    schema = _mapping(description, "parameters")
    return Endpoint(
        id=endpoint_id,
        described=True,
        version=int(chosen),
        parameters=tuple(_mapping(schema, "properties")),
        required=tuple(cast("list[str]", schema["required"])),
        price=Price.parse(_mapping(description, "price")),
        _takes=_parameters(endpoint_id, _mapping(schema, "properties")),
        _defaults=defaults,
        _also_called=cast("dict[str, str]", description["also_called"]),
        _has_none_of=cast("dict[str, str]", description["has_none_of"]),
    )


@cache
def described_endpoints() -> tuple[str, ...]:
    """Return the ids of all endpoints that have a description, sorted."""
    return tuple(sorted(_index()))


def _parameters(endpoint_id: str, properties: Mapping[str, Json]) -> dict[str, Parameter]:
    return {
        name: Parameter(name=name, endpoint=endpoint_id, schema=cast("dict[str, Json]", schema))
        for name, schema in properties.items()
    }


@cache
def _index() -> dict[str, str]:
    """Return the name of the description of each described endpoint."""
    return {
        endpoint_id: path.stem
        for path in sorted(_FOLDER.glob("*.json"))
        for endpoint_id in cast("list[str]", _read(path.stem)["ids"])
    }


@cache
def _known_names() -> frozenset[str]:
    return frozenset(
        name for endpoint_id in _index() for name in load_endpoint(endpoint_id).parameters
    )


@cache
def _read(name: str) -> _Description:
    text = (_FOLDER / f"{name}.json").read_text(encoding="utf-8")
    return cast("_Description", json.loads(text))


def _describe(name: str) -> _Description:
    """Return a description, on top of the one that it extends."""
    own = _read(name)
    base = own.get("extends")
    return _merge(_describe(base), own) if isinstance(base, str) else own


def _merge(base: Mapping[str, Json], own: Mapping[str, Json]) -> _Description:
    merged: _Description = dict(base)
    for key, value in own.items():
        under = base.get(key)
        both = isinstance(under, dict) and isinstance(value, dict)
        merged[key] = _merge(under, value) if both else value  # type: ignore[arg-type]  # both are mappings
    return merged


def _mapping(description: Mapping[str, Json], key: str) -> dict[str, Json]:
    return cast("dict[str, Json]", description[key])
