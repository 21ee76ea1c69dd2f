"""Where each key of a TOML document stands: key path → line.

tomli gives the values and the place of a syntax error, but not the place of a key. A mistake
about a value has to name its line, so the keys are found here by a scan that leaves all values to
tomli.
"""

from __future__ import annotations

import re
from bisect import bisect_left

import tomli

KeyPath = tuple[str | int, ...]
"""Keys, and positions in arrays, from the top of the document: ``("arms", 1, "name")``."""

_BLANK = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_INLINE_BLANK = re.compile(r"[ \t]*")
_KEY = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[A-Za-z0-9_-]+')
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_STRING = re.compile(
    # A multi-line string may end in up to two quotes of its own before the three that close it.
    r'"""(?:\\.|[^\\])*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'",
    re.DOTALL,
)
_OTHER_SCALAR = re.compile(r"[^,\]}#\n]*")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Line, counted from 1, of every key and array element of ``text``.

    ``text`` must be valid TOML, that is ``tomli.loads(text)`` must have taken it. A table that is
    opened by several headers or dotted keys stands where its own header is, or else where it is
    first named.
    """
    return _Scan(text).document()


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.newlines = [match.start() for match in re.finditer("\n", text)]
        self.lines: dict[KeyPath, int] = {}
        self.elements: dict[KeyPath, int] = {}
        """Number of elements so far of each array of tables."""

    def document(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            if self.text.startswith("[", self.at):
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self.lines

    def _header(self) -> KeyPath:
        """Read ``[a.b]`` or ``[[a.b]]`` and return the path of the table that it opens."""
        line = self._line()
        is_array = self.text.startswith("[[", self.at)
        self.at += 1 + is_array
        *parents, last = self._dotted_key()
        self.at = self.text.index("]", self.at) + 1 + is_array
        path: KeyPath = ()
        for part in parents:
            path = self._enter((*path, part), line)
        path = (*path, last)
        if is_array:
            self.lines.setdefault(path, line)
            self.elements[path] = self.elements.get(path, 0) + 1
            path = (*path, self.elements[path] - 1)
        self.lines[path] = line
        return path

    def _enter(self, path: KeyPath, line: int) -> KeyPath:
        """The table that a header means by ``path``: the last element of an array of tables."""
        self.lines.setdefault(path, line)
        return (*path, self.elements[path] - 1) if path in self.elements else path

    def _pair(self, table: KeyPath) -> None:
        line = self._line()
        path = table
        for part in self._dotted_key():
            path = (*path, part)
            self.lines.setdefault(path, line)
        self.at = self.text.index("=", self.at) + 1
        self._skip(_INLINE_BLANK)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        if self.text.startswith("[", self.at):
            self._array(path)
        elif self.text.startswith("{", self.at):
            self._inline_table(path)
        elif not self._skip(_STRING):
            self._skip(_OTHER_SCALAR)

    def _array(self, path: KeyPath) -> None:
        position = 0
        while self._next_item("]"):
            self.lines[(*path, position)] = self._line()
            self._value((*path, position))
            position += 1

    def _inline_table(self, path: KeyPath) -> None:
        while self._next_item("}"):
            self._pair(path)

    def _next_item(self, end: str) -> bool:
        """Step over the opening bracket or a comma; step over ``end`` and say False there."""
        if self.text[self.at] in "[{":
            self.at += 1
        self._skip(_BLANK)
        if self.text[self.at] == ",":
            self.at += 1
            self._skip(_BLANK)
        if self.text[self.at] == end:
            self.at += 1
            return False
        return True

    def _dotted_key(self) -> list[str]:
        self._skip(_INLINE_BLANK)
        parts = [self._key()]
        while self._skip(_DOT):
            parts.append(self._key())
        return parts

    def _key(self) -> str:
        start = self.at
        self._skip(_KEY)
        raw = self.text[start : self.at]
        if raw.startswith('"'):
            return str(tomli.loads(f"key = {raw}")["key"])
        return raw[1:-1] if raw.startswith("'") else raw

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return match is not None

    def _line(self) -> int:
        return bisect_left(self.newlines, self.at) + 1
