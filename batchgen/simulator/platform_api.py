"""The platform: the history of requests, and the prices.

Source:
    Protocol notes, section 10.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from aiohttp import web

from batchgen.errors import UsageError
from batchgen.simulator.answer import Answer, Json, json_answer
from batchgen.simulator.bill import UNIT_PRICE_USD
from batchgen.simulator.fault import Kind
from batchgen.simulator.history import HistoryItems
from batchgen.simulator.read_faults import HISTORY_NO_ITEMS, HISTORY_OVERLAP
from batchgen.simulator.request import Request
from batchgen.simulator.responder import Responder
from batchgen.simulator.service import Service
from batchgen.simulator.studio import Studio

PLATFORM_PATH = "/v1"
HISTORY_PATH = f"{PLATFORM_PATH}/models/requests/by-endpoint"
PRICING_PATH = f"{PLATFORM_PATH}/models/pricing"

MOST_ITEMS = 100
USUAL_ITEMS = 50
MOST_ENDPOINTS = 50
_CLASSES = {"success": 2, "user_error": 4, "error": 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Query:
    """What a page of the history is asked for.

    Attributes:
        account: Whose requests.
        endpoints: Of which endpoints.
        request_id: Of this one alone, or `""`.
        start: Sent at or after this, in seconds since 1970.
        end: Sent before this.
        status_class: The first digit of the status code, or None for all.
        limit: How many at most.
        before: Only requests accepted before the one of this number, counted from 0.
        payloads: Whether input and output are wanted.
    """

    account: str
    endpoints: frozenset[str]
    request_id: str
    start: float
    end: float
    status_class: int | None
    limit: int
    before: int | None
    payloads: bool


class PlatformApi:
    """Answers the calls of the platform."""

    def __init__(self, service: Service, responder: Responder, studio: Studio) -> None:
        """Answer for a service."""
        self._service = service
        self._responder = responder
        self._items = HistoryItems(service, responder, studio)

    async def history(self, call: web.Request) -> web.StreamResponse:
        """Answer with a page of the history, newest first."""
        return await self._answer(call, Kind.HISTORY)

    async def pricing(self, call: web.Request) -> web.StreamResponse:
        """Answer with the unit prices of endpoints."""
        return await self._answer(call, Kind.PRICING)

    async def _answer(self, call: web.Request, kind: Kind) -> web.StreamResponse:
        self._service.tally.calls[kind] += 1
        account = self._responder.account(call, name="platform")
        if isinstance(account, Answer):
            answer = _error(401, "authorization_error", "Authentication is required")
            return self._responder.send(kind, answer)
        drawn = self._service.faults.draw(kind)
        interruption = await self._responder.interruption(drawn)
        if interruption:
            return await self._responder.interrupt(call, kind, interruption)
        marks = frozenset(fault.name for fault in drawn)
        try:
            page = self._page if kind is Kind.HISTORY else self._prices
            return self._responder.send(kind, await page(call, account, marks))
        except UsageError as error:
            return self._responder.send(kind, _error(422, "validation_error", str(error)))

    async def _page(self, call: web.Request, account: str, marks: frozenset[str]) -> Answer:
        query = _parse_query(call, account)
        found = list(islice(self._found(query), query.limit + 1))
        has_more = len(found) > query.limit
        page = found[: query.limit]
        if HISTORY_NO_ITEMS in marks:
            page, has_more = [], False
        cursor = _cursor(page[-1][0] + (HISTORY_OVERLAP in marks)) if has_more else None
        items = [
            await self._items.item(request, payloads=query.payloads, marks=marks)
            for _, request in page
        ]
        return json_answer({"items": [*items], "next_cursor": cursor, "has_more": has_more})

    def _found(self, query: _Query) -> Iterator[tuple[int, Request]]:
        """Yield the requests that a query asks for, newest first, each with its number."""
        now = self._service.now()
        for number, request in self._service.newest(before=query.before):
            if (
                request.account == query.account
                and request.endpoint in query.endpoints
                and query.request_id in ("", request.request_id)
                and query.start <= request.sent_at < query.end
                and self._is_of_class(request, query.status_class)
                and self._service.is_listed(request, now=now)
            ):
                yield number, request

    def _is_of_class(self, request: Request, status_class: int | None) -> bool:
        if status_class is None:
            return True
        if request.ended_at is None:
            return False
        return self._service.outcome(request).status // 100 == status_class

    async def _prices(self, call: web.Request, account: str, marks: frozenset[str]) -> Answer:
        del account, marks
        wanted = call.query.getall("endpoint_id", [])
        if not 1 <= len(wanted) <= MOST_ENDPOINTS:
            raise UsageError(f"endpoint_id: 1 to {MOST_ENDPOINTS} of them")
        prices: list[Json] = [
            {
                "endpoint_id": endpoint,
                "unit_price": float(UNIT_PRICE_USD),
                "unit": "images",
                "currency": "USD",
            }
            for endpoint in wanted
            if self._service.has_endpoint(endpoint)
        ]
        return json_answer({"prices": prices, "next_cursor": None, "has_more": False})


def _parse_query(call: web.Request, account: str) -> _Query:
    query = call.query
    endpoints = frozenset(query.getall("endpoint_id", []))
    if not endpoints:
        raise UsageError("endpoint_id: required")
    limit = query.get("limit", str(USUAL_ITEMS))
    if not limit.isdecimal() or not 1 <= int(limit) <= MOST_ITEMS:
        raise UsageError(f"limit: 1 to {MOST_ITEMS}")
    status = query.get("status", "")
    if status and status not in _CLASSES:
        raise UsageError(f"status: one of {', '.join(_CLASSES)}")
    return _Query(
        account=account,
        endpoints=endpoints,
        request_id=query.get("request_id", ""),
        start=_time(query.get("start", ""), "start", missing=float("-inf")),
        end=_time(query.get("end", ""), "end", missing=float("inf")),
        status_class=_CLASSES.get(status),
        limit=int(limit),
        before=_before(query.get("cursor", "")),
        payloads="payloads" in ",".join(query.getall("expand", [])).split(","),
    )


def _time(text: str, name: str, *, missing: float) -> float:
    if not text:
        return missing
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{name}: a time in ISO 8601") from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _cursor(before: int) -> str:
    return f"{before:x}z"


def _before(cursor: str) -> int | None:
    if not cursor:
        return None
    try:
        return int(cursor.removesuffix("z"), 16)
    except ValueError as error:
        raise UsageError("cursor: one that a page gave") from error


def _error(status: int, kind: str, text: str) -> Answer:
    return json_answer({"error": {"type": kind, "message": text}}, status=status)
