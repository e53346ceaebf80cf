"""One parameter of an endpoint: the type that it needs, what it takes, and what was meant."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import Literal, cast

from batchgen.job import Json
from batchgen.scalar import kind_of, print_scalar

Cause = Literal["spreadsheet", "base 60", "slip", ""]

# Also what a spreadsheet makes of integers in a column with gaps: 2.0.
_INTEGER = re.compile(r"(-?[0-9]+)(?:\.0+)?", re.ASCII)
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{1,2})(?::00)?(?: ?([AP])M)?", re.ASCII | re.IGNORECASE)
_BOOLEANS = {"true": True, "false": False}
_ALMOST_BOOLEANS = {
    **dict.fromkeys(("yes", "on", "1", "y", "t"), "true"),
    **dict.fromkeys(("no", "off", "0", "n", "f"), "false"),
}


class UnfitValueError(ValueError):
    """A value that the endpoint does not take. Its text says what it takes.

    Attributes:
        name: The parameter.
        endpoint: The endpoint's id.
        shown: The value as a message shows it: `'16:09'`.
        meant: What was probably meant, as it is written: `16:9`; or None.
        cause: How the value came about, where that is known.
        takes: What the parameter takes: `auto, 21:9, …`.
    """

    def __init__(
        self,
        *,
        name: str,
        endpoint: str,
        shown: str,
        takes: str,
        meant: str | None = None,
        cause: Cause = "",
    ) -> None:
        self.name = name
        self.endpoint = endpoint
        self.shown = shown
        self.meant = meant
        self.cause = cause
        self.takes = takes
        super().__init__("\n  ".join((f"{name} is {shown}.", *advice([self]))))


def advice(errors: Sequence[UnfitValueError]) -> tuple[str, ...]:
    """Return what to write instead, a sentence a line, for errors of one parameter.

    One value or many, so that a thousand cells with two wrong values make one message.
    """
    lines = []
    for cause in ("spreadsheet", "base 60", "slip"):
        meant = list(dict.fromkeys(e.meant for e in errors if e.cause == cause and e.meant))
        if meant:
            lines.append(_sentence(cause, meant))
    return (*lines, f"{errors[0].endpoint} takes {errors[0].takes}.")


def _sentence(cause: str, meant: Sequence[str]) -> str:
    if cause == "slip":
        return f"Did you mean {' and '.join(meant)}?"
    quoted = [f'"{value}"' for value in meant] if cause == "base 60" else meant
    values = " and ".join([", ".join(quoted[:-1]), quoted[-1]] if quoted[1:] else quoted)
    ratios = "of the ratios" if quoted[1:] else "of the ratio"
    if cause == "base 60":
        numbers = "numbers" if quoted[1:] else "a number"
        return f"A YAML reader has made {numbers} {ratios} (to the base 60): write {values}."
    times = "times" if quoted[1:] else "a time"
    return (
        f"A spreadsheet has made {times} {ratios}: write {values} "
        "(in Excel, format the column as Text before typing)."
    )


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of an endpoint.

    Attributes:
        name: As the service calls it.
        endpoint: The endpoint's id, for messages.
        schema: What it takes, in JSON Schema (draft 2020-12).
    """

    name: str
    endpoint: str
    schema: Mapping[str, Json]
    # Values from a short list come back a million times: settled once each.
    _settled: dict[tuple[type, Json], Json] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def settle(self, value: Json) -> Json:
        """Return `value` in the type that the service needs.

        Raises:
            UnfitValueError: The parameter does not take it.
        """
        return self._rule(value)

    @cached_property
    def takes(self) -> str:
        """What it takes, for messages."""
        schema = self.schema
        match schema["type"]:
            case "boolean":
                return "true, false"
            case "integer" if schema["maximum"] == 2**53 - 1:
                return "a whole number"
            case "integer":
                return f"a whole number from {schema['minimum']} to {schema['maximum']}"
            case "array":
                return (
                    f"{schema['minItems']} to {schema['maxItems']} addresses "
                    "that begin with https:// or data:"
                )
            case _:
                return ", ".join(self.choices) or "text that is not empty"

    @cached_property
    def choices(self) -> tuple[str, ...]:
        """The values that it takes, where they are a short list of texts."""
        choices = self.schema.get("enum", [])
        return tuple(str(choice) for choice in choices) if isinstance(choices, list) else ()

    @cached_property
    def _rule(self) -> Callable[[Json], Json]:
        match self.schema["type"]:
            case "integer":
                return self._integer
            case "array":
                return self._array
            case "string" if "enum" not in self.schema:
                return self._text
            case _:
                return self._choice

    def _choice(self, value: Json) -> Json:
        if isinstance(value, dict | list):
            raise self._unfit(value)
        settled = self._settled.get((type(value), value))
        if settled is None:
            settled = self._boolean(value) if not self.choices else self._one_of_texts(value)
            self._settled[type(value), value] = settled
        return settled

    def _boolean(self, value: Json) -> bool:
        if isinstance(value, bool):
            return value
        text = _as_written(value)
        # A spreadsheet knows no other way to write it than TRUE.
        if text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()]
        raise self._unfit(value, meant=_ALMOST_BOOLEANS.get(text.strip().lower()), cause="slip")

    def _one_of_texts(self, value: Json) -> str:
        text = _as_written(value)
        if text in self.choices and not isinstance(value, bool):
            return text
        for meant, cause in _guesses(value, text, self.choices):
            if meant in self.choices:
                raise self._unfit(value, meant=meant, cause=cause)
        raise self._unfit(value)

    def _integer(self, value: Json) -> int:
        number: int | None = None
        if isinstance(value, str):
            match = _INTEGER.fullmatch(value)
            # int() refuses thousands of digits, and no range here has twenty.
            number = int(match[1]) if match and len(value) <= 20 else None
        elif isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0:
            number = int(value)
        low, high = cast("int", self.schema["minimum"]), cast("int", self.schema["maximum"])
        if number is None or not low <= number <= high:
            stripped = value.strip() if isinstance(value, str) else None
            meant = stripped if stripped != value and _INTEGER.fullmatch(stripped or "") else None
            raise self._unfit(value, meant=meant, cause="slip")
        return number

    def _text(self, value: Json) -> str:
        if isinstance(value, str) and value and not value.isspace():
            return value
        text = _as_written(value)
        if isinstance(value, dict | list) or not text or text.isspace():
            raise self._unfit(value)
        return text

    def _array(self, value: Json) -> Json:
        if isinstance(value, str):
            value = _list_in(value)
        if not _schema_takes(self.schema, value):
            raise self._unfit(value)
        return value

    def _unfit(
        self, value: Json, *, meant: str | None = None, cause: Cause = ""
    ) -> UnfitValueError:
        shown = kind_of(value)
        if isinstance(value, list) and len(value) == 1:
            shown = f"[{_shown(value[0])}]"
        elif not isinstance(value, dict | list):
            shown = _shown(value)
        return UnfitValueError(
            name=self.name,
            endpoint=self.endpoint,
            shown=shown,
            takes=self.takes,
            meant=meant,
            cause=cause if meant else "",
        )


