"""A sealed page inside another one: its headings lower, its links led to where the hub is kept.

Whoever sealed the hub may have written anything there. What comes out holds no HTML, no picture or
link but to what is kept and to the web by https, and no sign that cannot be seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from runner.report.wording import fence
from runner.text import visible

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
    return "".join(_lines(visible(text).split("\n"), folder, has, "#" * deeper)).strip()


def _lines(lines: list[str], folder: str, has: Callable[[str], bool], lower: str) -> Iterator[str]:
    fenced: list[str] | None = None
    end = missing = ""
    for number, line in enumerate(lines):
        mark = _FENCE.match(line)
        if fenced is not None:
            if line.strip() != end:
                fenced.append(line)
                continue
            # Fenced afresh, so that nothing inside can close it for the reader's renderer.
            yield fence(fenced) + "\n"
            fenced = None
            continue
        if missing and line == f"*{missing}.*":
            continue
        if mark:
            fenced, end = [], mark[1]
            continue
        if number == 0 and line.startswith("# "):
            continue
        safe = _LINK.sub(lambda match: _led(match, folder, has), _harmless(line))
        picture = _LINK.fullmatch(line)
        missing = picture[2] if picture and safe == NOT_KEPT.format(picture[2]) else ""
        yield (lower + safe if _HEADING.match(safe) else safe) + "\n"
    if fenced:
        yield fence(fenced) + "\n"


def _harmless(line: str) -> str:
    """A line without HTML but line breaks, and that begins no block that would end elsewhere."""
    quoted = line.startswith("> ")
    bare = line[2:] if quoted else line
    escaped = re.sub(r"<(?!br>)", "&lt;", bare)
    if re.match(r"\s*(~~~|\[[^\]]*\]:)", escaped):
        escaped = "\\" + escaped.lstrip()
    return f"> {escaped}" if quoted else escaped


def _led(match: re.Match[str], folder: str, has: Callable[[str], bool]) -> str:
    picture, text, target = match.groups()
    if target.startswith("#") or (target.startswith("https://") and not picture):
        return match[0]
    path, hash_, anchor = target.partition("#")
    if has(path):
        return f"{picture}[{text}]({folder}/{path}{hash_}{anchor})"
    return NOT_KEPT.format(text) if picture else text
