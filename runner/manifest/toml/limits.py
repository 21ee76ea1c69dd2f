"""How much a TOML text may hold: seen by its signs alone, before any parser works on it.

Parsers of TOML, and whoever works with their values, need a time that grows with the number of keys
and with the square of the depth. Both are counted here in one pass over the text.
"""

from __future__ import annotations

import re

MOST_BYTES = 2**20
"""Of a file."""
MOST_ITEMS = 30_000
"""Keys, with their parts, tables and items of arrays in a file; a point of a number counts, too."""
DEEPEST = 32
"""Levels of tables and arrays inside each other, and parts of a dotted key."""

_TEXT_OR_COMMENT = re.compile(
    # What is not closed ends with the line or, in three quotes, with the file: no second look.
    r'"""(?:\\.|[^\\"]|"(?!""))*+(?:"{3,5}|\\?\Z)'
    r"|'''(?:[^']|'(?!''))*+(?:'{3,5}|\Z)"
    r'|"(?:[^"\\\n]|\\[^\n])*+["\\]?'
    r"|'[^'\n]*+'?"
    r"|\#[^\n]*+",
    re.DOTALL,
)
_BETWEEN_KEYS = re.compile(r"[=,\n\[\]{}]")
_BRACKET = re.compile(r"[\[\]{}]")


def excess(text: str) -> str | None:
    """In what a text exceeds the bounds, and what to do; ``None`` where it keeps them."""
    bare = _TEXT_OR_COMMENT.sub('"', text)
    items = sum(bare.count(sign) for sign in "=,.[{")
    if items > MOST_ITEMS:
        return (
            f"has {items:,} keys, parts of keys, tables and items of arrays; at most "
            f"{MOST_ITEMS:,} are read: split the file"
        )
    if _depth(bare) > DEEPEST:
        return f"nested more than {DEEPEST} levels deep; write flatter tables"
    return None


def _depth(bare: str) -> int:
    """Most levels of brackets, or most parts of a key."""
    deepest = level = 0
    for bracket in _BRACKET.finditer(bare):
        level += 1 if bracket[0] in "[{" else -1
        deepest = max(deepest, level)
    return max(deepest, *(part.count(".") + 1 for part in _BETWEEN_KEYS.split(bare)))
