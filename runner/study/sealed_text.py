"""A sealed page inside another one: its headings lower, its links led to where the hub is kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

NOT_KEPT = "*Not kept here: {}.*"
"""In place of a picture."""

_LINK = re.compile(r"(?<!\\)(!?)\[((?:\\.|[^\]\\])*)\]\(([^()\s]+)\)")
_HEADING = re.compile(r"#{1,5} ")
_FENCE = re.compile(r"(`{3,})")


def embedded(text: str, *, folder: str, has: Callable[[str], bool], deeper: int) -> str:
    """The Markdown of a sealed page without its title, for a page elsewhere.

    ``folder`` is where the hub is kept, from the page that takes the text; ``has`` tells which of
    the hub's files are kept there. Links to others become plain text, pictures with the line of
    their caption a remark. Headings go down by ``deeper`` levels. Fenced lines stay as they are.
    """
    return "".join(_lines(text.split("\n"), folder, has, "#" * deeper)).strip()


def _lines(lines: list[str], folder: str, has: Callable[[str], bool], lower: str) -> Iterator[str]:
    fence = ""
    missing = ""
    for number, line in enumerate(lines):
        if missing and line == f"*{missing}.*":
            continue
        mark = _FENCE.match(line)
        if fence:
            fence = "" if line.strip() == fence else fence
        elif mark:
            fence = mark[1]
        elif number == 0 and line.startswith("# "):
            continue
        else:
            line = _LINK.sub(lambda match: _led(match, folder, has), line)
            picture = _LINK.fullmatch(lines[number])
            missing = picture[2] if picture and line == NOT_KEPT.format(picture[2]) else ""
            line = lower + line if _HEADING.match(line) else line
        yield line + "\n"


def _led(match: re.Match[str], folder: str, has: Callable[[str], bool]) -> str:
    picture, text, target = match.groups()
    if "://" in target or target.startswith("#"):
        return match[0]
    path, hash_, anchor = target.partition("#")
    if has(path):
        return f"{picture}[{text}]({folder}/{path}{hash_}{anchor})"
    return NOT_KEPT.format(text) if picture else text
