"""How a job ended, from what an engine saw: one wording for all engines."""

from __future__ import annotations

import signal
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from runner.core import clock
from runner.engines import usage
from runner.engines.base import EndedBy, Handle, Outcome, Status
from runner.engines.console import last_line
from runner.engines.usage import Excess
from runner.experiment import EXPERIMENT

MIB, GIB = 1 << 20, 1 << 30
SIGNALLED = 128
"""Exit statuses above this one tell of a signal, as shells count."""

SENT = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")
"""Signals that a job does not come to by a mistake of its own: somebody sends them."""
CLOCK_SET_S = 2.0
"""By how much a clock must have been set to be worth a note, s; it is corrected by less."""

Killed = Literal["memory", "time", "stop"] | Excess
"""The limit for which a job was killed, or that it was found to have gone past."""

Moment = Annotated[float, Field(ge=0, le=1e11)]
"""Seconds since 1970, up to the year 5138."""


class Ending(BaseModel):
    """What an engine saw. ``log_left_out`` is how much of the console was not kept, bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exit_code: int | None
    killed_for: Killed | None
    memory_bytes: int
    started_at: Moment
    ended_at: Moment
    log_left_out: Annotated[int, Field(ge=0)] = 0
    memory_is_told: bool = True
    """Whether a kill for the job's own memory would have been seen."""
    refused: str = ""
    """Why the job was not started where it was to run."""


def conclude(handle: Handle, ending: Ending) -> Outcome:
    """The outcome of an ended job. Success is exit status 0 and a ``result.json`` that is there."""
    status, message = _judge(handle, ending)
    return Outcome(
        status=status,
        exit_code=ending.exit_code,
        message=message,
        started_at=ending.started_at,
        ended_at=ending.ended_at,
        notes=tuple(_notes(handle, ending)),
        ended_by=None if status == "could_not_start" else _cause(ending),
    )


def _cause(ending: Ending) -> EndedBy:
    match ending.killed_for:
        case "memory" | "time" | "stop" as limit:
            return limit
        case None:
            signalled = ending.exit_code is not None and ending.exit_code > SIGNALLED
            return "signal" if signalled else "itself"
    return "disk"


def clock_was_set_s(handle: Handle) -> float:
    """By how much the date was set since a job began, s; 0 where that cannot be known.

    The time that a machine sleeps is of the date alone, too.
    """
    if handle.boot_id != clock.boot_id():
        return 0.0
    return (time.time() - time.monotonic()) - (handle.started_at - handle.began_s)


def _notes(handle: Handle, ending: Ending) -> Iterator[str]:
    if abs(moved_s := clock_was_set_s(handle)) >= CLOCK_SET_S:
        way = "forward" if moved_s > 0 else "back"
        yield (
            f"the machine's clock was set {way} by {abs(moved_s):,.0f} s since it began, or the "
            "machine slept: its start and end are by that clock, its time limit is not"
        )
    if ending.log_left_out:
        yield (
            f"{ending.log_left_out:,} bytes in the middle of its console log were left out; "
            "beginning and end are kept"
        )


def _judge(handle: Handle, ending: Ending) -> tuple[Status, str]:
    if ending.killed_for == "time":
        return "timed_out", (
            f"stopped at its time limit of {handle.timeout_s:g} s; raise resources.timeout_s or "
            f"{EXPERIMENT.advice.time}"
        )
    if ending.killed_for == "memory":
        return "out_of_memory", (
            f"killed for memory: limit {_size(ending.memory_bytes)}; raise resources.memory_gib "
            f"or {EXPERIMENT.advice.memory}"
        )
    if ending.killed_for in EXCESSES:
        text = EXCESSES[ending.killed_for]
        return "out_of_disk", text.format(limit=_size(handle.disk_bytes), files=usage.MOST_FILES)
    if ending.killed_for == "stop":
        return "interrupted", "stopped before its end; run the phase again"
    if ending.refused:
        return "could_not_start", ending.refused
    if ending.exit_code != 0:
        return "failed", _crash(ending, Path(handle.log_path))
    if missing := missing_result(Path(handle.out_dir)):
        return "failed", f"exit status 0, but {missing}"
    return "succeeded", ""


EXCESSES: Mapping[Killed | None, str] = {
    "disk": (
        "its outputs took more than the limit of {limit}; raise resources.disk_gib or write less"
    ),
    "files": "its outputs were more than {files:,} files and folders; write fewer and larger files",
    "hiding": (
        "its outputs could not be measured against the limit of {limit} (resources.disk_gib): "
        "folders are moved about all the time, or cannot be read; leave them where they are"
    ),
}


def _size(num_bytes: int) -> str:
    if num_bytes >= GIB:
        return f"{num_bytes / GIB:.1f} GiB"
    return f"{num_bytes / MIB:.0f} MiB"


def _crash(ending: Ending, log: Path) -> str:
    exit_code = ending.exit_code
    how = f"exit status {exit_code}"
    if exit_code is not None and exit_code > SIGNALLED:
        name = _signal_name(exit_code - SIGNALLED)
        how += f" ({name})"
        if name in SENT:
            how += ", which phasehub did not send"
        if name == "SIGKILL":
            how += f": somebody did, or the kernel as {_short_of_memory(ending)}"
    said = last_line(log)
    return f"{how}; the log ends with: {said}" if said else f"{how}; the log is empty"


def _short_of_memory(ending: Ending) -> str:
    whole = "the whole machine was out of memory"
    if ending.memory_is_told or not ending.memory_bytes:
        return whole
    return (
        f"its limit of {_size(ending.memory_bytes)} (resources.memory_gib) was reached or {whole}"
    )


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
