"""What is taken of a job that has ended beside the arms: its files, its console, how it went."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runner.engines.base import Outcome
from runner.engines.console import keep, tail
from runner.hub import layout
from runner.jobs.attempts import Attempt
from runner.jobs.collection import collect

LOG = "console.log"


def take(attempt: Attempt, outcome: Outcome, destination: Path) -> dict[str, Any]:
    """Copy job, files and console to ``destination``; what every record says of an ended job.

    These are ``status``, ``message``, ``job_sha256``, ``wall_s``, the ``files`` of one that left
    any, and the ``log_tail`` of one that did not succeed.
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
        collected = collect(
            attempt.launch.out_dir,
            destination,
            experiment=attempt.job.experiment,
            job_sha256=attempt.job_sha256,
        )
        facts["files"] = collected.files
        if collected.problems:
            facts |= {"status": "invalid_output", "message": collected.describe()}
    keep(attempt.launch.log_path, destination / LOG)
    if facts["status"] != "succeeded":
        facts["log_tail"] = tail(attempt.launch.log_path)
    return facts
