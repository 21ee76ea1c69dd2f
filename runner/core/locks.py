"""Locks that all users of a machine share: one place, which no environment variable moves.

A lock is an ``flock`` on a file of ``/run/lock``, the sticky folder of the system: a file there
belongs to whoever made it and can be removed by nobody else, and others can lock it although they
may only read it. The kernel ends a lock with the process that holds it.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from runner.core.errors import EngineError, GpuError
from runner.core.text import plain

SYSTEM = Path("/run/lock")
PREFIX = "phasehub-"
_MODE = 0o644
LOCKS = Path("/proc/locks")
MOST_SHOWN = 120
"""Characters that are shown of a command line."""
_LOCKED = re.compile(r"^\d+: FLOCK .* (?P<pid>\d+) \w+:\w+:(?P<inode>\d+) ", re.MULTILINE)
_SHARED = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where locks lie, and what the user must know about it, if anything."""

    folder: Path
    remark: str | None = None


def place(system: Path = SYSTEM) -> Place:
    """The machine's folder for locks; where it cannot be used, a folder of the user's own.

    Raises ``EngineError`` where neither can be had.
    """
    if wrong(system) is None and os.access(system, os.W_OK | os.X_OK):
        return Place(folder=system)
    own = Path(pwd.getpwuid(os.getuid()).pw_dir, ".cache", "phasehub", "locks")
    try:
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        problem = wrong(own)
    except OSError as error:
        problem = error.strerror
    if problem:
        raise GpuError(
            f"there is no place for locks: {system} cannot be used, and {own}: {problem}; mend one "
            "of the two"
        )
    return Place(
        folder=own,
        remark=f"{system} cannot be used: GPUs are kept from your own other runs, and not from "
        "those of other users",
    )


def wrong(folder: Path) -> str | None:
    """Why others could exchange the files of a folder; ``None`` if they cannot."""
    try:
        found = folder.lstat()
    except OSError as error:
        return error.strerror
    if not stat.S_ISDIR(found.st_mode):
        return "is a link or no folder"
    if found.st_uid not in (0, os.getuid()):
        return "belongs to another user"
    if found.st_mode & _SHARED and not found.st_mode & stat.S_ISVTX:
        return "may be written by others, and is not sticky"
    return None


def exists(folder: Path, name: str) -> bool:
    """Whether the lock ``name`` was ever held there."""
    return _file(folder, name).exists()


def _file(folder: Path, name: str) -> Path:
    return folder / f"{PREFIX}{name}.lock"


@contextmanager
def hold(folder: Path, name: str) -> Iterator[bool]:
    """Hold the lock ``name`` until the block ends; whether it was free. Raises as ``take``."""
    descriptor = take(folder, name)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def take(folder: Path, name: str) -> int | None:
    """A descriptor that holds the lock ``name`` until it is closed; ``None`` where others hold it.

    A process that inherits it holds the lock as well, whatever becomes of this one. Raises
    ``EngineError`` where the folder or the file is not what it should be.
    """
    if problem := wrong(folder):
        raise EngineError(f"{folder} {problem}; locks cannot lie there. Mend that, and run again")
    path = _file(folder, name)
    try:
        descriptor = _open(path)
    except OSError as error:
        raise GpuError(
            f"the lock {path}{_owner(path)} cannot be opened: {error.strerror}; if no run of "
            "phasehub is under way, its owner can remove it"
        ) from error
    try:
        _refuse_odd(path, descriptor)
        if _flock(descriptor):
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def release(descriptor: int) -> None:
    """End a lock for every process that has it."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def holder(folder: Path, name: str) -> str | None:
    """Who holds the lock ``name``, in words; ``None`` where nobody does, as far as can be seen."""
    try:
        inode = _file(folder, name).stat().st_ino
        listed = LOCKS.read_text()
    except OSError:
        return None
    pids = [int(found["pid"]) for found in _LOCKED.finditer(listed) if int(found["inode"]) == inode]
    return _described(pids[0]) if pids else None


def _described(pid: int) -> str:
    """Who took a lock. Whoever inherited it has it still when that process has ended."""
    try:
        process = psutil.Process(pid)
        command = plain(" ".join(process.cmdline()))[:MOST_SHOWN]
        return f"held by process {pid} of {process.username()}: {command}"
    except (psutil.Error, KeyError):
        return f"held by a job that process {pid} has started and left"


def _open(path: Path) -> int:
    """A file that is there already, or a new one; through no link, and without waiting."""
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        # Not with O_CREAT: Linux refuses that for another's file in a sticky folder.
        # https://docs.kernel.org/admin-guide/sysctl/fs.html#protected-regular
        return os.open(path, os.O_RDONLY | flags)
    except FileNotFoundError:
        pass
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | flags, _MODE)
    except FileExistsError:  # another runner was faster
        return os.open(path, os.O_RDONLY | flags)
    os.fchmod(descriptor, _MODE)  # whatever the umask is
    return descriptor


def _refuse_odd(path: Path, descriptor: int) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        raise EngineError(f"the lock {path} is no file of its own; remove it, and run again")


def _flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner(path: Path) -> str:
    try:
        user = path.lstat().st_uid
    except OSError:
        return ""
    return f" of user {user}"
