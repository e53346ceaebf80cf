"""The options of a run: their defaults, what they take, and what stands above what.

The same grammar for the manifest's `run:` section and for the command line; the command line
wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, time, timedelta, tzinfo
from decimal import ROUND_CEILING, Decimal
from typing import Self, TypeAlias

from batchgen.job import Json
from batchgen.scalar import kind_of, print_scalar

RETRY_MODES = ("failed", "transient", "none")
ON_UNKNOWN = ("hold", "resubmit")

# Below so many jobs a share of failures says nothing.
LEAST_ENDED = 20

_AMOUNT = re.compile(r"\$?([0-9]+(?:\.[0-9]+)?)\$?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)
_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?/ ?(s|sec|second|min|minute)", re.ASCII)
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?%", re.ASCII)
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)

_SECONDS = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most so many submissions in so much time.

    Attributes:
        text: As it was written: `5/s`, `100/min`.
        per_s: Submissions a second.
    """

    text: str
    per_s: float

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureLimit:
    """How many jobs may fail in a run before it stops.

    Attributes:
        text: As it was written: `10`, `2%`.
        count: So many failures, or None.
        percent: A share of the jobs that have ended, once 20 have; or None.
    """

    text: str
    count: int | None = None
    percent: Decimal | None = None

    def __str__(self) -> str:
        return self.text

    def is_reached(self, *, failed: int, ended: int) -> bool:
        """Say whether a run must stop.

        Args:
            failed: Jobs that failed for good in this run.
            ended: Jobs that ended in this run, failed ones included.
        """
        if self.count is not None:
            return failed >= self.count
        share = self.percent if self.percent is not None else Decimal(100)
        return ended >= LEAST_ENDED and failed * 100 > share * ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """How much of a manifest a sample is.

    Attributes:
        text: As it was written: `40`, `2.5%`.
        count: So many jobs, or None.
        percent: A share of all jobs, or None.
    """

    text: str
    count: int | None = None
    percent: Decimal | None = None

    def __str__(self) -> str:
        return self.text

    def of(self, jobs: int) -> int:
        """Return how many of so many jobs it is: a share is rounded up."""
        if self.count is not None:
            return min(self.count, jobs)
        share = self.percent if self.percent is not None else Decimal(100)
        return min(int((share * jobs / 100).to_integral_value(ROUND_CEILING)), jobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What a run keeps to. The defaults are those of the command line.

    Attributes:
        concurrency: The most requests that are open at a time.
        rate: The most submissions in some time; None for no limit.
        budget_usd: The most that all runs of the batch may have cost; None for no limit.
        timeout_s: How long a job may take, from its submission to its result.
        max_attempts: Attempts a job gets.
        max_failures: When a run stops because too much fails; None for never.
        download: Whether images are fetched.
        retry: Which failed jobs are taken up again: `failed`, `transient`, `none`.
        on_unknown: What becomes of submissions whose fate is unknown: `hold`, `resubmit`.
        unknown_after_s: How long the service's history is waited for.
        until: No submission after this local time of day; None for no end.
    """

    concurrency: int = 20
    rate: Rate | None = None
    budget_usd: Decimal | None = None
    timeout_s: float = 3600.0
    max_attempts: int = 3
    max_failures: FailureLimit | None = None
    download: bool = True
    retry: str = "transient"
    on_unknown: str = "hold"
    unknown_after_s: float = 60.0
    until: time | None = None

    @classmethod
    def merged(cls, *layers: Mapping[str, Setting]) -> Self:
        """Return the defaults with what some layers set; a later layer wins.

        Args:
            layers: Option → settled value, as `settle` returns it: the file's `run:` section,
                then what the command line names.
        """
        names = {field.name for field in fields(cls)}
        chosen = {
            ATTRIBUTES.get(option, option): value
            for layer in layers
            for option, value in layer.items()
        }
        known = {name: value for name, value in chosen.items() if name in names}
        return replace(cls(), **known)  # type: ignore[arg-type]  # each was settled to its type


Setting: TypeAlias = int | float | str | bool | Decimal | Rate | FailureLimit | time

# Options that are called otherwise in `RunSettings`: units belong in names.
ATTRIBUTES = {"timeout": "timeout_s", "unknown_after": "unknown_after_s"}


def settle(option: str, value: Json) -> Setting:
    """Return the value of an option in its type, from a number or a text.

    Args:
        option: As in the file: `budget_usd`, `max_failures`.
        value: As it was written.

    Raises:
        ValueError: It does not take the value; the text says what it takes, as a whole
            sentence.
    """
    return _PARSERS[option](option, value)


def parse_portion(text: str) -> Portion:
    """Return the portion that `--sample` names: `40` or `2.5%`.

    Raises:
        ValueError: It names none.
    """
    if match := _PERCENT.fullmatch(text):
        percent = Decimal(match[1])
        if 0 < percent <= 100:
            return Portion(text=text, percent=percent)
    elif _WHOLE.fullmatch(text) and int(text) > 0:
        return Portion(text=text, count=int(text))
    raise ValueError(f"sample is '{text}'. It takes a number of jobs (40) or a share of them (5%).")


def next_time(until: time, *, now: datetime, zone: tzinfo | None = None) -> datetime:
    """Return the next time after `now` at which the clock on the wall shows `until`.

    Args:
        until: Hours and minutes.
        now: In any zone.
        zone: Where the wall is; None for this machine's own zone. In a night in which the
            clocks change, it is still the wall's time that counts.
    """
    day = now.astimezone(zone).replace(
        hour=until.hour, minute=until.minute, second=0, microsecond=0, tzinfo=None
    )
    on_the_wall = (day, day + timedelta(days=1))
    today, tomorrow = (
        time_.replace(tzinfo=zone) if zone else time_.astimezone() for time_ in on_the_wall
    )
    return today if today > now else tomorrow


def _whole(option: str, value: Json) -> int:
    text = _text(value)
    if not _WHOLE.fullmatch(text) or int(text) < 1:
        raise _unfit(option, value, "a whole number from 1 on")
    return int(text)


def _seconds(option: str, value: Json) -> float:
    text = _text(value)
    if not _NUMBER.fullmatch(text) or (option == "timeout" and not float(text)):
        raise _unfit(option, value, "a number of seconds, as in 3600")
    return float(text)


def _dollars(option: str, value: Json) -> Decimal:
    match = _AMOUNT.fullmatch(_text(value))
    if match is None:
        raise _unfit(option, value, "an amount in USD, as in 25 or 12.50")
    return Decimal(match[1])


def _switch(option: str, value: Json) -> bool:
    if value in (True, "true"):
        return True
    if value in (False, "false"):
        return False
    raise _unfit(option, value, "true or false")


def _rate(option: str, value: Json) -> Rate:
    match = _RATE.fullmatch(_text(value))
    if match is None or not float(match[1]):
        raise _unfit(option, value, "submissions in a second or a minute, as in 5/s or 100/min")
    return Rate(text=_text(value), per_s=float(match[1]) / _SECONDS[match[2]])


def _failure_limit(option: str, value: Json) -> FailureLimit:
    text = _text(value)
    if (match := _PERCENT.fullmatch(text)) and Decimal(match[1]) <= 100:
        return FailureLimit(text=text, percent=Decimal(match[1]))
    if _WHOLE.fullmatch(text) and int(text) > 0:
        return FailureLimit(text=text, count=int(text))
    raise _unfit(option, value, "a number of jobs (10) or a share of those that ended (2%)")


def _until(option: str, value: Json) -> time:
    match = _CLOCK.fullmatch(_text(value))
    if match is None:
        raise _unfit(option, value, "a local time of day, as in 06:30")
    return time(int(match[1]), int(match[2]))


def _one_of(*choices: str) -> Callable[[str, Json], str]:
    def parse(option: str, value: Json) -> str:
        text = _text(value)
        if text not in choices:
            raise _unfit(option, value, ", ".join(choices))
        return text

    return parse


def _text(value: Json) -> str:
    # A list or a mapping is no text that any option takes.
    return "" if value is None or isinstance(value, dict | list) else print_scalar(value).strip()


def _unfit(option: str, value: Json, takes: str) -> ValueError:
    shown = f"'{_text(value)}'" if _text(value) else kind_of(None if value == "" else value)
    return ValueError(f"{option} is {shown}. It takes {takes}.")


_PARSERS: Mapping[str, Callable[[str, Json], Setting]] = {
    "concurrency": _whole,
    "rate": _rate,
    "budget_usd": _dollars,
    "timeout": _seconds,
    "max_attempts": _whole,
    "max_failures": _failure_limit,
    "download": _switch,
    "retry": _one_of(*RETRY_MODES),
    "on_unknown": _one_of(*ON_UNKNOWN),
    "unknown_after": _seconds,
    "until": _until,
}
OPTIONS = tuple(_PARSERS)

# Other names under which the file may set an option.
ALSO_CALLED = {"budget": "budget_usd"}
