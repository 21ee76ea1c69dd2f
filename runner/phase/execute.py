"""A phase, step by step: check, plan, engine, datasets, arms, verdict, reports, seal."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runner.core.digest import digest_json
from runner.core.disk import explained, is_of_writing
from runner.core.errors import (
    DiskError,
    EngineError,
    EngineLostError,
    ManifestError,
    RunnerError,
)
from runner.core.files import remove_tree
from runner.core.installation import SOURCES, state_dir
from runner.core.interrupts import held_back, interrupts
from runner.core.text import listing
from runner.engines import Needs, is_elsewhere, open_engine
from runner.engines.base import Engine, Handle, Outcome
from runner.engines.images.snapshot import Snapshot
from runner.experiment import EXPERIMENT
from runner.hub import layout, provenance
from runner.hub.record import DatasetRecord, SummaryRecord
from runner.hub.signing import try_key
from runner.jobs import checkpoints
from runner.jobs.attempts import Attempt, lay_out, renew
from runner.jobs.dataset_cache import Sealed, differing, digests, sealed_data
from runner.jobs.datasets import Dataset, given_digest, origin, prepare
from runner.jobs.devices import choose_device, package_variant
from runner.jobs.overall import Overall
from runner.jobs.progress import Display, display
from runner.jobs.session import Session, cleaned_up
from runner.jobs.sites import queue_use
from runner.manifest.model import LoadedManifest, load
from runner.manifest.set_knobs import OPTION
from runner.phase import arms, audit_jobs, audits, phase_tests, resume, reuse
from runner.phase.carrier import announce
from runner.phase.finalize import conclude, seal
from runner.phase.follow_ups import run_steps
from runner.phase.lock_mismatches import (
    dataset_mismatches,
    engine_mismatches,
    engine_name_mismatches,
    plan_mismatches,
)
from runner.phase.lockfile import Lock, find_lock
from runner.phase.resume import ResumeError, begun
from runner.phase.run import Request, Run, write_declaration
from runner.phase.sources import ArmSources, find_sources
from runner.phase.summary import ArmsOf, summarise
from runner.phase.unfinished import WORK, begin, held, unfinished, write_engine
from runner.plan.estimates import longest_first
from runner.plan.model import Device, Job, Plan, asks_for_gpu, digest, make_plan, plan_remarks
from runner.plan.preflight import preflight, this_machine
from runner.report.ending import ending
from runner.report.plan_text import left_out
from runner.verify import verdict
from runner.verify.baselines import find_compared
from runner.verify.bundled_source import bundle_baselines
from runner.verify.registration.committed import registered_now
from runner.verify.registration.power import registration_mismatches

MOST_DIFFERENCES = 10
"""Packages that a note names; an interpreter without any would fill a page."""


def run_phase(request: Request) -> tuple[Path, int]:
    """Run a phase and seal its hub.

    Returns:
        The hub's path and the exit code.

    Raises:
        RunnerError: Nothing was run: the manifest, the device or the output folder is at fault.
    """
    decided = decide(request)
    loaded, plan = decided.loaded, decided.plan
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
        for told in not_as_registered(run):
            run.note(told)
        if decided.remark:
            run.note(decided.remark)
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


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What follows from a request on this machine, before anything is run."""

    loaded: LoadedManifest
    plan: Plan
    device: Device
    remark: str | None
    """What a reader of the hub must know of the device."""
    remarks: tuple[str, ...]
    """What the user must know of room and time."""

    @property
    def tests(self) -> Path | None:
        """The project whose tests the phase runs, if it runs any."""
        return self.loaded.project if self.plan.tests else None


def decide(request: Request) -> Decided:
    """Read, plan, and look whether there is room. Raises ``RunnerError`` for what cannot run."""
    if request.locked and request.set_over:
        raise ManifestError(
            f"--locked holds a run to the manifest's lock, and {OPTION} changes that; leave one "
            "of the two out, or write what is set into the manifest and lock that"
        )
    loaded = load(request.manifest, set_over=request.set_over, profile=request.profile)
    elsewhere = is_elsewhere(request.engine)
    wants_gpu = asks_for_gpu(loaded, request.profile)
    device, remark = choose_device(request.device, wants_gpu=wants_gpu, elsewhere=elsewhere)
    plan = make_plan(
        loaded,
        profile=request.profile,
        only=request.only,
        with_optional=request.with_optional,
        device=device,
    )
    with_gpus = device == "cuda" and not elsewhere
    machine = this_machine(request.artifacts, with_gpus=with_gpus)
    remarks = tuple(preflight(plan, machine, elsewhere=elsewhere))
    if request.signing_key is not None:
        try_key(request.signing_key)
    return Decided(loaded=loaded, plan=plan, device=device, remark=remark, remarks=remarks)


