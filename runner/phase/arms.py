"""From an ended attempt to an arm's record: collect, compare with the plan, judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from runner.core.errors import RunnerError
from runner.core.reading import first_problem, read_table, shortened
from runner.engines.base import Outcome
from runner.experiment import EXPERIMENT
from runner.hub import layout
from runner.hub.records.arm import ArmRecord, Execution
from runner.hub.records.base import Difference
from runner.jobs import checkpoints
from runner.jobs.attempts import Attempt
from runner.jobs.ended import take
from runner.manifest.rules import Rule
from runner.plan.model import Job
from runner.verify.effective import compare_effective, compare_history
from runner.verify.verdict import judge

FILES = EXPERIMENT.results.files
MOST_NAMED = 50
"""Differences from the plan that a message names."""


def not_run(job: Job, why: RunnerError | None) -> ArmRecord:
    """The record of an arm whose turn never came, for ``why`` if the engine is at fault."""
    if why is not None:
        return ArmRecord(status="could_not_start", message=str(why), **planned(job))
    return ArmRecord(status="not_run", message="the run ended before its turn", **planned(job))


def cut_short(job: Job, attempts: int, why: RunnerError | None) -> ArmRecord:
    """The record of an arm that was started, and of whose end nothing is known."""
    message = str(why or "the run was stopped while it ran")
    return ArmRecord(status="interrupted", message=message, attempts=attempts, **planned(job))


def without_data(job: Job, why: str) -> ArmRecord:
    """The record of an arm that could be shown no dataset."""
    return ArmRecord(status="not_run", message=why, **planned(job))


def left_out(job: Job, failed: str) -> ArmRecord:
    """The record of an arm that was not begun, as ``failed`` was enough."""
    message = f"{failed} had failed before its turn (--fail-fast)"
    return ArmRecord(status="not_run", message=message, **planned(job))


def describe(record: ArmRecord) -> str:
    """One line for the console: how the arm did."""
    if record.status != "succeeded":
        return f"{record.name}: {record.status.replace('_', ' ')}: {record.message}"
    scores = ", ".join(
        f"{name} {value:.4g}"
        for name in EXPERIMENT.results.brief(vars(record))
        if isinstance(value := record.stats.get(name), int | float)
    )
    brief = EXPERIMENT.endpoint.brief(vars(record))
    fate = f"; {brief}" if brief else ""
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
    name = layout.log_name(stage, attempt.job.name)
    facts = planned(attempt.job) | take(
        attempt,
        outcome,
        folder / layout.arm_dir(attempt.job.name),
        log=folder / name,
        read=lambda destination: _recordable(attempt, destination, rules),
    )
    return ArmRecord(
        attempts=attempt.number,
        resumed_from=checkpoints.given(attempt),
        exit_code=outcome.exit_code,
        ended_by=None if outcome.status == "succeeded" else outcome.ended_by,
        started=timestamp(outcome.started_at),
        ended=timestamp(outcome.ended_at),
        log=name if (folder / name).is_file() else None,
        notes=(*attempt.notes, *outcome.notes, *went_on(attempt)),
        **facts,
    )


def went_on(attempt: Attempt) -> Iterator[str]:
    """That an attempt went on from a checkpoint, if it did."""
    if (done := checkpoints.given(attempt)) is not None:
        yield (
            f"attempt {attempt.number} went on from a checkpoint after "
            f"{checkpoints.in_words(done)}; log, events and times are those of this attempt"
        )


def _recordable(attempt: Attempt, destination: Path, rules: Sequence[Rule]) -> dict[str, Any]:
    """What an attempt measured, if a record can hold it; raises ``ValueError`` if none can."""
    went_on_from = checkpoints.given(attempt)
    try:
        facts = measured(attempt.job, destination, rules, resumed_from=went_on_from)
        ArmRecord(**planned(attempt.job) | {"status": "succeeded"} | facts)
    except ValidationError as error:
        message = f"the arm's summaries hold what they must not: {first_problem(error)}"
        raise ValueError(message) from None
    return facts


def measured(
    job: Job, destination: Path, rules: Sequence[Rule], *, resumed_from: int | None
) -> dict[str, Any]:
    """What an arm measured, by its files in ``destination``, and whether it ran as planned.

    Raises ``ValueError`` for files that cannot be read, or hold what no record may.
    """
    effective = read_table(destination, FILES.effective)
    if (why := EXPERIMENT.readback.stopped(job.parameters, effective)) is not None:
        return _not_finite(job, destination, effective, why, resumed_from)
    stats, metrics, timing, history = (
        read_table(destination, name)
        for name in (FILES.stats, FILES.metrics, FILES.timing, FILES.history)
    )
    checkpoints.require_resumed_from(timing, resumed_from)
    differences = (
        *compare_effective(job.parameters, job.seed, job.execution, effective),
        *compare_history(effective, history),
    )
    facts: dict[str, Any] = {
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
        facts["message"] = _all_as_text(differences)
    return facts


def _not_finite(
    job: Job, destination: Path, effective: dict[str, Any], why: str, resumed_from: int | None
) -> dict[str, Any]:
    """Of an arm that ended as its numbers were not finite: where, and whether it was as planned.

    It has no scores. Raises ``ValueError`` as ``measured`` does.
    """
    timing = read_table(destination, FILES.timing)
    checkpoints.require_resumed_from(timing, resumed_from)
    differences = compare_effective(job.parameters, job.seed, job.execution, effective)
    otherwise = f"; and it was not as planned: {_all_as_text(differences)}" if differences else ""
    return {
        "status": "not_finite",
        "message": why + otherwise,
        "differences": differences,
        "timing": timing,
        "final_weights_sha256": EXPERIMENT.readback.final_state(effective),
    }


def _all_as_text(differences: Sequence[Difference]) -> str:
    """Each difference, or the first ones of very many and their number."""
    texts = [_as_text(one) for one in differences[:MOST_NAMED]]
    more = len(differences) - MOST_NAMED
    return "; ".join([*texts, *([f"and {more:,} more"] if more > 0 else [])])


def _as_text(difference: Difference) -> str:
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
