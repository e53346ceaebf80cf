"""A door for tests that run the service as a process: its counts, its faults, its lock.

It is no part of the real service, lies under a path that no endpoint can have, and needs no key:
the service listens on loopback.
"""

from __future__ import annotations

import json

from aiohttp import web

from batchgen.errors import UsageError
from batchgen.simulator.answer import Json, encode
from batchgen.simulator.locks import LOCK_TEXTS, Lock
from batchgen.simulator.responder import LANDING_PATH, Handler
from batchgen.simulator.script import parse_script
from batchgen.simulator.service import Service

ADMIN_PATH = "/_simulator"


class AdminApi:
    """Answers the calls behind the door."""

    def __init__(self, service: Service) -> None:
        """Open the door to a service."""
        self._service = service

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Return method, path and handler of every call."""
        return [
            ("GET", ADMIN_PATH, self.counts),
            ("GET", f"{ADMIN_PATH}/requests", self.requests),
            ("POST", f"{ADMIN_PATH}/faults", self.faults),
            ("POST", f"{ADMIN_PATH}/lock", self.lock),
            ("POST", f"{ADMIN_PATH}/unlock", self.unlock),
            ("POST", f"{ADMIN_PATH}/release", self.release),
            ("*", LANDING_PATH, self.landing),
        ]

    async def counts(self, call: web.Request) -> web.StreamResponse:
        """Answer with everything that was counted."""
        del call
        service = self._service
        service.now()
        return _json(
            {
                **service.tally.as_json(),
                "faults_fired": dict(service.faults.fired),
                "open": service.line.open,
                "most_open": service.line.most_open,
                "running": service.line.running,
                "most_running": service.line.most_running,
                "images_made": service.images_made(),
                "units_made": str(service.units_made()),
                "locked": service.lock is not None,
            }
        )

    async def requests(self, call: web.Request) -> web.StreamResponse:
        """Answer with every request that was accepted, oldest first."""
        del call
        listed: list[Json] = [
            {
                "request_id": request.request_id,
                "endpoint": request.endpoint,
                "account": request.account,
                "input": request.input,
                "status": request.phase,
                "ending": request.ending,
                "images": self._service.images_of(request),
                "marks": [*sorted(request.marks)],
                "result_reads": request.result_reads,
            }
            for request in self._service.requests
        ]
        return _json({"requests": listed})

    async def faults(self, call: web.Request) -> web.StreamResponse:
        """Take `{rates: {name: rate}, script: [{on, nth, do}], clear: true}`, each if present.

        Calls go on being counted from where they are.
        """
        wanted = await _object(call)
        faults = self._service.faults
        rates = wanted.get("rates", {})
        try:
            lines = parse_script(wanted.get("script", []))
            if wanted.get("clear"):
                faults.clear()
            faults.set_rates(rates if isinstance(rates, dict) else {})
        except UsageError as error:
            return _json({"error": str(error)}, status=422)
        faults.add_lines(lines)
        return _json({"seen": {str(kind): count for kind, count in faults.seen.items()}})

    async def lock(self, call: web.Request) -> web.StreamResponse:
        """Lock the account; `{reason: balance|top_up|admin, reads: true}`, each if present."""
        wanted = await _object(call)
        text = LOCK_TEXTS.get(str(wanted.get("reason", "balance")))
        if text is None:
            return _json({"error": f"reason: one of {', '.join(LOCK_TEXTS)}"}, status=422)
        self._service.lock = Lock(text=text, reads=bool(wanted.get("reads")))
        return _json({"locked": True})

    async def unlock(self, call: web.Request) -> web.StreamResponse:
        """Lift the lock."""
        del call
        self._service.lock = None
        return _json({"locked": False})

    async def release(self, call: web.Request) -> web.StreamResponse:
        """Let the stuck requests go on."""
        del call
        return _json({"released": self._service.release()})

    async def landing(self, call: web.Request) -> web.StreamResponse:
        """Note who followed a redirect off the API."""
        tally = self._service.tally
        tally.landings += 1
        tally.seen_authorization_on_landings += "Authorization" in call.headers
        return _json({})


async def _object(call: web.Request) -> dict[str, Json]:
    try:
        body = json.loads(await call.read() or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise web.HTTPUnprocessableEntity(text="a JSON object is wanted")
    return body


def _json(body: dict[str, Json], *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=encode({**body}), content_type="application/json")
