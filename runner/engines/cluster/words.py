"""What it means for a job that the queue says so: the outcome of one that has left no result."""

from __future__ import annotations

import time
from pathlib import Path

from runner.engines.base import EndedBy, Handle, Outcome, Status
from runner.engines.cluster.queue import Entry
from runner.engines.console import last_line
from runner.engines.ending import Ending

BY_OTHERS: dict[str, tuple[Status, EndedBy, str]] = {
    "CANCELLED": ("interrupted", "cancellation", "was cancelled by others"),
    "PREEMPTED": ("interrupted", "preemption", "had to give way to another job"),
    "NODE_FAIL": ("interrupted", "node", "lost its node"),
    "BOOT_FAIL": ("interrupted", "node", "was given a node that does not boot"),
    "TIMEOUT": ("timed_out", "time", "was ended at the time limit that Slurm was given"),
    "DEADLINE": ("timed_out", "time", "was ended at its deadline in Slurm"),
    "OUT_OF_MEMORY": ("out_of_memory", "memory", "was ended by Slurm for memory"),
}
"""States of a job that Slurm, or somebody, has ended: status, cause, and what is said of it."""

UNAVAILABLE = (
    "Nodes required for job are DOWN",
    "PartitionDown",
    "PartitionInactive",
    "ReqNodeNotAvail",
)
"""How reasons begin for which a job waits until somebody gives nodes back; they may be long."""

WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT"})
"""States of a job that has not begun, or is to begin again."""

SIGNALLED = (137, 143)
"""Exit statuses of a job that was sent SIGKILL or SIGTERM."""

STUCK = frozenset(
    {
        "AccountNotAllowed",
        "BadConstraints",
        "InvalidAccount",
        "InvalidQOS",
        "JobHeldAdmin",
        "JobHeldUser",
        "PartitionNodeLimit",
        "PartitionTimeLimit",
        "QOSNotAllowed",
        "job_requeued_in_held_state",
        "launch_failed_requeued_held",
    }
)
"""Reasons for which a job waits that do not pass by themselves."""


def is_from_outside(ending: Ending) -> bool:
    """Whether a job may have been ended by Slurm or by somebody, by what its supervisor saw."""
    return ending.killed_for == "stop" or (
        ending.killed_for is None and ending.exit_code in SIGNALLED
    )


def ended_without_result(handle: Handle, entry: Entry | None) -> Outcome:
    """The outcome of a job of which no result will come."""
    status, ended_by, text = _cause(entry)
    number = f" {entry.number}" if entry is not None and entry.number else ""
    message = f"its job{number} {text}"
    if ended_by == "supervisor" and (said := last_line_of(handle)):
        message += f"; the log ends with: {said}"
    if status == "interrupted":
        message += "; run the phase again"
    return _outcome(handle, status, ended_by, message)


def _cause(entry: Entry | None) -> tuple[Status, EndedBy | None, str]:
    if entry is None:
        return "interrupted", None, "is not in the queue any more and has left no result"
    if entry.state in BY_OTHERS:
        return BY_OTHERS[entry.state]
    if is_waiting(entry):
        return "interrupted", "requeue", "was put back into the queue by others"
    if entry.lives:
        return "interrupted", "cancellation", f"was stopped by others, and is {entry.state} now"
    if entry.state == "COMPLETED":
        return (
            "interrupted",
            "folder",
            "is COMPLETED, and no result has come over the shared folder",
        )
    text = f"is {entry.state} and has left no result: its supervisor was killed or did not start"
    return "interrupted", "supervisor", text


def last_line_of(handle: Handle) -> str:
    """What a job said last."""
    return last_line(Path(handle.log_path))


def is_waiting(entry: Entry) -> bool:
    """Whether a job has not begun, or was put back into the queue."""
    return entry.state in WAITING


def is_by_others(entry: Entry) -> bool:
    """Whether Slurm, or somebody, has ended a job, or taken it back."""
    return entry.state in BY_OTHERS or is_waiting(entry)


def is_stuck(entry: Entry) -> bool:
    """Whether a job waits for somebody to do something about it."""
    return is_waiting(entry) and entry.reason in STUCK


def has_no_nodes(entry: Entry) -> bool:
    """Whether a job waits for nodes that are drained, down or taken out of use."""
    return is_waiting(entry) and entry.reason.startswith(UNAVAILABLE)


def stuck(handle: Handle, entry: Entry, for_s: float) -> Outcome:
    """The outcome of a job that has been held for too long."""
    return _outcome(
        handle,
        "could_not_start",
        "hold",
        f"its job {entry.number} was held in the queue for {for_s:g} s ({entry.reason}) and was "
        "taken out of it; see what holds it, and run the phase again",
    )


def _outcome(handle: Handle, status: Status, ended_by: EndedBy | None, message: str) -> Outcome:
    return Outcome(
        status=status,
        exit_code=None,
        message=message,
        started_at=handle.started_at,
        ended_at=time.time(),
        ended_by=ended_by,
    )
