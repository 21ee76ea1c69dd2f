"""What all runtimes have in common on a node: the image, whom the job runs as, what is left behind.

Standard library only. All that a runtime starts bears its supervisor's identity, so that the next
job on the node can remove what a supervisor that was killed has left.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from runner.core.errors import EngineError
from runner.core.installation import SOURCES
from runner.core.programs import answer_of
from runner.engines import seccomp
from runner.engines.accounts import Account, account
from runner.engines.isolation import Isolation
from runner.engines.supervisor import RefusedError, Starter

ANSWER_S = 60.0
"""The longest wait for a runtime's answer to a question, s."""
ATTEMPTS, AGAIN_S = 4, 1.0
"""How often a question is asked that has to be answered, and the time between, s."""
LOAD_S = 3600.0
"""The longest that an image may take to be loaded, s."""
PREFIX = "phasehub."
"""What the names of our labels begin with."""
SUPPLIED = "image.json"
"""What a job leaves about its image in its folder: how long it took to load it here, s, if it
did."""
ON_PATH = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where runtimes are, besides where the node says; runc is where root's programs are."""
FLUSH_S = 5.0
"""How long a runtime's command may take to end once its container has, s."""
OVERHEAD_BYTES = 128 << 20
"""What a runtime itself may hold beside its container where we look at memory, bytes."""
UNWATCHED = 1 << 62
"""Memory that nothing holds, bytes: for jobs whose memory the kernel bounds."""
FINGERPRINT = SOURCES / "runner" / "engines" / "environments" / "packages.py"
"""The program that takes the fingerprint of the packages in an image."""


