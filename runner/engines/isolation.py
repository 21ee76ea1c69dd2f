"""What a job in a container is given and what it is kept from, whatever starts the container.

One description for the docker engine and for every runtime of a cluster's node; each of them says
it in its own words. Standard library only: it is read on nodes.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from runner.engines.base import Launch, Seccomp

GRACE_S = 20.0
"""How much later than its runner a container ends itself at its time limit, s."""
HOME = "/tmp"  # noqa: S108 - in a container
"""The folder in memory that a job may write to, which is its home."""
OPEN_FILES, PROCESSES = 1 << 16, 1 << 15
"""The most that podman is asked for: less than it may set anywhere, more than a job needs."""
ADDED_BY_PODMAN = ("TERM", "container")
"""Variables that podman puts into every job's environment."""


@dataclass(frozen=True, kw_only=True)
class BoundFolder:
    """A folder of the host that a job sees, and where; one that is ``locked`` is read-only."""

    source: str
    place: str
    locked: bool


@dataclass(frozen=True, kw_only=True)
class Isolation:
    """All that a job sees and may do. What is not named here it has not: no capability, no host."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    """All of it, beside what the image brings."""
    folders: tuple[BoundFolder, ...]
    memory_bytes: int
    pids: int
    shm_bytes: int
    tmp_bytes: int
    threads: int
    network: bool
    seccomp: Seccomp

    def to_table(self) -> dict[str, Any]:
        """The same as a JSON value."""
        return asdict(self)

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Isolation:
        """What ``to_table`` has written."""
        folders = tuple(BoundFolder(**one) for one in table["folders"])
        return cls(**{**table, "command": tuple(table["command"]), "folders": folders})

    @property
    def tmpfs(self) -> str:
        """Options of the folder in memory."""
        return f"size={self.tmp_bytes},mode=1777,nosuid,nodev,noexec"


def isolation_of(launch: Launch) -> Isolation:
    """What a launch asks for, in the places where a container has it."""
    limits = launch.limits
    return Isolation(
        command=tuple(_bounded([_placed(word) for word in launch.command], limits.timeout_s)),
        environment={"HOME": HOME, "PYTHONUNBUFFERED": "1", **launch.environment},
        folders=tuple(_folders(launch)),
        memory_bytes=limits.memory_bytes,
        pids=limits.pids,
        shm_bytes=limits.shm_bytes,
        tmp_bytes=limits.tmp_bytes,
        threads=limits.threads,
        network=limits.network,
        seccomp=limits.seccomp,
    )


def without(variables: Sequence[str], command: Sequence[str]) -> list[str]:
    """A command line that does not see some variables of its environment."""
    return ["env", *(word for name in variables for word in ("-u", name)), *command]


def podman_ulimits() -> dict[str, int]:
    """Limits of a job's processes that podman has to be given by name.

    It asks the kernel for more than it may have, unless its own settings name less, and then
    starts nothing.
    """
    wanted = {
        "nofile": (resource.RLIMIT_NOFILE, OPEN_FILES),
        "nproc": (resource.RLIMIT_NPROC, PROCESSES),
    }
    return {name: _at_most(which, most) for name, (which, most) in wanted.items()}


def _at_most(which: int, most: int) -> int:
    """The least of ``most`` and what this process may have itself: the daemon has as much."""
    _, hard = resource.getrlimit(which)
    return most if hard == resource.RLIM_INFINITY else min(hard, most)


def _folders(launch: Launch) -> Iterator[BoundFolder]:
    yield BoundFolder(source=str(launch.job_dir.resolve()), place="/job", locked=True)
    yield BoundFolder(source=str(launch.out_dir.resolve()), place="/out", locked=False)
    if launch.data_dir is not None:
        yield BoundFolder(source=str(launch.data_dir.resolve()), place="/data", locked=True)


def _placed(word: str) -> str:
    return word.replace("{job}", "/job").replace("{out}", "/out")


def _bounded(command: list[str], timeout_s: float) -> list[str]:
    """The command under a program of every base system that ends it, should we not do so.

    Once it ends, the container does, whatever else runs in there.
    """
    return ["timeout", "--signal=KILL", f"{timeout_s + GRACE_S:.0f}", *command]
