"""Whom a container's job runs as, so that what it writes belongs to the caller.

Of a daemon that root runs, a job has the caller's uid and gid; a caller who is root gets an
unprivileged uid in the container. Of a rootless daemon, uid 0 of a container is the user whose
daemon it is, and every other uid is one of that user's subordinate ones; so a job runs as 0 there,
which is nobody but that user, without any capability. Where the job's user is not the caller, the
output folder is given to that user for the time of the job, and everything in it is given back.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runner.core.errors import EngineError

Ids = tuple[int, int]
"""uid and gid."""
UNPRIVILEGED: Ids = (10001, 10001)
"""Of a container whose caller is root."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """Whom a job runs as: ``inside`` its container, and who that is ``outside``, here."""

    caller: Ids
    inside: Ids
    outside: Ids

    @property
    def name(self) -> str:
        """The user inside, as a daemon takes it."""
        return f"{self.inside[0]}:{self.inside[1]}"

    def lend(self, out_dir: Path, inputs: Iterable[Path]) -> None:
        """Let the job's user, if it is not the caller, write outputs and read inputs.

        Raises ``EngineError`` for an input that the user may not read.
        """
        if self.outside == self.caller:
            return
        for folder in inputs:
            refuse_unreadable(folder, self.outside[0])
        os.chown(out_dir, *self.outside)

    def take_back(self, out_dir: Path) -> None:
        """Make the caller the owner of all outputs."""
        if self.outside != self.caller:
            take_back(out_dir, self.caller)


def account(caller: Ids, *, rootless: bool, owner: Ids | None) -> Account:
    """The account of a caller's jobs. ``owner`` is whose a rootless daemon is, if that is known.

    Raises ``EngineError`` where outputs would not belong to the caller.
    """
    if not rootless:
        user = caller if caller[0] != 0 else UNPRIVILEGED
        return Account(caller=caller, inside=user, outside=user)
    owner = owner or caller
    if owner[0] == caller[0]:
        return Account(caller=caller, inside=(0, 0), outside=caller)
    if caller[0] != 0:
        raise EngineError(
            f"the rootless daemon is that of uid {owner[0]}, so outputs would not belong to you; "
            "set DOCKER_HOST to your own, or use --engine process"
        )
    return Account(caller=caller, inside=(0, 0), outside=owner)


def take_back(out_dir: Path, owner: Ids) -> None:
    """Make ``owner`` the owner of all outputs; links are not followed.

    A caller who is not root owns them already.
    """
    if os.getuid() != 0 or not out_dir.is_dir():
        return
    # chown(1) copes with trees that are deeper than a path can be long.
    named = f"{owner[0]}:{owner[1]}"
    subprocess.run(["chown", "-R", "-h", named, "--", str(out_dir)], check=True)


def refuse_unreadable(folder: Path, uid: int) -> None:
    """Raise ``EngineError`` when other users may not read a job's input."""
    for path in (folder, *sorted(folder.rglob("*"))):
        needed = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
        if path.stat().st_mode & needed != needed:
            raise EngineError(
                f"{path} cannot be read by other users; root's containers run as uid {uid}. "
                f"Use `umask 022` and `chmod -R a+rX {folder}`"
            )
