"""A sealed page inside another one: its headings lower, its links led to where the hub is kept.

Whoever sealed the hub may have written anything there. What comes out holds no HTML, no picture or
link but to what is kept and to the web by https, and no sign that cannot be seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from runner.core.text import visible
from runner.report.wording import fence

NOT_KEPT = "*Not kept here: {}.*"
"""In place of a picture."""

_LINK = re.compile(r"(?<!\\)(!?)\[((?:\\.|[^\]\\])*)\]\(([^()\s]+)\)")
_WEB = r"https://[\w./?=&%#~+-]+"
"""Addresses that a page may lead to."""
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
        safe = "".join(_linked(line, folder, has))
        picture = _LINK.fullmatch(line)
        missing = picture[2] if picture and safe == NOT_KEPT.format(picture[2]) else ""
        yield (lower + safe if _HEADING.match(safe) else safe) + "\n"
    if fenced:
        yield fence(fenced) + "\n"


def _harmless(text: str) -> str:
    """Text without HTML but line breaks, that opens no block and is no link or its target."""
    escaped = re.sub(r"<(?!br>)", "&lt;", text).replace("~~~", r"\~\~\~")
    # A bracket with an even number of backslashes before it is one to Markdown.
    return re.sub(r"(?<!\\)((?:\\\\)*)\]([(:])", r"\1]\\\2", escaped)


def _linked(line: str, folder: str, has: Callable[[str], bool]) -> Iterator[str]:
    """The parts of a line: links that lead to what is kept, and everything else as text."""
    place = 0
    for match in _LINK.finditer(line):
        yield _harmless(line[place : match.start()])
        yield _led(match, folder, has)
        place = match.end()
    yield _harmless(line[place:])


def _led(match: re.Match[str], folder: str, has: Callable[[str], bool]) -> str:
    picture, text, target = match.groups()
    text = _harmless(text)
    if re.fullmatch(r"#[\w-]*", target) or (re.fullmatch(_WEB, target) and not picture):
        return f"{picture}[{text}]({target})"
    path, hash_, anchor = target.partition("#")
    if has(path) and re.fullmatch(r"[\w-]*", anchor):
        return f"{picture}[{text}]({folder}/{path}{hash_}{anchor})"
    return NOT_KEPT.format(text) if picture else text
