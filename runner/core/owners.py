"""Whose a folder is: what one user has begun or keeps, another neither goes on with nor adds to."""

from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path


def other_owner(path: Path) -> str | None:
    """The name of the user to whom a file or folder belongs, if that is not the one we run as.

    Of what is not there, too, it is ``None``.
    """
    try:
        owner = path.stat().st_uid
    except OSError:
        return None
    return None if owner == os.geteuid() else name_of(owner)


def name_of(uid: int) -> str:
    """A user's name, or else the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def would_mix(folder: Path) -> bool:
    """Whether what we leave in a folder of another user would not be that user's.

    Some disks give everything that root writes to another. Raises ``OSError`` where nothing can be
    written.
    """
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".owner-") as trial:
        return os.fstat(trial.fileno()).st_uid != folder.stat().st_uid
