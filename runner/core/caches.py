"""What is kept in the state folder to save time, and when it was last used.

All of it is made again when it is missing. What is used is marked by its date, so that whoever
makes room can tell what nobody has asked for in a month.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from runner.core.errors import EngineError, OthersError
from runner.core.files import remove_tree
from runner.core.owners import other_owner, would_mix

OF_SHELF = ".lock"
SHELVES: dict[str, Callable[[str], str]] = {
    "code": lambda _name: OF_SHELF,
    "datasets": lambda name: f"{name.partition('.')[0]}.lock",
    "environments": lambda name: f".{name}.lock",
    "node-images": lambda _name: OF_SHELF,
    "wheels": lambda _name: OF_SHELF,
}
"""Folder of the state folder → what the lock of an entry is called there."""
DAY_S = 86_400.0


IN_USE = ".in-use"
"""A file of the state folder, which all who run jobs with what lies there have locked together."""


@contextmanager
def in_use(state: Path) -> Iterator[None]:
    """Have nobody remove anything below ``state`` that the block may need."""
    with ExitStack() as held:
        with suppress(OSError):  # where nothing can be written, nothing can be removed
            state.mkdir(parents=True, exist_ok=True)
            file = held.enter_context((state / IN_USE).open("ab"))
            fcntl.flock(file, fcntl.LOCK_SH)
        yield


@contextmanager
def unused_by_others(state: Path) -> Iterator[None]:
    """Keep others from beginning meanwhile. Raises ``EngineError`` where one is at work."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / IN_USE).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EngineError(
                f"a run is under way that may need what lies in {state}; wait for its end, see "
                "`phasehub status`"
            ) from None
        yield


def refuse_others(state: Path) -> None:
    """Raise ``OthersError`` where a shelf of ``state`` is another user's.

    What we leave there that user could neither use nor remove. Raises ``OSError`` where nothing
    can be written.
    """
    for shelf in SHELVES:
        owner = other_owner(state / shelf)
        if owner is not None and would_mix(state / shelf):
            raise OthersError(
                f"{state / shelf} belongs to {owner}, who could not use what you leave there; name "
                "a folder of your own in PHASEHUB_STATE"
            )


def mark_used(entry: Path) -> None:
    """Take note that an entry is used now."""
    with suppress(OSError):  # somebody else's, or on a disk that cannot be written
        os.utime(entry)


@dataclass(frozen=True, kw_only=True)
class UnusedEntry:
    """Something that has not been used for long."""

    path: Path
    lock: Path
    unused_s: float

    def remove(self) -> bool:
        """Remove it, unless somebody is at it; whether that was done."""
        try:
            with FileLock(self.lock, timeout=0):
                remove_tree(self.path)
        except Timeout:
            return False
        return True


def unused_entries(state: Path, longer_than_s: float) -> Iterator[UnusedEntry]:
    """The entries below ``state`` that nobody has used for longer than that, by their names.

    Only folders count: locks stay, and so does what a dataset is expected to be.
    """
    now = time.time()
    for shelf, lock_of in SHELVES.items():
        for path in sorted((state / shelf).glob("*")):
            if path.is_symlink() or not path.is_dir():
                continue
            unused_s = now - path.stat().st_mtime
            if unused_s > longer_than_s:
                lock = state / shelf / lock_of(path.name)
                yield UnusedEntry(path=path, lock=lock, unused_s=unused_s)
