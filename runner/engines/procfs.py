"""Who a process is, read from Linux's ``/proc``: its id alone may be another's tomorrow."""

from __future__ import annotations

from pathlib import Path

PROC = Path("/proc")
STATE, START_TIME = 0, 19
"""Places among the fields of ``stat`` from the third on; see proc(5)."""


def identity(pid: int) -> str:
    """``pid:start``, with the start in clock ticks since the boot.

    Raises ``ProcessLookupError`` when there is no such process.
    """
    fields = _stat(pid)
    if not fields:
        raise ProcessLookupError(pid)
    return f"{pid}:{fields[START_TIME]}"


def pid_of(identity: str) -> int:
    """The process id in an identity."""
    return int(identity.partition(":")[0])


def runs(identity: str) -> bool:
    """Whether this very process runs; one that is dead and waits to be reaped does not."""
    pid, _, start = identity.partition(":")
    fields = _stat(int(pid))
    return bool(fields) and fields[START_TIME] == start and fields[STATE] not in "ZX"


def _stat(pid: int) -> list[str]:
    """The fields after the command's name, which may hold anything; none without a process."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def all_pids() -> list[int]:
    """Ids of the processes that run now."""
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal()]


def command_line(pid: int) -> list[str]:
    """Words of a process's command line; none where there is none, or it is not ours to read."""
    try:
        text = (PROC / str(pid) / "cmdline").read_text(errors="replace")
    except OSError:
        return []
    return text.split("\0")[:-1]
