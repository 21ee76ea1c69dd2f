"""Disks that are full, read-only or broken: an error with place and remedy, and not a bug."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.core.errors import DiskError

LEAST_BYTES = 1 << 20
"""With less than this left, a disk has no room for anything."""
ELSEWHERE = "or choose another folder, with --out for hubs and PHASEHUB_STATE for what is kept"
TROUBLES = {
    errno.ENOSPC: f"no room is left; make some, {ELSEWHERE}",
    errno.EDQUOT: f"your quota is used up; remove something, {ELSEWHERE}",
    errno.EROFS: f"the disk is read-only; mount it writable, {ELSEWHERE}",
    errno.EIO: f"the disk fails; look at the kernel's log, {ELSEWHERE}",
    errno.ESTALE: f"the server of the disk has lost it; mount it again, {ELSEWHERE}",
    errno.EACCES: f"permission is denied; mend the rights, {ELSEWHERE}",
    errno.EPERM: f"it is not permitted; look at owner and attributes, {ELSEWHERE}",
}
"""What can be wrong with a disk, by the numbers that the kernel gives it, and what to do."""
TAKES_NOTHING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def is_of_writing(error: BaseException) -> bool:
    """Whether an error says that a disk takes nothing more; reading never ends in one."""
    return isinstance(error, OSError) and error.errno in TAKES_NOTHING


def explain(error: BaseException, *folders: Path) -> DiskError | None:
    """What to say of an error, if it is a disk's; ``folders`` are where the kernel names none.

    Of them it is the first that has no room, or else all of them.
    """
    if not isinstance(error, OSError) or error.errno not in TROUBLES:
        return None
    return DiskError(f"{_place(error, folders)}: {TROUBLES[error.errno]}")


@contextmanager
def explained(*folders: Path) -> Iterator[None]:
    """Raise ``DiskError``, see ``explain``, for what the block cannot write or read."""
    try:
        yield
    except OSError as error:
        if known := explain(error, *folders):
            raise known from error
        raise


def _place(error: OSError, folders: tuple[Path, ...]) -> str:
    if error.filename is not None:
        return os.fsdecode(error.filename)
    full = [folder for folder in folders if lack(folder)]
    return ", ".join(map(str, full or folders)) or "a disk"


def lack(folder: Path) -> str | None:
    """What there is none left of where a folder lies; ``None`` where there is enough.

    Some file systems count no inodes and say that they have none at all. What a quota leaves they
    do not say, so it is tried.
    """
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    if found.f_bavail * found.f_frsize < LEAST_BYTES:
        return "no room"
    if found.f_files and not found.f_favail:
        return "no inode"
    return "nothing of your quota" if _is_past_quota(folder) else None


def _is_past_quota(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder) as trial:
            os.posix_fallocate(trial.fileno(), 0, LEAST_BYTES)
    except OSError as error:
        return error.errno == errno.EDQUOT
    return False


def refuse_full(folder: Path, what: str) -> None:
    """Raise ``DiskError`` where a folder's disk is full, so that nobody can tell why ``what``."""
    if missing := lack(folder):
        raise DiskError(f"{what}, and {missing} is left at {folder}; make some, {ELSEWHERE}")
