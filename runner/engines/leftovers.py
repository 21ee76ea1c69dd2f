"""Jobs whose runner has died: found by their labels, those of this user and this machine alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from runner.core.errors import EngineError
from runner.core.text import Say
from runner.engines import process, processes, slurm
from runner.engines.kinds import KINDS, EngineName


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A job, or what is left of one, that a runner of this user has started on this machine."""

    name: str
    labels: Mapping[str, str]
    stop: Callable[[], None]
    """Stops it if it runs, and removes it."""

    @property
    def state(self) -> Path:
        """The folder in which a lock says whether a process executes its run."""
        return Path(self.labels["state"])

    @property
    def runner_lives(self) -> bool:
        """Whether the process that started it runs, whatever has become of the run's folder."""
        return processes.runs(self.labels["runner"])


def marks(state: Path) -> dict[str, str]:
    """Labels that distinguish a job from those of others when nobody follows it any more."""
    return {
        "state": str(state),
        "owner": str(os.getuid()),
        "host": os.uname().nodename,
        "runner": processes.identity(os.getpid()),
    }


def leftovers(say: Say) -> list[Leftover]:
    """Every job with our marks. Where no Docker daemon or no Slurm answers, that is said."""
    found: list[Leftover] = []
    for engine, find in FINDERS.items():
        try:
            found += find()
        except EngineError as error:
            say(f"{KINDS[engine].jobs} were not looked for: {error}")
    return [one for one in found if _is_ours(one.labels)]


def stop_all(engine: str, run_id: str) -> None:
    """Stop every job of a run on an engine. Raises ``EngineError`` where it does not answer."""
    for one in FINDERS[engine]() if engine in FINDERS else ():
        if one.labels.get("run") == run_id:
            one.stop()


def _is_ours(labels: Mapping[str, str]) -> bool:
    mine = {"owner": str(os.getuid()), "host": os.uname().nodename}
    return mine.items() <= labels.items() and {"run", "state", "runner"} <= labels.keys()


def _supervisors() -> Iterator[Leftover]:
    for one in process.supervisors():
        if _uid(one.identity) == os.getuid():
            yield Leftover(name=f"process {one.identity}", labels=one.labels, stop=one.stop)


def _uid(identity: str) -> int | None:
    try:
        return psutil.Process(processes.pid_of(identity)).uids().real
    except psutil.Error:
        return None


def _containers() -> Iterator[Leftover]:
    """Importing Docker's library takes a tenth of a second, so only who looks for them does."""
    from runner.engines.containers import discard, labelled
    from runner.engines.daemon import connect

    for container, labels in labelled(connect()):
        yield Leftover(
            name=f"container {container.name}", labels=labels, stop=partial(discard, container)
        )


def _queued() -> Iterator[Leftover]:
    """Jobs in Slurm's queue; none where this machine has no commands of it."""
    for entry, labels in slurm.all_jobs():
        yield Leftover(
            name=f"job {entry.number} ({entry.name})",
            labels=labels,
            stop=partial(slurm.cancel, entry),
        )


FINDERS: Mapping[str, Callable[[], Iterator[Leftover]]] = {
    EngineName.process: _supervisors,
    EngineName.docker: _containers,
    EngineName.slurm: _queued,
}
"""By engines, what finds their jobs."""
