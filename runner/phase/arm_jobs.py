"""The arms of a run, side by side: laid out, taken over or reused; ended, lost, concluded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runner.core.files import remove_tree
from runner.engines.base import Handle, Outcome
from runner.jobs import checkpoints
from runner.jobs.attempts import Attempt, lay_out
from runner.jobs.datasets import Dataset
from runner.jobs.overall import Overall
from runner.jobs.session import Session
from runner.phase import arms, audit_jobs, audits, resume, reuse
from runner.phase.run import Run
from runner.phase.unfinished import WORK
from runner.plan.estimates import longest_first
from runner.plan.model import Job


def run_arms(run: Run, session: Session) -> None:
    """Run the arms that have not ended side by side, each with its audit at its heels.

    Results are in the hub as soon as they end. An arm without a dataset is on record as not run.
    """
    attempts: list[Attempt] = []
    adopted: dict[str, Handle] = {}
    for job in run.plan.arms:
        if job.name in run.arms:
            attempts += resume.audit_again(run, job)
        elif (dataset := run.dataset_of(job)) is None:
            run.arms[job.name] = arms.without_data(job, run.why_no_data(job))
        elif (taken := resume.take_over(run, job, dataset)) is not None:
            attempts.append(taken)
            adopted[job.name] = run.adopted[job.name]
        elif not reuse.take(run, job, dataset):
            attempts.append(lay_out_arm(run, job, dataset, run.attempt_of(job.name)))

    def ended(attempt: Attempt, outcome: Outcome) -> Sequence[Attempt]:
        if (again := lost(run, attempt, outcome)) is not None:
            return [again]
        return conclude_job(run, attempt, outcome)

    def cut_short(attempt: Attempt, outcome: Outcome) -> None:
        if attempt.job.experiment != "audit":  # an arm waits for its audit as before
            resume.keep_checkpoint(run, attempt.job)
            conclude_job(run, attempt, outcome)

    def may_begin(attempt: Attempt) -> bool:
        further = attempt.job.experiment == "train" and attempt.number == 1
        return not (run.fail_fast and further and failed_arm(run))

    for name in run.adopted.keys() - adopted.keys():
        session.engine.stop(run.adopted[name])
        remove_tree(Path(run.adopted[name].out_dir).parent)
    if attempts:
        waiting = {attempt.launch.name for attempt in attempts}
        run.shown.expect(Overall(run.plan.arms, waiting=waiting))
    session.run(
        longest_first(attempts, lambda attempt: attempt.job),
        ended=ended,
        cut_short=cut_short,
        may_begin=may_begin,
        adopted=adopted,
    )
    failed = failed_arm(run) if run.fail_fast else None
    for job in run.plan.arms:
        if failed is not None and job.name not in run.arms:
            run.arms[job.name] = arms.left_out(job, failed)


def failed_arm(run: Run) -> str | None:
    """The name of an arm that has ended and failed, whoever is to blame; ``None`` for none."""
    for name, arm in run.arms.items():
        if arm.status not in ("succeeded", "not_run") and not audit_jobs.is_waiting(arm):
            return name
    return None


def lay_out_arm(run: Run, job: Job, dataset: Dataset, number: int) -> Attempt:
    """An attempt at an arm on disk, with the checkpoint that it goes on from if there is one."""
    attempt = lay_out(
        job,
        folder=run.staging.path / WORK / job.name / str(number),
        number=number,
        inputs=dataset.inputs,
        data_dir=dataset.folder,
        labels=run.labels,
    )
    if (done := checkpoints.give(attempt)) is not None:
        run.shown.say(f"{job.name}: goes on after {checkpoints.in_words(done)}, by its checkpoint")
    elif checkpoints.is_kept(attempt):
        run.note(f"{job.name} begins at its beginning: its checkpoint is damaged, or of other data")
    return attempt


def conclude_job(run: Run, attempt: Attempt, outcome: Outcome) -> Sequence[Attempt]:
    """Put on record how an arm, or the audit of one, has ended; the audit that follows, if any."""
    if attempt.job.experiment == "audit":
        audits.end(run, attempt, outcome)
        return ()
    record = arms.conclude(
        attempt,
        outcome,
        folder=run.staging.path,
        stage=run.loaded.manifest.phase.stage,
        rules=run.loaded.manifest.verdict.rules,
    )
    audit = audits.begin(run, attempt.job, record)
    if audit is None:
        run.arms[record.name] = record
        run.shown.say(arms.describe(record))
    remove_tree(attempt.launch.out_dir)  # not before it is on record
    if outcome.status != "interrupted":
        checkpoints.drop(attempt)
    return () if audit is None else (audit,)


def lost(run: Run, attempt: Attempt, outcome: Outcome) -> Attempt | None:
    """Another attempt at an arm, or an audit, that was ended by others, if there is to be one.

    An arm that would not go on from its checkpoint begins at its beginning.
    """
    is_audit, refused = attempt.job.experiment == "audit", checkpoints.was_refused(attempt, outcome)
    if refused:
        run.note(f"{attempt.job.name} did not take its checkpoint: {outcome.message}")
        checkpoints.drop(attempt)
    elif outcome.status == "interrupted" and not is_audit:
        resume.keep_checkpoint(run, attempt.job)
    if not refused and not run.tries_again(attempt, outcome):
        return None
    remove_tree(attempt.launch.job_dir.parent)
    if is_audit:
        renewed = audits.again(run, attempt)
        return None if renewed is None else run.after(attempt, outcome, renewed)
    dataset = run.dataset_of(attempt.job)
    assert dataset is not None
    again = lay_out_arm(run, attempt.job, dataset, attempt.number + 1)
    return again if refused else run.after(attempt, outcome, again)
