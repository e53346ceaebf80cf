"""The queue API: submit, status, result, cancel.

Source:
    Protocol notes, sections 2 to 4 and 7.
"""

from __future__ import annotations

import json

from aiohttp import web

from batchgen.simulator.address import Address, Page, parse_address
from batchgen.simulator.answer import Answer, Json, detail, json_answer
from batchgen.simulator.fault import Kind, Silence
from batchgen.simulator.locks import Lock
from batchgen.simulator.outcome import check
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
from batchgen.simulator.responder import Interruption, Responder
from batchgen.simulator.run_faults import LOST_RESULT
from batchgen.simulator.service import Service, Submission
from batchgen.simulator.shapes import result_answer, status_answer, submit_answer
from batchgen.simulator.status_stream import stream_status
from batchgen.simulator.studio import Studio
from batchgen.simulator.submit_faults import (
    LOCK_FROM_HERE,
    LOCK_WITH_READS,
    UNKNOWN_APPLICATION,
    VALIDATED_AT_ONCE,
)

START_WITHIN_HEADER = "X-Fal-Request-Timeout"
STORE_HEADER = "X-Fal-Store-IO"
QUEUE_LENGTH_PARAMETER = "fal_max_queue_length"

_READS = {
    Page.RESULT: Kind.RESULT,
    Page.RESPONSE: Kind.RESULT,
    Page.STATUS: Kind.STATUS,
    Page.STREAM: Kind.STREAM,
}
_FULL = detail("Too many requests are open, please slow down", status=429)


class QueueApi:
    """Answers the calls of the queue API."""

    def __init__(self, service: Service, responder: Responder, studio: Studio) -> None:
        """Answer for a service."""
        self._service = service
        self._responder = responder
        self._studio = studio

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
            return await self._submit(call, address, account, marks, interruption)
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

    async def _submit(
        self,
        call: web.Request,
        address: Address,
        account: str,
        marks: frozenset[str],
        interruption: Interruption | None,
    ) -> web.StreamResponse:
        body = await _read_body(call)
        if body is None:
            too_large = detail("Request Entity Too Large", status=413)
            return self._responder.send(Kind.SUBMIT, too_large)
        refusal = self._refusal(call, address, marks)
        if refusal is not None:
            return self._responder.send(Kind.SUBMIT, refusal)
        if interruption and not interruption.accepted:
            return await self._responder.interrupt(call, Kind.SUBMIT, interruption)
        given = _parse_input(body)
        if isinstance(given, Answer):
            return self._responder.send(Kind.SUBMIT, given)
        if VALIDATED_AT_ONCE in marks:
            wrong = check(given, address.application, address.path, self._service.endpoints)
            if wrong is not None:
                answer = json_answer(wrong.body, status=wrong.status)
                return self._responder.send(Kind.SUBMIT, answer)
        try:
            request = self._service.accept(_submission(call, address, account, given))
        except OSError as error:  # what cannot be kept is not accepted
            answer = detail(f"Internal Server Error: {error.strerror}", status=500)
            return self._responder.send(Kind.SUBMIT, answer)
        if interruption:
            return await self._responder.interrupt(
                call, Kind.SUBMIT, interruption, request_id=request.request_id
            )
        position = self._service.line.position(request)
        answer = submit_answer(request, base=self._responder.base, position=position, marks=marks)
        return self._responder.send(Kind.SUBMIT, answer, request_id=request.request_id)

    def _refusal(self, call: web.Request, address: Address, marks: frozenset[str]) -> Answer | None:
        """Return why a submission is turned away whatever its body says, or None."""
        if address.application not in self._service.endpoints:
            name = address.application.rpartition("/")[2]
            return detail(UNKNOWN_APPLICATION.format(name=name), status=404)
        if marks & {LOCK_FROM_HERE, LOCK_WITH_READS}:
            self._service.lock = Lock(reads=LOCK_WITH_READS in marks)
        if self._service.lock:
            return detail(self._service.lock.text, status=403)
        longest = call.query.get(QUEUE_LENGTH_PARAMETER, "")
        too_long = longest.isdecimal() and self._service.line.waiting > int(longest)
        return _FULL if too_long or self._service.is_full() else None

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


async def _read_body(call: web.Request) -> bytes | None:
    try:
        return await call.read()
    except web.HTTPRequestEntityTooLarge:
        return None


def _parse_input(body: bytes) -> dict[str, Json] | Answer:
    """Return the input in a body, or the 422 for a body that is no JSON object."""
    try:
        given = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return _no_object("json_invalid", "JSON decode error")
    if not isinstance(given, dict):
        return _no_object("model_attributes_type", "Input should be a valid dictionary")
    return given


def _no_object(kind: str, text: str) -> Answer:
    return json_answer({"detail": [{"loc": ["body"], "msg": text, "type": kind}]}, status=422)


def _no_number(word: str) -> Json:
    raise ValueError(f"{word} is no JSON")


def _submission(
    call: web.Request, address: Address, account: str, given: dict[str, Json]
) -> Submission:
    return Submission(
        application=address.application,
        path=address.path,
        account=account,
        input=given,
        start_within_s=_seconds(call.headers.get(START_WITHIN_HEADER, "")),
        stored=call.headers.get(STORE_HEADER) != "0",
    )


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if seconds > 0 else None
