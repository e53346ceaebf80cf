"""The values of the axes of a grid: from the manifest, a file or a range; each checked once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from batchgen.errors import ManifestError, Mistake
from batchgen.job import Json
from batchgen.manifest.axes import Axis
from batchgen.manifest.reading import Part, Reading, Spot
from batchgen.manifest.tables import read_lines
from batchgen.manifest.values import Intake
from batchgen.scalar import kind_of, print_scalar, read_scalar

# A longer range is a slip of the keyboard; it would be checked value by value.
MAX_RANGE = 1_000_000

_FORMS = "a list [a, b], {file: names.txt}, {range: [0, 10]} or {weights: {a: 5, b: 1}}"


def load_axes(grid: Part, *, reading: Reading, intake: Intake) -> list[Axis]:
    """Return the axes of a `grid:`; what is wrong with them is noted."""
    if not isinstance(grid.value, dict):
        reading.mistake("grid needs axes: grid: {style: [woodcut, oil]}.", at=grid.spot)
        return []
    loaders = (
        _Loader(name=name, part=Part(value=value, spot=(*grid.spot, name)), reading=reading)
        for name, value in grid.value.items()
    )
    return [axis for loader in loaders if (axis := loader.load(intake)) is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A value of an axis and where it stands: in the manifest, or on a line of a file."""

    value: Json
    spot: Spot = ()
    is_key: bool = False
    file: str = ""
    line: int | None = None
    weight: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loader:
    """Reads one axis."""

    name: str
    part: Part
    reading: Reading

    def load(self, intake: Intake) -> Axis | None:
        found = list(self._find())
        if not found:
            return None
        strays = self._check_kinds(found, intake)
        settled = [{} if entry in strays else self._settle(entry, intake) for entry in found]
        weights = [entry.weight for entry in found if entry.weight is not None]
        return Axis(
            name=self.name,
            values=[entry.value for entry in found],
            spot=self.part.spot,
            intake=intake,
            settled=settled if any(settled) else (),
            weights=weights,
            line=lambda number: self._line(found[number]),
        )

    def _find(self) -> Iterator[_Found]:
        match self.part.value:
            case [*values]:
                if not values:
                    self._mistake(f"axis '{self.name}' has no values.")
                for number, value in enumerate(values):
                    yield _Found(value=value, spot=(*self.part.spot, number))
            case {"file": str(written), **rest} if not rest:
                yield from self._lines(written)
            case {"range": [*numbers], **rest} if not rest:
                yield from self._range(numbers)
            case {"weights": dict(weights), **rest} if not rest and weights:
                yield from self._weights(weights)
            case dict(other):
                self._mistake(
                    f"axis '{self.name}' is {kind_of(other)}. It takes {_FORMS}.", *_first(other)
                )
            case None:
                self._mistake(f"axis '{self.name}' has no values. It takes {_FORMS}.")
            case scalar:
                example = f"{self.name}: [{print_scalar(scalar)}]"
                self._mistake(f"axis '{self.name}' needs a list: {example}, or {_FORMS}.")

    def _lines(self, written: str) -> Iterator[_Found]:
        spot = (*self.part.spot, "file")
        path = self.reading.find(written, at=spot)
        if path is None:
            return
        try:
            lines = read_lines(path, shown_as=written)
        except ManifestError as error:
            self.reading.note(error.mistakes)
            return
        if not lines:
            self._mistake(f"axis '{self.name}' has no values ({written} is empty).")
        for line, text in lines:
            yield _Found(value=read_scalar(text), file=written, line=line)

    def _range(self, numbers: Sequence[Json]) -> Iterator[_Found]:
        spot = (*self.part.spot, "range")
        try:
            steps, places = _steps(numbers)
        except ValueError as error:
            self.reading.mistake(f"axis '{self.name}': {error}", at=spot)
            return
        if not steps:
            self._mistake(f"axis '{self.name}' has no values: the range ends before it begins.")
        for step in steps:
            number = format(Decimal(step).scaleb(-places).normalize(), "f")
            yield _Found(value=read_scalar(number), spot=spot)

    def _weights(self, weights: Mapping[str, Json]) -> Iterator[_Found]:
        for name, weight in weights.items():
            spot = (*self.part.spot, "weights", name)
            number = Decimal(0)
            if isinstance(weight, int | float) and not isinstance(weight, bool):
                number = Decimal(print_scalar(weight))
            if number <= 0:
                self.reading.mistake(
                    f"axis '{self.name}': the weight of '{name}' is {_shown(weight)}. "
                    "It takes a number above 0; leave the value out if it is never wanted.",
                    at=spot,
                )
                number = Decimal(1)
            yield _Found(value=read_scalar(name), spot=spot, is_key=True, weight=number)

    def _check_kinds(self, found: Sequence[_Found], intake: Intake) -> Sequence[_Found]:
        """Note values that are nothing, and mappings among texts: a slip of YAML's; return them."""
        strays = [entry for entry in found if entry.value is None]
        for entry in strays:
            self._note(entry, f"axis '{self.name}' has an empty value. Write \"\" for no text.")
        mappings = [entry for entry in found if isinstance(entry.value, dict)]
        others = [entry for entry in found if not isinstance(entry.value, dict | None)]
        if mappings and (len(mappings) <= len(others) or self._sets_a_text(intake)):
            for entry in mappings:
                self._note(entry, self._slip(entry, intake))
            return [*strays, *mappings]
        for entry in others if mappings else ():
            text = f"axis '{self.name}' has mappings for values; this one is"
            self._note(entry, f"{text} {_shown(entry.value)}.")
        return [*strays, *others] if mappings else strays

    def _sets_a_text(self, intake: Intake) -> bool:
        """Return whether the axis sets a parameter that no mapping fits."""
        return intake.takes(self.name) and not _fits(self.name, {}, intake)

    def _slip(self, entry: _Found, intake: Intake) -> str:
        """Return what is wrong with a mapping among texts; YAML made it one, most likely."""
        text = f"axis '{self.name}' has texts for values; this one is {kind_of(entry.value)}."
        document = self.reading.document
        meant = document.meant_as_text(entry.spot) if document else None
        if meant is None:
            return text
        tight = meant.replace(": ", ":")
        if intake.takes(self.name) and _fits(self.name, tight, intake):
            return f"{text} A blank behind a colon makes a key of it: write {tight}"
        return f'{text} YAML takes ": " for the mark of a key. Put quotes around it: "{meant}"'

    def _settle(self, entry: _Found, intake: Intake) -> dict[str, Json]:
        """Return the parameters that a value sets; those that it may not set are noted."""
        named: dict[str, Json] = {self.name: entry.value}
        if not intake.takes(self.name):
            named = entry.value if isinstance(entry.value, dict) else {}
        settled: dict[str, Json] = {}
        for name, value in named.items():
            if intake.takes(name):
                try:
                    settled[name] = intake.endpoint.settle(name, value)
                except ValueError as error:
                    self._note(entry, str(error), key=None if name == self.name else name)
        return settled

    def _line(self, entry: _Found) -> str:
        if entry.file:
            return f"{entry.file}:{entry.line}"
        line, _ = self.reading.place(entry.spot, key=entry.is_key)
        return f"{self.reading.file}:{line}" if line else ""

    def _note(self, entry: _Found, text: str, *, key: str | None = None) -> None:
        if entry.file:
            self.reading.note([Mistake(file=entry.file, line=entry.line, text=text)])
        else:
            spot = entry.spot if key is None else (*entry.spot, key)
            self.reading.mistake(text, at=spot, key=entry.is_key)

    def _mistake(self, text: str, *below: str) -> None:
        self.reading.mistake(text, at=(*self.part.spot, *below), key=True)


