"""Holds locks of containers, of their GPUs and cores, until those have ended.

The kernel ends a lock with the last process that has it open, and a container can have none of
ours; so a process stands beside an engine, is handed the locks of each container, and outlives the
runner. Standard library only. Linux only: it reads ``/proc``.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from runner.core.installation import SOURCES

START = (
    f"import sys; sys.path.insert(0, {str(SOURCES)!r}); "
    "from runner.engines.holder import main; main()"
)
"""The code passed to its interpreter, which is isolated and has no path of ours."""
GRACE_S = 10.0
"""How long a daemon may take to start what it was asked to, should the runner die meanwhile, s."""
LOOK_S = 0.1
WATCHERS = ("conmon", "containerd-shim")
"""How the programs are called that stand between a daemon and its containers."""
LONGEST_ID, MOST_LOCKS = 256, 250
"""Bytes of a container's id, and descriptors that the kernel hands over at a time."""


class Holder:
    """A process that has the locks of containers, as the runner sees it.

    Raises ``OSError`` where it cannot be started, or is gone.
    """

    def __init__(self) -> None:
        self._near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with far:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", START],
                stdin=far.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )

    def hold(self, container_id: str, descriptors: Sequence[int]) -> None:
        """Hold locks until a container has ended, should we not release them before."""
        socket.send_fds(self._near, [container_id.encode()], descriptors[:MOST_LOCKS])

    def release(self, container_id: str) -> None:
        """Hold the locks of a container no more, if there are any; it is gone."""
        with contextlib.suppress(OSError):  # whoever has killed it has released them
            self._near.send(container_id.encode())

    def close(self) -> None:
        """Have it end as soon as no container of its own runs."""
        self._near.close()


def main() -> None:
    """Hold what the runner hands over; once that is dead, what belongs to containers that run."""
    held: dict[str, list[int]] = {}
    with socket.socket(fileno=0) as runner:
        while True:
            word, descriptors, _, _ = socket.recv_fds(runner, LONGEST_ID, MOST_LOCKS)
            if not word:
                break
            _close(held.pop(word.decode(), ()))
            if descriptors:
                held[word.decode()] = descriptors
    _outlive(held)


def _outlive(held: dict[str, list[int]]) -> None:
    """Close what belongs to each container when it has ended, or was not started in its time."""
    began, seen = time.monotonic(), set[str]()
    while held:
        running = {one: pid for one in held if (pid := process_of(one)) is not None}
        seen.update(running)
        late = time.monotonic() - began > GRACE_S
        for one in [one for one in held if one not in running and (late or one in seen)]:
            _close(held.pop(one))
        _wait_for_end(list(running.values()), LOOK_S if held.keys() - running.keys() else None)


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def process_of(container_id: str) -> int | None:
    """A process of a container; ``None`` where this machine runs none.

    It is identified by its cgroup, or, as a rootless daemon may have none, by the parent that
    watches it and is started with its id: containerd's shim, or podman's conmon.
    """
    return _of_cgroup(container_id) or next(
        (child for parent in _naming(container_id) for child in _children(parent)), None
    )


def _of_cgroup(container_id: str) -> int | None:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it may have ended just now
            if container_id in (folder / "cgroup").read_text():
                return int(folder.name)
    return None


def _naming(container_id: str) -> Iterator[Path]:
    """The processes that watch it."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            said = (folder / "cmdline").read_bytes().decode("utf-8", "replace")
            program, *words = said.split("\0")
            if Path(program).name.startswith(WATCHERS) and container_id in words:
                yield folder


def _children(folder: Path) -> Iterator[int]:
    """Those that are not dead and only wait to be reaped."""
    for task in (folder / "task").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for pid in map(int, (task / "children").read_text().split()):
                if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                    yield pid


def _wait_for_end(pids: Sequence[int], at_most_s: float | None) -> None:
    """Return once one of the processes has ended, or after ``at_most_s``."""
    if not pids and at_most_s is None:
        return
    with contextlib.ExitStack() as opened:
        ends = select.poll()
        for pid in pids:
            try:
                descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                return
            opened.callback(os.close, descriptor)
            ends.register(descriptor, select.POLLIN)
        ends.poll(None if at_most_s is None else 1000 * at_most_s)
