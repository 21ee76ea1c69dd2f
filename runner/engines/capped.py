"""A log that grows without bound, kept in bounded room: its beginning and its end.

Standard library only: the supervisor of the process engine uses it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

MIB = 2**20
HEAD = 8 * MIB
TAIL = 8 * MIB
"""Bytes of the beginning and of the end that are kept at least; up to twice as many of the end."""
LARGEST = HEAD + 2 * TAIL + 4096
"""No log is larger than this, bytes."""


class CappedLog:
    """A file to which everything is appended and in which head and tail stay. A context manager.

    What is left out in between is reported by a line in its place. It can be read at any time. A
    disk that is full loses what comes, counted as left out, and stops nobody.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=0)
        self._tail_start = HEAD
        self.left_out = 0
        """Bytes that were not kept."""

    def write(self, block: bytes) -> None:
        """Append a block of any size."""
        piece = min(MIB, TAIL)
        for start in range(0, len(block), piece):
            self._append(block[start : start + piece])

    def _append(self, block: bytes) -> None:
        written = 0
        with suppress(OSError):
            if self._file.tell() + len(block) > self._tail_start + 2 * TAIL:
                self._shorten()
            written = self._file.write(block)
        self.left_out += len(block) - written

    def _shorten(self) -> None:
        """Keep of what follows the head the last ``TAIL`` bytes, after a line that says so."""
        size = self._file.tell()
        self._file.seek(size - TAIL)
        tail = self._file.read(TAIL)
        self.left_out += size - TAIL - self._tail_start
        mark = f"\n[phasehub: {self.left_out:,} bytes of this log are left out here]\n".encode()
        self._file.seek(HEAD)
        self._file.truncate()
        self._file.write(mark + tail)
        self._tail_start = HEAD + len(mark)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._file.close()
