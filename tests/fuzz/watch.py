"""What a verb does besides answering: files that it opens to write, programs that it starts.

Python's audit events tell of both before they happen. Whatever is not allowed is refused and put
down, so that a finding does no harm to the machine that finds it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = frozenset({"git", "rm", "ssh-keygen"})
"""What a verb may start on the host. Nothing of it is foreign."""
NO_PYTHON = "/nonexistent/python"
"""No engine can be opened with it, so a verb that is given it ends before anything runs."""
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_FREE = ("/dev/null", "/dev/tty")
_PLACES = {  # event → which of its arguments are paths, and which is the folder's descriptor
    "os.mkdir": ((0,), 2),
    "os.rename": ((0, 1), 2),
    "os.remove": ((0,), 1),
    "os.rmdir": ((0,), 1),
    "os.link": ((1,), 3),
    "os.symlink": ((1,), 2),
    "os.chmod": ((0,), 2),
    "os.chown": ((0,), 3),
    "os.truncate": ((0,), None),
    "shutil.rmtree": ((0,), None),
}
_STARTS = (
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "os.forkpty",
    "os.fork",
    "pty.spawn",
)


class Forbidden(BaseException):
    """A verb was kept from doing what it must not. Not an ``Exception``: nobody may swallow it."""


class Watch:
    """Watches while ``folder`` is set: nothing may be written outside of it."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.offences: list[str] = []
        sys.addaudithook(self._hook)

    def begin(self, folder: Path) -> None:
        """From now on, writing is allowed below ``folder`` alone."""
        self.offences = []
        self.folder = os.path.realpath(folder)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Look away while the harness itself does something."""
        folder, self.folder = self.folder, None
        try:
            yield
        finally:
            self.folder = folder

    def end(self) -> list[str]:
        """Stop watching; what was forbidden since ``begin``."""
        self.folder = None
        return self.offences

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.folder is None:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & WRITES and not isinstance(path, int):
                self._place(event, path, None)
        elif event in _PLACES:
            indices, descriptor = _PLACES[event]
            for index in indices:
                folder = arguments[descriptor] if descriptor is not None else None
                if event == "os.rename":
                    folder = arguments[2 + index]
                self._place(event, arguments[index], folder)
        elif event == "subprocess.Popen":
            self._program(arguments[0], arguments[1])
        elif event in _STARTS:
            self._offend(f"{event}: {arguments[0] if arguments else ''}")
        elif event == "socket.connect" and isinstance(arguments[1], tuple):
            self._offend(f"connects to {arguments[1]}")

    def _place(self, event: str, path: object, descriptor: object) -> None:
        if isinstance(path, int) or path is None or self.folder is None:
            return
        name = os.fsdecode(path)  # type: ignore[arg-type]
        if isinstance(descriptor, int) and descriptor >= 0 and not name.startswith("/"):
            name = os.path.join(os.readlink(f"/proc/self/fd/{descriptor}"), name)
        where, last = os.path.split(os.path.abspath(name))
        real = os.path.realpath(os.path.join(where, last)) if event == "open" else None
        real = real or os.path.join(os.path.realpath(where), last)
        if real.startswith(f"{self.folder}/") or real == self.folder or real in _FREE:
            return
        self._offend(f"{event} {real[:300]}")

    def _program(self, executable: object, words: object) -> None:
        first = words[0] if isinstance(words, list | tuple) and words else words
        program = os.fsdecode(executable or first)  # type: ignore[arg-type]
        if os.path.basename(program) not in PROGRAMS and program != NO_PYTHON:
            self._offend(f"starts {str(words)[:300]}")

    def _offend(self, what: str) -> None:
        self.offences.append(what)
        raise Forbidden(what)
