"""How a job ended, from what an engine saw: one wording for all engines."""

from __future__ import annotations

import re
import signal
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runner.engines.base import Handle, Outcome, Status

MIB, GIB = 1 << 20, 1 << 30
SIGNALLED = 128
"""Exit statuses above this one tell of a signal, as shells count."""
SHOWN_TAIL_BYTES = 8192


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What an engine saw. ``killed_for`` is the limit for which the job was killed."""

    exit_code: int | None
    killed_for: Literal["memory", "time", "stop"] | None
    memory_bytes: int
    started_at: float
    ended_at: float


def conclude(handle: Handle, ending: Ending) -> Outcome:
    """The outcome of an ended job. Success is exit status 0 and a ``result.json`` that is there."""
    status, message = _judge(handle, ending)
    return Outcome(
        status=status,
        exit_code=ending.exit_code,
        message=message,
        started_at=ending.started_at,
        ended_at=ending.ended_at,
    )


def _judge(handle: Handle, ending: Ending) -> tuple[Status, str]:
    if ending.killed_for == "time":
        return "timed_out", (
            f"stopped at its time limit of {handle.timeout_s:g} s; raise resources.timeout_s or "
            "lower train.epochs"
        )
    if ending.killed_for == "memory":
        return "out_of_memory", (
            f"killed for memory: limit {_size(ending.memory_bytes)}; raise resources.memory_gib "
            "or lower train.batch_size"
        )
    if ending.killed_for == "stop":
        return "interrupted", "stopped before its end; run the phase again"
    if ending.exit_code != 0:
        return "failed", _crash(ending.exit_code, Path(handle.log_path))
    if missing := missing_result(Path(handle.out_dir)):
        return "failed", f"exit status 0, but {missing}"
    return "succeeded", ""


def _size(num_bytes: int) -> str:
    if num_bytes >= GIB:
        return f"{num_bytes / GIB:.1f} GiB"
    return f"{num_bytes / MIB:.0f} MiB"


def _crash(exit_code: int | None, log: Path) -> str:
    how = f"exit status {exit_code}"
    if exit_code is not None and exit_code > SIGNALLED:
        how += f" ({_signal_name(exit_code - SIGNALLED)})"
    said = last_line(log)
    return f"{how}; the log ends with: {said}" if said else f"{how}; the log is empty"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def missing_result(out_dir: Path) -> str | None:
    """Why ``result.json`` does not tell of a complete job; ``None`` if it does.

    A link is no result: what it points to may have been there before.
    """
    try:
        found = (out_dir / "result.json").lstat()
    except OSError:
        return "there is no result.json: the job ended before it was complete"
    if not stat.S_ISREG(found.st_mode):
        return "result.json is not a regular file"
    return None if found.st_size else "result.json is empty"


def last_line(log: Path) -> str:
    r"""The last line of a console log that says something; ``\r`` ends a line as ``\n`` does."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - SHOWN_TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in re.split(r"[\r\n]", text) if line.strip()]
    return lines[-1][:300] if lines else ""
