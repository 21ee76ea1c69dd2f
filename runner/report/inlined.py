"""Pictures of a hub inside of its page, so that the page can be moved and mailed alone."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runner.core.reading import MIB, open_below, read_below
from runner.report.panels import PNG, Panels, panels_of
from runner.report.thumbnails import thumbnail
from runner.report.view import Picture

MOST_PICTURE_BYTES = 10_000_000
"""Of all pictures in a page, as they stand in it; those past it are small, and linked."""
LARGEST_FILE_BYTES = 8 * MIB
IN_PAGE = "data:image/png;base64,"

Why = Literal["it is no PNG picture", "the page would be too large to mail"]


@dataclass(frozen=True, kw_only=True)
class Inlined:
    """What a page holds of a hub's pictures: addresses by path, and of the others why not."""

    addresses: dict[str, str]
    left_out: dict[str, Why]
    panels: dict[str, Panels]
    """By path, of whole pictures that say where in them comparable images are."""
    small: frozenset[str] = frozenset()
    """The paths of pictures that are in the page as thumbnails."""

    @property
    def bytes(self) -> int:
        """What the pictures take in the page."""
        return sum(map(len, self.addresses.values()))


def inline(folder: Path, paths: Iterable[str], most: int = MOST_PICTURE_BYTES) -> Inlined:
    """Put pictures into addresses of ``most`` characters together.

    Where there is no room for all, each is small, and as many as still have room are whole, the
    most important first. A file that is no PNG picture is not shown, whatever its name says: an arm
    may leave anything.
    """
    sizes = {path: _size(_content(folder, path)) for path in dict.fromkeys(paths)}
    shown = [path for path, size in sizes.items() if size]
    left_out: dict[str, Why] = dict.fromkeys(sizes.keys() - shown, "it is no PNG picture")
    addresses = {} if sum(sizes.values()) <= most else _thumbnails(folder, shown, most)
    left = most - sum(map(len, addresses.values()))
    small = set(addresses)
    panels: dict[str, Panels] = {}
    for path in shown:
        if (more := sizes[path] - len(addresses.get(path, ""))) <= left:
            content = _content(folder, path)
            addresses[path] = _address(content)
            panels[path] = panels_of(content)
            small.discard(path)
            left -= more
        elif path not in addresses:
            left_out[path] = "the page would be too large to mail"
    panels = {path: found for path, found in panels.items() if found}
    return Inlined(addresses=addresses, left_out=left_out, panels=panels, small=frozenset(small))


def _thumbnails(folder: Path, paths: Sequence[str], most: int) -> dict[str, str]:
    """Small versions of the first pictures that have one, as far as there is room."""
    found: dict[str, str] = {}
    for path in paths:
        content = thumbnail(_content(folder, path))
        if content is not None and _size(content) <= most:
            found[path] = _address(content)
            most -= len(found[path])
    return found


def _size(content: bytes) -> int:
    """Characters of a picture's address; 0 for what is no PNG picture."""
    return len(IN_PAGE) + 4 * -(-len(content) // 3) if content.startswith(PNG) else 0


def _address(content: bytes) -> str:
    return IN_PAGE + base64.b64encode(content).decode()


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
