r"""The console of a job, read back: in bounded pieces, whatever was written to it.

What follows a ``\r`` is written over what precedes it, as progress bars do it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from runner.core.reading import MIB, open_regular
from runner.engines.capped import LARGEST

TAIL_LINES = 40
LONGEST_LINE = 1000
"""Characters of a line that are shown."""
LONGEST_SAID = 300
"""Characters of a line that a message repeats."""
BLOCK = 2**18
"""Bytes that are read at a time."""
MOST_LINES = 2**18
"""Lines among which one that says something is looked for."""


def keep(source: Path, destination: Path) -> bool:
    """Copy a console log as it came, at most ``LARGEST`` bytes of it; whether there was one."""
    try:
        log = open_regular(source)
    except (OSError, ValueError):
        return False
    with log, destination.open("wb") as copy:
        while (left := LARGEST - copy.tell()) and (block := log.read(min(MIB, left))):
            copy.write(block)
    return True


def tail(log: Path) -> tuple[str, ...]:
    """The last lines of a console log, progress bars reduced to what they last showed.

    However long a bar was drawn over and over: all that the log kept of it is looked through.
    """
    lines = list(islice(_backwards(log), TAIL_LINES + 1))
    if lines and not lines[0]:  # what follows the last line's end, and shows nothing
        lines = lines[1:]
    return tuple(reversed(lines[:TAIL_LINES]))


def last_line(log: Path) -> str:
    """The last line of a console log that says something; empty if none does."""
    lines = (line.strip() for line in islice(_backwards(log), MOST_LINES))
    return next((line[:LONGEST_SAID] for line in lines if line), "")


def _backwards(log: Path) -> Iterator[str]:
    """What the lines of a log show in the end, from the last to the first.

    Goes back ``LARGEST`` bytes, which is all that a log has, or to a line longer than ``BLOCK``.
    """
    try:
        file = open_regular(log)
    except (OSError, ValueError):
        return
    with file, suppress(OSError):
        end = os.fstat(file.fileno()).st_size
        first = max(0, end - LARGEST)
        begun = b""
        while end > first and len(begun) < BLOCK:
            start = max(first, end - BLOCK)
            file.seek(start)
            begun, *lines = (file.read(end - start) + begun).split(b"\n")
            yield from map(_shown, reversed(lines))
            begun, end = _without_overwritten(begun), start
        yield _shown(begun)


def _without_overwritten(begun: bytes) -> bytes:
    """The end of a line, of which more may precede, without what was written over."""
    if b"\r" not in begun:
        return begun
    said = begun.rstrip()
    return said[max(0, said.rfind(b"\r")) :] + b"\r"


def _shown(line: bytes) -> str:
    """What a line shows in the end."""
    said = [part for part in line.decode(errors="replace").split("\r") if part.strip()]
    return said[-1].rstrip()[:LONGEST_LINE] if said else ""
