"""Jobs as processes of this machine: limits on time and memory, and no isolation.

What a job sees is laid out in a folder of its own beside its output folder: ``job`` (a copy),
``data`` (a link) and ``tmp``, which is its home and working folder. The supervisor's files lie
there too, so another runner can take over with nothing but the handle.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from runner.core.errors import EngineError
from runner.core.files import remove_tree
from runner.core.project import models_digest
from runner.core.reading import MissingError
from runner.engines import Needs, processes, supervisor
from runner.engines.base import PROMISES, Handle, Launch, Outcome
from runner.engines.ending import Ending, conclude
from runner.engines.environments.locked_python import describe_python, differences, locked_python
from runner.engines.environments.wheels import lock_path
from runner.engines.views import (
    SUFFIX,
    ending_of,
    fresh_view,
    has_ended,
    label_words,
    labels_of,
    lay_out,
    library_path,
    view_of,
)

MARK = "from runner.engines.supervisor import main"
"""What supervisors of every installation have in common."""
SUPERVISOR = [sys.executable, "-I", "-S", "-c", supervisor.START]
"""It needs no installed package, and looking for them takes a third of its start."""
STOP_S = 10.0
"""The longest wait for a supervisor to end its job, s. More than any job's own ``stop_s``."""
GRACE_S = 20.0
"""How long after a job's time limit its supervisor has ended it at the latest, s."""
NUM_SHOWN = 3
"""Differences from the lock that are shown; the hub lists all."""
ENFORCED = frozenset({"disk", "memory", "time"})
NOTES = (
    "files: a job reads and writes whatever the caller may; data is not write-protected",
    "network: a job reaches whatever this machine reaches",
    "pids: processes and threads are not counted",
    "capabilities: a job has those of the caller",
    "system_calls: a job may make all of them",
    f"memory: resident memory of all processes, looked at every {supervisor.TICK_S} s; no swap "
    "limit; /dev/shm and the job's tmp folder have no size limit",
)


