"""Every fault that can be asked for, by name: the one table behind options, help and docs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType

from batchgen.errors import UsageError
from batchgen.simulator.fault import Fault, Kind
from batchgen.simulator.image_faults import IMAGE_FAULTS
from batchgen.simulator.read_faults import READ_FAULTS
from batchgen.simulator.run_faults import RUN_FAULTS
from batchgen.simulator.submit_faults import SUBMIT_FAULTS

_TITLES: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.SUBMIT: "the n-th submission (POST)",
        Kind.RUN: "the n-th accepted request: what becomes of it",
        Kind.STATUS: "the n-th read of a status",
        Kind.RESULT: "the n-th read of a result",
        Kind.CANCEL: "the n-th cancellation (PUT)",
        Kind.STREAM: "the n-th status stream",
        Kind.IMAGE: "the n-th fetch of an image",
        Kind.HISTORY: "the n-th page of the request history",
        Kind.PRICING: "the n-th look at the prices",
    }
)


def _named(faults: Iterator[Fault]) -> Mapping[str, Fault]:
    table: dict[str, Fault] = {}
    for fault in faults:
        if fault.name in table:
            raise ValueError(f"two faults are called {fault.name}")
        table[fault.name] = fault
    return MappingProxyType(table)


FAULTS: Mapping[str, Fault] = _named(
    fault for faults in (SUBMIT_FAULTS, RUN_FAULTS, READ_FAULTS, IMAGE_FAULTS) for fault in faults
)
_ALIASES = {fault.alias: fault.name for fault in FAULTS.values() if fault.alias}


def find_fault(name: str, *, on: Kind | None = None) -> Fault:
    """Return the fault of that name; blanks and hyphens count as `_`, case does not count.

    Args:
        name: A name or an alias, as in `lost_reply`, `accept then drop`.
        on: The kind of call that it must hit, if that is known.

    Raises:
        UsageError: There is no such fault, or it hits another kind of call.
    """
    plain = "_".join(name.lower().replace("-", " ").split())
    fault = FAULTS.get(_ALIASES.get(plain, plain))
    if fault is None:
        near = get_close_matches(plain, [*FAULTS, *_ALIASES], n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise UsageError(
            f"there is no fault '{name}'.{hint} batchgen simulate --list-faults shows them all."
        )
    if on is not None and fault.on is not on:
        raise UsageError(f"'{fault.name}' is a fault of {fault.on}, not of {on}.")
    return fault


def faults_of(kind: Kind) -> tuple[Fault, ...]:
    """Return the faults that hit one kind of call, in the order of the table."""
    return tuple(fault for fault in FAULTS.values() if fault.on is kind)


def catalogue_text() -> str:
    """Return the table as plain text, one fault a line."""
    width = max(map(len, FAULTS))
    blocks = []
    for kind, title in _TITLES.items():
        lines = [f"on {kind}: {title}"]
        lines += [f"  {fault.name:<{width}}  {_told(fault)}" for fault in faults_of(kind)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def catalogue_markdown() -> str:
    """Return the table as Markdown, one section for each kind of call."""
    blocks = []
    for kind, title in _TITLES.items():
        rows = [f"| `{fault.name}` | {_told(fault)} |" for fault in faults_of(kind)]
        table = "\n".join(["| name | what happens |", "| --- | --- |", *rows])
        blocks.append(f"### `{kind}`: {title}\n\n{table}\n")
    return "\n".join(blocks)


def _told(fault: Fault) -> str:
    also = f" (also: {fault.alias.replace('_', ' ')})" if fault.alias else ""
    return fault.text + also
