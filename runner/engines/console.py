r"""The console of a job, read back: in bounded pieces, whatever was written to it.

What follows a ``\r`` is written over what precedes it, as progress bars do it.
"""

from __future__ import annotations

import os
from pathlib import Path

from runner.engines.capped import LARGEST
from runner.reading import MIB, open_regular

TAIL_LINES = 40
LONGEST_LINE = 1000
"""Characters of a line that are shown."""
LONGEST_SAID = 300
"""Characters of a line that a message repeats."""
READ_BACK = 2**18
"""Bytes of the end of a log that are looked at."""


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
    """The last lines of a console log, progress bars reduced to what they last showed."""
    lines = _end(log).split("\n")
    if not lines[-1]:
        lines.pop()
    return tuple(_shown(line) for line in lines[-TAIL_LINES:])


def last_line(log: Path) -> str:
    """The last line of a console log that says something; empty if none does."""
    lines = (_shown(line).strip() for line in reversed(_end(log).split("\n")))
    return next((line[:LONGEST_SAID] for line in lines if line), "")


def _end(log: Path) -> str:
    try:
        with open_regular(log) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - READ_BACK))
            return file.read(READ_BACK).decode(errors="replace")
    except (OSError, ValueError):
        return ""


def _shown(line: str) -> str:
    """What a line shows in the end."""
    said = [part for part in line.split("\r") if part.strip()]
    return said[-1][:LONGEST_LINE] if said else ""
