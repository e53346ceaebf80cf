"""How the image host misbehaves."""

from __future__ import annotations

from batchgen.simulator.answer import Answer, RetryAfter
from batchgen.simulator.fault import Effect, Fault, Kind, NoReply, Reply, Silence, Slow

# Names that the code which serves images looks for.
IMAGE_WRONG_TYPE = "image_wrong_type"
IMAGE_NO_LENGTH = "image_no_length"
IMAGE_SHORT = "image_short"
IMAGE_CUT = "image_cut"
IMAGE_STALL = "image_stall"
IMAGE_RESET = "image_reset"
IMAGE_WRONG_BYTES = "image_wrong_bytes"
IMAGE_DAMAGED = "image_damaged"
IMAGE_HUGE = "image_huge"
IMAGE_OTHER_FORMAT = "image_other_format"
IMAGE_REDIRECT = "image_redirect"
IMAGE_REDIRECT_LOOP = "image_redirect_loop"
IMAGE_REDIRECT_PRIVATE = "image_redirect_private"
IMAGE_REDIRECT_FILE = "image_redirect_file"

_PAGE = b"<!doctype html><html><head><title>Error</title></head><body>Try later.</body></html>"


def _page(status: int, *, retry_after: RetryAfter | None = None) -> Reply:
    answer = Answer(
        status=status,
        body=_PAGE,
        content_type="text/html",
        from_service=False,
        retry_after=retry_after,
    )
    return Reply(answer=answer)


def _image(name: str, text: str, effect: Effect | None = None) -> Fault:
    if effect is None:
        return Fault(name=name, on=Kind.IMAGE, text=text)
    return Fault(name=name, on=Kind.IMAGE, text=text, effect=effect)


IMAGE_FAULTS: tuple[Fault, ...] = (
    *(
        _image(f"image_{status}", f"{status}", _page(status))
        for status in (403, 404, 408, 410, 429, 500, 502, 503, 504)
    ),
    _image(
        "image_429_retry_after",
        "429 with Retry-After in seconds",
        _page(429, retry_after=RetryAfter.SECONDS),
    ),
    _image(
        "image_dropped",
        "the connection is closed without an answer",
        NoReply(how=Silence.CLOSED),
    ),
    _image("image_hang", "no answer for as long as the client waits", NoReply(how=Silence.HANGING)),
    _image("image_slow", "the true image, late", Slow()),
    _image("image_html", "200 with an HTML page", _page(200)),
    _image(
        "image_empty",
        "200 with no bytes",
        Reply(answer=Answer(content_type="image/png", from_service=False)),
    ),
    _image(IMAGE_WRONG_TYPE, "the true image under another content type"),
    _image(IMAGE_NO_LENGTH, "the true image without Content-Length"),
    _image(IMAGE_SHORT, "half of the bytes that Content-Length announces, then closed"),
    _image(IMAGE_CUT, "half of the image, and Content-Length says that this is all"),
    _image(IMAGE_STALL, "half of the image, then nothing for as long as the client waits"),
    _image(IMAGE_RESET, "half of the image, then the connection is reset"),
    _image(IMAGE_WRONG_BYTES, "bytes that are no image under the right content type"),
    _image(IMAGE_DAMAGED, "the right beginning, then damaged bytes, of the right length"),
    _image(IMAGE_HUGE, "a small PNG that claims to be 60,000 pixels wide and high"),
    _image(IMAGE_OTHER_FORMAT, "an image of another format than was asked for"),
    _image(IMAGE_REDIRECT, "302 to the same image elsewhere"),
    _image(IMAGE_REDIRECT_LOOP, "302 to itself, each time"),
    _image(IMAGE_REDIRECT_PRIVATE, "302 to a private address"),
    _image(IMAGE_REDIRECT_FILE, "302 to file:///etc/hostname"),
)
