"""Where images are drawn: in threads, on demand, the same again each time."""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from batchgen.simulator.outcome import Outcome
from batchgen.simulator.picture import FORMATS, Picture, draw_picture
from batchgen.simulator.request import Request
from batchgen.simulator.run_faults import DATA_URI, PRIVATE_IMAGE_URL
from batchgen.simulator.settings import SimulatorSettings
from batchgen.simulator.shapes import Made
from batchgen.simulator.size import size_of

_THREADS = 2
_SEEDS = 2**31


class Studio:
    """Draws the images of requests."""

    def __init__(self, settings: SimulatorSettings) -> None:
        """Open it; no thread is started before something is to be drawn."""
        self._settings = settings
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="studio")

    def close(self) -> None:
        """End the threads; what was to be drawn is not."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def base(self, request: Request, base: str) -> str:
        """Return where a request's images are said to be: here, but for a fault."""
        private = PRIVATE_IMAGE_URL in request.marks
        return f"http://{self._settings.private_address}" if private else base

    async def made(self, request: Request, outcome: Outcome) -> Made:
        """Return a request's images as a result shows them, drawn if the result needs them."""
        inline = request.input.get("sync_mode") is True or DATA_URI in request.marks
        files = None
        if inline or self._settings.file_sizes:
            files = tuple([await self.draw(request, i) for i in range(outcome.images)])
        return Made(
            size=size_of(request.input, scale=self._settings.image_scale),
            format=format_of(request),
            count=outcome.images,
            files=files,
            inline=inline,
        )

    async def draw(self, request: Request, index: int, *, format: str = "") -> bytes:
        """Return the file of one image.

        Args:
            request: The request that made it.
            index: Which of its images, counted from 0.
            format: Another format than the one asked for, or `""`.
        """
        picture = Picture(
            input=request.input,
            seed=_seed_of(request),
            index=index,
            of=request.images,
            size=size_of(request.input, scale=self._settings.image_scale),
            format=format or format_of(request),
        )
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(draw_picture, picture))


def format_of(request: Request) -> str:
    """Return the format that a request asks for: one of `FORMATS`."""
    asked = request.input.get("output_format")
    return asked if isinstance(asked, str) and asked in FORMATS else "png"


def _seed_of(request: Request) -> int:
    """Return the seed that was sent, or the one that the service took: it never says which."""
    seed = request.input.get("seed")
    if isinstance(seed, int) and not isinstance(seed, bool):
        return seed
    return int.from_bytes(hashlib.sha256(request.request_id.encode()).digest()[:4]) % _SEEDS
