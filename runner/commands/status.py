"""``phasehub status``: runs that have begun and are not sealed, and how far they are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from runner.core.errors import EngineError, OthersError, RunnerError, VerificationError
from runner.engines import processes
from runner.hub import layout
from runner.hub.journal import under_way
from runner.hub.records.arm import ArmRecord
from runner.phase.run_process import RunProcess, read_run_process
from runner.phase.unfinished import Records, Unfinished, looked_at


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """How far a run is, or why it cannot go on."""

    staging: layout.Staging
    run: Unfinished | RunnerError

    @cached_property
    def _run_process(self) -> RunProcess | None:
        alive = isinstance(self.run, Unfinished) and self.run.alive
        try:
            return read_run_process(self.staging) if alive else None
        except EngineError:  # it is on another machine
            return None

    @cached_property
    def _failed(self) -> int | None:
        try:
            records = Records(self.staging.state / "arms", ArmRecord)
        except VerificationError:  # which resume says in full
            return None
        return sum(arm.status != "succeeded" for arm in records.values())

    @cached_property
    def _running(self) -> int:
        """Arms that have been started and have not ended, where a process executes the run."""
        if isinstance(self.run, RunnerError) or not self.run.alive:
            return 0
        return len({*under_way(self.staging.path)} & {*self.run.begun.arms})

    def table(self) -> dict[str, Any]:
        """For machines."""
        path = str(self.staging.path)
        if isinstance(self.run, RunnerError):
            return {"run": path, "problem": str(self.run)}
        total, ended = len(self.run.begun.arms), self.run.ended
        run_process = self._run_process
        return {
            "run": path,
            "phase": self.staging.path.parent.name,
            "started": _moment(self.run.begun.started),
            "arms": total,
            "ended": ended,
            "failed": self._failed,
            "running": self._running,
            "waiting": total - ended - self._running,
            "alive": self.run.alive,
            "process": None if run_process is None else processes.pid_of(run_process.process),
            "detached": None if run_process is None else run_process.detached,
        }

    def text(self) -> str:
        """Its folder, since when, how far, and whether a process executes it: a line each."""
        if isinstance(self.run, OthersError):
            return f"{self.staging.path}\n  {self.run}"
        if isinstance(self.run, RunnerError):
            return f"{self.staging.path}\n  cannot go on: {self.run}"
        facts = self.table()
        kinds = ("failed", "running", "waiting")
        counts = [f"{facts[kind]} {kind}" for kind in kinds if facts[kind] is not None]
        how_far = ", ".join([f"{facts['ended']} of {facts['arms']} arms ended", *counts])
        since = facts["started"].replace("T", " ").replace("Z", " UTC")
        lines = (self.staging.path, f"  since {since}", f"  {how_far}", f"  {self._fate()}")
        return "\n".join(map(str, lines))

    def _fate(self) -> str:
        path = self.staging.path
        if isinstance(self.run, Unfinished) and not self.run.alive:
            return f"dead; to go on:\n    phasehub resume {path}"
        if (run_process := self._run_process) is None:
            return "alive"
        process = f"alive, process {processes.pid_of(run_process.process)}"
        if not run_process.detached:
            return f"{process}, in a terminal"
        return f"{process}; to follow it:\n    phasehub attach {path}"


def status(artifacts: Path) -> Iterator[RunStatus]:
    """Every run that has begun and is not sealed: those that can go on first, oldest first."""
    found = [RunStatus(staging=staging, run=run) for staging, run in looked_at(artifacts)]
    readable = [one for one in found if isinstance(one.run, Unfinished)]
    yield from sorted(readable, key=lambda one: one.table()["started"])
    yield from (one for one in found if isinstance(one.run, RunnerError))


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
