"""runc, or crun, with a bundle that we write: no daemon, no store of images, no root needed.

https://github.com/opencontainers/runtime-spec/blob/v1.0.2/config.md
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from runner.engines.isolation import Isolation
from runner.engines.runtimes.bundle import Bundled
from runner.engines.runtimes.container import FLUSH_S, is_abandoned, plain
from runner.engines.supervisor import RefusedError


class OciBundle(Bundled):
    """A container of the low-level runtime that Docker and podman start theirs by."""

    def __init__(self, spec: Mapping[str, Any], folder: Path) -> None:
        super().__init__(spec, folder)
        self._begun = folder / "container.pid"

    @cached_property
    def program(self) -> str:  # type: ignore[override]
        """The command that the node has."""
        path = self.environment["PATH"]
        return (
            "runc"
            if shutil.which("runc", path=path) or not shutil.which("crun", path=path)
            else "crun"
        )

    @property
    def _state(self) -> Path:
        """Where the runtime keeps what it knows of containers: on the node, for us alone."""
        if os.getuid() == 0:
            return Path("/run/phasehub-oci")
        own = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
        return Path(own) / f"phasehub-oci-{os.getuid()}"

    def _ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.ask("--root", str(self._state), *words)

    def refuse(self) -> None:
        """Raise ``RefusedError`` for a folder that is not ours alone."""
        self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = self._state.lstat()
        if facts.st_uid != os.getuid():
            raise RefusedError(f"{self._state} on {os.uname().nodename} is another user's")

    def sweep(self) -> None:
        """Remove the containers of this node whose supervisors run no more."""
        listed = self.ask_patiently("--root", str(self._state), "list", "--format=json")
        with suppress(ValueError):
            for one in json.loads(listed) or []:
                labels = json.loads(self._ask("state", one["id"]).stdout or "{}").get("annotations")
                if is_abandoned(plain(labels or {})):
                    self._ask("delete", "--force", one["id"])

    def looking(self, command: Sequence[str]) -> Sequence[str]:
        """The command line that runs a command in the image, which can change nothing."""
        bare = replace(self.isolation, command=tuple(command), folders=(), network=False)
        return self._run(bare, self.folder / "look", f"{self.name}-look")

    def command(self) -> Sequence[str]:
        """The command line that runs the job."""
        words = self._run(self.isolation, self.folder / "bundle", self.name)
        return [*words[:-1], f"--pid-file={self._begun}", words[-1]]

    def _run(self, isolation: Isolation, bundle: Path, name: str) -> list[str]:
        self.bundle(isolation, bundle, name)
        return [self.runtime, "--root", str(self._state), "run", f"--bundle={bundle}", name]

    def end(self, job: subprocess.Popen[Any], *, running: bool) -> None:
        """Kill the container if it runs, and remove what is left of it."""
        if running:
            self._ask("kill", self.name, "KILL")
            with suppress(subprocess.TimeoutExpired):
                job.wait(FLUSH_S)
        self._ask("delete", "--force", self.name)

    def seen(self, code: int, killed_for: str | None) -> tuple[int, str | None]:
        """The command's own: it ends as the job does, unless that never began."""
        super().seen(code, killed_for)
        if killed_for is None and not self._begun.exists():
            raise RefusedError(
                f"{self.program} on {os.uname().nodename} did not start it: {self.last_words()}"
            )
        return code, killed_for
