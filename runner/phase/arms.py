"""From an ended attempt to an arm's record: collect, compare with the plan, judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from runner.core.errors import RunnerError
from runner.core.reading import first_problem, is_file_below, read_table, shortened, typed
from runner.engines.base import Outcome
from runner.engines.console import keep, tail
from runner.experiment import EXPERIMENT
from runner.hub import layout
from runner.hub.record import ArmRecord, Difference, Execution, FileRecord
from runner.jobs import checkpoints
from runner.jobs.attempts import Attempt
from runner.jobs.collection import RESULT, Result, collect
from runner.manifest.rules import Rule
from runner.plan.model import Job
from runner.verify.effective import compare_effective, compare_history
from runner.verify.verdict import judge

FILES = EXPERIMENT.results.files
MOST_TOLD = 50
"""Differences from the plan that a message names."""


def not_run(job: Job, why: RunnerError | None) -> ArmRecord:
    """The record of an arm whose turn never came, for ``why`` if the engine is at fault."""
    if why is not None:
        return ArmRecord(status="could_not_start", message=str(why), **planned(job))
    return ArmRecord(status="not_run", message="the run ended before its turn", **planned(job))


def cut_short(job: Job, attempts: int, why: RunnerError | None) -> ArmRecord:
    """The record of an arm that was started, and of whose end nothing is known."""
    told = str(why or "the run was stopped while it ran")
    return ArmRecord(status="interrupted", message=told, attempts=attempts, **planned(job))


def without_data(job: Job, why: str) -> ArmRecord:
    """The record of an arm that could be shown no dataset."""
    return ArmRecord(status="not_run", message=why, **planned(job))


def left_out(job: Job, failed: str) -> ArmRecord:
    """The record of an arm that was not begun, as ``failed`` was enough."""
    told = f"{failed} had failed before its turn (--fail-fast)"
    return ArmRecord(status="not_run", message=told, **planned(job))


def describe(record: ArmRecord) -> str:
    """One line for the console: how the arm did."""
    if record.status != "succeeded":
        return f"{record.name}: {record.status.replace('_', ' ')}: {record.message}"
    scores = ", ".join(
        f"{name} {value:.4g}"
        for name in EXPERIMENT.results.brief(vars(record))
        if isinstance(value := record.stats.get(name), int | float)
    )
    told = EXPERIMENT.endpoint.brief(vars(record))
    fate = f"; {told}" if told else ""
    return f"{record.name}: ran as planned, {record.proof_in_words}; {scores}{fate}"


def planned(job: Job) -> dict[str, Any]:
    """What the record of an arm has from its plan alone."""
    return {
        "name": job.name,
        "seed": job.seed,
        "parameters": job.parameters,
        "execution": Execution(**job.execution.model_dump()),
        "command": job.command,
        "environment": job.environment,
    }


def conclude(
    attempt: Attempt, outcome: Outcome, *, folder: Path, stage: str, rules: Sequence[Rule]
) -> ArmRecord:
    """Copy what an ended attempt left into the hub's ``folder`` and say how the arm did."""
    name = attempt.job.name
    log = layout.log_name(stage, name)
    destination = folder / layout.arm_dir(name)
    destination.mkdir(parents=True)
    (destination / layout.JOB).write_bytes(attempt.job_file.read_bytes())
    facts = planned(attempt.job) | {
        "attempts": attempt.number,
        "resumed_from": checkpoints.given(attempt),
        "exit_code": outcome.exit_code,
        "started": timestamp(outcome.started_at),
        "ended": timestamp(outcome.ended_at),
        "wall_s": round(outcome.ended_at - outcome.started_at, 3),
        "job_sha256": attempt.job_sha256,
        "log": log if keep(attempt.launch.log_path, folder / log) else None,
        "status": outcome.status,
        "message": outcome.message,
        "notes": (*attempt.notes, *outcome.notes, *went_on(attempt)),
    }
    try:
        measured = _results(attempt, destination, rules) if outcome.status == "succeeded" else {}
        record = ArmRecord(**facts | measured)
    except ValidationError as error:
        # Its files stay: they were taken by their digests, whatever the numbers in them are.
        told = f"the arm's summaries hold what they must not: {first_problem(error)}"
        record = ArmRecord(**facts | {"status": "invalid_output", "message": told})
        record = record.model_copy(update={"files": _files(destination)})
    if record.status == "succeeded":
        return record
    return record.model_copy(update={"log_tail": tail(attempt.launch.log_path)})


def went_on(attempt: Attempt) -> Iterator[str]:
    """That an attempt went on from a checkpoint, if it did."""
    if (done := checkpoints.given(attempt)) is not None:
        yield (
            f"attempt {attempt.number} went on from a checkpoint after "
            f"{checkpoints.in_words(done)}; log, events and times are those of this attempt"
        )


def _files(destination: Path) -> tuple[FileRecord, ...]:
    """What was taken of an arm's files before its numbers turned out to be none."""
    result = typed(Result, read_table(destination, RESULT), RESULT)
    return tuple(file for file in result.files if is_file_below(destination, file.path))


def _results(attempt: Attempt, destination: Path, rules: Sequence[Rule]) -> dict[str, Any]:
    """What the arm measured, whether it ran as planned, and whether its rules hold."""
    job = attempt.job
    collected = collect(
        attempt.launch.out_dir,
        destination,
        experiment=job.experiment,
        job_sha256=attempt.job_sha256,
    )
    if collected.problems:
        return {
            "status": "invalid_output",
            "message": collected.describe(),
            "files": collected.files,
        }
    try:
        effective = read_table(destination, FILES.effective)
        stats = read_table(destination, FILES.stats)
        metrics = read_table(destination, FILES.metrics)
        timing = read_table(destination, FILES.timing)
        history = read_table(destination, FILES.history)
        checkpoints.require_told(timing, checkpoints.given(attempt))
    except ValueError as error:
        return {"status": "invalid_output", "message": str(error), "files": collected.files}
    differences = (
        *compare_effective(job.parameters, job.seed, job.execution, effective),
        *compare_history(effective, history),
    )
    facts: dict[str, Any] = {
        "files": collected.files,
        "differences": differences,
        "stats": stats,
        "timing": timing,
        "null_reasons": metrics.get("null_reasons", {}),
        **EXPERIMENT.results.recorded(stats),
        "rules": judge(rules, stats),
        "final_weights_sha256": EXPERIMENT.readback.final_state(effective),
    }
    if differences:
        facts["status"] = "configuration_differs"
        facts["message"] = _all_told(differences)
    return facts


def _all_told(differences: Sequence[Difference]) -> str:
    """Each difference, or the first ones of very many and their number."""
    told = [_told(one) for one in differences[:MOST_TOLD]]
    more = len(differences) - MOST_TOLD
    return "; ".join([*told, *([f"and {more:,} more"] if more > 0 else [])])


def _told(difference: Difference) -> str:
    """A knob, what was planned, and what was live."""
    knob = shortened(difference.knob)
    planned, effective = (
        shortened(repr(value)) for value in (difference.planned, difference.effective)
    )
    if difference.kind == "missing":
        return f"{knob}: planned {planned}, not read back"
    if difference.kind == "unexpected":
        return f"{knob}: not planned, effective {effective}"
    return f"{knob}: planned {planned}, effective {effective}"


def timestamp(seconds: float) -> str:
    """A time since 1970, s, as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
