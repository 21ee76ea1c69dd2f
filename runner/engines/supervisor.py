"""Runs one command of the process engine and bounds it: ``python -c START FOLDER LABEL…``.

A process of its own, so that the limits hold and the job's end is known when the runner has died.
Orphans of its descendants become its children, so nothing that the job starts escapes by leaving
its session. Standard library only: it starts in 20 ms. Linux only: it reads ``/proc``.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from runner.core.installation import SOURCES
from runner.engines.capped import CappedLog
from runner.engines.usage import Guard

START = (
    f"import sys; sys.path.insert(0, {str(SOURCES)!r}); "
    "from runner.engines.supervisor import main; main()"
)
"""The code passed to its interpreter, which is isolated and has no path of ours."""
TICK_S = 0.1
DRAIN_S = 10.0
"""The longest wait for the end of a console whose writers are all dead, s."""
SPEC = "launch.json"
"""In: ``command``, ``environment``, ``cwd``, ``log``, ``out``, ``timeout_s``, ``memory_bytes``,
``disk_bytes`` and ``stop_s``; of a job in a container ``container`` says the rest."""
RECORD = "ended.json"
"""Out, in one piece, when nothing of the job runs any more."""

BLOCK = 1 << 16
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
"""See prctl(2)."""
NOT_FOUND = 127
"""Exit status of a command that cannot be run, as shells have it."""

_libc = ctypes.CDLL(None)


class RefusedError(Exception):
    """A job cannot be started here. The message says why, and what to do."""


class Starter:
    """Starts a job as a process of this machine. A runtime starts it in a container instead."""

    def __init__(self, spec: Mapping[str, Any], folder: Path) -> None:
        self.spec, self.folder = spec, folder

    @property
    def memory_bytes(self) -> int:
        """What all our descendants may hold together; more is the end of the job."""
        return int(self.spec["memory_bytes"])

    memory_is_told = True
    """Whether a kill for the job's own memory would be seen."""

    def prepare(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """The command line that is the job, and its environment. Raises ``RefusedError``."""
        return self.spec["command"], self.spec["environment"]

    def others(self) -> Sequence[int]:
        """Processes of the job that are no descendants of ours."""
        return ()

    def runs(self, job: subprocess.Popen[Any]) -> bool:
        """Whether the job has not ended; it may outlive the command that has started it."""
        return job.poll() is None

    def request_end(self, job: subprocess.Popen[Any]) -> None:
        """Ask the job to come to its end by itself."""
        job.terminate()

    def end(self, job: subprocess.Popen[Any], *, running: bool) -> None:
        """Have nothing run of the job that is no descendant of ours; ``running`` where it may."""

    def seen(self, code: int, killed_for: str | None) -> tuple[int, str | None]:
        """Exit status and limit by what is known of the job besides; nothing of it runs then.

        Raises ``RefusedError`` for one that has come to nothing.
        """
        return code, killed_for


StarterOf = Callable[[Mapping[str, Any], Path], Starter]


def main(starter_of: StarterOf = Starter) -> None:
    """Run what ``launch.json`` in the folder of the first argument says; write ``ended.json``."""
    folder = Path(sys.argv[1])
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: asked.append(number))
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    spec = json.loads((folder / SPEC).read_text("utf-8"))
    started, began = time.time(), time.monotonic()
    starter = starter_of(spec, folder)
    code: int | None = None
    killed_for, refused = None, ""
    with CappedLog(Path(spec["log"])) as log:
        try:
            command, environment = starter.prepare()
            started, began = time.time(), time.monotonic()
            code, killed_for = run(starter, command, environment, log, asked)
        except RefusedError as error:
            refused, killed_for = str(error), "stop" if asked else None
    record = {
        "exit_code": code,
        "killed_for": killed_for,
        "memory_bytes": spec["memory_bytes"],
        "memory_is_told": starter.memory_is_told,
        "started_at": started,
        "ended_at": started + time.monotonic() - began,
        "log_left_out": log.left_out,
        "refused": refused,
    }
    part = folder / f".{RECORD}.part"
    part.write_text(json.dumps(record), "utf-8")
    part.replace(folder / RECORD)


