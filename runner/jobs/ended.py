"""From a job that has ended to what its record says: files, console, how it went.

Every kind of job takes this way: arms, datasets, tests, audits, captures, statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runner.engines.base import Outcome
from runner.engines.console import keep, tail
from runner.hub import layout
from runner.jobs.attempts import Attempt
from runner.jobs.collection import collect

LOG = "console.log"

ReadResults = Callable[[Path], Mapping[str, Any]]
"""Reads the files that a job left; what the record says of them.

Raises ``ValueError`` for those that do not keep the contract.
"""


def take(
    attempt: Attempt,
    outcome: Outcome,
    destination: Path,
    *,
    log: Path | None = None,
    read: ReadResults | None = None,
) -> dict[str, Any]:
    """Copy job, files and console; what every record says of an ended job.

    Args:
        attempt: The attempt that has ended.
        outcome: How, by its engine.
        destination: New folder for the job and its files.
        log: Where the console goes, in place of ``console.log`` beside them.
        read: Reads the files of a job that left all that it promised.

    Returns:
        ``status``, ``message``, ``job_sha256``, ``wall_s`` and ``files``; what ``read`` returns;
        and the ``log_tail`` of a job that did not succeed.
    """
    destination.mkdir(parents=True)
    (destination / layout.JOB).write_bytes(attempt.job_file.read_bytes())
    facts: dict[str, Any] = {
        "status": outcome.status,
        "message": outcome.message,
        "job_sha256": attempt.job_sha256,
        "wall_s": round(outcome.ended_at - outcome.started_at, 3),
    }
    if outcome.status == "succeeded":
        facts |= _collected(attempt, destination, read)
    keep(attempt.launch.log_path, log or destination / LOG)
    if facts["status"] != "succeeded":
        facts["log_tail"] = tail(attempt.launch.log_path)
    return facts


def _collected(attempt: Attempt, destination: Path, read: ReadResults | None) -> dict[str, Any]:
    found = collect(
        attempt.launch.out_dir,
        destination,
        experiment=attempt.job.experiment,
        job_sha256=attempt.job_sha256,
    )
    facts: dict[str, Any] = {"files": found.files}
    problem = found.describe()
    if read is not None and not problem:
        try:
            return facts | dict(read(destination))
        except ValueError as error:
            problem = str(error)
    return facts | ({"status": "invalid_output", "message": problem} if problem else {})
