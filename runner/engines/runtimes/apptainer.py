"""Apptainer by its command line, on an image file of its own, or on an unpacked root.

It runs as the user, with no daemon and no cgroup of its own: what it starts are descendants of
ours, and Slurm's own limits hold as well.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from runner.engines import seccomp
from runner.engines.isolation import BoundFolder
from runner.engines.runtimes.command_line import bind
from runner.engines.runtimes.container import identity, machine
from runner.engines.runtimes.in_place import InPlace

SETTINGS = ("APPTAINER", "SINGULARITY")
"""What the names of its own settings begin with, by which a user could open more folders."""
UNASKED = "bind-paths,cwd,hostfs"
"""What a site may have it show besides."""

MARK = "PHASEHUB_SUPERVISOR"
"""The variable that names a container's supervisor. Apptainer's own processes keep it in their
environment, among all that they were asked for; the job's does not have it."""
MARKED = re.compile(MARK.encode() + rb'"[:,]"(\d+:\d+)"')


class ApptainerCommand(InPlace):
    """Apptainer 1.1 or later."""

    program = "apptainer"
    kernel_bounds_memory = False

    @cached_property
    def environment(self) -> dict[str, str]:
        """The node's, without what would change how a container is made."""
        ours = super().environment
        return {name: text for name, text in ours.items() if not name.startswith(SETTINGS)}

    def sweep(self) -> None:
        """End the containers of this node whose supervisors run no more; it keeps no list."""
        for pid in [int(one.name) for one in Path("/proc").iterdir() if one.name.isdecimal()]:
            with suppress(OSError):  # it has ended, or is another user's
                found = MARKED.search(Path(f"/proc/{pid}/environ").read_bytes())
                if found and _has_ended(found[1].decode()):
                    os.kill(pid, signal.SIGKILL)

    def looking(self, command: Sequence[str]) -> Sequence[str]:
        """The command line that runs a command in the image, which can change nothing."""
        return [*self._exec((), network=False), *self.exactly(command)]

    def command(self) -> Sequence[str]:
        """The command line that runs the job."""
        wanted = self.isolation
        return [
            *self._exec(wanted.folders, network=wanted.network),
            *self.exactly(wanted.command),
        ]

    def _exec(self, folders: Sequence[BoundFolder], *, network: bool) -> Iterator[str]:
        yield from (self.runtime, "--silent", "exec", "--containall", "--no-home", "--no-privs")
        yield from ("--no-eval", "--no-umask", f"--no-mount={UNASKED}")
        if not self.rootless:  # else it runs as who we are
            uid, gid = self.account.inside
            yield from (f"--security=uid:{uid}", f"--security=gid:{gid}")
        yield from () if network else ("--net", "--network=none")
        if self.isolation.seccomp == "strict":
            yield f"--security=seccomp:{self._profile()}"
        if self.num_gpus:
            yield "--nv"
        yield f"--env={MARK}={self.labels['supervisor']}"
        yield from (f"--mount={bind(one, 'destination', 'ro')}" for one in folders)
        yield from (f"--pwd={self.image['workdir'] or '/'}", str(self.root))

    def _profile(self) -> Path:
        """The profile of system calls as a file. Raises ``RefusedError`` on an unknown machine."""
        place = self.folder / "seccomp.json"
        place.write_text(json.dumps(seccomp.profile(machine(), errors=False)), "utf-8")
        return place

    def variables(self) -> dict[str, str]:
        """The job's whole environment; the GPUs are those that Slurm gave."""
        found = super().variables()
        if self.num_gpus:
            found["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        return found


def _has_ended(supervisor: str) -> bool:
    return identity(int(supervisor.partition(":")[0])) != supervisor
