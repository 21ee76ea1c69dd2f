"""A phase, step by step: check, plan, engine, datasets, arms, verdict, reports, seal."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from runner.core.disk import is_of_writing
from runner.core.errors import DiskError, EngineLostError, RunnerError
from runner.core.files import remove_tree
from runner.core.installation import SOURCES, state_dir
from runner.core.interrupts import held_back, interrupts
from runner.core.text import listing
from runner.engines import Needs, open_engine
from runner.engines.base import Engine
from runner.hub import layout, provenance
from runner.hub.records.beside import SummaryRecord
from runner.jobs.devices import package_variant
from runner.jobs.progress import display
from runner.jobs.session import Session, cleaned_up
from runner.jobs.sites import queue_use
from runner.phase import audits, phase_tests, resume
from runner.phase.arm_jobs import run_arms
from runner.phase.data import make_datasets
from runner.phase.decide import (
    asked_engine,
    decide,
    held_to,
    not_as_registered,
    others_of,
    sources_of,
)
from runner.phase.finalize import conclude, seal
from runner.phase.follow_ups import run_steps
from runner.phase.lock_mismatches import engine_mismatches
from runner.phase.resume import ResumeError, begun
from runner.phase.run import Request, Run, write_declaration
from runner.phase.run_notes import mismatches
from runner.phase.run_process import announce
from runner.phase.sessions import run_alone, session_of
from runner.phase.summary import ArmsOf, summarise
from runner.phase.unfinished import WORK, begin, held, read_engine, write_engine
from runner.phase.ways_on import on_disk, resumable
from runner.plan.model import Job
from runner.report.ending import ending
from runner.report.plan_text import left_out
from runner.verify import verdict
from runner.verify.baselines import find_compared
from runner.verify.bundled_source import bundle_baselines
from runner.verify.registration.committed import registered_now


def run_phase(request: Request) -> tuple[Path, int]:
    """Run a phase and seal its hub.

    Returns:
        The hub's path and the exit code.

    Raises:
        RunnerError: Nothing was run: the manifest, the device or the output folder is at fault.
    """
    decided = decide(request)
    loaded, plan = decided.loaded, decided.plan
    request = replace(request, engine=decided.engine.name)
    sources = sources_of(request)
    code = provenance.take_code(SOURCES, state_dir(), tests=decided.tests, diff_name=layout.DIFF)
    lock = held_to(request, decided, code.snapshot) if request.locked else None
    with (
        interrupts(),
        layout.staged(request.artifacts, plan.phase, datetime.now(UTC)) as staging,
        held(staging),
        display() as shown,
        resumable(staging, shown),
    ):
        run = Run(
            loaded=loaded,
            plan=plan,
            staging=staging,
            code=code,
            shown=shown,
            only=request.only,
            signing_key=request.signing_key,
            lock=lock,
            registered=registered_now(loaded),
            sources=sources,
            jobs=request.jobs,
            fail_fast=request.fail_fast,
            retries=request.retries,
        )
        write_declaration(run)
        for reason in not_as_registered(run):
            run.note(reason)
        if decided.remark:
            run.note(decided.remark)
        if decided.engine.by not in (None, "--engine"):
            shown.say(str(decided.engine))
        if plan.left_out:
            run.note(left_out(plan.left_out))
        if request.only:
            run.note(f"run with --only: {listing(request.only)}; the phase may have other arms")
        for text in (*decided.remarks, *others_of(plan, request.artifacts)):
            shown.say(text)
        with held_back():
            begin(staging, begun(run, request))
            staging.kept = True
            announce(staging)
        return go_on(run, request)


def go_on(run: Run, request: Request) -> tuple[Path, int]:
    """Run whatever has not ended yet, and seal; the hub's path and the exit code.

    Raises ``ResumeError`` where this cannot be done as it was begun, ``EngineLostError`` where the
    engine does not answer any more, and ``KeyboardInterrupt``; the run lies there as before.
    """
    with on_disk(run):
        try:
            compare_with(run, request.artifacts)
            carry_out(run, request)
        except (ResumeError, EngineLostError, DiskError):
            raise
        except RunnerError as error:
            run.failure = error
            run.shown.say(str(error))
        # A run that is sealed by the time that it would be interrupted has ended.
        with held_back(then_raise=False):
            record = conclude(run)
            path = seal(run, record)
    with suppress(OSError):  # it is sealed, whether that can be said or not
        run.shown.say(ending(record, path))
    return path, run.failure.exit_code if run.failure else verdict.exit_code(record)


def compare_with(run: Run, artifacts: Path) -> None:
    """Find the hubs that the phase is compared with, and carry what is read of them."""
    remove_tree(run.staging.path / layout.COMPARED)  # of a process before this one
    variant = (run.plan.profile, run.plan.set_knobs)
    run.compared = find_compared(
        artifacts, run.loaded.manifest.phase.compare_with, variant, run.note
    )
    bundle_baselines(run.compared, run.staging.path)


def carry_out(run: Run, request: Request) -> None:
    """Prepare the engine, run the tests that the phase names, make the datasets, run every arm."""
    engine = opened(run, request)
    run.engine = provenance.describe_engine(engine, run.code.snapshot)
    resume.refuse_another_engine(run)
    write_engine(run.staging, run.engine)
    run.notes += mismatches(run)
    if run.lock is not None:
        run.lock.hold(engine_mismatches(run.lock.entry, run.engine))
    with cleaned_up(session_of(run, engine, resumable=True)) as session:
        resume.take_up(run, engine)
        if run.plan.tests is not None and run.tests is None:
            run_tests(run, session, run.plan.tests)
        make_datasets(run, session)
        audits.audit_datasets(run, session)
        run_arms(run, session)
        if run.data:
            summarise_arms(run, session)
            run_steps(run, session)


def opened(run: Run, request: Request) -> Engine:
    """The engine of a run, ready for jobs.

    Raises ``RunnerError`` where it cannot be had; ``EngineLostError`` where jobs have run on it, as
    what has ended is not to be sealed without what has not.
    """
    try:
        needs = Needs(
            variant=package_variant(run.loaded, run.device),
            cache=state_dir(),
            say=run.shown.say,
            code=run.code.snapshot,
            base=run.loaded.manifest.image.base,
            python=request.python,
            queue=queue_use(run.loaded.project),
        )
        return open_engine(asked_engine(request, run.lock), needs)
    except DiskError:
        raise
    except RunnerError as error:
        if read_engine(run.staging) is None:
            raise
        raise EngineLostError(str(error)) from error


def run_tests(run: Run, session: Session, job: Job) -> None:
    """Run the phase's regression tests. The arms run whatever they say: both are results."""
    attempt = phase_tests.prepare(
        job,
        code=run.code.snapshot,
        folder=run.staging.path / WORK / job.name / "1",
        labels=run.labels,
    )
    outcome = run_alone(run, session, attempt)
    with held_back():
        record = phase_tests.conclude(attempt, outcome, folder=run.staging.path)
        run.of_tests[job.name] = record
        run.shown.say(phase_tests.describe(record))
        remove_tree(attempt.launch.out_dir)


def summarise_arms(run: Run, session: Session) -> None:
    """Let the job at the end say what all arms show, beside those of the compared hubs.

    The arms' results stand without it: whatever fails here is a note and ends nothing.
    """
    record = conclude(run)
    if not any(arm.status == "succeeded" for arm in record.arms):
        return
    # Not by its full name, which is a time: the same phase gives the same statistics.
    own = ArmsOf(name=run.plan.phase, record=record, folder=run.staging.path)
    others = [
        ArmsOf(name=one.facts.name, record=one.record, folder=one.folder) for one in run.compared
    ]
    try:
        run.summary = summarise(
            [own, *others],
            work=run.staging.path / WORK / ".summary",
            folder=run.staging.path,
            seed=record.seed,
            resources=run.plan.datasets[0].resources,
            labels=run.labels,
            run=lambda attempt: run_alone(run, session, attempt),
        )
    except (EngineLostError, DiskError):
        raise
    except (RunnerError, OSError) as error:
        if is_of_writing(error):
            raise
        run.summary = SummaryRecord(status="could_not_start", message=str(error))