def sources_of(request: Request) -> ArmSources:
    """The hubs that arms may be taken from. Raises ``VerificationError`` where one is none."""
    return find_sources(request.reuse, signers=request.signers, why=request.why)


def others_of(plan: Plan, artifacts: Path) -> Iterator[str]:
    """Of every run of the same plan that has begun and is carried on by nothing: how to go on."""
    for one in unfinished(artifacts):
        if not one.alive and one.begun.plan_sha256 == digest(plan):
            yield (
                f"{one.staging.path} is an unfinished run of the same plan, {one.ended} of "
                f"{len(one.begun.arms)} arms ended; `phasehub resume {one.staging.path}` goes on "
                "with it"
            )


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


@contextmanager
def resumable(staging: layout.Staging, shown: Display) -> Iterator[None]:
    """Have a run that is kept, and ends in here without a seal, say how it is gone on with."""
    try:
        yield
    except (EngineLostError, DiskError) as error:
        if not staging.kept:
            raise
        raise type(error)(f"{error}.\n{ways_on(staging)}") from error
    except KeyboardInterrupt:
        if staging.kept and staging.path.exists():
            with held_back(then_raise=False):
                shown.say(f"interrupted. {ways_on(staging)}")
        raise


@contextmanager
def on_disk(run: Run) -> Iterator[None]:
    """Raise ``DiskError`` for what cannot be written or read of a run, or where it is gone."""
    try:
        with explained(run.staging.path, state_dir()):
            yield
    except (OSError, RunnerError):
        sealed = run.staging.final.exists()
        if not sealed and not (run.staging.path / layout.JOURNAL).exists():
            raise EngineError(
                f"{run.staging.path} is gone: something else has removed or renamed it, and with "
                "it what had ended; run the manifest again"
            ) from None
        raise


def compare_with(run: Run, artifacts: Path) -> None:
    """Find the hubs that the phase is compared with, and carry what is read of them."""
    remove_tree(run.staging.path / layout.COMPARED)  # of a process before this one
    variant = (run.plan.profile, run.plan.set_knobs)
    run.compared = find_compared(
        artifacts, run.loaded.manifest.phase.compare_with, variant, run.note
    )
    bundle_baselines(run.compared, run.staging.path)


def ways_on(staging: layout.Staging) -> str:
    """How an unfinished run is gone on with, and how it is sealed as it is."""
    folder = shlex.quote(str(staging.path))
    return (
        "What has ended is kept. To go on with the run:\n"
        f"    phasehub resume {folder}\n"
        "To seal its hub as it is, without the rest:\n"
        f"    phasehub seal {folder}"
    )


def not_as_registered(run: Run) -> list[str]:
    """Why this run will not count for what is registered for its phase, a sentence each."""
    wrong = registration_mismatches(
        run.registered,
        phase=run.plan.phase,
        profile=run.plan.profile,
        arms=run.plan.arms,
        set_knobs=run.plan.set_knobs,
    )
    code = run.code.record
    uncommitted = "the code is not committed" if code.commit else "no commit of the code is known"
    if run.registered and (code.commit is None or code.dirty is not False):
        why = f"{uncommitted}, so that no commit shows what came first"
        return [f"this run does not count for any registered finding: {why}", *wrong]
    unwritten = [
        f"this run does not count for {one.id}: no commit has its registration; commit "
        "docs/study/findings.toml before the run"
        for one in run.registered
        if not one.commit
    ]
    return [*unwritten, *wrong]


def held_to(request: Request, decided: Decided, code: Snapshot) -> Lock:
    """The lock of a manifest. Raises ``RunnerError`` for none, or one that does not match."""
    plan = decided.plan
    lock = find_lock(decided.loaded, plan, decided.device)
    named = asked_engine(request, lock)
    engine = "process" if named == "auto" else named
    lock.hold(
        [
            *engine_name_mismatches(lock.entry, engine),
            *plan_mismatches(lock.entry, plan, code.root),
        ]
    )
    return lock


def asked_engine(request: Request, lock: Lock | None) -> str:
    """The engine that was asked for; the locked one where any would do, unless ``--python`` is."""
    if lock is None or request.engine != "auto" or request.python is not None:
        return request.engine
    return lock.entry.engine


