"""Docker and podman by their command lines, which are the same but for a few words.

The command stays in the foreground for as long as the container runs, and is given the signals
that are for the job. What the container came to is asked for afterwards, and never read from the
command's own exit status: it may have been killed and its container not.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from runner.engines import seccomp
from runner.engines.isolation import ADDED_BY_PODMAN, HOME, BoundFolder, podman_ulimits, without
from runner.engines.runtimes.container import (
    FLUSH_S,
    LOAD_S,
    Container,
    is_abandoned,
    last,
    machine,
    plain,
)
from runner.engines.supervisor import RefusedError, descendants

REMOVALS = 3
"""How often a container is tried to be removed."""
LIMITS = ("MemoryLimit", "SwapLimit", "PidsLimit")
"""What ``docker info`` says of the limits that cgroups keep."""
STATE = "{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}"
NOT_BEGUN = ("created", "configured", "initialized")
"""States of a container that was never started."""


class DockerCommand(Container):
    """Docker's daemon on the node."""

    program = "docker"
    kernel_bounds_memory = True  # the daemon's, whoever we are
    at_once: tuple[str, ...] = ()
    """What keeps a removal from asking the container to end by itself first."""

    def __init__(self, spec: Mapping[str, Any], folder: Path) -> None:
        super().__init__(spec, folder)
        self._state: list[str] = []
        """Status, exit status and kill for memory, once the container has ended."""
        self._pid: int | None = None
        self._look_s = time.monotonic()

    def refuse(self) -> None:
        """Raise ``RefusedError`` for a daemon that has not the limits that the hub promises."""
        info = self._info
        missing = [name for name in LIMITS if not info.get(name)]
        if info.get("CgroupDriver") == "none" or missing:
            raise RefusedError(
                f"the docker daemon of {os.uname().nodename} cannot hold a job to its limits of "
                "memory, swap and processes; name another runtime in phasehub.toml"
            )

    @cached_property
    def _info(self) -> Mapping[str, Any]:
        done = self.ask("info", "--format", "{{json .}}")
        with suppress(ValueError):
            found = json.loads(done.stdout)
            if done.returncode == 0 and isinstance(found, dict) and not found.get("ServerErrors"):
                return found
        raise RefusedError(f"docker does not answer on {os.uname().nodename}: {last(done)}")

    @property
    def rootless(self) -> bool:
        """Whether uid 0 of the container is the user that we are."""
        return "name=rootless" in (self._info.get("SecurityOptions") or [])

    def sweep(self) -> None:
        """Remove the containers of this node whose supervisors run no more."""
        ours = ["--filter", f"label=phasehub.owner={os.getuid()}"]
        ours += ["--filter", "label=phasehub.supervisor"]
        for one in self.ask_patiently("ps", "--all", "--quiet", "--no-trunc", *ours).split():
            said = self.ask("inspect", "--format", "{{json .Config.Labels}}", one)
            with suppress(ValueError):
                if is_abandoned(plain(json.loads(said.stdout))):
                    self._remove(one)

    def has_image(self) -> bool:
        """Whether the daemon has the image: by its id, which is the digest of its content."""
        return self.ask("image", "inspect", self.image["id"]).returncode == 0

    def load_image(self) -> None:
        """Load it from its archive. Raises ``RefusedError`` where that gives another image."""
        done = self.ask("load", "--quiet", "--input", self.image["place"], within_s=LOAD_S)
        if done.returncode == 0 and self.has_image():
            return
        why = last(done) if done.returncode else "it has another id there"
        raise RefusedError(
            f"the image {self.image['reference']} could not be loaded into {self.program} on "
            f"{os.uname().nodename} from {self.image['place']}: {why}"
        )

    def forget_image(self) -> None:
        """Remove the image."""
        self.ask("rmi", "--force", self.image["id"])

    def looking(self, command: Sequence[str]) -> Sequence[str]:
        """The command line that runs a command in the image, which can change nothing."""
        bounds = ["--network=none", "--read-only", "--cap-drop=ALL", *self.specific()]
        return [self.runtime, "run", "--rm", *bounds, self.image["id"], *command]

    def command(self) -> Sequence[str]:
        """The command line that runs the job."""
        words = [*self.options(), *self.specific(), self.image["id"]]
        return [self.runtime, "run", *words, *self.inner(self.isolation.command)]

    def inner(self, command: Sequence[str]) -> Sequence[str]:
        """The job's command without what the runtime puts into its environment."""
        return command

    def specific(self) -> Iterator[str]:
        """Options that this runtime alone knows or needs."""
        yield from ()

    def options(self) -> Iterator[str]:
        """The isolation, the labels and the limits as options."""
        wanted = self.isolation
        yield from (f"--name={self.name}", "--init", "--pull=never", "--log-driver=none")
        yield from (f"--label=phasehub.{name}={text}" for name, text in self.labels.items())
        yield f"--user={self.account.name}"
        yield from (f"--env={name}={text}" for name, text in wanted.environment.items())
        yield from ("--read-only", f"--tmpfs={HOME}:{wanted.tmpfs}")
        yield from (f"--mount={bind(one)}" for one in wanted.folders)
        yield from ("--cap-drop=ALL", "--security-opt=no-new-privileges", *self._system_calls())
        yield from (f"--network={'bridge' if wanted.network else 'none'}", "--ipc=private")
        yield f"--shm-size={wanted.shm_bytes}"
        yield from self.limits()
        if self.num_gpus:
            ids = os.environ.get("SLURM_JOB_GPUS") or os.environ.get("CUDA_VISIBLE_DEVICES", "")
            yield f'--gpus="device={ids}"'

    def limits(self) -> Iterator[str]:
        """What cgroups hold the container to."""
        wanted = self.isolation
        yield from (f"--memory={wanted.memory_bytes}", f"--memory-swap={wanted.memory_bytes}")
        # The daemon starts it, so Slurm does not hold it to the cores of the job.
        yield from (f"--pids-limit={wanted.pids}", f"--cpus={wanted.threads}")

    def _system_calls(self) -> Iterator[str]:
        profile = self.isolation.seccomp
        if profile == "unconfined":
            yield "--security-opt=seccomp=unconfined"
        elif profile == "strict":
            place = self.folder / "seccomp.json"
            place.write_text(json.dumps(seccomp.profile(machine())), "utf-8")
            yield f"--security-opt=seccomp={place}"

    # --- its end -----------------------------------------------------------------------------

    def others(self) -> Sequence[int]:
        """The processes of the container, whose parent is the daemon."""
        if self._pid is None and time.monotonic() - self._look_s > 1.0:
            self._look_s = time.monotonic()
            said = self.ask("inspect", "--format", "{{.State.Pid}}", self.name).stdout.strip()
            self._pid = int(said) if said.isdecimal() and said != "0" else None
        return [self._pid, *descendants(self._pid)] if self._pid else ()

    def runs(self, job: subprocess.Popen[Any]) -> bool:
        """Whether the container runs; ``docker run`` may have been killed by itself."""
        if super().runs(job):
            return True
        return self.ask("inspect", "--format", STATE, self.name).stdout.startswith("running ")

    def request_end(self, job: subprocess.Popen[Any]) -> None:
        """Ask the container itself: ``podman run`` of podman 4.3 at first hands no signal on.

        https://github.com/containers/podman/pull/17489
        """
        asked = self.ask("kill", "--signal=TERM", self.name, within_s=self.spec["stop_s"])
        if asked.returncode != 0:  # there may be none yet
            super().request_end(job)

    def end(self, job: subprocess.Popen[Any], *, running: bool) -> None:
        """Kill the container if it runs, see what it came to, and remove it."""
        if running:
            self.ask("kill", self.name)
            with suppress(subprocess.TimeoutExpired):
                job.wait(FLUSH_S)
        self._state = self.ask("inspect", "--format", STATE, self.name).stdout.split()
        self._remove(self.name)

    def _remove(self, container: str) -> None:
        for _ in range(REMOVALS):
            done = self.ask("rm", "--force", *self.at_once, "--volumes", container)
            if done.returncode == 0 or "no such container" in done.stderr.lower():
                return

    def seen(self, code: int, killed_for: str | None) -> tuple[int, str | None]:
        """Exit status of the container, and whether it was killed for memory."""
        super().seen(code, killed_for)
        if killed_for is not None:
            return code, killed_for
        if len(self._state) != 3 or self._state[0] in NOT_BEGUN:
            raise RefusedError(
                f"{self.program} on {os.uname().nodename} did not start it: {self.last_words()}"
            )
        status, exit_code, for_memory = self._state
        if status == "running":  # the command was killed, and then we have ended the container
            return code, None
        code = int(exit_code)
        return code, "memory" if code != 0 and for_memory == "true" else None


