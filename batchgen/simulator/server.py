"""The simulator: the service on a socket of this machine."""

from __future__ import annotations

import asyncio
import errno
from collections import Counter
from types import TracebackType
from typing import Self

from aiohttp import web

from batchgen.errors import UsageError
from batchgen.simulator.admin_api import AdminApi
from batchgen.simulator.faults import Faults
from batchgen.simulator.image_host import IMAGE_ROUTE, ImageHost
from batchgen.simulator.locks import LOCK_TEXTS, Lock
from batchgen.simulator.memory import Memory, open_memory
from batchgen.simulator.platform_api import (
    HISTORY_PATH,
    PLATFORM_PATH,
    PRICING_PATH,
    PlatformApi,
)
from batchgen.simulator.queue_api import QueueApi
from batchgen.simulator.request import Request
from batchgen.simulator.responder import Responder
from batchgen.simulator.service import Service
from batchgen.simulator.settings import SimulatorSettings
from batchgen.simulator.studio import Studio
from batchgen.simulator.tally import Tally

# Fourteen reference images as data URIs fit in.
_MOST_BODY_BYTES = 256 * 2**20
# A process that was killed a moment ago may still hold the folder.
_FOLDER_PATIENCE_S = 10.0
_FOLDER_LOOK_AGAIN_S = 0.05
_BACKLOG = 1024


class Simulator:
    """The queue API on loopback; an asynchronous context manager.

    Use it as in `async with Simulator(SimulatorSettings(seconds=0)) as queue: queue.url`.
    """

    def __init__(self, settings: SimulatorSettings | None = None) -> None:
        """Prepare a service; nothing is opened before it is entered."""
        self.settings = settings or SimulatorSettings()
        self._memory: Memory | None = None
        self._service: Service | None = None
        self._responder: Responder | None = None
        self._studio: Studio | None = None
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        """Open the folder, if there is one, and listen.

        Raises:
            UsageError: The folder or the port cannot be had.
        """
        self._memory = await self._open_memory()
        try:
            await self._listen()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening and let go of the folder."""
        await self.aclose()

    async def aclose(self) -> None:
        """Stop listening, break off what waits, and let go of the folder."""
        if self._responder:
            self._responder.close()
        if self._runner:
            await self._runner.cleanup()
        if self._studio:
            self._studio.close()
        if self._memory:
            self._memory.close()
        self._runner = self._memory = None

    @property
    def service(self) -> Service:
        """The service behind the socket."""
        if self._service is None:
            raise RuntimeError("the simulator has not been entered")
        return self._service

    @property
    def url(self) -> str:
        """The queue's URL, as in `http://127.0.0.1:8700`."""
        if self._responder is None:
            raise RuntimeError("the simulator has not been entered")
        return self._responder.base

    @property
    def platform_url(self) -> str:
        """The platform's URL."""
        return self.url + PLATFORM_PATH

    @property
    def faults(self) -> Faults:
        """How it misbehaves; can be changed while it runs."""
        return self.service.faults

    @property
    def tally(self) -> Tally:
        """Everything that was counted."""
        return self.service.tally

    @property
    def accepted(self) -> int:
        """How many submissions were accepted."""
        return self.tally.accepted

    @property
    def accepted_inputs(self) -> Counter[str]:
        """How often each input was accepted, by its canonical JSON."""
        return self.tally.accepted_inputs

    @property
    def image_fetches(self) -> int:
        """How many images were asked for."""
        return self.tally.image_fetches

    @property
    def seen_authorization_on_images(self) -> int:
        """How many fetches of images bore a key. It must stay 0."""
        return self.tally.seen_authorization_on_images

    @property
    def requests(self) -> list[Request]:
        """Every request that was accepted, oldest first, as it stands now."""
        return self.service.requests

    @property
    def most_open(self) -> int:
        """How many requests were open at a time, at most."""
        return self.service.line.most_open

    def lock(self, *, reason: str = "balance", reads: bool = False) -> None:
        """Lock the account until `unlock`.

        Args:
            reason: One of `balance`, `top_up`, `admin`.
            reads: Whether reads are refused too.
        """
        self.service.lock = Lock(text=LOCK_TEXTS[reason], reads=reads)

    def unlock(self) -> None:
        """Lift the lock."""
        self.service.lock = None

    def release(self) -> int:
        """Let the stuck requests go on; returns how many there were."""
        return self.service.release()

    async def _open_memory(self) -> Memory | None:
        folder = self.settings.folder
        if folder is None:
            return None
        for _ in range(round(_FOLDER_PATIENCE_S / _FOLDER_LOOK_AGAIN_S)):
            memory = open_memory(folder)
            if memory is not None:
                return memory
            await asyncio.sleep(_FOLDER_LOOK_AGAIN_S)
        raise UsageError(f"another simulator is using {folder}.")

    async def _listen(self) -> None:
        self._service = Service(self.settings, self._memory)
        self._responder = Responder(self._service)
        self._studio = Studio(self.settings)
        app = _application(self._service, self._responder, self._studio)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5
        )
        await self._runner.setup()
        host, port = self.settings.host, self.settings.port
        try:
            await web.TCPSite(self._runner, host, port, backlog=_BACKLOG).start()
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            reason = (
                "is in use; --port 0 takes a free one" if taken else f"failed: {error.strerror}"
            )
            raise UsageError(f"{host}:{port} {reason}.") from error
        self._responder.base = _base(host, int(self._runner.addresses[0][1]))


def _application(service: Service, responder: Responder, studio: Studio) -> web.Application:
    app = web.Application(client_max_size=_MOST_BODY_BYTES)
    platform = PlatformApi(service, responder, studio)
    for method, path, handler in AdminApi(service).routes():
        app.router.add_route(method, path, handler)
    app.router.add_get(IMAGE_ROUTE, ImageHost(service, responder, studio).answer)
    app.router.add_get(HISTORY_PATH, platform.history)
    app.router.add_get(PRICING_PATH, platform.pricing)
    app.router.add_route("*", "/{path:.*}", QueueApi(service, responder, studio).answer)
    return app


def _base(host: str, port: int) -> str:
    """Return the URL by which this machine reaches itself."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 compared, not bound
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
