"""Small versions of pictures, for pages that would be too large to mail with the whole ones.

Of pictures as phasehub writes them alone: 8-bit palettes, rows as they are (PNG, ISO/IEC 15948).
There is no colour between two of a palette, so every third pixel is taken and none are mixed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from runner.report.panels import PNG

EVERY = 3
MOST_PIXELS = 16_000_000
MOST_CHUNKS = 4096
PALETTE_8_BIT = (8, 3, 0, 0, 0)
"""Bit depth, colour type, compression, filter and interlacing of the header."""


def thumbnail(content: bytes) -> bytes | None:
    """A PNG file with every third pixel of another; ``None`` where that is of another form."""
    chunks = list(_chunks(content))
    head = next((body for kind, body in chunks if kind == b"IHDR"), b"")
    colours = next((body for kind, body in chunks if kind == b"PLTE"), b"")
    if len(head) != 13 or not colours:
        return None
    width, height, *form = struct.unpack(">II5B", head)
    if tuple(form) != PALETTE_8_BIT or not 0 < width * height <= MOST_PIXELS:
        return None
    packed = b"".join(body for kind, body in chunks if kind == b"IDAT")
    rows = _rows(packed, width, height)
    if rows is None:
        return None
    small = [b"\0" + row[::EVERY] for row in rows[::EVERY]]
    size = struct.pack(">II5B", len(small[0]) - 1, len(small), *PALETTE_8_BIT)
    image = zlib.compress(b"".join(small), 9)
    parts = ((b"IHDR", size), (b"PLTE", colours), (b"IDAT", image), (b"IEND", b""))
    return PNG + b"".join(_chunk(kind, body) for kind, body in parts)


def _rows(packed: bytes, width: int, height: int) -> list[bytes] | None:
    """The rows of an image, one byte a pixel; ``None`` where they are filtered or missing."""
    step = width + 1
    unpacking = zlib.decompressobj()
    try:
        pixels = unpacking.decompress(packed, step * height)
    except zlib.error:
        return None
    if len(pixels) != step * height or any(pixels[::step]):
        return None
    return [pixels[at + 1 : at + step] for at in range(0, len(pixels), step)]


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kinds and contents of the chunks of a PNG file, as far as they are whole."""
    at = len(PNG)
    for _ in range(MOST_CHUNKS):
        size, kind = content[at : at + 4], content[at + 4 : at + 8]
        body = content[at + 8 : at + 8 + int.from_bytes(size, "big")]
        if len(kind) < 4 or len(body) < int.from_bytes(size, "big"):
            return
        yield kind, body
        at += 12 + len(body)


def _chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)