class PodmanCommand(DockerCommand):
    """Podman on the node: no daemon, the container is a descendant of ours."""

    program = "podman"
    at_once = ("--time=0",)
    memory_is_told = False  # through a file that is not always where podman looks
    # No daemon is between the container and us.
    kernel_bounds_memory = Container.kernel_bounds_memory
    rootless = Container.rootless

    def refuse(self) -> None:
        """Raise ``RefusedError`` where podman cannot do what a job needs."""
        if self.num_gpus:
            raise RefusedError("podman gives a container no GPU; use the docker runtime")

    def limits(self) -> Iterator[str]:
        """What cgroups hold the container to: nothing that is sure without root."""
        if os.getuid() == 0:
            yield from super().limits()

    def specific(self) -> Iterator[str]:
        """What keeps podman from starting nothing, and from opening more folders for writing."""
        yield "--read-only-tmpfs=false"
        yield from (f"--ulimit={name}={most}:{most}" for name, most in podman_ulimits().items())

    def inner(self, command: Sequence[str]) -> Sequence[str]:
        """The job's command without what the runtime puts into its environment."""
        return without(ADDED_BY_PODMAN, command)

    def others(self) -> Sequence[int]:
        """None: they are descendants of ours."""
        return ()


def bind(one: BoundFolder, place: str = "target", locked: str = "readonly") -> str:
    """A folder as the commands take it: fields in a line of CSV, so that any name will do.

    ``place`` and ``locked`` are what a command calls the two.
    """
    fields = ["type=bind", f"source={one.source}", f"{place}={one.place}"]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([*fields, locked] if one.locked else fields)
    return line.getvalue()
