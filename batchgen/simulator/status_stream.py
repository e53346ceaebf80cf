"""The status stream: server-sent events until a request has ended.

Source:
    Protocol notes, section 4.3.
"""

from __future__ import annotations

from aiohttp import web

from batchgen.simulator.answer import REQUEST_ID_HEADER
from batchgen.simulator.fault import Kind
from batchgen.simulator.read_faults import STREAM_CUT
from batchgen.simulator.request import Phase, Request
from batchgen.simulator.responder import Responder
from batchgen.simulator.service import Service
from batchgen.simulator.shapes import status_answer

_LOOK_AGAIN_S = 0.05
_PING_S = 15.0


async def stream_status(
    call: web.Request,
    request: Request,
    *,
    service: Service,
    responder: Responder,
    marks: frozenset[str],
) -> web.StreamResponse:
    """Send each new status of a request as an event, and close after COMPLETED."""
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-cache",
            REQUEST_ID_HEADER: request.request_id,
        }
    )
    service.tally.answers[Kind.STREAM, 200] += 1
    await response.prepare(call)
    logs = call.query.get("logs", "0").lower() in ("1", "true")
    said, quiet_s = b"", 0.0
    while not responder.is_closing:
        service.now()
        status = _status(request, service, responder, logs=logs)
        if status != said:
            await response.write(b"data: " + status + b"\n\n")
            said, quiet_s = status, 0.0
        if request.phase is Phase.COMPLETED or STREAM_CUT in marks:
            break
        await responder.pause(_LOOK_AGAIN_S)
        quiet_s += _LOOK_AGAIN_S
        if quiet_s >= _PING_S:
            await response.write(b": ping\n\n")
            quiet_s = 0.0
    await response.write_eof()
    return response


def _status(request: Request, service: Service, responder: Responder, *, logs: bool) -> bytes:
    ended = request.phase is Phase.COMPLETED
    return status_answer(
        request,
        base=responder.base,
        position=service.line.position(request),
        failure=service.outcome(request).failure if ended else None,
        logs=logs,
        marks=frozenset(),
    ).body
