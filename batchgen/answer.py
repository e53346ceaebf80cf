"""Read what the service answers, however it answers.

The shapes that were seen: a `detail` list of model errors, a `detail` text of the platform,
`{"status": …}`, `{"error": …}`, `{"message": …}`, HTML, and nothing at all.

Source:
    Protocol notes, sections 4 to 7.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime

from batchgen.job import Json

# Longer texts of the service are cut: some echo the whole input.
MAX_MESSAGE = 500

# A half of a key that is shorter than this, in characters, is no secret but a word (`id:key`).
LEAST_SECRET = 8

# What stands in its place.
_NO_KEY = "[key]"

# One request holds a handful of images; a count beyond this is a slip, and no bill.
MAX_UNITS = 1_000_000

# Units are computed somewhere, and 1.4999999999999998 is 1.5. Times a unit's price they are an
# amount that our files can hold.
_UNIT_PLACES = Decimal("0.000001")

_DECODER = json.JSONDecoder()

# The text that was seen counts whatever stands beside it; what only sounds like it does not.
_STILL_RUNNING = re.compile(r"still in progress", re.IGNORECASE)
_NOT_READY = re.compile(r"not (yet )?(ready|complete)|in[ _]queue", re.IGNORECASE)
_RATE = re.compile(r"rate.?limit|too.many.requests|concurrent", re.IGNORECASE)
# Controls, line ends, and halves of characters, which neither a terminal nor a file can show.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of the service, parsed as far as it can be.

    Attributes:
        http: Its status code.
        headers: Its headers, their names in lower case.
        body: The JSON object in its body; None if there is none.
        text: The beginning of its body, as text, where it is no JSON object.
    """

    http: int
    headers: Mapping[str, str]
    body: dict[str, Json] | None
    text: str = ""

    @property
    def is_from_service(self) -> bool:
        """Whether it came from the service itself, not from something in front of it."""
        return "x-fal-request-id" in self.headers

    @property
    def sent_at(self) -> datetime | None:
        """The time by the clock of whoever answers, to the second; None if it does not say.

        Source:
            RFC 9110, section 6.6.1.
        """
        try:
            moment = parsedate_to_datetime(self.headers.get("date", ""))
        except (ValueError, OverflowError):
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    @property
    def error_type(self) -> str:
        """The service's own word for what went wrong, or `""`."""
        entry = self._model_error()
        if entry is not None and isinstance(entry.get("type"), str):
            return str(entry["type"])
        named = (self.body or {}).get("error_type")
        if isinstance(named, str) and named:
            return named
        return self.headers.get("x-fal-error-type", "")

    @property
    def message(self) -> str:
        """What it says for a person, on one line, without what it echoes of the input."""
        return plain(self._message())

    @property
    def is_not_ready(self) -> bool:
        """Whether it says that the request has not finished yet."""
        state = (self.body or {}).get("status")
        if state in ("IN_QUEUE", "IN_PROGRESS"):
            return True
        if self.http != 400:
            return False
        message = self._message()
        vaguely = _NOT_READY.search(message) and not self.error_type
        return bool(_STILL_RUNNING.search(message) or vaguely)

    @property
    def speaks_of_rate(self) -> bool:
        """Whether a refusal is about how often we ask, not about who we are."""
        return bool(_RATE.search(self._message()) or _RATE.search(self.error_type))

    @property
    def retryable(self) -> bool | None:
        """What its headers say of trying again, or None where they say nothing."""
        for name in ("x-fal-needs-retry", "x-fal-retryable"):
            value = self.headers.get(name, "").strip().lower()
            if value in ("1", "true", "yes"):
                return True
            if value in ("0", "false", "no"):
                return False
        return None

    @property
    def billable_units(self) -> Decimal | None:
        """The units that the service charges for, or None where it does not say."""
        try:
            units = Decimal(self.headers.get("x-fal-billable-units", ""))
        except InvalidOperation:
            return None
        if not units.is_finite() or not 0 <= units <= MAX_UNITS:
            return None
        rounded = units.quantize(_UNIT_PLACES)
        return units if units == rounded else rounded.normalize()

    def _model_error(self) -> dict[str, Json] | None:
        detail = (self.body or {}).get("detail")
        if isinstance(detail, list):
            entries = [entry for entry in detail if isinstance(entry, dict)]
            typed = (entry for entry in entries if isinstance(entry.get("type"), str))
            return next(typed, entries[0] if entries else None)
        return detail if isinstance(detail, dict) else None

    def _message(self) -> str:
        body = self.body or {}
        entry = self._model_error()
        error = body.get("error")
        for value in (
            entry.get("msg") if entry else None,
            entry.get("message") if entry else None,
            body.get("detail"),
            error.get("message") if isinstance(error, dict) else error,  # the platform's form
            body.get("message"),
        ):
            if isinstance(value, str) and value:
                return value
        return self.text


def parse_answer(http: int, headers: Mapping[str, str], content: bytes, *, key: str = "") -> Answer:
    """Return what an answer says, without the key, should it repeat that.

    Args:
        http: The status code.
        headers: The headers, in any case.
        content: The body.
        key: What it was asked with. What an answer says is logged, shown and recorded.
    """
    names = {name.lower(): value for name, value in headers.items()}
    secrets = _secrets_of(key)
    if secrets and (secrets[-1].encode() in content or secrets[-1] in "\n".join(names.values())):
        # The last of them is part of the others: where it is not, none is.
        for secret in secrets:
            content = content.replace(secret.encode(), _NO_KEY.encode())
        names = {name: _without(secrets, value) for name, value in names.items()}
    body = _read_object(content)
    return Answer(
        http=http,
        headers=names,
        body=body,
        text="" if body is not None else content[: 4 * MAX_MESSAGE].decode(errors="replace"),
    )


def _read_object(content: bytes) -> dict[str, Json] | None:
    """Return the JSON object in a body; None if there is none, or one that is nested to do harm."""
    try:
        try:
            value = _DECODER.decode(content.decode())
        except ValueError:  # perhaps in another encoding: which one takes longer to find out
            value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _secrets_of(key: str) -> list[str]:
    """Return what no answer may show of a key: the whole, then its secret half."""
    secret = key.partition(":")[2]
    return [word for word in (key, secret if len(secret) >= LEAST_SECRET else "") if word]


def _without(secrets: Sequence[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, _NO_KEY)
    return text


def plain(text: str) -> str:
    """Return a text from outside as one short line that no terminal obeys."""
    line = _CONTROL.sub(" ", text).strip()
    return line if len(line) <= MAX_MESSAGE else line[: MAX_MESSAGE - 1] + "…"
