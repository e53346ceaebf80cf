"""An axis: its values, and what each of them adds to a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property

from batchgen.job import Json
from batchgen.manifest.reading import Spot
from batchgen.manifest.values import Intake, Value, flat, make_value

# So many values of an axis are kept as they are needed to make jobs.
_REMEMBERED = 4_096


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis.

    Attributes:
        name: The variable.
        values: As they are written.
        spot: Where it stands.
        intake: Which names set a parameter.
        settled: For each value the parameters that it sets; empty where none sets any.
        weights: How likely each value is where jobs are drawn; empty if all are alike.
        line: Returns where a value stands, as `m.yaml:7`, or `""`.
    """

    name: str
    values: Sequence[Json]
    spot: Spot
    intake: Intake
    settled: Sequence[Mapping[str, Json]] = ()
    weights: Sequence[Decimal] = ()
    line: Callable[[int], str] = lambda _: ""
    _made: dict[int, Value] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def sets(self) -> frozenset[str]:
        """The parameters that one of its values sets."""
        return frozenset(name for settled in self.settled for name in settled)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The variables at the top of a template's scope that one of its values defines."""
        keys = (key for value in self.values if isinstance(value, dict) for key in value)
        return tuple(dict.fromkeys((self.name, *filter(self.intake.knows, keys))))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Its flat variables, in order of first appearance."""
        if self.intake.takes(self.name):
            return ()
        pairs = (pair for value in self.values for pair in flat(self.name, value, but=self.intake))
        return tuple(dict.fromkeys(name for name, _ in pairs))

    def value(self, number: int) -> Value:
        """Return what one of its values adds to a job, by its number from 0."""
        made = self._made.get(number)
        if made is None:
            made = make_value(
                {self.name: self.values[number]},
                settled=self.settled[number] if self.settled else {},
                intake=self.intake,
                line=self.line(number) if len(self.values) <= _REMEMBERED else "",
            )
            if len(self._made) < _REMEMBERED:
                self._made[number] = made
        return made
