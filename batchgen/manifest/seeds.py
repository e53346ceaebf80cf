"""`seed:` → which seed each take of a combination is sent with."""

from __future__ import annotations

from dataclasses import dataclass

from batchgen.job import AUTO_SEED, Json
from batchgen.manifest.axes import Axis
from batchgen.manifest.reading import Part, Reading
from batchgen.manifest.values import Intake
from batchgen.scalar import MAX_INTEGER, kind_of, print_scalar, read_scalar

_TAKES = "auto, none, a whole number, {start: 1000}, or a list of seeds"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedRule:
    """Which seed a take is sent with, where nothing stronger sets one.

    Attributes:
        is_automatic: Whether it is derived from the job's identity.
        first: The seed of take 0, or None.
        step: What each take adds to it: 0 or 1.
    """

    is_automatic: bool = False
    first: int | None = None
    step: int = 0

    def of(self, take: int) -> int | str | None:
        """Return a take's seed, counted from 0: a number, `"auto"`, or None for no seed."""
        if self.is_automatic:
            return AUTO_SEED
        return None if self.first is None else self.first + self.step * take


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeding:
    """What `seed:` says.

    Attributes:
        rule: The rule.
        axis: The axis that a list of seeds is, or None.
    """

    rule: SeedRule
    axis: Axis | None = None


def load_seeding(
    part: Part | None, *, default: Json, repeat: int, intake: Intake, reading: Reading
) -> Seeding:
    """Return what `seed:` says; what is wrong with it is noted.

    Args:
        part: The manifest's `seed:`, or None.
        default: The seed under `parameters:`, settled, or None.
        repeat: How many takes there are.
        intake: What the parameter takes.
        reading: The manifest.
    """
    if part is None and isinstance(default, int):
        part = Part(value=default, spot=("parameters", "seed"))
    if part is None:
        return Seeding(rule=SeedRule(is_automatic=intake.endpoint.sets_seed))
    loader = _Loader(part=part, repeat=repeat, intake=intake, reading=reading)
    match part.value:
        case "auto":
            return Seeding(rule=SeedRule(is_automatic=True))
        case "none":
            return Seeding(rule=SeedRule())
        case [*seeds] if seeds:
            return Seeding(rule=SeedRule(), axis=loader.axis(seeds))
        case {"start": start, **rest} if not rest:
            first = loader.seed(start, "start")
            loader.check_last(first)
            return Seeding(rule=SeedRule(first=first, step=1))
        case dict() | list() | None:
            text = f"seed is {kind_of(part.value) if part.value != [] else 'an empty list'}."
            reading.mistake(f"{text} It takes {_TAKES}.", at=part.spot)
            return Seeding(rule=SeedRule())
        case number:
            return Seeding(rule=loader.fixed(number))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loader:
    part: Part
    repeat: int
    intake: Intake
    reading: Reading

    def fixed(self, value: Json) -> SeedRule:
        seed = self.seed(value)
        if self.repeat > 1:
            text = f"one seed and repeat {self.repeat}: every take would be the same job. Write"
            self.reading.mistake(
                f"{text} seed: {{start: {seed}}}, which gives take k the seed {seed} + k.",
                at=self.part.spot,
            )
        return SeedRule(first=seed)

    def axis(self, seeds: list[Json]) -> Axis:
        settled = [self.seed(seed, number) for number, seed in enumerate(seeds)]
        if self.repeat > 1:
            text = f"a list of seeds and repeat {self.repeat}: every take would be the same job."
            self.reading.mistake(f"{text} Write one of the two.", at=self.part.spot)
        return Axis(
            name="seed",
            values=[read_scalar(str(seed)) for seed in settled],
            spot=self.part.spot,
            intake=self.intake,
            settled=[{"seed": seed} for seed in settled],
        )

    def seed(self, value: Json, *below: str | int) -> int:
        """Return a seed; 0 if it is none, which is noted."""
        try:
            settled = self.intake.endpoint.settle("seed", value)
        except ValueError as error:
            self.reading.mistake(f"{error} seed: takes {_TAKES}.", at=(*self.part.spot, *below))
            return 0
        if isinstance(settled, str):
            settled = read_scalar(settled)
        if isinstance(settled, int) and not isinstance(settled, bool):
            return settled
        shown = kind_of(value) if isinstance(value, dict | list | None) else print_scalar(value)
        text = f"seed is '{shown}'. It takes {_TAKES}."
        self.reading.mistake(text, at=(*self.part.spot, *below))
        return 0

    def check_last(self, first: int) -> None:
        """Note takes whose seed would be too large."""
        last = first + self.repeat - 1
        try:
            self.intake.endpoint.settle("seed", last)
        except ValueError:
            fits = False
        else:
            fits = abs(last) <= MAX_INTEGER
        if not fits:
            text = f"the last take's seed would be {last}, which is too large."
            self.reading.mistake(text, at=self.part.spot)
