import hashlib
import random
import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image, ImageFile
from support.sample_images import sample_image

from batchgen.errors import ImageError
from batchgen.images.formats import sniff
from batchgen.images.inspection import Measures, measure


def measured(data: bytes, *, max_pixels: int = 200_000_000) -> Measures:
    return measure(data, BytesIO(data), max_pixels=max_pixels)


KINDS = [
    pytest.param(sample_image("PNG"), "png", "image/png", id="png"),
    pytest.param(sample_image("PNG", mode="P"), "png", "image/png", id="png with a palette"),
    pytest.param(sample_image("PNG", frames=3), "png", "image/png", id="png, animated"),
    pytest.param(sample_image("JPEG"), "jpg", "image/jpeg", id="jpeg"),
    pytest.param(
        sample_image("JPEG", progressive=True), "jpg", "image/jpeg", id="jpeg, progressive"
    ),
    pytest.param(sample_image("JPEG", mode="CMYK"), "jpg", "image/jpeg", id="jpeg in CMYK"),
    pytest.param(sample_image("WEBP"), "webp", "image/webp", id="webp"),
    pytest.param(sample_image("WEBP", lossless=True), "webp", "image/webp", id="webp, lossless"),
    pytest.param(sample_image("WEBP", frames=3), "webp", "image/webp", id="webp, animated"),
    pytest.param(sample_image("GIF"), "gif", "image/gif", id="gif"),
    pytest.param(sample_image("GIF", frames=3), "gif", "image/gif", id="gif, animated"),
    pytest.param(sample_image("AVIF"), "avif", "image/avif", id="avif"),
]


@pytest.mark.parametrize(("data", "extension", "content_type"), KINDS)
def test_an_image_is_measured_from_its_bytes(
    data: bytes, extension: str, content_type: str
) -> None:
    measures = measured(data)

    assert (measures.width, measures.height, measures.bytes) == (64, 48, len(data))
    assert measures.sha256 == hashlib.sha256(data).hexdigest()
    assert measures.format.extension == extension
    assert measures.format.content_type == content_type


@pytest.mark.parametrize(("data", "extension", "content_type"), KINDS)
def test_an_image_that_was_cut_anywhere_is_refused(
    data: bytes, extension: str, content_type: str
) -> None:
    cuts = {*range(0, len(data), 47), *range(max(0, len(data) - 20), len(data))}

    accepted = [cut for cut in sorted(cuts) if is_accepted(data[:cut])]

    assert accepted == []
    assert is_accepted(data)


@pytest.mark.parametrize(("data", "extension", "content_type"), KINDS)
def test_a_cut_image_is_refused_even_where_pillow_was_told_to_fill_it_up(
    data: bytes, extension: str, content_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)

    accepted = [cut for cut in range(0, len(data), 97) if is_accepted(data[:cut])]

    assert accepted == []
    assert not is_accepted(data[:-1])


def test_a_preview_in_the_header_does_not_stand_for_the_end_of_a_jpeg() -> None:
    preview = sample_image("JPEG", width=16, height=16)
    segment = b"\xff\xe1" + struct.pack(">H", len(preview) + 8) + b"Exif\0\0" + preview
    whole = sample_image("JPEG")
    data = whole[:2] + segment + whole[2:]

    assert is_accepted(data)
    assert [cut for cut in range(len(data)) if is_accepted(data[:cut])] == []


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, id=kind) for kind in ("PNG", "JPEG", "WEBP", "GIF")]
)
def test_what_follows_behind_the_end_of_an_image_does_no_harm(kind: str) -> None:
    assert is_accepted(sample_image(kind) + b"\r\n")


def test_a_png_with_a_flipped_byte_anywhere_is_refused() -> None:
    data = sample_image("PNG", width=16, height=12)

    accepted = [
        place
        for place in range(len(data))
        if is_accepted(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
    ]

    assert accepted == []


def test_a_png_whose_pixels_end_early_in_sound_chunks_is_refused() -> None:
    row = b"\0" + random.Random(1).randbytes(64 * 3)
    pixels = zlib.compress(48 * row, level=0)

    assert is_accepted(png_of(width=64, height=48, pixels=pixels))
    assert not is_accepted(png_of(width=64, height=48, pixels=pixels[:-500]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "nothing at all: 0 bytes", id="nothing"),
        pytest.param(
            b"<!DOCTYPE html>\n<html>  <h1>403\x1b[31m Forbidden</h1>",
            r"not an image but HTML or XML: <!DOCTYPE html> <html> <h1>403 \[31m Forbidden</h1>",
            id="HTML, its control characters taken out",
        ),
        pytest.param(b'\xef\xbb\xbf {"detail": "no"}', 'JSON: {"detail": "no"}', id="JSON"),
        pytest.param(b"=cmd()", "text: =cmd", id="text"),
        pytest.param(b"x" * 500, "text: x{80}$", id="no more than 80 characters"),
        pytest.param(b"BM\x00\x00\x01", "bytes of no kind .*: 42 4d 00 00 01", id="a bitmap"),
        pytest.param("\u202egnp.a".encode(), "text: gnp.a", id="no change of direction"),
    ],
)
def test_what_came_instead_of_an_image_is_shown(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        sniff(data)


def test_an_image_with_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    bomb = png_of(width=20_000, height=20_000, pixels=b"")

    with pytest.raises(ImageError, match="400,000,000 pixels; 200,000,000 is the most"):
        measured(bomb)


def test_the_frames_of_an_animation_count_together() -> None:
    data = sample_image("GIF", frames=3)

    assert measured(data, max_pixels=3 * 64 * 48).width == 64
    with pytest.raises(ImageError, match="9,216 pixels"):
        measured(data, max_pixels=3 * 64 * 48 - 1)


def test_an_image_above_the_bound_of_pillow_and_below_ours_is_taken() -> None:
    # Pillow warns from 89 million pixels on, and warnings are errors here.
    file = BytesIO()
    Image.new("1", (9600, 9600)).save(file, "PNG")

    assert measured(file.getvalue()).width == 9600


def is_accepted(data: bytes) -> bool:
    try:
        measured(data)
    except ImageError:
        return False
    return True


def png_of(*, width: int, height: int, pixels: bytes) -> bytes:
    """Return a PNG in colour with these compressed pixels, every chunk of it sound."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
