"""Exact scenarios: a list of `{on, nth, do}`, and the rates of the option `--faults`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchgen.errors import UsageError
from batchgen.simulator.answer import Json
from batchgen.simulator.catalogue import find_fault
from batchgen.simulator.fault import Fault, Kind

EVERY = "every"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Some of the calls of a kind, counted from 1.

    Attributes:
        first: The first one.
        last: The last one, or None for all that follow.
    """

    first: int
    last: int | None

    def __contains__(self, ordinal: int) -> bool:
        return ordinal >= self.first and (self.last is None or ordinal <= self.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptLine:
    """One line of a script.

    Attributes:
        on: The kind of call.
        spans: Which of them.
        faults: What happens there, all of it at once.
    """

    on: Kind
    spans: tuple[Span, ...]
    faults: tuple[Fault, ...]

    def hits(self, ordinal: int) -> bool:
        """Return whether the call of that number is one of them."""
        return any(ordinal in span for span in self.spans)


def script_line(*, on: str, nth: Json, do: str | Sequence[str]) -> ScriptLine:
    """Return a line of a script from what its author wrote.

    Args:
        on: A kind of call: submit, run, status, result, cancel, stream, image, history, pricing.
        nth: Counted from 1: `3`, `"3"`, `"3-7"`, `"3-"`, `"every"`, or a list of these.
        do: The name of a fault of that kind, or several.

    Raises:
        UsageError: One of the three is not that.
    """
    if on not in set(Kind):
        raise UsageError(f"a script's 'on' is one of {', '.join(Kind)}; not '{on}'.")
    kind = Kind(on)
    names = [do] if isinstance(do, str) else do
    if not names:
        raise UsageError(f"a script's 'do' names at least one fault of {kind}.")
    faults = tuple(find_fault(name, on=kind) for name in names)
    return ScriptLine(on=kind, spans=parse_nth(nth), faults=faults)


def parse_nth(nth: Json) -> tuple[Span, ...]:
    """Return the spans that `nth` stands for; see `script_line`.

    Raises:
        UsageError: It is none of the forms.
    """
    if isinstance(nth, list) and nth:
        return tuple(span for part in nth for span in parse_nth(part))
    if nth == EVERY:
        return (Span(first=1, last=None),)
    first, dash, last = str(nth).partition("-")
    fits = isinstance(nth, int | str) and not isinstance(nth, bool)
    if fits and _counts(first) and (not last or _counts(last)):
        end = int(last) if last else None if dash else int(first)
        return (Span(first=int(first), last=end),)
    raise UsageError(
        f"a script's 'nth' is a number from 1, '3-7', '3-', 'every' or a list of these: {nth!r}."
    )


def _counts(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) >= 1


def parse_script(lines: Json) -> tuple[ScriptLine, ...]:
    """Return the script that JSON holds: a list of `{on, nth, do}`.

    Raises:
        UsageError: It is not such a list.
    """
    if not isinstance(lines, list):
        raise UsageError("a script is a list of {on, nth, do}.")
    return tuple(_parse_line(line) for line in lines)


def _parse_line(line: Json) -> ScriptLine:
    if not isinstance(line, dict) or set(line) != {"on", "nth", "do"}:
        raise UsageError(f"a line of a script is {{on, nth, do}}; not {json.dumps(line)}.")
    do = line["do"]
    names = do if isinstance(do, list) else [do]
    return script_line(on=str(line["on"]), nth=line["nth"], do=[str(name) for name in names])


def load_script(path: Path) -> tuple[ScriptLine, ...]:
    """Return the script in a JSON file.

    Raises:
        UsageError: The file cannot be read, is no JSON, or is no script.
    """
    try:
        lines = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: the script cannot be read: {error}") from error
    try:
        return parse_script(lines)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def parse_rates(text: str) -> dict[str, float]:
    """Return the rates that `name=rate,name=rate` stands for, names as the table has them.

    Raises:
        UsageError: A name is unknown, or a rate is no number from 0 to 1.
    """
    rates: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals:
            raise UsageError(
                f"a fault is asked for as name=rate, as in lost_reply=0.02; not '{part}'."
            )
        rates |= check_rates({name: value})
    return rates


def check_rates(rates: Mapping[str, object]) -> dict[str, float]:
    """Return `rates` with names as the table has them and rates as numbers.

    Raises:
        UsageError: A name is unknown, or a rate is no number from 0 to 1.
    """
    checked: dict[str, float] = {}
    for name, value in rates.items():
        fault = find_fault(name)
        try:
            rate = float(str(value))
        except ValueError:
            rate = -1.0
        if not 0.0 <= rate <= 1.0:
            raise UsageError(f"the rate of {fault.name} is a number from 0 to 1; not '{value}'.")
        checked[fault.name] = rate
    return checked
