"""The image host. It asks for no key, and notes who sends one."""

from __future__ import annotations

import struct
import zlib

from aiohttp import web

from batchgen.simulator.answer import Answer
from batchgen.simulator.fault import Kind, Silence
from batchgen.simulator.image_faults import (
    IMAGE_CUT,
    IMAGE_DAMAGED,
    IMAGE_HUGE,
    IMAGE_NO_LENGTH,
    IMAGE_OTHER_FORMAT,
    IMAGE_REDIRECT,
    IMAGE_REDIRECT_FILE,
    IMAGE_REDIRECT_LOOP,
    IMAGE_REDIRECT_PRIVATE,
    IMAGE_RESET,
    IMAGE_SHORT,
    IMAGE_STALL,
    IMAGE_WRONG_BYTES,
    IMAGE_WRONG_TYPE,
)
from batchgen.simulator.picture import FORMATS
from batchgen.simulator.request import Request
from batchgen.simulator.responder import Responder
from batchgen.simulator.run_faults import GONE_IMAGES, MOVED_IMAGES
from batchgen.simulator.service import Service
from batchgen.simulator.studio import Studio, format_of

IMAGE_ROUTE = "/files/b/{request_id}/{copy}/{name}"

_ELSEWHERE = "elsewhere"
_ROUND_AND_ROUND = "round"
_HUGE_PIXELS = 60_000
_BREAKS = {
    IMAGE_SHORT: Silence.CLOSED,
    IMAGE_STALL: Silence.HANGING,
    IMAGE_RESET: Silence.RESET,
}
_NOT_FOUND = Answer(status=404, body=b"Not Found", content_type="text/plain", from_service=False)
_GONE = Answer(status=410, body=b"Gone", content_type="text/plain", from_service=False)


class ImageHost:
    """Serves images, whole and broken."""

    def __init__(self, service: Service, responder: Responder, studio: Studio) -> None:
        """Serve the images of a service."""
        self._service = service
        self._responder = responder
        self._studio = studio

    async def answer(self, call: web.Request) -> web.StreamResponse:
        """Answer one fetch."""
        tally = self._service.tally
        tally.calls[Kind.IMAGE] += 1
        tally.image_fetches += 1
        tally.seen_authorization_on_images += "Authorization" in call.headers
        if _ROUND_AND_ROUND in call.query:
            return self._responder.redirect(Kind.IMAGE, str(call.rel_url))
        drawn = () if _ELSEWHERE in call.query else self._service.faults.draw(Kind.IMAGE)
        interruption = await self._responder.interruption(drawn)
        if interruption:
            return await self._responder.interrupt(call, Kind.IMAGE, interruption)
        return await self._serve(call, frozenset(fault.name for fault in drawn))

    async def _serve(self, call: web.Request, marks: frozenset[str]) -> web.StreamResponse:
        request = self._service.find_any(call.match_info["request_id"])
        index = _index(call.match_info["name"])
        outcome = self._service.outcome(request) if request and request.ended_at else None
        if request is None or outcome is None or index is None or index >= outcome.images:
            return self._responder.send(Kind.IMAGE, _NOT_FOUND)
        if self._is_gone(request, call.match_info["copy"]):
            return self._responder.send(Kind.IMAGE, _GONE)
        location = self._location(call, marks)
        if location:
            return self._responder.redirect(Kind.IMAGE, location)
        file = await self._file(request, index, marks)
        for mark, how in _BREAKS.items():
            if mark in marks:
                return await self._responder.send_half(call, Kind.IMAGE, file, how)
        if IMAGE_NO_LENGTH in marks:
            return await self._without_length(call, file)
        return self._responder.send(Kind.IMAGE, file)

    def _is_gone(self, request: Request, copy: str) -> bool:
        moved = MOVED_IMAGES in request.marks and copy == "1"
        return moved or GONE_IMAGES in request.marks or self._service.images_expired(request)

    def _location(self, call: web.Request, marks: frozenset[str]) -> str:
        """Return where a fetch is sent instead, or `""`."""
        here = f"{self._responder.base}{call.path}"
        private = self._service.settings.private_address
        places = {
            IMAGE_REDIRECT: f"{here}?{_ELSEWHERE}=1",
            IMAGE_REDIRECT_LOOP: f"{here}?{_ROUND_AND_ROUND}=1",
            IMAGE_REDIRECT_PRIVATE: f"http://{private}{call.path}",
            IMAGE_REDIRECT_FILE: "file:///etc/hostname",
        }
        return next((place for mark, place in places.items() if mark in marks), "")

    async def _file(self, request: Request, index: int, marks: frozenset[str]) -> Answer:
        asked = format_of(request)
        content_type = FORMATS[asked][0]
        if IMAGE_HUGE in marks:
            return _file(_huge_png(), "image/png")
        if IMAGE_WRONG_BYTES in marks:
            return _file(b"\x00\x01these bytes are no image\xff" * 40, content_type)
        other = "webp" if asked != "webp" else "png"
        data = await self._studio.draw(
            request, index, format=other if IMAGE_OTHER_FORMAT in marks else ""
        )
        if IMAGE_CUT in marks:
            data = data[: len(data) // 2]
        if IMAGE_DAMAGED in marks:
            data = data[:48] + b"\x55" * (len(data) - 48)
        return _file(
            data, "application/octet-stream" if IMAGE_WRONG_TYPE in marks else content_type
        )

    async def _without_length(self, call: web.Request, file: Answer) -> web.StreamResponse:
        self._service.tally.answers[Kind.IMAGE, file.status] += 1
        response = web.StreamResponse(headers={"Content-Type": file.content_type})
        response.enable_chunked_encoding()
        await response.prepare(call)
        await response.write(file.body)
        await response.write_eof()
        return response


def _file(data: bytes, content_type: str) -> Answer:
    return Answer(
        body=data,
        content_type=content_type,
        headers={"Cache-Control": "public, max-age=5184000"},
        from_service=False,
    )


def _index(name: str) -> int | None:
    stem = name.partition(".")[0]
    return int(stem) if stem.isascii() and stem.isdigit() else None


def _huge_png() -> bytes:
    """Return a PNG of a few bytes whose header claims more pixels than any memory holds."""
    header = struct.pack(">IIBBBBB", _HUGE_PIXELS, _HUGE_PIXELS, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    file = b"\x89PNG\r\n\x1a\n"
    for name, data in chunks:
        crc = struct.pack(">I", zlib.crc32(name + data))
        file += struct.pack(">I", len(data)) + name + data + crc
    return file