class Container(Starter):
    """A job in a container, that some runtime of the node starts as a child of ours."""

    program: str
    """The runtime's command."""

    def __init__(self, spec: Mapping[str, Any], folder: Path) -> None:
        super().__init__(spec, folder)
        table = spec["container"]
        self.name = str(table["name"])
        self.image: Mapping[str, Any] = table["image"]
        self.isolation = Isolation.from_table(table["isolation"])
        self.num_gpus = int(table["num_gpus"])
        self.labels: dict[str, str] = {
            **table["labels"],
            "owner": str(os.getuid()),
            "supervisor": identity(os.getpid()),
            "node": os.uname().nodename,
        }

    @property
    def kernel_bounds_memory(self) -> bool:
        """Whether the container is sure to have a cgroup with its limit: without root none is."""
        return os.getuid() == 0

    @property
    def memory_bytes(self) -> int:
        """What all our descendants may hold together, where we have to look at it."""
        if self.kernel_bounds_memory:
            return UNWATCHED
        return self.isolation.memory_bytes + OVERHEAD_BYTES

    # --- what each runtime says in its own words ---------------------------------------------

    def refuse(self) -> None:
        """Raise ``RefusedError`` where the runtime cannot keep here what the hub promises."""

    def sweep(self) -> None:
        """Remove what supervisors of ours have left on this node that run no more."""
        raise NotImplementedError

    def has_image(self) -> bool:
        """Whether the very image is on this node."""
        raise NotImplementedError

    def load_image(self) -> None:
        """Have it here. Raises ``RefusedError``."""
        raise NotImplementedError

    def forget_image(self) -> None:
        """Remove the image, which is not what it should be."""

    def image_is_right(self) -> None:
        """Take note of it, where the image itself cannot show it."""

    def looking(self, command: Sequence[str]) -> Sequence[str]:
        """The command line that runs a command in the image, which can change nothing."""
        raise NotImplementedError

    def command(self) -> Sequence[str]:
        """The command line that runs the job."""
        raise NotImplementedError

    @property
    def rootless(self) -> bool:
        """Whether uid 0 of the container is the user that we are."""
        return os.getuid() != 0

    # --- the job -----------------------------------------------------------------------------

    def prepare(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See to the image and to whom the outputs belong; then the command line."""
        self.refuse()
        self.sweep()
        self._supply()
        folders = self.isolation.folders
        inputs = [Path(one.source) for one in folders if one.locked]
        try:
            self.account.lend(Path(self.spec["out"]), inputs)
        except (EngineError, OSError) as error:
            raise RefusedError(str(error)) from None
        return self.command(), self.environment

    def seen(self, code: int, killed_for: str | None) -> tuple[int, str | None]:
        """The same; the outputs are the caller's again."""
        self.account.take_back(Path(self.spec["out"]))
        return code, killed_for

    @cached_property
    def account(self) -> Account:
        """Whom the job runs as."""
        me = (os.getuid(), os.getgid())
        return account(me, rootless=self.rootless, owner=me)

    @cached_property
    def environment(self) -> dict[str, str]:
        """The runtime's own environment, which is not the job's: the node's, with its programs."""
        path = os.pathsep.join([os.environ.get("PATH", ""), *ON_PATH]).strip(os.pathsep)
        ours = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
        return {**ours, "PATH": path}

    @cached_property
    def runtime(self) -> str:
        """Where the runtime's program is. Raises ``RefusedError`` on a node without it."""
        found = shutil.which(self.program, path=self.environment["PATH"])
        if found is None:
            raise RefusedError(
                f"there is no {self.program} on {os.uname().nodename}; name another runtime in "
                "phasehub.toml, or nodes that have it (constraint)"
            )
        return found

    def ask(self, *words: str, within_s: float = ANSWER_S) -> subprocess.CompletedProcess[str]:
        """What the runtime answers. One that does not in time has failed."""
        command = [self.runtime, *words]
        return answer_of(command, environment=self.environment, within_s=within_s)

    def ask_patiently(self, *words: str) -> str:
        """What the runtime answers; it may be at something of another job's just now.

        Raises ``RefusedError`` where it does not.
        """
        for _ in range(ATTEMPTS):
            done = self.ask(*words)
            if done.returncode == 0:
                return done.stdout
            time.sleep(AGAIN_S)
        where = os.uname().nodename
        raise RefusedError(f"{self.program} does not answer on {where}: {last(done)}")

    def last_words(self) -> str:
        """What the log ends with: the runtime's own words, where it has started nothing."""
        with suppress(OSError):
            lines = Path(self.spec["log"]).read_text("utf-8", "replace").splitlines()
            return next((line.strip() for line in reversed(lines) if line.strip()), "no word")
        return "no word"

    # --- the image ---------------------------------------------------------------------------

    def _supply(self) -> None:
        """Have the image on this node, loaded by one job while others wait.

        Raises ``RefusedError`` where it cannot be, or is not what was planned.
        """
        began, loaded = time.monotonic(), False
        if not self.has_image():
            with self._alone():
                if not self.has_image():
                    self.load_image()
                    self._require_fingerprint()
                    loaded = True
        took_s = time.monotonic() - began if loaded else None
        (self.folder / SUPPLIED).write_text(json.dumps({"loaded_s": took_s}), "utf-8")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Have no other job of this node load the image meanwhile.

        Where the shared file system knows no locks, two may: that is a waste and no fault.
        """
        place = Path(self.image["folder"]) / f".{os.uname().nodename}.lock"
        with ExitStack() as held:
            with suppress(OSError):
                fcntl.flock(held.enter_context(place.open("ab")), fcntl.LOCK_EX)
            yield

    def _require_fingerprint(self) -> None:
        """Raise ``RefusedError`` unless the packages in there are those that were planned."""
        script = FINGERPRINT.read_text("utf-8")
        command = self.looking(["python", "-I", "-c", script, "--fingerprint"])
        done = answer_of(command, environment=self.environment, within_s=LOAD_S)
        try:
            found = json.loads(done.stdout)["packages_sha256"]
        except (ValueError, KeyError, TypeError):
            found = f"unknown ({last(done)})"
        if found != self.image["packages_sha256"]:
            self.forget_image()
            raise RefusedError(
                f"on {os.uname().nodename} the packages in the image {self.image['reference']} "
                f"have the fingerprint {found}, and the plan says {self.image['packages_sha256']}; "
                f"remove {self.image['folder']} and run again"
            )
        self.image_is_right()


def last(done: subprocess.CompletedProcess[str]) -> str:
    """What a command said last."""
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"exit status {done.returncode}"


def identity(pid: int) -> str:
    """A process by its id and its start, in clock ticks since the boot; empty where it has ended.

    A process that is dead and waits to be reaped has ended.
    """
    with suppress(OSError, IndexError):
        # The name, in brackets, may have blanks and brackets of its own.
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        if fields[0] not in ("Z", "X"):
            return f"{pid}:{fields[19]}"
    return ""


def plain(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels as jobs have them, of those that are ours."""
    ours = {name: text for name, text in labels.items() if name.startswith(PREFIX)}
    return {name.removeprefix(PREFIX): text for name, text in ours.items()}


def is_abandoned(labels: Mapping[str, str]) -> bool:
    """Whether what bears these labels is this node's, and its supervisor runs no more."""
    named, pid = labels.get("supervisor", ""), labels.get("supervisor", "").partition(":")[0]
    ours = labels.get("node") == os.uname().nodename and pid.isdecimal()
    return ours and identity(int(pid)) != named


def machine() -> str:
    """The machine whose system calls can be filtered. Raises ``RefusedError`` for any other."""
    found = platform.machine()
    if found not in seccomp.ARCHITECTURES:
        raise RefusedError(
            f'system calls of a {found} cannot be filtered; resources.seccomp = "docker" has the '
            "runtime's own profile"
        )
    return found
