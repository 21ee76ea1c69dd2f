"""The ``config.json`` of a container for runc and crun: the isolation in the words of OCI.

https://github.com/opencontainers/runtime-spec/blob/v1.0.2/config.md
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.engines import seccomp
from runner.engines.accounts import Ids
from runner.engines.isolation import HOME, Isolation
from runner.engines.runtimes.container import machine
from runner.engines.runtimes.in_place import InPlace

PERIOD_US = 100_000
"""Of the kernel's share of processors, µs."""
NAMESPACES = ("pid", "ipc", "uts", "mount")
POWERS = ("bounding", "effective", "inheritable", "permitted", "ambient")
MASKED = (
    *("/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats"),
    *("/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats"),
    *("/sys/devices/virtual/powercap", "/sys/firmware"),
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
OF_NETWORK = ("/etc/resolv.conf", "/etc/hosts")
"""Files of the node that a job with a network needs; it has the node's own."""
CLOSED = ("nosuid", "nodev", "noexec")
TERMINALS = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")


class Bundled(InPlace):
    """A container that is started by a bundle: a folder with its configuration."""

    memory_is_told = False  # what is known of it is gone with its cgroup

    def bundle(self, isolation: Isolation, folder: Path, name: str) -> None:
        """Make the folder. Raises ``RefusedError`` where system calls cannot be filtered."""
        folder.mkdir()
        config = bundle_of(
            isolation,
            name=name,
            root=self.root,
            workdir=self.image["workdir"] or "/",
            environment={**self.variables(), **isolation.environment},
            user=self.account.inside,
            owner=(os.getuid(), os.getgid()) if self.rootless else None,
            labels=self.labels,
        )
        self.fit(config, folder)
        (folder / "config.json").write_text(json.dumps(config), "utf-8")

    def fit(self, config: dict[str, Any], folder: Path) -> None:
        """Change in a configuration what its reader wants otherwise."""


def bundle_of(
    isolation: Isolation,
    *,
    name: str,
    root: Path,
    workdir: str,
    environment: Mapping[str, str],
    user: Ids,
    owner: Ids | None,
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """The configuration. ``owner`` is whom uid 0 stands for without root; ``None`` with it.

    Raises ``RefusedError`` on a machine whose system calls cannot be filtered.
    """
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": user[0], "gid": user[1]},
            "args": list(isolation.command),
            "env": [f"{key}={text}" for key, text in environment.items()],
            "cwd": workdir,
            "capabilities": {one: [] for one in POWERS},
            "noNewPrivileges": True,
        },
        "root": {"path": str(root), "readonly": True},
        "hostname": "phasehub",
        "mounts": [*_of_kernel(isolation, owner), *_of_job(isolation)],
        "annotations": {f"phasehub.{key}": text for key, text in labels.items()},
        "linux": {
            "namespaces": [{"type": one} for one in _namespaces(isolation, owner)],
            "maskedPaths": list(MASKED),
            "readonlyPaths": list(READ_ONLY),
            **({"seccomp": seccomp.profile(machine())} if isolation.seccomp == "strict" else {}),
            **(_bounds(isolation, name) if owner is None else _mapped(owner)),
        },
    }


def _namespaces(isolation: Isolation, owner: Ids | None) -> Iterator[str]:
    yield from NAMESPACES
    if not isolation.network:
        yield "network"
    if owner is not None:
        yield "user"


def _bounds(isolation: Isolation, name: str) -> dict[str, Any]:
    """What cgroups hold the container to: limits, cores, and no device but harmless ones."""
    most = isolation.memory_bytes
    return {
        "cgroupsPath": f"/{name}",
        "resources": {
            "devices": [{"allow": False, "access": "rwm"}],
            "memory": {"limit": most, "swap": most},
            "pids": {"limit": isolation.pids},
            "cpu": {"quota": isolation.threads * PERIOD_US, "period": PERIOD_US},
        },
    }


def _mapped(owner: Ids) -> dict[str, Any]:
    """A user of the container's own, who is the caller outside."""
    named = zip(("uidMappings", "gidMappings"), owner, strict=True)
    return {which: [{"containerID": 0, "hostID": mine, "size": 1}] for which, mine in named}


def _of_kernel(isolation: Isolation, owner: Ids | None) -> Iterator[dict[str, Any]]:
    """What every program expects to find."""
    yield mount("/proc", "proc", CLOSED)
    yield mount("/dev", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k"))
    yield mount("/dev/pts", "devpts", (*TERMINALS, *(("gid=5",) if owner is None else ())))
    shared = (*CLOSED, "mode=1777", f"size={isolation.shm_bytes}")
    yield mount("/dev/shm", "tmpfs", shared)  # noqa: S108 - in a container
    yield mount("/dev/mqueue", "mqueue", CLOSED)
    if owner is None:
        yield mount("/sys", "sysfs", (*CLOSED, "ro"))
    else:  # it takes root to mount
        yield mount("/sys", "bind", ("rbind", "ro", *CLOSED), "/sys")
    yield mount(HOME, "tmpfs", isolation.tmpfs.split(","))


def _of_job(isolation: Isolation) -> Iterator[dict[str, Any]]:
    """The job's folders, and what a network takes."""
    for one in isolation.folders:
        locked = ("ro",) if one.locked else ()
        yield mount(one.place, "bind", ("rbind", "nosuid", "nodev", *locked), one.source)
    for name in OF_NETWORK if isolation.network else ():
        yield mount(name, "bind", ("bind", "ro", *CLOSED), name)


def mount(
    place: str, kind: str, options: Sequence[str], source: str | None = None
) -> dict[str, Any]:
    """A mount as a bundle names it."""
    return {"destination": place, "type": kind, "source": source or kind, "options": list(options)}
