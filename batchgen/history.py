"""Read the pages in which the platform tells of past requests.

Source:
    Protocol notes, section 10; https://fal.ai/docs/platform-apis/v1/models/requests/by-endpoint.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from batchgen.errors import ReadError
from batchgen.job import Json

_CODE = re.compile(r"[1-9]\d\d", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """A request, as the platform remembers it.

    Attributes:
        request_id: Its name at the queue; `""` if the entry has none, which then names nothing.
        sent_at: When it was sent, in UTC; None if the entry does not say.
        ended_at: When it was done, in UTC; None if it is not, or the entry does not say.
        status_code: How it ended; None if the entry does not say.
        input: What was sent; None if that was not kept. Such an entry proves nothing.
        output: What came of it, which for a failed request may be its error; None if nothing
            did, or it was not kept.
    """

    request_id: str
    sent_at: datetime | None = None
    ended_at: datetime | None = None
    status_code: int | None = None
    input: dict[str, Json] | None = None
    output: dict[str, Json] | None = None

    @property
    def result(self) -> dict[str, Json] | None:
        """The output, if the request did not fail."""
        has_failed = self.status_code is not None and not 200 <= self.status_code < 300
        return None if has_failed else self.output


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """A page of the history.

    Attributes:
        entries: In the order of the page.
        next_cursor: What to ask for to get the next page; None if this is the last one.
    """

    entries: tuple[HistoryEntry, ...]
    next_cursor: str | None


def parse_page(body: Mapping[str, Json] | None) -> HistoryPage:
    """Read one page; entries may lack anything, pages may not.

    Args:
        body: The JSON object in the answer; None if there is none.

    Raises:
        ReadError: It is no page, or does not say how to go on.
    """
    items = (body or {}).get("items")
    if body is None or not isinstance(items, list):
        raise ReadError("the platform's answer is no page of the history", http=200)
    cursor = _parse_cursor(body.get("next_cursor"))
    more = body.get("has_more")
    if more is True and cursor is None:
        raise ReadError("the history has more pages and does not say where", http=200)
    return HistoryPage(
        entries=tuple(_parse_entry(item if isinstance(item, dict) else {}) for item in items),
        next_cursor=None if more is False else cursor,
    )


def _parse_cursor(value: Json) -> str | None:
    is_cursor = isinstance(value, str | int) and not isinstance(value, bool)
    return str(value) if is_cursor and value != "" else None


def _parse_entry(item: Mapping[str, Json]) -> HistoryEntry:
    request_id = item.get("request_id")
    return HistoryEntry(
        # What no log and no terminal can show in a line names nothing either.
        request_id=request_id if isinstance(request_id, str) and request_id.isprintable() else "",
        sent_at=_parse_time(item.get("sent_at")),
        ended_at=_parse_time(item.get("ended_at")),
        status_code=_parse_code(item.get("status_code")),
        input=_parse_payload(item.get("json_input")),
        output=_parse_payload(item.get("json_output")),
    )


def _parse_time(value: Json) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _parse_code(value: Json) -> int | None:
    is_code = isinstance(value, int | str) and _CODE.fullmatch(str(value)) is not None
    return int(str(value)) if is_code else None


def _parse_payload(value: Json) -> dict[str, Json] | None:
    """Return a payload; some are kept as the text that was sent."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None
