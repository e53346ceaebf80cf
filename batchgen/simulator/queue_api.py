"""The queue API: who asks, what for, and the reads: status, result, cancel.

Source:
    Protocol notes, sections 2 to 4 and 7.
"""

from __future__ import annotations

from aiohttp import web

from batchgen.simulator.address import Address, Page, parse_address
from batchgen.simulator.answer import Answer, detail, json_answer
from batchgen.simulator.fault import Kind, Silence
from batchgen.simulator.read_faults import (
    CANCEL_200,
    CANCEL_FORGETS,
    CANCEL_IGNORED,
    CANCEL_STOPS,
    CANCEL_SUCCESS,
    NOT_FOUND,
    SHORT_RESULT,
    TOO_EARLY,
)
from batchgen.simulator.request import Phase, Request
from batchgen.simulator.responder import Responder
from batchgen.simulator.run_faults import LOST_RESULT
from batchgen.simulator.service import Service
from batchgen.simulator.shapes import result_answer, status_answer
from batchgen.simulator.status_stream import stream_status
from batchgen.simulator.studio import Studio
from batchgen.simulator.submit_api import SubmitApi

_READS = {
    Page.RESULT: Kind.RESULT,
    Page.RESPONSE: Kind.RESULT,
    Page.STATUS: Kind.STATUS,
    Page.STREAM: Kind.STREAM,
}


class QueueApi:
    """Answers the calls of the queue API."""

    def __init__(self, service: Service, responder: Responder, studio: Studio) -> None:
        """Answer for a service."""
        self._service = service
        self._responder = responder
        self._studio = studio
        self._submissions = SubmitApi(service, responder)

    async def answer(self, call: web.Request) -> web.StreamResponse:
        """Answer one call."""
        address = parse_address(call.path)
        if address is None:
            return self._responder.send(Kind.STATUS, detail("Not Found", status=404))
        kind = _kind_of(call.method, address)
        if kind is None:
            return self._responder.send(Kind.STATUS, detail("Method Not Allowed", status=405))
        self._service.tally.calls[kind] += 1
        account = self._responder.account(call, name=address.application)
        if isinstance(account, Answer):
            return self._responder.send(kind, account)
        drawn = self._service.faults.draw(kind)
        marks = frozenset(fault.name for fault in drawn)
        interruption = await self._responder.interruption(drawn)
        if kind is Kind.SUBMIT:
            return await self._submissions.answer(call, address, account, marks, interruption)
        if self._service.lock and self._service.lock.reads:
            return self._responder.send(kind, detail(self._service.lock.text, status=403))
        if interruption:
            return await self._responder.interrupt(
                call, kind, interruption, request_id=address.request_id
            )
        request = self._service.find(address.application, address.request_id, account=account)
        if request is None:
            return self._responder.send(kind, NOT_FOUND, request_id=address.request_id)
        return await self._read(call, kind, request, marks)

    async def _read(
        self, call: web.Request, kind: Kind, request: Request, marks: frozenset[str]
    ) -> web.StreamResponse:
        if kind is Kind.STREAM:
            return await stream_status(
                call, request, service=self._service, responder=self._responder, marks=marks
            )
        if kind is Kind.RESULT:
            answer = await self._result(request)
            if SHORT_RESULT in marks:
                return await self._responder.send_half(
                    call, kind, answer, Silence.CLOSED, request_id=request.request_id
                )
        elif kind is Kind.CANCEL:
            answer = self._cancel(request, marks)
        else:
            answer = self._status(call, request, marks)
        return self._responder.send(kind, answer, request_id=request.request_id)

    def _status(self, call: web.Request, request: Request, marks: frozenset[str]) -> Answer:
        failure = None
        if request.phase is Phase.COMPLETED:
            failure = self._service.outcome(request).failure
        return status_answer(
            request,
            base=self._responder.base,
            position=self._service.line.position(request),
            failure=failure,
            logs=call.query.get("logs", "0").lower() in ("1", "true"),
            marks=marks,
        )

    async def _result(self, request: Request) -> Answer:
        if request.phase is not Phase.COMPLETED:
            return TOO_EARLY
        if LOST_RESULT in request.marks or self._service.result_expired(request):
            return NOT_FOUND
        outcome = self._service.outcome(request)
        made = await self._studio.made(request, outcome)
        request.result_reads += 1
        return result_answer(
            request, outcome, made, base=self._studio.base(request, self._responder.base)
        )

    def _cancel(self, request: Request, marks: frozenset[str]) -> Answer:
        if request.phase is Phase.COMPLETED:
            return json_answer({"status": "ALREADY_COMPLETED"}, status=400)
        if CANCEL_IGNORED not in marks:
            self._service.cancel(
                request, even_running=CANCEL_STOPS in marks, forget=CANCEL_FORGETS in marks
            )
        if CANCEL_SUCCESS in marks:
            return json_answer({"success": True})
        if CANCEL_200 in marks:
            return json_answer({"status": "OK"})
        return json_answer({"status": "CANCELLATION_REQUESTED"}, status=202)


def _kind_of(method: str, address: Address) -> Kind | None:
    """Return what a call wants, or None for 405: reads do not live under the sub-path."""
    if not address.request_id:
        return Kind.SUBMIT if method == "POST" else None
    if address.path:
        return None
    if method == "PUT" and address.page is Page.CANCEL:
        return Kind.CANCEL
    return _READS.get(address.page) if method == "GET" else None
