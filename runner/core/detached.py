"""A command that goes on without its terminal: in a session of its own, its console in a file.

The process that was started waits until the other one knows which file that is, and passes on what
was said until then. What comes later is in the file; its last line is the exit status, behind a
sign that no other line can have, for ``runner.core.text`` spells it out wherever it is printed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MOST_SHOWN = 64 * 2**10
"""Most of a console that is shown of what was said before somebody looked, bytes."""
_MOST_READ = 2**20
_ENDED = b"\x1eended "
_MODE = 0o600
_STDERR = 2


@dataclass
class _Detached:
    """What the process that goes on knows of how it was started."""

    said: int = -1
    """What it has said so far, in memory; -1 in a process that has its terminal."""
    waiting: int = -1
    """Where the other process waits for a word."""
    settled: bool = False


_detached = _Detached()


@dataclass(frozen=True, kw_only=True)
class Parting:
    """What the process that stays with the terminal has to say before it ends."""

    said: str
    place: str | None
    """What the other one was settled with; ``None`` where it has ended before."""
    exit_code: int


def detach() -> Parting | None:
    """Go on in a session of its own, without input, silently: ``None``.

    The caller's own process gets the parting instead, once the other one is settled or has ended.
    """
    said, (heard, waiting) = os.memfd_create("phasehub-console"), os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    if (child := os.fork()) > 0:
        os.close(waiting)
        return _part(child, heard, said)
    os.close(heard)
    # A terminal that closes sends SIGHUP to its session: be in another one.
    # https://man7.org/linux/man-pages/man2/setsid.2.html
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number, target in enumerate((nowhere, nowhere, said)):
        os.dup2(target, number)
    _detached.said, _detached.waiting = said, waiting
    return None


def _part(child: int, heard: int, said: int) -> Parting:
    """Wait until the other process is settled, or for its end; pass on what would stop this one."""
    with suppress(KeyboardInterrupt):
        place = _all_of(heard)
        code = 0 if place else _exit_code(child)
        return Parting(said=_text(said), place=place or None, exit_code=code)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGTERM)
    code = _exit_code(child)
    return Parting(said=_text(said), place=None, exit_code=code)


def _all_of(pipe: int) -> str:
    with open(pipe, "rb") as stream:
        return os.fsdecode(stream.read())


def _text(said: int) -> str:
    return os.pread(said, _MOST_READ, 0).decode("utf-8", "replace")


def _exit_code(child: int) -> int:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


def is_detached() -> bool:
    """Whether this process goes on without a terminal."""
    return _detached.said >= 0


def settle(console: Path, place: str) -> None:
    """Have ``console`` get what this process says, and let the one that waits go.

    ``place`` is what that one is given. Nothing happens where nothing was detached.
    """
    if not is_detached() or _detached.settled:
        return
    sys.stderr.flush()
    file = os.open(console, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _MODE)
    os.write(file, os.pread(_detached.said, _MOST_READ, 0))
    os.dup2(file, _STDERR)
    os.close(file)
    _detached.settled = True
    os.write(_detached.waiting, os.fsencode(place))
    os.close(_detached.waiting)


def end(exit_code: int) -> None:
    """Have the exit status be the last line of the console. Nothing happens in a terminal."""
    if _detached.settled:
        with suppress(OSError, ValueError):  # of a full disk: who follows says that it is not known
            sys.stderr.flush()
            os.write(_STDERR, _ENDED + b"%d\n" % exit_code)


class ConsoleReader:
    """What is added to a console, also after its file was removed; at first the end of the old.

    Raises ``OSError`` where it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._stream = path.open("rb")
        self._rest = b""
        self.left_out = max(0, os.fstat(self._stream.fileno()).st_size - MOST_SHOWN)
        """What is not shown of its beginning, bytes."""
        self._in_part_of_line = self.left_out > 0
        self._stream.seek(self.left_out)
        self.exit_code: int | None = None
        """The status of the process that has written last, once it has ended."""

    def new(self) -> Iterator[str]:
        """Every complete line that is new."""
        while block := self._stream.read(_MOST_READ):
            *lines, self._rest = (self._rest + block).split(b"\n")
            for line in lines:
                part, self._in_part_of_line = self._in_part_of_line, False
                if line.startswith(_ENDED):
                    self.exit_code = int(line.removeprefix(_ENDED))
                elif not part:
                    self.exit_code = None
                    yield line.decode("utf-8", "replace")