def _as_written(value: Json) -> str:
    """Return a value as it is written, or nothing for one that is no scalar."""
    try:
        return print_scalar(value)
    except ValueError:
        return ""


def _shown(value: Json) -> str:
    if value is None or value == "":
        return "empty"
    if isinstance(value, dict | list):
        return kind_of(value)
    text = _as_written(value) or str(value)
    return f"'{text}'" if len(text) <= 80 else f"'{text[:77]}…'"


def _guesses(value: Json, text: str, choices: Sequence[str]) -> list[tuple[str, Cause]]:
    """Return what may have been meant, the most likely first; not every guess is a choice."""
    guesses: list[tuple[str, Cause]] = []
    if time := _TIME.fullmatch(text.strip()):
        hours = int(time[1]) + (12 if (time[3] or "").upper() == "P" and int(time[1]) < 12 else 0)
        ratio = f"{hours}:{int(time[2])}"
        guesses.append((ratio, "slip" if ratio == text.strip() else "spreadsheet"))
    if isinstance(value, int) and not isinstance(value, bool):
        guesses.append((f"{value // 60}:{value % 60}", "base 60"))
    tidy = "".join(text.split()).casefold()
    by_case = {choice.casefold(): choice for choice in choices}
    candidates = (tidy, re.sub(r"[x×/∶-]", ":", tidy), tidy.removesuffix(".0"))
    guesses += [(by_case[name], "slip") for name in candidates if name in by_case]
    if not any(character.isdigit() for character in tidy):
        near = get_close_matches(tidy, by_case, n=1)
        guesses += [(by_case[name], "slip") for name in near]
    return guesses


def _list_in(text: str) -> Json:
    """Return the list in a cell: written as JSON, else the cell is its only entry."""
    if text.startswith("["):
        try:
            parsed: Json = json.loads(text)
        except ValueError:
            return [text]
        return parsed
    return [text]


def _schema_takes(schema: Mapping[str, Json], value: Json) -> bool:
    # Slow to import, and most manifests have no lists.
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - see above

    return bool(Draft202012Validator(dict(schema)).is_valid(value))
