"""Files and folders on disk: written so that they survive a power cut, removed, or undone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

Made = TypeVar("Made")


@contextmanager
def undone(make: Callable[[], Made], undo: Callable[[Made], None]) -> Iterator[Made]:
    """What ``make`` gives; undone with whatever is raised in the block.

    An interrupt waits while it is made: it never lies there with nobody who would undo it.
    """
    made: list[Made] = []
    try:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            made.append(make())
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield made[0]
    except BaseException:
        for one in made:
            undo(one)
        raise


def remove_tree(folder: Path) -> None:
    """Remove ``folder`` and all below it, if it is there; follows no link.

    A job can leave thousands of nested folders, at which ``shutil.rmtree`` runs out of stack in
    Python 3.11; ``rm`` does not, and takes a process. Folders that may not be written, or entered,
    stop nobody who owns them. Raises ``OSError`` when something cannot be removed.
    """
    if not os.path.lexists(folder):
        return
    with suppress(OSError, RecursionError):
        shutil.rmtree(folder)
        return
    # Of files alone no rights are needed; and they may be linked from a sealed hub.
    closed = [str(folder), "-type", "d", "!", "-perm", "-u=rwx", "-exec", "chmod", "u+rwx", "{}"]
    subprocess.run(["find", *closed, ";"], capture_output=True, check=False)
    done = subprocess.run(
        ["rm", "-rf", "--", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise OSError(f"{folder} cannot be removed: {done.stderr.strip()[:300]}")


def write_durably(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``, whole or not at all, and wait until it is on disk.

    Makes the folder if it is not there. Raises ``OSError`` where it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    # The file's own fsync does not cover its name, which is the folder's:
    # https://man7.org/linux/man-pages/man2/fsync.2.html
    _sync(path.parent)


def share(source: Path, target: Path) -> None:
    """Have the same bytes at another place, without a copy where the disk can do so.

    Raises ``OSError`` where it cannot be done, ``FileExistsError`` where something is there.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:
        shutil.copyfile(source, target, follow_symlinks=False)


def make_durable(paths: Iterable[Path]) -> None:
    """Wait until files and folders are on disk. Raises ``OSError`` for what cannot be written.

    All at once: a disk takes many together sooner than one after the other.
    """
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(_sync, paths):
            pass


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
