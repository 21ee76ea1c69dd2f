"""Where in a picture comparable images are, by its own words, for laying one over another.

Pictures come from arms, who may have written anything: what has another form says nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, RootModel, StringConstraints

from runner.core.reading import parse_json, typed
from runner.core.text import plain

PNG = b"\x89PNG\r\n\x1a\n"
KEYWORD = b"Panels\0"
MOST_BYTES = 4096
"""Of the text; one of two names with two sides each has 200."""
MOST_CHUNKS = 64

Pixels = Annotated[int, Field(strict=True, ge=0, le=20_000)]
Box = tuple[Pixels, Pixels, Annotated[Pixels, Field(ge=8)], Annotated[Pixels, Field(ge=8)]]
"""Left, top, width, height."""
Label = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=60)]
Sides = Annotated[dict[Label, Box], Field(min_length=2, max_length=4)]
Panels = Mapping[str, Mapping[str, Box]]
"""Name → side → where it is; the sides of a name have one size."""


class PanelTable(RootModel[Annotated[dict[Label, Sides], Field(max_length=6)]]):
    """The text of a picture as it is written."""


def panels_of(content: bytes) -> Panels:
    """The panels of a PNG file; none where it has no such text, or one of another form."""
    text, size = _text(content)
    if text is None or size is None:
        return {}
    try:
        table = typed(PanelTable, parse_json(text), "Panels").root
    except ValueError:
        return {}
    for sides in table.values():
        fits = all(x + w <= size[0] and y + h <= size[1] for x, y, w, h in sides.values())
        if not fits or len({box[2:] for box in sides.values()}) > 1:
            return {}
    return {
        plain(name): {plain(side): box for side, box in sides.items()}
        for name, sides in table.items()
    }


def _text(content: bytes) -> tuple[bytes | None, tuple[int, int] | None]:
    """The text behind the keyword and the size of the picture, by its first chunks."""
    if not content.startswith(PNG):
        return None, None
    at, size, text = len(PNG), None, None
    for _ in range(MOST_CHUNKS):
        head = content[at : at + 8]
        if len(head) < 8 or head[4:] in (b"IDAT", b"IEND"):
            break
        length = int.from_bytes(head[:4], "big")
        body = content[at + 8 : at + 8 + length]
        if len(body) < length:
            break
        if head[4:] == b"IHDR" and length >= 8:
            size = struct.unpack(">II", body[:8])
        elif head[4:] == b"tEXt" and body.startswith(KEYWORD) and length <= MOST_BYTES:
            text = body[len(KEYWORD) :]
        at += 12 + length
    return text, size