def run(
    starter: Starter,
    command: Sequence[str],
    environment: Mapping[str, str],
    log: CappedLog,
    asked: list[int],
) -> tuple[int, str | None]:
    """Run the command to its end: its exit status, and the limit that it went past.

    Raises ``RefusedError`` for a container that came to nothing.
    """
    spec = starter.spec
    guard = Guard(Path(spec["out"]), spec["disk_bytes"])
    try:
        job = subprocess.Popen(
            command,
            cwd=spec["cwd"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=functools.partial(_die_with, os.getpid()),
        )
    except (OSError, ValueError) as error:  # a word with a NUL is a ValueError
        log.write(f"{command[0]}: {getattr(error, 'strerror', error)}\n".encode())
        return NOT_FOUND, None
    copier = threading.Thread(target=_copy, args=(job.stdout, log), daemon=True)
    copier.start()
    killed_for = watch(job, starter, guard, asked)
    if killed_for == "stop" and spec["stop_s"]:
        starter.request_end(job)
        deadline = time.monotonic() + spec["stop_s"]
        while starter.runs(job) and time.monotonic() < deadline:
            time.sleep(TICK_S)
    starter.end(job, running=killed_for is not None)
    code = end(job)
    copier.join(DRAIN_S)
    code, killed_for = starter.seen(code, killed_for)
    return code, killed_for or guard.last_look()


def _copy(console: IO[bytes], log: CappedLog) -> None:
    while block := os.read(console.fileno(), BLOCK):
        log.write(block)


def _die_with(supervisor: int) -> None:
    """In the job before it runs: be killed when the supervisor dies, also if it just has."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(NOT_FOUND)


def watch(
    job: subprocess.Popen[Any], starter: Starter, guard: Guard, asked: list[int]
) -> str | None:
    """Wait for the job. The limit that it went past, or ``stop`` if ``asked`` got a signal."""
    deadline = time.monotonic() + starter.spec["timeout_s"]
    memory_bytes = starter.memory_bytes
    end = select.poll()
    end.register(os.pidfd_open(job.pid), select.POLLIN)
    while True:
        end.poll(1000 * TICK_S)
        if job.poll() is not None:
            # Who asks for the end may have asked the command as well, which then ended alone.
            return "stop" if asked and starter.runs(job) else None
        if asked:
            return "stop"
        if time.monotonic() >= deadline:
            return "time"
        alive = [*descendants(os.getpid()), *starter.others()]
        if used_memory(alive, memory_bytes) > memory_bytes:
            return "memory"
        if excess := guard.look(alive):
            return excess


def end(job: subprocess.Popen[Any]) -> int:
    """Kill what still runs of the job; its exit status as shells count it."""
    while alive := descendants(os.getpid()):
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        job.wait()
        _reap()
        time.sleep(0.001)
    code = job.wait()
    return code if code >= 0 else 128 - code


def _reap() -> None:
    """Take note of every child that has died, so that it vanishes from ``/proc``."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def descendants(pid: int) -> list[int]:
    """Children of a process, their children and so on, the dead ones that wait included."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        with contextlib.suppress(OSError):  # it may have ended just now
            for task in Path(f"/proc/{waiting.pop()}/task").iterdir():
                children = [int(word) for word in (task / "children").read_text().split()]
                found += children
                waiting += children
    return found


def used_memory(pids: list[int], enough: int) -> int:
    """Memory that the processes hold, bytes.

    The sum of resident sets counts shared pages once for each process that has them; where that
    sum is above ``enough``, the sum of proportional sets, which is slower to get, is returned.
    """
    resident = sum(_resident(pid) for pid in pids)
    return resident if resident <= enough else sum(_proportional(pid) for pid in pids)


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
