"""What a daemon behind Docker's API can do for a job: Docker or podman, of root or rootless.

Everything in which daemons differ is read here, once, from what they say of themselves; the engine
asks this and never which product it talks to. A third product that speaks the API is added here.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from docker.types import LogConfig, Mount, Ulimit

from runner.core.errors import EngineError
from runner.engines import seccomp
from runner.engines.base import PROMISES, Seccomp
from runner.engines.isolation import ADDED_BY_PODMAN, BoundFolder, podman_ulimits, without

Product = Literal["docker", "podman"]
LOGS: Mapping[str, Mapping[str, str]] = {
    "local": {"max-size": "16m", "max-file": "2", "compress": "false"},
    "k8s-file": {"max-size": "16m"},
    "json-file": {"max-size": "16m", "max-file": "2"},
    "journald": {},
}
"""Drivers, the best first, that keep a console for a runner that takes over, within bounds."""
UNASKED = {"/run": "ro,size=4096", "/var/tmp": "ro,size=4096"}  # noqa: S108
"""Where podman lets a job with a read-only root write to memory unless it is kept from it."""
CONTROLLERS = {"memory": "memory", "swap": "memory", "pids": "pids"}
"""Promise → the controller of cgroups that keeps it."""
FLAGS = {"memory": "MemoryLimit", "swap": "SwapLimit", "pids": "PidsLimit"}
"""Promise → what ``/info`` says of it."""


@dataclass(frozen=True, kw_only=True)
class Abilities:
    """What one daemon can do."""

    product: Product
    version: str
    storage_driver: str
    cgroup_version: str
    rootless: bool
    """Whether uid 0 of a container is the user whose daemon it is."""
    selinux: bool
    """Whether folders of this machine need a label before a container may open them."""
    log: LogConfig
    profiles_for: str | None
    """Machine whose system calls can be filtered; ``None`` where the daemon knows no profiles."""
    enforced: frozenset[str]
    """What of ``PROMISES`` it keeps."""

    def describe(self) -> dict[str, object]:
        """The same for the hub, as a JSON value."""
        return {
            "daemon": self.product,
            "version": self.version,
            "rootless": self.rootless,
            "selinux": self.selinux,
            "storage_driver": self.storage_driver,
            "cgroup_version": self.cgroup_version,
            "enforced": sorted(self.enforced),
            "not_enforced": sorted(PROMISES - self.enforced),
        }

    @property
    def tells_memory(self) -> bool:
        """Whether a container that was not said to be killed for memory was not.

        Podman reads it from a file that conmon leaves: with Debian 12's versions one for all of
        them, in the folder where podman was started. So the kernel's log is asked besides.
        """
        return self.product == "docker"

    @property
    def ulimits(self) -> list[Ulimit]:
        """Limits of a job's processes that have to be named; none where its own will do."""
        if self.product == "docker":
            return []
        return [Ulimit(name=name, soft=most, hard=most) for name, most in podman_ulimits().items()]

    @property
    def closed(self) -> Mapping[str, str]:
        """Folders in memory that a job may not write to, and the options that see to it."""
        return UNASKED if self.product == "podman" else {}

    def command(self, wanted: Sequence[str]) -> list[str]:
        """A command line without what the daemon puts into its environment."""
        if self.product == "docker":
            return list(wanted)
        return without(ADDED_BY_PODMAN, wanted)

    def mounts(self, folders: Iterable[BoundFolder]) -> list[Mount]:
        """The job's folders as the container is shown them; none where they need labels."""
        return [
            Mount(one.place, one.source, type="bind", read_only=one.locked)
            for one in folders
            if not self.selinux
        ]

    def binds(self, folders: Iterable[BoundFolder]) -> dict[str, dict[str, str]]:
        """The same in the older form, which alone can ask the daemon to label them."""
        return dict(_labelled(one) for one in folders if self.selinux)

    @contextmanager
    def security(self, wanted: Seccomp, place: Path) -> Iterator[list[str]]:
        """Security options for as long as a container is created; ``place`` is one it can read.

        Docker takes a profile of system calls as it is, podman the path of a file.
        """
        options = ["no-new-privileges:true"]
        if wanted == "docker" or self.profiles_for is None:
            yield options
        elif wanted == "unconfined":
            yield [*options, "seccomp=unconfined"]
        elif self.product == "docker":
            yield [*options, f"seccomp={json.dumps(seccomp.profile(self.profiles_for))}"]
        else:
            with tempfile.NamedTemporaryFile("w", dir=place, prefix=".seccomp-") as file:
                json.dump(seccomp.profile(self.profiles_for), file)
                file.flush()
                Path(file.name).chmod(0o644)
                yield [*options, f"seccomp={file.name}"]

    def refuse_gpus(self, gpu_ids: Sequence[str]) -> None:
        """Raise ``EngineError`` where a job wants GPUs and the daemon would start it without."""
        if gpu_ids and self.product == "podman":
            raise EngineError(
                "podman's Docker API gives a container no GPU; use a Docker daemon, --engine "
                "process, or --device cpu"
            )