def carry_out(run: Run, request: Request) -> None:
    """Prepare the engine, run the tests that the phase names, make the datasets, run every arm."""
    engine = open_engine(
        asked_engine(request, run.lock),
        Needs(
            variant=package_variant(run.loaded, run.device),
            cache=state_dir(),
            say=run.shown.say,
            code=run.code.snapshot,
            base=run.loaded.manifest.image.base,
            python=request.python,
            queue=queue_use(run.loaded.project),
        ),
    )
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


def session_of(run: Run, engine: Engine, *, resumable: bool) -> Session:
    """The session in which a run's jobs run."""
    return Session(
        engine=engine,
        shown=run.shown,
        run_id=run.run_id,
        journal=run.journal,
        note=run.note,
        side_by_side=run.jobs,
        resumable=resumable,
    )


def mismatches(run: Run) -> list[str]:
    """What a reader of the hub must know about where it ran: other packages, relaxed limits."""
    found = run.engine.facts.get("differences")
    differences = [str(told) for told in found] if isinstance(found, list) else []
    notes = [*plan_remarks(run.plan), *(n for job in run.plan.arms for n in relaxed(job))]
    if differences:
        shown = "; ".join(differences[:MOST_DIFFERENCES])
        rest = ", all of them in hub.json" if len(differences) > MOST_DIFFERENCES else ""
        notes.append(
            f"the environment is not the lock's, {len(differences)} differences{rest}: {shown}"
        )
    return notes


def relaxed(job: Job) -> Iterator[str]:
    """What an arm may do that others may not, a sentence each."""
    if job.resources.network:
        yield f"{job.name} may reach the network"
    if job.resources.seccomp != "strict":
        yield (
            f"{job.name} may make other system calls than computing takes: its seccomp profile is "
            f"{job.resources.seccomp}"
        )


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


def make_datasets(run: Run, session: Session, cache: Path | None = None) -> None:
    """Make the datasets of all arms, one after the other.

    The arms of one that cannot be simulated do not run; the others do. Hubs of this phase that were
    made from the same are asked whether it is theirs; a ``cache`` of the caller's own has nothing
    in it that they could tell of. A run that goes on takes those of arms that have ended out of the
    cache again: audits and follow-ups may still need them.
    """
    sealed = {} if cache else sealed_data(run.artifacts, run.plan.phase)
    for job in run.plan.datasets:
        made = make_dataset(run, session, job, sealed, cache or state_dir() / "datasets")
        if made is not None:
            run.data[job.name] = made


def make_dataset(
    run: Run, session: Session, job: Job, sealed: Mapping[str, Sealed], cache: Path
) -> Dataset | None:
    """One dataset; ``None``, with the failure on record, if it cannot be simulated."""
    witness = sealed.get(digest_json(origin(job, run.code.snapshot, run.engine)))
    made = prepare(
        job,
        code=run.code.snapshot,
        engine=run.engine,
        sealed=witness,
        cache=cache,
        labels=run.labels,
        run=lambda attempt: run_alone(run, session, attempt),
        say=run.shown.say,
        given=run.loaded.given.get(given_digest(job) or ""),
    )
    if isinstance(made, DatasetRecord):
        run.datasets[job.name] = made
        run.shown.say(f"{job.name}: {made.status}: {made.message}")
        return None
    before = run.datasets.get(job.name)
    if before is None:
        made.describe_in(run.staging.path / made.record.folder)  # not after it is on record
        run.datasets[job.name] = made.record
    if run.lock is not None:
        run.lock.hold(dataset_mismatches(run.lock.entry, made.record))
    note_data(run, made, witness)
    return made if before is None else resume.same_data(before, made)


def note_data(run: Run, made: Dataset, witness: Sealed | None) -> None:
    """Say what a reader of the hub must know of a dataset."""
    if witness and (names := differing(witness.files, digests(made.record.files))):
        run.note(
            f"the data differ in {names} from those of {witness.hub}, which have the same address: "
            "one of the two hubs was made on another kind of machine, or is not what it says; "
            "`phasehub verify` and `phasehub reproduce` tell"
        )
    for caution in EXPERIMENT.given.notes(made.record.metadata):
        if caution not in run.notes:
            run.note(caution)


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


def run_alone(run: Run, session: Session, attempt: Attempt) -> Outcome:
    """Run one job while no other does; once more where others have ended it."""
    while True:
        outcome = session.run_alone(attempt)
        if not run.tries_again(attempt, outcome):
            return outcome
        attempt = run.after(attempt, outcome, renew(attempt))