class ProcessEngine:
    """Runs jobs under one interpreter. ``source`` is the folder that ``models`` is imported from.

    ``given`` says that the user named the interpreter: it is then compared with ``lock``.
    """

    name = "process"
    isolated = False
    side_by_side = None
    places: tuple[Path, ...] = ()
    """What another machine would have to see besides a job's own folders, were it to start one."""
    prepare_s = 0.0
    """What it would need before a job begins, s."""

    def __init__(self, python: Path, *, source: Path, lock: Path, given: bool) -> None:
        self._python = python.absolute()
        self._source = source.resolve()
        self._lock = lock
        self._given = given
        self._supervisors: dict[str, subprocess.Popen[bytes]] = {}

    def check(self) -> None:
        """Raise ``EngineError`` when this is not Linux or the interpreter does not run."""
        if not Path(f"/proc/self/task/{os.getpid()}/children").exists():
            raise EngineError(
                "the process engine needs Linux with /proc/<pid>/task/<tid>/children; "
                "use --engine docker"
            )
        _ = self._installed

    @cached_property
    def _installed(self) -> Mapping[str, Any]:
        libraries = library_path() if self._given else {}
        return describe_python(self._python, with_fingerprint=True, environment=libraries)

    @property
    def differences(self) -> list[str]:
        """How the interpreter's packages differ from the lock, a sentence each."""
        return differences(self._python, self._lock, self._installed)

    def start(self, launch: Launch) -> Handle:
        """Start a supervisor that starts the job. Raises ``EngineError`` when it cannot."""
        view = fresh_view(launch)
        try:
            self.lay_out(view, launch)
            process = self._supervise(view, launch)
        except OSError as error:
            remove_tree(view)
            raise EngineError(
                f"{launch.name} could not be started: {_first(error)}. Look at the rights and the "
                "room where its folders lie"
            ) from None
        identity = processes.identity(process.pid)
        self._supervisors[identity] = process
        return Handle.of(launch, engine=self.name, id=identity)

    def lay_out(self, view: Path, launch: Launch) -> None:
        """Make the folder of what the job sees, which ``view_of`` names. Raises ``OSError``."""
        lay_out(
            view,
            launch,
            command=self._command(view, launch),
            environment=self._environment(view, launch),
        )

    def _command(self, view: Path, launch: Launch) -> list[str]:
        """The launch's command with its places; ``python`` is the engine's interpreter."""
        job, out = str(view / "job"), str(launch.out_dir.resolve())
        words = [word.replace("{job}", job).replace("{out}", out) for word in launch.command]
        return [str(self._python), *words[1:]] if words[0] == "python" else words

    def _environment(self, view: Path, launch: Launch) -> dict[str, str]:
        """The job's whole environment: nothing of the caller's, where secrets may be."""
        return {
            "HOME": str(view / "tmp"),
            "TMPDIR": str(view / "tmp"),
            "LANG": "C.UTF-8",
            "PATH": f"{self._python.parent}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": str(self._source),
            # What is imported must be the source, so nothing may lie compiled beside it.
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "CUDA_VISIBLE_DEVICES": ",".join(launch.gpu_ids),
            **(library_path() if self._given else {}),
            **launch.environment,
        }

    def _supervise(self, view: Path, launch: Launch) -> subprocess.Popen[bytes]:
        with launch.log_path.open("ab") as log:  # what it has to say itself if it cannot start
            return subprocess.Popen(
                [*SUPERVISOR, str(view), *label_words(launch.labels)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=view,
                env=library_path(),
                pass_fds=launch.held,
                start_new_session=True,
            )

    def take_back(self, out_dir: Path) -> None:
        """Nothing: what a job has left is the caller's."""

    def poll(self, handle: Handle) -> Outcome | None:
        """``None`` while the supervisor runs; afterwards how the job ended, until ``stop``."""
        view = view_of(Path(handle.out_dir))
        if not has_ended(view) and self._runs(handle):
            if handle.elapsed_s < handle.timeout_s + GRACE_S:
                return None
            _stop_supervisor(handle.id)  # it does not run as it should: it was frozen, say
            if not has_ended(view):
                return conclude(handle, _overdue(handle))
        try:
            return conclude(handle, ending_of(view))
        except ValueError as error:
            why = "was killed or stopped" if isinstance(error, MissingError) else f"left {error}"
            return Outcome(
                status="interrupted",
                exit_code=None,
                message=f"its supervisor {why}; run the phase again",
                started_at=handle.started_at,
                ended_at=time.time(),
                ended_by="supervisor",
            )

    def wait(self, handles: Collection[Handle], at_most_s: float) -> None:
        """Return as soon as one of the supervisors has ended, or else after ``at_most_s``."""
        processes.wait_for_end([processes.pid_of(one.id) for one in handles], at_most_s)

    def stop(self, handle: Handle) -> None:
        """Have the supervisor kill the job and all its descendants; remove its folder."""
        if self._runs(handle):
            _stop_supervisor(handle.id)
        self._supervisors.pop(handle.id, None)
        remove_tree(view_of(Path(handle.out_dir)))

    def adopt(self, handle: Handle) -> bool:
        """Whether the supervisor runs or has left word of how the job ended."""
        return self._runs(handle) or has_ended(view_of(Path(handle.out_dir)))

    def _runs(self, handle: Handle) -> bool:
        child = self._supervisors.get(handle.id)
        if child is not None:
            return child.poll() is None
        return processes.runs(handle.id)

    def remove_leftovers(self, run_id: str, spare: Collection[str] = ()) -> list[str]:
        """Stop every supervisor of a run but those to spare; the names of their output folders."""
        of_run = [one for one in supervisors() if one.labels.get("run") == run_id]
        found = [one for one in of_run if one.identity not in spare]
        for one in found:
            one.stop()
        return sorted(one.view.name.removesuffix(SUFFIX) for one in found)

    def describe(self) -> dict[str, object]:
        """The interpreter, how it differs from the lock, and what is not kept from a job."""
        return {
            "python": self._installed["python"],
            "interpreter": str(self._python) if self._given else "locked environment",
            "environment_is_locked": not self.differences,
            "differences": self.differences,
            "models_sha256": models_digest(self._source),
            "packages_sha256": self._installed["packages_sha256"],
            "enforced": sorted(ENFORCED),
            "not_enforced": sorted(PROMISES - ENFORCED),
            "notes": list(NOTES),
        }


@dataclass(frozen=True, kw_only=True)
class Supervisor:
    """A supervisor that runs, whichever runner has started it."""

    identity: str
    view: Path
    """The folder of what its job sees."""
    labels: Mapping[str, str]

    def stop(self) -> None:
        """Have it end its job, and remove its folder."""
        _stop_supervisor(self.identity)
        remove_tree(self.view)


def supervisors() -> Iterator[Supervisor]:
    """Every supervisor on this machine of which we may see the command line."""
    for identity, words in processes.command_lines():
        # Those of earlier versions have one option less.
        program = words.index("-c") + 1 if "-c" in words[: len(SUPERVISOR)] else len(words)
        args = words[program + 1 :]
        if len(args) < 2 or MARK not in words[program]:
            continue
        if args[0].endswith(SUFFIX):  # it will be removed
            yield Supervisor(identity=identity, view=Path(args[0]), labels=labels_of(args[1:]))


def _first(error: OSError) -> str:
    """What went wrong, or went wrong first where a folder was copied."""
    copied = error.args[0] if isinstance(error, shutil.Error) else None
    return str(copied[0][2]) if isinstance(copied, list) else str(error)


def _overdue(handle: Handle) -> Ending:
    """The end of a job that its supervisor has not ended in time."""
    return Ending(
        exit_code=None,
        killed_for="time",
        memory_bytes=0,
        started_at=handle.started_at,
        ended_at=handle.started_at + handle.elapsed_s,
    )


def _stop_supervisor(identity: str) -> None:
    """Ask a supervisor to end its job; kill both when it does not in time."""
    pid = processes.pid_of(identity)
    job = supervisor.descendants(pid)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    while processes.runs(identity) and time.monotonic() < deadline:
        time.sleep(0.005)
    for one in [pid, *job] if processes.runs(identity) else []:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def open_engine(needs: Needs) -> ProcessEngine:
    """The engine on the interpreter that was given, or on the locked environment, made if need be.

    Raises ``EngineError`` as ``locked_python`` does.
    """
    given = needs.python is not None
    root = needs.code.root
    python = needs.python or locked_python(
        needs.variant, cache=needs.cache, say=needs.say, root=root
    )
    engine = ProcessEngine(
        python,
        source=root,
        lock=lock_path(needs.variant, root),
        given=given,
    )
    if found := engine.differences:
        needs.say(
            f"The environment is not the lock's, {len(found)} differences: "
            f"{'; '.join(found[:NUM_SHOWN])}{'; …' if len(found) > NUM_SHOWN else ''}"
        )
    return engine
