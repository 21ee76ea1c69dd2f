"""Pictures of a hub inside of its page, so that the page can be moved and mailed alone."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runner.core.reading import MIB, open_below, read_below
from runner.report.panels import PNG, Panels, panels_of
from runner.report.view import Picture

MOST_PICTURE_BYTES = 10_000_000
"""Of all pictures in a page, as they stand in it; those past it are linked in the hub."""
LARGEST_FILE_BYTES = 8 * MIB

Why = Literal["it is no PNG picture", "the page would be too large to mail"]


@dataclass(frozen=True, kw_only=True)
class Inlined:
    """What a page holds of a hub's pictures: addresses by path, and of the others why not."""

    addresses: dict[str, str]
    left_out: dict[str, Why]
    panels: dict[str, Panels]
    """By path, of pictures that say where in them comparable images are."""

    @property
    def bytes(self) -> int:
        """What the pictures take in the page."""
        return sum(map(len, self.addresses.values()))


def inline(folder: Path, paths: Iterable[str], most: int = MOST_PICTURE_BYTES) -> Inlined:
    """Put pictures into addresses, the most important first, as long as there is room.

    A file that is no PNG picture is not shown, whatever its name says: an arm may leave anything.
    """
    addresses: dict[str, str] = {}
    left_out: dict[str, Why] = {}
    panels: dict[str, Panels] = {}
    left = most
    for path in dict.fromkeys(paths):
        content = _content(folder, path)
        if not content.startswith(PNG):
            left_out[path] = "it is no PNG picture"
            continue
        address = f"data:image/png;base64,{base64.b64encode(content).decode()}"
        if len(address) > left:
            left_out[path] = "the page would be too large to mail"
            continue
        addresses[path] = address
        panels[path] = panels_of(content)
        left -= len(address)
    panels = {path: found for path, found in panels.items() if found}
    return Inlined(addresses=addresses, left_out=left_out, panels=panels)


def _content(folder: Path, path: str) -> bytes:
    """A file's bytes; none of one that cannot be read or is too large for any page."""
    try:
        return read_below(folder, path, most=LARGEST_FILE_BYTES)
    except (OSError, ValueError):
        return b""


def is_telling(folder: Path, path: str | None) -> bool:
    """Whether there is such a file in the hub, and anything in it: what is empty is not linked."""
    if path is None:
        return False
    try:
        with open_below(folder, path) as file:
            return bool(file.read(1))
    except (OSError, ValueError):
        return False


def slider(pictures: Sequence[Picture], inlined: Inlined) -> list[dict[str, object]]:
    """What the page's script may lay one over another: arm, path and panels of each picture."""
    return [
        {
            "arm": one.arm,
            "path": one.path,
            "panels": [
                [name, [[side, list(box)] for side, box in sides.items()]]
                for name, sides in inlined.panels[one.path].items()
            ],
        }
        for one in pictures
        if one.path in inlined.panels
    ]
