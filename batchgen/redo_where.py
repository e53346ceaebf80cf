"""`--where AXIS=VALUE`: which jobs of a manifest are meant by the values that they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from batchgen.endpoint import load_endpoint
from batchgen.errors import UsageError
from batchgen.job import Job
from batchgen.ledger import FIXED
from batchgen.manifest import Manifest
from batchgen.manifest.holes import printed
from batchgen.scalar import listed

# Fixed columns of the ledger that tell jobs apart.
_OWN = ("seed", "prompt", "endpoint", "repeat")

# So many values of a name are remembered, to show the nearest one.
_MOST_VALUES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Values that a job must have: of each name, one of those that are given for it.

    Attributes:
        wanted: By the name of a variable or a parameter: its values, as they print.
    """

    wanted: Mapping[str, frozenset[str]]
    _seen: dict[str, dict[str, None]] = field(default_factory=dict)
    _met: dict[str, set[str]] = field(default_factory=dict)

    def takes(self, job: Job) -> bool:
        """Say whether a job is meant."""
        is_meant = True
        for name, values in self.wanted.items():
            value = value_of(job, name)
            if value is None:
                is_meant = False
                continue
            seen = self._seen.setdefault(name, {})
            if len(seen) < _MOST_VALUES:
                seen[value] = None
            if value in values:
                self._met.setdefault(name, set()).add(value)
            else:
                is_meant = False
        return is_meant

    def check_met(self) -> None:
        """Refuse a value that no job has had, of those that were looked at.

        Raises:
            UsageError: With what there is instead.
        """
        faults = []
        for name, values in self.wanted.items():
            seen = list(self._seen.get(name, ()))
            for value in sorted(values - self._met.get(name, set())):
                near = get_close_matches(value, seen, n=1, cutoff=0.6)
                guess = f" Did you mean '{near[0]}'?" if near else ""
                faults.append(
                    f"--where: no job has {name} '{value}'.{guess} There are: {listed(seen)}."
                )
        if faults:
            raise UsageError("\n".join(faults))


def parse_where(texts: Sequence[str], manifest: Manifest) -> Where:
    """Return what `--where` means; a name that is given twice takes either value.

    Args:
        texts: As they were written: `style=woodcut`.
        manifest: Whose variables and parameters there are.

    Raises:
        UsageError: One does not say a name and a value, or there is no such name.
    """
    names = dict.fromkeys((*manifest.variables, *manifest.parameters, *_OWN))
    wanted: dict[str, set[str]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--where is {text!r}. It takes AXIS=VALUE, as in style=woodcut")
        known = name.strip()
        if not any(known in load_endpoint(one).parameters for one in manifest.endpoints):
            known = _known_name(known, names)
        wanted.setdefault(known, set()).add(value)
    return Where(wanted={name: frozenset(values) for name, values in wanted.items()})


def value_of(job: Job, name: str) -> str | None:
    """Return a job's value of a variable or a parameter as it prints; None where it has none.

    A parameter that is not sent has its default value.
    """
    if name in job.variables:
        return printed(job.variables[name])
    if name == "endpoint":
        return job.endpoint
    if name == "repeat":
        return str(job.repeat)
    if name in job.input:
        return printed(job.input[name])
    try:
        return printed(load_endpoint(job.endpoint).default(name))
    except KeyError:
        return None


def _known_name(name: str, names: Mapping[str, None]) -> str:
    """Return the name of a variable or a parameter; as a ledger column it may begin with `var.`."""
    if name in names:
        return name
    bare = name.removeprefix("var.")
    if bare in names and bare in FIXED:
        return bare
    parts = [known for known in names if known.startswith(f"{name}.")]
    if parts:
        raise UsageError(f"--where: {name} is a mapping. Name a part of it: {parts[0]}=VALUE")
    near = get_close_matches(name, list(names), n=1, cutoff=0.6)
    guess = f" Did you mean '{near[0]}'?" if near else ""
    raise UsageError(f"--where: there is no '{name}'.{guess} There are: {listed(names)}.")