def read(
    info: Mapping[str, Any], version: Mapping[str, Any], controllers: Sequence[str] | None = None
) -> Abilities:
    """Abilities of the daemon that answers this to ``/info`` and ``/version``.

    ``controllers`` are those of cgroups that it may use, where it tells them. Raises
    ``EngineError`` for one that maps users, or keeps no console.
    """
    options = [str(option) for option in info.get("SecurityOptions") or []]
    if any(option.startswith("name=userns") for option in options):
        raise EngineError(
            "the Docker daemon is remapping users, so outputs would not belong to you; use a "
            "daemon without userns-remap, or a rootless one, or --engine process"
        )
    rootless = bool(info.get("Rootless")) or any(o.startswith("name=rootless") for o in options)
    machine = seccomp.machine(info)
    return Abilities(
        product="podman" if is_podman(version) else "docker",
        version=str(info["ServerVersion"]),
        storage_driver=str(info["Driver"]),
        cgroup_version=str(info.get("CgroupVersion", "1")),
        rootless=rootless,
        selinux=any(option.startswith("name=selinux") for option in options),
        log=_log(info),
        profiles_for=machine,
        enforced=PROMISES
        - _without_cgroups(info, controllers, rootless=rootless)
        - (set() if machine else {"system_calls"}),
    )


def is_podman(version: Mapping[str, Any]) -> bool:
    """Whether that is podman's answer to ``/version``."""
    parts = version.get("Components") or []
    return any(str(part.get("Name")).startswith("Podman") for part in parts)


def _without_cgroups(
    info: Mapping[str, Any], controllers: Sequence[str] | None, *, rootless: bool
) -> set[str]:
    """Promises that take cgroups which this daemon has not, whatever its kernel has.

    Only version 2 can be handed to a user, and only by systemd; version 1 is root's alone. Podman
    of a user that makes cgroups itself may make none, says that it may, and starts without.
    """
    driver = info.get("CgroupDriver")
    version = str(info.get("CgroupVersion", "1"))
    if driver == "none" or (rootless and (version == "1" or driver != "systemd")):
        return set(FLAGS)
    broken = {promise for promise, flag in FLAGS.items() if not info.get(flag)}
    if controllers is not None:
        broken |= {promise for promise, one in CONTROLLERS.items() if one not in controllers}
    return broken


def _log(info: Mapping[str, Any]) -> LogConfig:
    known = (info.get("Plugins") or {}).get("Log") or []
    for driver, options in LOGS.items():
        if driver in known:
            return LogConfig(type=driver, config=dict(options))
    raise EngineError(
        f"the daemon has none of the log drivers {', '.join(LOGS)}, so no console would be kept; "
        "see `docker info`"
    )


def _labelled(one: BoundFolder) -> tuple[str, dict[str, str]]:
    """A folder with the label that all containers may open.

    Raises ``EngineError`` for a name that the older form cannot carry.
    """
    if ":" in one.source:
        raise EngineError(
            f"{one.source} has a colon in it, and with SELinux no such folder can be shown to a "
            "container; use one without"
        )
    return one.source, {"bind": one.place, "mode": "ro,z" if one.locked else "rw,z"}
