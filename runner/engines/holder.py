"""Holds what it has inherited, the locks of a container's GPUs, until the container has ended.

``python -c START CONTAINER``. The kernel ends a lock with the last process that has it open, and a
container can have none of ours; so this process stands beside it, whatever becomes of the runner.
Standard library only. Linux only: it reads ``/proc``.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from runner.core.installation import SOURCES

START = (
    f"import sys; sys.path.insert(0, {str(SOURCES)!r}); "
    "from runner.engines.holder import main; main()"
)
"""What its interpreter is told, which is isolated and has no path of ours."""
GRACE_S = 10.0
"""How long a daemon may take to start what it was asked to, should the runner die meanwhile, s."""
LOOK_S = 0.1


def hold(container_id: str, descriptors: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start a holder; once its input is closed, it takes the container to be started.

    Raises ``OSError`` where it cannot be started.
    """
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", START, container_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        pass_fds=descriptors,
        start_new_session=True,
    )


def main() -> None:
    """Wait until the runner has started the container or has died, then for the container's end."""
    sys.stdin.buffer.read()
    began, seen = time.monotonic(), False
    while True:
        if (pid := process_of(sys.argv[1])) is not None:
            seen = True
            _wait_for_end(pid)
        elif seen or time.monotonic() - began > GRACE_S:
            return
        else:
            time.sleep(LOOK_S)


def process_of(container_id: str) -> int | None:
    """A process of a container; ``None`` where this machine runs none."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it may have ended just now
            if container_id in (folder / "cgroup").read_text():
                return int(folder.name)
    return None


def _wait_for_end(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        end = select.poll()
        end.register(descriptor, select.POLLIN)
        end.poll()
    finally:
        os.close(descriptor)
