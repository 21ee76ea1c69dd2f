"""The room on disk that a job takes, measured while it runs and does what it likes.

Nothing that a job does to its folders leads out of them, is waited for, or raises. Standard library
only: the supervisor of the process engine uses it.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

Excess = Literal["disk", "files", "hiding"]
"""Too many bytes, too many files, or outputs that cannot be measured."""

MOST_FILES = 100_000
"""Files and folders that an output may have: each takes room on a disk, however small it is."""
LOOK_S = 1.0
"""Time between two looks at a folder, s."""
SHARE = 10
"""At most one part of this many of the time is spent on looking."""
MOST_HIDDEN = 10
"""Looks in succession that may fail to see everything, as when folders are moved meanwhile."""
MOST_OPEN = 10_000
"""Open files that are looked at for those that have no name any more."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK


class Guard:
    """Looks now and then at what a job has written below ``folder``, and says when it is too much.

    ``most_bytes`` counts each file as what it says to be long or what it takes on the disk,
    whichever is more, so that holes count as well.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._next_s = 0.0
        self._hidden = 0

    def look(self, pids: Iterable[int] = ()) -> Excess | None:
        """What there is too much of; nothing before it is time to look again.

        ``pids`` are the job's processes; what they hold open and have removed counts as well.
        """
        began = time.monotonic()
        if began < self._next_s:
            return None
        walk = _Walk(self._folder, self._most_bytes)
        walk.num_bytes += unnamed_bytes(self._folder, pids)
        now = time.monotonic()
        self._next_s = now + max(LOOK_S, SHARE * (now - began))
        self._hidden = 0 if walk.complete else self._hidden + 1
        return walk.excess() or ("hiding" if self._hidden > MOST_HIDDEN else None)

    def last_look(self) -> Excess | None:
        """What there is too much of, once nothing of the job runs any more."""
        return _Walk(self._folder, self._most_bytes).excess()


class _Walk:
    """One look at a tree of any depth and size, until its end or until there is too much.

    One folder is open at a time. The way back is through ``..``, and only to the folder that was
    left: whoever moves folders meanwhile ends the walk, which is then not ``complete``.
    """

    def __init__(self, root: Path, most_bytes: int) -> None:
        self.num_bytes = 0
        self.num_files = 0
        self.complete = True
        self._most_bytes = most_bytes
        try:
            here = os.open(root, _FOLDER)
        except OSError:
            self.complete = False
            return
        try:
            self._walk(here)
        except OSError:
            self.complete = False

    def excess(self) -> Excess | None:
        if self.num_bytes > self._most_bytes:
            return "disk"
        return "files" if self.num_files > MOST_FILES else None

    def _walk(self, here: int) -> None:
        """Count everything below an open folder, which is closed at the end."""
        left: list[tuple[tuple[int, int], list[str]]] = []
        try:
            folders = self._count(here)
            while not self.excess():
                if folders:
                    inner = self._enter(folders.pop(), here)
                    if inner is None:
                        continue
                    left.append((_identity(here), folders))
                    os.close(here)
                    here = inner
                    folders = self._count(here)
                elif left:
                    outer = os.open("..", _FOLDER, dir_fd=here)
                    os.close(here)
                    here = outer
                    expected, folders = left.pop()
                    if _identity(here) != expected:
                        self.complete = False
                        return
                else:
                    return
        finally:
            os.close(here)

    def _count(self, here: int) -> list[str]:
        """Count what lies in an open folder; the names of the folders in it."""
        folders = []
        with os.scandir(here) as listing:
            for entry in listing:
                self.num_files += 1
                with suppress(FileNotFoundError):
                    self.num_bytes += room(entry.stat(follow_symlinks=False))
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                if self.excess():
                    break
        return folders

    def _enter(self, name: str, here: int) -> int | None:
        try:
            return os.open(name, _FOLDER, dir_fd=here)
        except (FileNotFoundError, NotADirectoryError):  # it was removed or exchanged just now
            return None
        except OSError:
            self.complete = False
            return None


def _identity(folder: int) -> tuple[int, int]:
    facts = os.fstat(folder)
    return facts.st_dev, facts.st_ino


def room(facts: os.stat_result) -> int:
    """Bytes that a file says to be long or takes on the disk, whichever is more."""
    return max(facts.st_size, 512 * facts.st_blocks)


def unnamed_bytes(folder: Path, pids: Iterable[int]) -> int:
    """Room of files on the disk of ``folder`` that processes hold open and that have no name."""
    found: dict[int, int] = {}
    try:
        disk = folder.stat().st_dev
    except OSError:
        return 0
    num_seen = 0
    for pid in pids:
        with suppress(OSError), os.scandir(f"/proc/{pid}/fd") as listing:
            for entry in listing:
                num_seen += 1
                if num_seen > MOST_OPEN:
                    return sum(found.values())
                with suppress(OSError):
                    facts = entry.stat()
                    if stat.S_ISREG(facts.st_mode) and not facts.st_nlink and facts.st_dev == disk:
                        found[facts.st_ino] = room(facts)
    return sum(found.values())
