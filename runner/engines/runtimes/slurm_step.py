"""Slurm's own containers: a step of the job, in a bundle that we write.

An administrator says in ``oci.conf`` by which program Slurm starts one, and Slurm removes it with
the job, whoever ends that. https://slurm.schedmd.com/containers.html
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from runner.core.programs import answer_of
from runner.engines.isolation import Isolation
from runner.engines.runtimes.bundle import Bundled, mount
from runner.engines.runtimes.container import AGAIN_S, ANSWER_S, FLUSH_S, ON_PATH, identity, last
from runner.engines.supervisor import TICK_S, RefusedError, descendants

STEP = (
    *("--nodes=1", "--ntasks=1", "--overlap", "--export=NONE", "--cpu-bind=none", "--mpi=none"),
    *("--unbuffered", "--quiet"),
)
"""One process, beside its supervisor, that is given nothing of the job's environment."""
ROOT = "rootfs"
"""The only name that Slurm 22.05 takes for the root of a container, in the bundle itself."""
INSIDE = (
    *("/bin/sh", "-c"),
    '[ $$ -eq 1 ] || { echo "not in a container"; exit 125; }; exec "$@"',
    "inside",
)
"""Runs a command if it is the first of a container. Where no ``oci.conf`` is, Slurm 22.05 starts
the very step on the node itself, without a word."""


class SlurmStep(Bundled):
    """A container that ``srun --container`` starts within the job."""

    program = "srun"

    def __init__(self, spec: Mapping[str, Any], folder: Path) -> None:
        super().__init__(spec, folder)
        self._first = ""
        self._next_look = 0.0

    @cached_property
    def environment(self) -> dict[str, str]:
        """The batch job's, by which ``srun`` knows whose step it starts."""
        path = os.pathsep.join([os.environ.get("PATH", ""), *ON_PATH]).strip(os.pathsep)
        return {**os.environ, "PATH": path}

    def sweep(self) -> None:
        """Nothing: Slurm ends the steps of a job with it."""

    def refuse(self) -> None:
        """Raise ``RefusedError`` where a container of nothing does not come to its end."""
        self.load_image()  # its root is there
        tried = self._looking(["true"], f"{self.name}-trial")
        done = answer_of(tried, environment=self.environment, within_s=ANSWER_S)
        if done.returncode != 0:
            raise RefusedError(
                f"Slurm starts no container on {os.uname().nodename}: {_words(done)}. Its "
                "administrator sets that up in oci.conf; or name another runtime in phasehub.toml"
            )

    def looking(self, command: Sequence[str]) -> Sequence[str]:
        """The command line that runs a command in the image, which can change nothing."""
        return self._looking(command, f"{self.name}-look")

    def _looking(self, command: Sequence[str], name: str) -> Sequence[str]:
        bare = replace(self.isolation, command=tuple(command), folders=(), network=False)
        return self._run(bare, name)

    def command(self) -> Sequence[str]:
        """The command line that runs the job."""
        return self._run(self.isolation, self.name)

    def _run(self, isolation: Isolation, name: str) -> Sequence[str]:
        bundle = self.folder / name
        self.bundle(isolation, bundle, name)
        step = [*STEP, f"--cpus-per-task={isolation.threads}", f"--container={bundle}"]
        # Slurm puts its own variables into the bundle's environment, and the command into it.
        return [self.runtime, *step, *INSIDE, *self.exactly(isolation.command)]

    def fit(self, config: dict[str, Any], folder: Path) -> None:
        """Have the root in the bundle: a folder into which the parts of the image's are mounted."""
        root = folder / ROOT
        config["mounts"] = [*_parts(self.root, root, _places(config)), *config["mounts"]]
        config["root"]["path"] = str(root)

    # --- what runs is the step daemon's child, and not ours ----------------------------------

    def others(self) -> Sequence[int]:
        """Processes of the container."""
        first = self._inside()
        return [] if first is None else [first, *descendants(first)]

    def runs(self, job: subprocess.Popen[Any]) -> bool:
        """Whether the container runs; ``srun`` may have been ended by itself."""
        return super().runs(job) or self._inside() is not None

    def request_end(self, _job: subprocess.Popen[Any]) -> None:
        """Ask the job itself: ``srun`` would end it at once."""
        self._signal(signal.SIGTERM)

    def end(self, job: subprocess.Popen[Any], *, running: bool) -> None:
        """Kill the container, whatever Slurm does by itself, and wait until it has ended.

        Who cancels the job may have ended ``srun`` and the program that has started the container.
        """
        deadline = time.monotonic() + FLUSH_S
        while time.monotonic() < deadline:
            self._signal(signal.SIGKILL)
            if self._inside() is None and (not running or job.poll() is not None):
                return
            time.sleep(TICK_S)

    def _signal(self, number: int) -> None:
        self._next_look = 0.0  # whoever is to be reached is looked for at once
        if (first := self._inside()) is not None:
            with suppress(ProcessLookupError):
                os.kill(first, number)

    def _inside(self) -> int | None:
        """The first process in the container, with which all others end; ``None`` without one."""
        if not self._first and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + AGAIN_S
            self._first = _first_below(f"/{self.name}/{ROOT}")
        pid = int(self._first.partition(":")[0] or 0)
        return pid if pid and identity(pid) == self._first else None


def _first_below(root: str) -> str:
    """The identity of the first process of a container whose root's path ends like that, if any.

    The kernel tells, whoever has started it and whether that still runs; Slurm does not once a job
    is cancelled. See proc(5) for ``NSpid`` and ``mountinfo``.
    """
    here = len(_numbers(Path("/proc/self")))
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may have ended just now
            numbers = _numbers(folder)
            first = len(numbers) > here and numbers[-1] == "1"
            if first and f"{root} " in (folder / "mountinfo").read_text("utf-8", "replace"):
                return identity(int(folder.name))
    return ""


def _numbers(folder: Path) -> list[str]:
    """What a process is called in each namespace that it is in, the innermost last."""
    for line in (folder / "status").read_text("utf-8", "replace").splitlines():
        if line.startswith("NSpid:"):
            return line.split()[1:]
    return []


def _parts(source: Path, target: Path, taken: set[str]) -> Iterator[dict[str, Any]]:
    """What has to be mounted into a new folder for it to be as the root at ``source`` is."""
    target.mkdir()
    for part in sorted(source.iterdir()):
        place = target / part.name
        if part.is_symlink():
            place.symlink_to(part.readlink())
            continue
        if part.is_dir():
            place.mkdir()
            place.chmod(part.stat().st_mode & 0o7777)  # that of a folder in memory there, too
        else:
            place.touch()
        if f"/{part.name}" not in taken:
            yield mount(f"/{part.name}", "bind", ("rbind", "ro", "nosuid", "nodev"), str(part))


def _places(config: Mapping[str, Any]) -> set[str]:
    return {one["destination"] for one in config["mounts"]}


def _words(done: subprocess.CompletedProcess[str]) -> str:
    """What it said, but for Slurm's word that a step has failed."""
    return done.stdout.strip() or last(done)
