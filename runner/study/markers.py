"""Generated blocks inside pages that people write: found, checked, replaced."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.core.errors import StudyError

BEGIN = "<!-- begin generated: {} -->"
END = "<!-- end generated -->"

_BEGIN = re.compile(r"<!-- begin generated: ([a-z]+) -->")
_LOOKS_LIKE_ONE = re.compile(r"<!--\s*(begin|end)\s+generated\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class _Block:
    """A block by the lines of its markers, counted from 0."""

    name: str
    begin: int
    end: int


def block(name: str, content: str) -> str:
    """A generated block with its markers, ending in a newline.

    What looks like a marker inside, as in the log of a hostile arm, is made to be none.
    """
    inner = _LOOKS_LIKE_ONE.sub(lambda match: match[0].replace("<!--", "<!-"), content)
    return f"{BEGIN.format(name)}\n{inner.strip()}\n{END}\n"


def replaced(page: Path, text: str, contents: Mapping[str, str]) -> str:
    """The text of a page with the content of each block in place of what it had.

    Everything outside the markers stays as it is, byte for byte. Raises ``StudyError`` naming file
    and line of every marker that is missing, doubled, nested, alone or misspelled.
    """
    lines = text.splitlines(keepends=True)
    problems: list[tuple[int, str]] = []
    blocks = list(_blocks(lines, problems))
    problems += _misplaced(blocks, contents, len(lines))
    if problems:
        raise StudyError(
            "\n".join(f"{page}:{line}: {problem}" for line, problem in sorted(problems))
        )
    for one in reversed(blocks):
        lines[one.begin : one.end + 1] = [block(one.name, contents[one.name])]
    return "".join(lines)


def has_blocks(text: str) -> bool:
    """Whether a page holds anything that looks like a marker."""
    return _LOOKS_LIKE_ONE.search(text) is not None


def _blocks(lines: list[str], problems: list[tuple[int, str]]) -> Iterator[_Block]:
    """The blocks of a page; what is wrong with their markers is added to ``problems``."""
    name, begin = "", -1
    for place, line in enumerate(lines):
        marker = line.rstrip("\r\n")
        if match := _BEGIN.fullmatch(marker):
            if name:
                problems.append((place + 1, _nested(match[1], name, begin)))
            name, begin = match[1], place
        elif marker == END:
            if name:
                yield _Block(name=name, begin=begin, end=place)
            else:
                problems.append((place + 1, f"'{END}' ends nothing; remove it"))
            name = ""
        elif _LOOKS_LIKE_ONE.search(marker):
            problems.append((place + 1, _misspelled(marker)))
    if name:
        problems.append((begin + 1, f"the block '{name}' does not end; add a line '{END}'"))


def _nested(inner: str, outer: str, begin: int) -> str:
    return (
        f"the block '{inner}' begins inside '{outer}', which begins on line {begin + 1}; "
        f"add a line '{END}' before it, or remove one of the two"
    )


def _misspelled(marker: str) -> str:
    return (
        f"{marker.strip()!r} is no marker; write '{BEGIN.format('<name>')}' or '{END}' "
        "on a line of its own"
    )


def _misplaced(
    blocks: Iterable[_Block], contents: Mapping[str, str], last: int
) -> Iterator[tuple[int, str]]:
    first: dict[str, int] = {}
    for one in blocks:
        line = one.begin + 1
        if one.name not in contents:
            known = ", ".join(f"'{name}'" for name in contents)
            yield line, f"nothing is generated as '{one.name}' here; expected {known}"
        elif first.setdefault(one.name, line) != line:
            before = first[one.name]
            yield line, f"the block '{one.name}' stands on line {before} already; remove one"
    for name in contents:
        if name not in first:
            marker = BEGIN.format(name)
            yield (
                max(last, 1),
                f"the block '{name}' is missing; add the lines '{marker}' and '{END}' where it "
                "is to stand",
            )
