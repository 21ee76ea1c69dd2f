"""Audits in a run: of each dataset before an arm is shown it, of each arm as soon as it ends."""

from __future__ import annotations

from collections.abc import Sequence

from runner.core.files import remove_tree
from runner.engines.base import Outcome
from runner.hub import layout
from runner.hub.records.arm import ArmRecord
from runner.jobs.attempts import Attempt, lay_out, renew
from runner.jobs.session import Session
from runner.phase import arms, audit_jobs
from runner.phase.run import Run
from runner.phase.unfinished import WORK
from runner.plan.model import Job
from runner.plan.other_jobs import OF_AUDIT, dataset_audit_job


def audit_datasets(run: Run, session: Session) -> None:
    """Withdraw every dataset of which a second implementation derives another.

    An arm that asks for an audit in a phase without audits is worth no more than its data.
    """
    whole = run.plan.audit is not None and run.plan.audit.level == "audited"
    asked = {
        data.record.name
        for arm in run.plan.arms
        if audit_jobs.is_asked_for(arm) and (data := run.dataset_of(arm))
    }
    attempts = [
        lay_out(
            dataset_audit_job(job),
            folder=run.staging.path / WORK / ".audits" / job.name,
            inputs=run.data[job.name].all_inputs,
            data_dir=run.data[job.name].folder,
            labels=run.labels,
        )
        for job in run.plan.datasets
        if job.name in run.data
        and (whole or job.name in asked)
        and run.datasets[job.name].audit is None
    ]

    def ended(attempt: Attempt, outcome: Outcome) -> Sequence[Attempt]:
        if run.tries_again(attempt, outcome):
            return [run.after(attempt, outcome, renew(attempt))]
        name = attempt.job.name.removesuffix(OF_AUDIT)
        record = run.datasets[name]
        folder = run.staging.path / layout.dataset_audit_dir(record)
        record = audit_jobs.audited(record, audit_jobs.conclude_audit(attempt, outcome, folder))
        run.datasets[name] = record
        if record.status != "succeeded":
            del run.data[name]
            run.shown.say(f"{name}: audit failed: {record.message}")
        return ()

    # Of an audit that is cut short, nothing is known of the data.
    session.run(attempts, ended=ended, cut_short=lambda _attempt, _outcome: None)


def begin(run: Run, arm: Job, record: ArmRecord) -> Attempt | None:
    """The audit that follows an arm, if it is due; until it has ended the arm is worth nothing."""
    if not audit_jobs.is_due(arm, record):
        return None
    dataset = run.dataset_of(arm)
    assert dataset is not None
    run.arms[record.name] = audit_jobs.waiting(record)
    return audit_jobs.lay_out_audit(
        arm,
        record,
        hub_folder=run.staging.path,
        folder=run.staging.path / WORK / ".audits" / "arms" / arm.name,
        inputs=dataset.inputs,
        data_dir=dataset.folder,
        labels=run.labels,
    )


def again(run: Run, attempt: Attempt) -> Attempt | None:
    """Another attempt at an audit that was ended by others."""
    name = attempt.job.name.removesuffix(OF_AUDIT)
    arm = next(job for job in run.plan.arms if job.name == name)
    return begin(run, arm, audit_jobs.as_it_ended(run.arms[name]))


def end(run: Run, attempt: Attempt, outcome: Outcome) -> None:
    """Put on record what an audit says of its arm."""
    name = attempt.job.name.removesuffix(OF_AUDIT)
    audit = audit_jobs.conclude_audit(attempt, outcome, run.staging.path / layout.audit_dir(name))
    remove_tree(attempt.launch.job_dir.parent)
    record = audit_jobs.audited(run.arms[name], audit)
    if audit.found_no_difference and not (run.plan.audit and run.plan.audit.keep):
        record = audit_jobs.without_states(record, run.staging.path / layout.arm_dir(name))
    run.arms[name] = record
    run.shown.say(arms.describe(record))
