"""Apptainer by its command line, on the root that lies unpacked on the shared folder.

It runs as the user, with no daemon and no cgroup of its own: what it starts are descendants of
ours, and Slurm's own limits hold as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property

from runner.engines.isolation import BoundFolder
from runner.engines.runtimes.command_line import bind
from runner.engines.runtimes.container import OVERHEAD_BYTES
from runner.engines.runtimes.unpacked import Unpacked

SETTINGS = ("APPTAINER", "SINGULARITY")
"""What the names of its own settings begin with, by which a user could open more folders."""
UNASKED = "bind-paths,cwd,hostfs"
"""What a site may have it show besides."""


class ApptainerCommand(Unpacked):
    """Apptainer 1.1 or later."""

    program = "apptainer"

    @property
    def memory_bytes(self) -> int:
        """What we look at, as of a process."""
        return self.isolation.memory_bytes + OVERHEAD_BYTES

    @property
    def rootless(self) -> bool:
        """It runs as who we are, root or not: outputs are ours in any case."""
        return True

    @cached_property
    def environment(self) -> dict[str, str]:
        """The node's, without what would change how a container is made."""
        ours = super().environment
        return {name: text for name, text in ours.items() if not name.startswith(SETTINGS)}

    def sweep(self) -> None:
        """Nothing: what a killed supervisor leaves is in Slurm's own group of processes."""

    def looking(self, command: Sequence[str]) -> Sequence[str]:
        """The command line that runs a command in the image, which can change nothing."""
        return [*self._exec((), network=False), *self._exactly(command)]

    def command(self) -> Sequence[str]:
        """The command line that runs the job."""
        wanted = self.isolation
        return [
            *self._exec(wanted.folders, network=wanted.network),
            *self._exactly(wanted.command),
        ]

    def _exec(self, folders: Sequence[BoundFolder], *, network: bool) -> Iterator[str]:
        yield from (self.runtime, "exec", "--containall", "--no-home", "--no-privs", "--no-eval")
        yield from ("--no-umask", f"--no-mount={UNASKED}")
        yield from () if network else ("--net", "--network=none")
        if self.num_gpus:
            yield "--nv"
        yield from (f"--mount={bind(one, 'destination', 'ro')}" for one in folders)
        yield from (f"--pwd={self.image['workdir'] or '/'}", str(self.root))

    def _exactly(self, command: Sequence[str]) -> Iterator[str]:
        """The command with the plan's environment, and nothing of what Apptainer puts into it."""
        yield from ("/usr/bin/env", "-i")
        yield from (f"{name}={text}" for name, text in self._all_variables().items())
        yield from command

    def _all_variables(self) -> dict[str, str]:
        """The job's environment; the GPUs are those that Slurm gave."""
        found = self.variables()
        if self.num_gpus:
            found["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        return found