def _fits(name: str, value: Json, intake: Intake) -> bool:
    try:
        intake.endpoint.settle(name, value)
    except ValueError:
        return False
    return True


def _first(mapping: Mapping[str, Json]) -> tuple[str, ...]:
    return tuple(mapping)[:1]


def _shown(value: Json) -> str:
    if value is None or isinstance(value, dict | list):
        return kind_of(value)
    return f"'{print_scalar(value)}'"


def _steps(numbers: Sequence[Json]) -> tuple[range, int]:
    """Return a range in whole steps, and how many decimal places were taken off it.

    Raises:
        ValueError: It is not a range; the text says what is one.
    """
    takes = "a range is [stop], [start, stop] or [start, stop, step], in numbers"
    if not 1 <= len(numbers) <= 3:
        raise ValueError(f"{takes}; this one has {len(numbers)} entries.")
    decimals = []
    for number in numbers:
        if not isinstance(number, int | float) or isinstance(number, bool):
            raise ValueError(f"{takes}; {_shown(number)} is none.")  # noqa: TRY004 - the user's
        decimals.append(Decimal(print_scalar(number)))
    places = max(-int(number.as_tuple().exponent) for number in decimals)
    whole = [int(number.scaleb(places)) for number in decimals]
    if len(whole) == 3 and whole[2] == 0:
        raise ValueError("the step of a range cannot be 0.")
    steps = range(*whole)
    if len(steps) > MAX_RANGE:
        raise ValueError(f"a range has at most {MAX_RANGE:,} values; this one has {len(steps):,}.")
    return steps, places
