"""`exclude:` → holes; entries that remove nothing, and what they probably meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import islice

from batchgen.grid import Dimension
from batchgen.job import Json
from batchgen.manifest.axes import Axis
from batchgen.manifest.holes import Exclusion, Holes, Path, Term, printed, value_at
from batchgen.manifest.reading import Part, Reading, Spot
from batchgen.manifest.rows import Rows
from batchgen.scalar import kind_of

# So many values of a column are looked through for the one that was meant.
_LOOKED_THROUGH = 10_000


class Excluder:
    """Reads the entries of `exclude:` into holes."""

    def __init__(
        self,
        *,
        rows: Rows | None,
        axes: Sequence[Axis],
        constants: Mapping[str, Json],
        reading: Reading,
    ) -> None:
        """Make the holes that there are without any entry.

        Args:
            rows: The block's rows.
            axes: Its axes.
            constants: Variables that are the same in all its jobs, `sweep` among them.
            reading: The manifest.
        """
        self.holes = Holes(rows=rows, axes=axes)
        self._rows = rows
        self._axes = {axis.name: axis for axis in axes}
        self._constants = constants
        self._reading = reading
        self._written: dict[Spot, str] = {}

    def read(self, part: Part) -> None:
        """Read `exclude:`; what is wrong with it is noted."""
        if not isinstance(part.value, list):
            text = "exclude needs a list of entries: - {style: woodcut, aspect_ratio: 16:9}."
            self._reading.mistake(text, at=part.spot)
            return
        for number, entry in enumerate(part.value):
            spot = (*part.spot, number)
            if not isinstance(entry, dict) or not entry:
                what = kind_of(entry) if entry else "empty"
                text = f"exclude: an entry is {what}. It takes axes and values: {{style: woodcut}}."
                self._reading.mistake(text, at=spot)
            else:
                self._read_entry(entry, spot)

    def warn_of_idle(self, dimensions: Sequence[Dimension]) -> None:
        """Warn of entries that remove nothing, with the nearest value that there is."""
        for entry in self.holes.idle(dimensions):
            self._reading.warn(
                f"{self._reading.where(entry.spot)}  'exclude: {self._written[entry.spot]}' "
                f"removes nothing; {self._nearest(entry)}."
            )

    def _read_entry(self, entry: Mapping[str, Json], spot: Spot) -> None:
        self._written[spot] = _inline(dict(entry))
        terms: list[Term] = []
        for name, value in entry.items():
            path = self._path_of(name)
            if path is None:
                self._reading.mistake(self._unknown(name), at=(*spot, name), key=True)
                return
            found = list(self._terms(path, value, (*spot, name)))
            if not found:
                # Noted; without this term the entry would remove more than was meant.
                return
            terms += found
        steady = [term for term in terms if term.path[0] in self._constants]
        if all(printed(value_at(t.path, self._constants)) in t.wanted for t in steady):
            self.holes.exclude(spot, [term for term in terms if term not in steady])

    def _terms(self, path: Path, value: Json, spot: Spot) -> Iterator[Term]:
        if isinstance(value, dict) and value:
            for key, below in value.items():
                yield from self._terms((*path, key), below, (*spot, key))
            return
        if value is None or value in ([], {}):
            self._reading.mistake(f"exclude: {'.'.join(path)} is empty.", at=spot)
            return
        among = [value, *value] if isinstance(value, list) else [value]
        wanted = frozenset(shown for one in among if (shown := printed(one)) is not None)
        yield Term(path=path, wanted=wanted, spot=spot)

    def _path_of(self, name: str) -> Path | None:
        """Return the path that a name means: a name, or a name and keys below it."""
        known = self._names()
        if name in known:
            return (name,)
        first, *rest = name.split(".")
        return (first, *rest) if rest and first in known else None

    def _names(self) -> list[str]:
        columns = self._rows.names if self._rows else ()
        return [*self._axes, *columns, *self._constants]

    def _unknown(self, name: str) -> str:
        names = self._names()
        near = get_close_matches(name, names, n=1)
        guess = f" Did you mean '{near[0]}'?" if near else ""
        return f"exclude: there is no axis or column '{name}'.{guess} There are {', '.join(names)}."

    def _nearest(self, entry: Exclusion) -> str:
        for term in entry.terms:
            there = self._there(term.path)
            if term.wanted.isdisjoint(there):
                what = "axis" if term.path[0] in self._axes else "column"
                near = get_close_matches(next(iter(sorted(term.wanted))), there, n=1)
                shown = f"'{near[0]}'" if near else _listed(there)
                return f"the {what} has {shown}" if there else f"there is no {'.'.join(term.path)}"
        return "no combination has all of these"

    def _there(self, path: Path) -> list[str]:
        """Return the values that there are at a path, as they print, each once."""
        if path[0] in self._axes:
            found = ({path[0]: value} for value in self._axes[path[0]].values)
        else:
            rows = islice(self._rows or (), _LOOKED_THROUGH)
            found = (row.cells for row in rows)
        shown = (printed(value_at(path, named)) for named in found)
        return list(dict.fromkeys(text for text in shown if text is not None))


def _listed(values: Sequence[str]) -> str:
    first = ", ".join(f"'{value}'" for value in values[:5])
    return f"{first} and {len(values) - 5} more" if values[5:] else first


def _inline(value: Json) -> str:
    """Return a value as someone would write it in YAML on one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_inline(below)}' for key, below in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    return printed(value) or "null"
