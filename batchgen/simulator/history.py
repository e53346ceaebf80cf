"""One entry of the request history."""

from __future__ import annotations

from batchgen.simulator.answer import Json
from batchgen.simulator.read_faults import (
    HISTORY_ADDED_KEYS,
    HISTORY_ERROR_OUTPUT,
    HISTORY_NO_PAYLOADS,
)
from batchgen.simulator.request import Request
from batchgen.simulator.responder import Responder
from batchgen.simulator.run_faults import NO_PAYLOADS
from batchgen.simulator.service import Service
from batchgen.simulator.shapes import output, written_time
from batchgen.simulator.studio import Studio

# What the service fills in where a request leaves it out.
_DEFAULTS: dict[str, Json] = {
    "num_images": 1,
    "aspect_ratio": "auto",
    "output_format": "png",
    "safety_tolerance": "4",
    "sync_mode": False,
    "resolution": "1K",
    "limit_generations": True,
}


class HistoryItems:
    """Writes entries of the history."""

    def __init__(self, service: Service, responder: Responder, studio: Studio) -> None:
        """Write entries of a service."""
        self._service = service
        self._responder = responder
        self._studio = studio

    async def item(
        self, request: Request, *, payloads: bool, marks: frozenset[str]
    ) -> dict[str, Json]:
        """Return the entry of one request, as it stands now.

        Args:
            request: One that the history lists.
            payloads: Whether input and output are wanted.
            marks: The faults of the call.
        """
        ended_at, started_at = request.ended_at, request.started_at
        status = None if ended_at is None else self._service.outcome(request).status
        duration = None if ended_at is None or started_at is None else ended_at - started_at
        item: dict[str, Json] = {
            "request_id": request.request_id,
            "endpoint_id": request.endpoint,
            "sent_at": written_time(request.sent_at),
            "started_at": None if started_at is None else written_time(started_at),
            "ended_at": None if ended_at is None else written_time(ended_at),
            "status_code": status,
            "duration": None if duration is None else round(duration, 4),
        }
        kept = request.stored and NO_PAYLOADS not in request.marks
        if payloads and kept and HISTORY_NO_PAYLOADS not in marks:
            given = dict(request.input)
            item["json_input"] = _DEFAULTS | given if HISTORY_ADDED_KEYS in marks else given
            item["json_output"] = await self._output(request, marks)
        return item

    async def _output(self, request: Request, marks: frozenset[str]) -> Json:
        if request.ended_at is None:
            return None
        outcome = self._service.outcome(request)
        if outcome.failure is not None:
            return outcome.failure.body if HISTORY_ERROR_OUTPUT in marks else None
        if request.input.get("sync_mode") is True:
            return None  # what was answered inline is not kept
        made = await self._studio.made(request, outcome)
        base = self._studio.base(request, self._responder.base)
        return {**output(request, made, base=base)}
