"""Text that is no wider than a terminal: tables are folded into blocks, sentences into lines."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from itertools import groupby
from typing import TextIO

GAP = 2
"""Blanks between columns."""
NARROWEST = 40
"""A terminal is held to be as wide as this at least, characters."""
RULE = re.compile(r"\|[-:| ]+\|")
BETWEEN_CELLS = re.compile(r"(?<!\\)\|")
_width: ContextVar[int | None] = ContextVar("width", default=None)


def terminal_width(stream: TextIO | None = None) -> int | None:
    """Columns of the terminal that a stream is, stdout if none is given; ``None`` for no terminal.

    ``COLUMNS`` counts if it is set.
    """
    if not (stream or sys.stdout).isatty():
        return None
    return max(NARROWEST, shutil.get_terminal_size().columns)


def fitting(width: int | None, render: Callable[[], str]) -> str:
    """What ``render`` gives, with no line wider than ``width`` but for words that are."""
    before = _width.set(width)
    try:
        text = render()
    finally:
        _width.reset(before)
    return text if width is None else "\n".join(_wrapped(text.splitlines(), width))


def _wrapped(lines: Sequence[str], width: int) -> Iterator[str]:
    for line in lines:
        if len(line) <= width:
            yield line
            continue
        indent = " " * (len(line) - len(line.lstrip()) + GAP)
        yield from textwrap.wrap(
            line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )


def markdown_in_columns(text: str) -> str:
    """Markdown whose tables stand in columns; within ``fitting`` alone, as others read it as it is.

    Signs of layout in the text are left where they are.
    """
    if _width.get() is None:
        return text
    lines: list[str] = []
    for is_table, grouped in groupby(text.splitlines(), lambda line: line.startswith("|")):
        block = list(grouped)
        lines += columns(list(_cells(block))) if is_table else block
    return "\n".join(lines)


def _cells(table: Iterable[str]) -> Iterator[list[str]]:
    """The rows of a Markdown table, without the one that says how columns are set."""
    for line in table:
        if not RULE.fullmatch(line):
            cells = BETWEEN_CELLS.split(line)[1:-1]
            yield [cell.strip().replace("\\|", "|") for cell in cells]


def columns(rows: Sequence[Sequence[str]], indent: int = 0) -> list[str]:
    """Columns as wide as their widest cell; rows may be short.

    Within ``fitting``, a table that is too wide is folded: as many columns as fit stand below each
    other's first, and cells that are wider than all that is left are broken.
    """
    width = None if (most := _width.get()) is None else most - indent
    lines = _aligned(rows)
    if width is not None and any(len(line) > width for line in lines):
        lines = _folded(rows, width)
    return [" " * indent + line if line else line for line in lines]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths: dict[int, int] = {}
    for row in rows:
        for column, cell in enumerate(row[:-1]):
            widths[column] = max(widths.get(column, 0), len(cell))
    return [
        (" " * GAP)
        .join(
            cell.ljust(widths[column]) if column < len(row) - 1 else cell
            for column, cell in enumerate(row)
        )
        .rstrip()
        for row in rows
    ]


def _folded(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    full = max(map(len, rows))
    first = min(max(len(row[0]) for row in rows if len(row) == full), 2 * width // 3)
    left = width - first - GAP
    widths = [
        min(left, max(len(row[column]) for row in rows if len(row) == full))
        for column in range(1, full)
    ]
    lines: list[str] = []
    for block in _blocks(widths, left):
        if lines:
            lines.append("")
        for row in rows:
            if len(row) == full:
                lines += _row(
                    [row[0], *(row[1 + place] for place in block)],
                    [first, *(widths[place] for place in block)],
                )
            elif block[0] == 0:
                text = (" " * GAP).join(row)
                lines += textwrap.wrap(text, width, subsequent_indent=" " * GAP)
    return lines


def _blocks(widths: Sequence[int], left: int) -> list[list[int]]:
    """The columns behind the first, as many in a block as have room there."""
    blocks: list[list[int]] = []
    used = left + 1
    for place, width in enumerate(widths):
        if used + GAP + width > left:
            blocks.append([])
            used = -GAP
        blocks[-1].append(place)
        used += GAP + width
    return blocks


def _row(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    broken = [
        textwrap.wrap(cell, width, break_on_hyphens=False) or [""]
        for cell, width in zip(cells, widths, strict=True)
    ]
    height = max(map(len, broken))
    padded = [[*one, *[""] * (height - len(one))] for one in broken]
    return [
        (" " * GAP)
        .join(text.ljust(width) for text, width in zip(line, widths, strict=True))
        .rstrip()
        for line in zip(*padded, strict=True)
    ]
