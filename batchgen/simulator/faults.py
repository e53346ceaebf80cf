"""Which faults hit which call: by rate, and by script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from batchgen.simulator.answer import Json
from batchgen.simulator.catalogue import FAULTS, find_fault
from batchgen.simulator.dice import chance
from batchgen.simulator.fault import Fault, Kind
from batchgen.simulator.script import ScriptLine, check_rates, script_line


class Faults:
    """The faults that are asked for, and how often they have struck.

    Every fault draws for itself, from the seed, the start and the call's number in its kind:
    the same calls are hit again when a run is repeated, whatever other faults are added.

    Attributes:
        seen: How many calls there were, by kind.
        fired: How often a fault was drawn, by name.
    """

    def __init__(
        self,
        *,
        rates: Mapping[str, float] | None = None,
        lines: Iterable[ScriptLine] = (),
        seed: int = 0,
        start: int = 1,
    ) -> None:
        """Take what is asked for.

        Args:
            rates: How likely each fault is at each call of its kind, 0 to 1, by name.
            lines: The script.
            seed: The seed of all draws.
            start: How often this service was started on its folder, counted from 1: its calls
                are counted anew, and should not all meet what the first ones met.

        Raises:
            UsageError: A fault is unknown or a rate is no number from 0 to 1.
        """
        self.seen: Counter[Kind] = Counter()
        self.fired: Counter[str] = Counter()
        self._seed = seed
        self._start = start
        self._rates: dict[Kind, list[tuple[Fault, float]]] = {}
        self._lines: dict[Kind, list[ScriptLine]] = {}
        self.set_rates(rates or {})
        self.add_lines(lines)

    def draw(self, kind: Kind) -> tuple[Fault, ...]:
        """Count one call of that kind and return the faults that hit it, the script's first."""
        self.seen[kind] += 1
        lines, rates = self._lines.get(kind), self._rates.get(kind)
        if not lines and not rates:
            return ()
        ordinal = self.seen[kind]
        hit = {
            fault.name: fault for line in lines or () if line.hits(ordinal) for fault in line.faults
        }
        for fault, rate in rates or ():
            if chance(self._seed, self._start, fault.name, ordinal) < rate:
                hit[fault.name] = fault
        self.fired.update(hit.keys())
        return tuple(hit.values())

    def script(self, *, on: str, nth: Json, do: str | Sequence[str]) -> None:
        """Add a line to the script; see `script_line`.

        Raises:
            UsageError: It is no line of a script.
        """
        self.add_lines([script_line(on=on, nth=nth, do=do)])

    def add_lines(self, lines: Iterable[ScriptLine]) -> None:
        """Add lines to the script."""
        for line in lines:
            self._lines.setdefault(line.on, []).append(line)

    def set_rate(self, name: str, rate: float) -> None:
        """Let a fault hit each call of its kind with that chance from now on; 0 ends it.

        Raises:
            UsageError: The fault is unknown or the rate is no number from 0 to 1.
        """
        self.set_rates({find_fault(name).name: rate})

    def set_rates(self, rates: Mapping[str, object]) -> None:
        """Do that for several faults.

        Raises:
            UsageError: A fault is unknown or a rate is no number from 0 to 1.
        """
        for name, rate in check_rates(rates).items():
            fault = FAULTS[name]
            others = [pair for pair in self._rates.get(fault.on, []) if pair[0].name != name]
            self._rates[fault.on] = [*others, (fault, rate)] if rate else others

    def clear(self) -> None:
        """Forget all rates and the whole script; the counts go on."""
        self._rates.clear()
        self._lines.clear()
