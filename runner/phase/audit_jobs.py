"""Audits: jobs that derive again what was declared, and compare it with what a job left.

The second implementation is ``models/audit``; here its jobs are laid out, and its reports read. An
arm is audited as soon as it has ended as planned, a dataset before any arm sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from runner.core.files import share
from runner.engines.base import Outcome
from runner.experiment import EXPERIMENT
from runner.hub import layout
from runner.hub.records.arm import ArmRecord, AuditRecord
from runner.hub.records.base import FileRecord
from runner.hub.records.data import DatasetRecord
from runner.jobs.attempts import Attempt, lay_out
from runner.jobs.ended import take
from runner.plan.model import InputRef, Job
from runner.plan.other_jobs import arm_audit_job
from runner.verify.audit_report import OF_ARM, judged

STATES = EXPERIMENT.audits.states
"""What the names of the states begin with that an arm leaves for its audit alone."""
MOST_NAMED = 10
"""Differences that a message names; the record has them all."""
NOT_YET = "the run ended before its audit"


def is_due(job: Job, record: ArmRecord) -> bool:
    """Whether an arm that ended so is to be audited: it ran as planned and left what it takes."""
    return record.status == "succeeded" and is_asked_for(job)


def is_asked_for(arm: Job) -> bool:
    """Whether the plan of an arm has it audited."""
    return EXPERIMENT.parameters.audited_steps(arm.parameters) > 0


def lay_out_audit(
    arm: Job,
    record: ArmRecord,
    *,
    hub_folder: Path,
    folder: Path,
    inputs: Mapping[str, InputRef],
    data_dir: Path,
    labels: Mapping[str, str],
) -> Attempt:
    """The audit of an arm on disk: its files, as the hub has them, lie beside the job.

    Times and machines are left out, so that the audit of the same files is the same job.
    """
    files = [file for file in record.files if file.deterministic]
    attempt = lay_out(
        arm_audit_job(arm, OF_ARM),
        folder=folder,
        inputs={
            **inputs,
            **{
                f"arm/{file.path}": InputRef(path=f"arm/{file.path}", sha256=file.sha256)
                for file in files
            },
        },
        data_dir=data_dir,
        labels=labels,
    )
    for file in files:
        target = attempt.launch.job_dir / "arm" / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        share(hub_folder / layout.arm_dir(arm.name) / file.path, target)
    return attempt


def conclude_audit(attempt: Attempt, outcome: Outcome, destination: Path) -> AuditRecord:
    """Copy what an ended audit left to ``destination`` and say what it found."""
    parts = tuple(attempt.job.parameters["audit"]["parts"])
    facts = take(attempt, outcome, destination, read=lambda folder: judged(folder, parts))
    status, message = facts.pop("status"), facts.pop("message")
    if status == "succeeded":
        return AuditRecord(parts=parts, **facts)
    problem = f"the audit could not be done: {message or status.replace('_', ' ')}"
    return AuditRecord(parts=parts, outcome="not_done", differences=(problem,), **facts)


def waiting(record: ArmRecord) -> ArmRecord:
    """An arm whose audit is still to come: what it is worth if the run ends before."""
    return record.model_copy(update={"status": "audit_failed", "message": NOT_YET})


def is_waiting(record: ArmRecord) -> bool:
    """Whether ``waiting`` made this record."""
    return record.audit is None and record.message == NOT_YET


def as_it_ended(record: ArmRecord) -> ArmRecord:
    """What ``waiting`` was made of."""
    return record.model_copy(update={"status": "succeeded", "message": ""})


Audited = TypeVar("Audited", ArmRecord, DatasetRecord)


def audited(record: Audited, audit: AuditRecord) -> Audited:
    """An arm that ran as planned, or a dataset, and what its audit says of that."""
    agrees = audit.found_no_difference
    return record.model_copy(
        update={
            "status": "succeeded" if agrees else "audit_failed",
            "message": "" if agrees else "; ".join(audit.differences[:MOST_NAMED]),
            "audit": audit,
        }
    )


def without_states(record: ArmRecord, folder: Path) -> ArmRecord:
    """Remove the states that were audited from the arm's ``folder``; their digests stay."""
    assert record.audit is not None
    states = tuple(file for file in record.files if is_state(file))
    for file in states:
        (folder / file.path).unlink()
    rest = tuple(file for file in record.files if not is_state(file))
    audit = record.audit.model_copy(update={"removed": states})
    return record.model_copy(update={"files": rest, "audit": audit})


def is_state(file: FileRecord) -> bool:
    """Whether a file of an arm is of use for its audit alone."""
    return file.path.startswith(STATES) and file.path.endswith(".pt")
