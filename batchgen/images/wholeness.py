"""Tell from its structure whether an image file is there to its last byte.

A decoder is not asked this: it stops when it has the pixels, and a flag of Pillow's, which any
other code in the process may set, makes it invent what is missing. Every format says in its
own way where it ends. What follows behind that end does no harm.
"""

from __future__ import annotations

import mmap
import zlib
from typing import TypeAlias

# The bytes of a file, in memory or mapped into it.
Data: TypeAlias = bytes | mmap.mmap

_PNG_SIGNATURE_BYTES = 8
_RIFF_HEADER_BYTES = 8
_GIF_HEADER_BYTES = 13
_JPEG_SCAN, _JPEG_END = b"\xff\xda", b"\xff\xd9"


def is_whole_png(data: Data) -> bool:
    """Say whether every chunk up to `IEND` is there, its checksum right.

    Source:
        https://www.w3.org/TR/png-3/#5Chunk-layout: length, type, data, CRC.
    """
    start = _PNG_SIGNATURE_BYTES
    with memoryview(data) as view:
        while start + 12 <= len(view):
            end = start + 12 + int.from_bytes(view[start : start + 4])
            if end > len(view):
                return False
            checksum = int.from_bytes(view[end - 4 : end])
            if zlib.crc32(view[start + 4 : end - 4]) != checksum:
                return False
            if data[start + 4 : start + 8] == b"IEND":
                return True
            start = end
    return False


def is_whole_jpeg(data: Data) -> bool:
    """Say whether the end marker follows the last scan.

    Neither marker can occur inside a scan, where every byte FF is followed by a 00. A preview
    in the header has both, but stands before the scan of the image itself.

    Source:
        ITU-T T.81, sections B.1.1 and F.1.2.3.
    """
    return data.rfind(_JPEG_END) > data.rfind(_JPEG_SCAN) > 0


def is_whole_webp(data: Data) -> bool:
    """Say whether the file is as long as its header says.

    Source:
        https://developers.google.com/speed/webp/docs/riff_container.
    """
    return len(data) >= _RIFF_HEADER_BYTES + int.from_bytes(data[4:8], "little")


def is_whole_gif(data: Data) -> bool:
    """Say whether the blocks are there up to the trailer.

    Source:
        https://www.w3.org/Graphics/GIF/spec-gif89a.txt, section 17 and following.
    """
    if len(data) < _GIF_HEADER_BYTES:
        return False
    at = _GIF_HEADER_BYTES + _gif_colours_bytes(data[10])
    while at < len(data):
        match data[at]:
            case 0x3B:  # the trailer
                return True
            case 0x21:  # an extension: its label, then blocks
                at = _behind_gif_blocks(data, at + 2)
            case 0x2C if at + 10 <= len(data):  # an image: place, colours, code size, blocks
                at = _behind_gif_blocks(data, at + 11 + _gif_colours_bytes(data[at + 9]))
            case _:
                return False
    return False


def is_whole_avif(data: Data) -> bool:
    """Say whether every box is as long as its header says.

    Source:
        ISO/IEC 14496-12, section 4.2: size, type; size 1: 64 bits more; size 0: to the end.
    """
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16])
        elif size == 0:
            return True
        if size < 8:
            return False
        at += size
    return at == len(data)


def _gif_colours_bytes(flags: int) -> int:
    """Return how many bytes a table of colours takes, by the byte that announces it."""
    return 3 << ((flags & 0x07) + 1) if flags & 0x80 else 0


def _behind_gif_blocks(data: Data, at: int) -> int:
    """Return what stands behind the blocks that begin at `at`; the last one is empty."""
    while at < len(data) and data[at] != 0:
        at += 1 + data[at]
    return at + 1
