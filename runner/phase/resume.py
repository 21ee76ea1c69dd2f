"""Go on with a run that has begun: the same plan, code, engine and data, or not at all.

What is on record stands, held against its digests. An arm that a former process has left running,
or that has ended since, is taken over; every other job is stopped and run again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from runner.core.digest import entries
from runner.core.errors import EngineError
from runner.core.files import remove_tree
from runner.core.installation import SOURCES, state_dir
from runner.engines.base import Engine, Handle
from runner.engines.images.snapshot import take
from runner.hub import layout, provenance
from runner.hub.checksums import CHECKSUMS
from runner.hub.records.arm import MEASURED, ArmRecord
from runner.hub.records.data import DatasetRecord
from runner.hub.records.provenance import EngineRecord
from runner.jobs.attempts import Attempt, reopen
from runner.jobs.checkpoints import KEPT, in_words, keep_last
from runner.jobs.dataset_cache import differing, digests
from runner.jobs.datasets import Dataset
from runner.manifest.dataset_names import folder_of
from runner.manifest.model import LoadedManifest
from runner.phase import audit_jobs, audits
from runner.phase.run import Request, Run
from runner.phase.unfinished import (
    WORK,
    Asked,
    Begun,
    changed_files,
    handles,
    is_final,
    read_engine,
)
from runner.plan.model import Job, Plan, digest

SAME_BITS = ("image", "models_sha256", "packages_sha256", "python")
"""Facts of an engine on which the bits of results depend."""
DECLARED = (
    layout.MANIFEST,
    layout.PLAN,
    layout.LOCK,
    layout.DIFF,
    layout.CODE,
    layout.JOURNAL,
    layout.COMPARED,
    layout.ARMS,
    layout.AUDITS,
)
"""What lies in a staged folder whatever has ended."""


class ResumeError(EngineError):
    """A run cannot go on as it was begun; it lies there as before."""


def begun(run: Run, request: Request) -> Begun:
    """What is put on disk of a run when it begins."""
    return Begun(
        run_id=run.run_id,
        started=run.started,
        asked=Asked(
            manifest=str(request.manifest.resolve()),
            engine=request.engine,
            device=run.device,
            profile=request.profile,
            only=request.only,
            with_optional=request.with_optional,
            artifacts=str(request.artifacts.resolve()),
            python=None if request.python is None else str(request.python.absolute()),
            signing_key=None if request.signing_key is None else str(request.signing_key.resolve()),
            locked=request.locked,
            reuse=tuple(str(folder.resolve()) for folder in request.reuse),
            signers=None if request.signers is None else str(request.signers.resolve()),
            fail_fast=request.fail_fast,
            retries=request.retries,
            set_over=request.set_over,
        ),
        manifest_sha256=run.loaded.sha256,
        plan_sha256=digest(run.plan),
        arms=tuple(job.name for job in run.plan.arms),
        snapshot_sha256=run.code.snapshot.sha256,
        code=run.code.record,
        registered=run.registered,
        notes=tuple(run.notes),
    )


def request_of(known: Begun) -> Request:
    """What was asked for when a run began, on the device that it computes on."""
    asked = known.asked
    return Request(
        manifest=Path(asked.manifest),
        engine=asked.engine,
        device=asked.device,
        profile=asked.profile,
        only=asked.only,
        with_optional=asked.with_optional,
        artifacts=Path(asked.artifacts),
        python=None if asked.python is None else Path(asked.python),
        signing_key=None if asked.signing_key is None else Path(asked.signing_key),
        locked=asked.locked,
        reuse=tuple(Path(folder) for folder in asked.reuse),
        signers=None if asked.signers is None else Path(asked.signers),
        fail_fast=asked.fail_fast,
        retries=asked.retries,
        set_over=asked.set_over,
    )


def refuse_another_plan(known: Begun, loaded: LoadedManifest, plan: Plan, staged: Path) -> None:
    """Raise ``ResumeError`` where the manifest was changed, or means something else by now."""
    if loaded.sha256 != known.manifest_sha256:
        raise ResumeError(
            f"{loaded.path} was changed since the run began; it can go on once the file is as it "
            f"is in {staged / layout.MANIFEST}. To have the new one run, use `phasehub run`"
        )
    if digest(plan) != known.plan_sha256:
        raise ResumeError(
            f"this version of phasehub plans something else from {loaded.path} than the one that "
            f"the run began with; go on with that, commit {known.code.commit or 'unknown'}"
        )


def code_again(known: Begun, staged: Path, tests: Path | None) -> provenance.Code:
    """The code that the run began with: as the checkout still has it, or as the run carries it.

    Raises ``ResumeError`` where there is neither.
    """
    snapshot = take(SOURCES, state_dir(), tests=tests)
    if snapshot.sha256 != known.snapshot_sha256:
        return bundled_code(known, staged)
    return provenance.Code(record=known.code, diff=b"", snapshot=snapshot)


def bundled_code(known: Begun, staged: Path) -> provenance.Code:
    """The code that a run carries. Raises ``ResumeError`` where it is not what it began with."""
    bundled = take(staged / layout.CODE, state_dir())
    if bundled.models_sha256 != known.code.models_sha256:
        raise ResumeError(
            f"{staged / layout.CODE} is not the code that the run began with; go on from a "
            f"checkout of commit {known.code.commit or 'unknown'}"
        )
    return provenance.Code(record=known.code, diff=b"", snapshot=bundled)


def refuse_another_engine(run: Run) -> None:
    """Raise ``ResumeError`` where the rest would be computed by something else."""
    before = read_engine(run.staging)
    if before is None:
        return
    for name, (then, now) in _facts(before, run.engine):
        if then != now:
            raise ResumeError(
                f"the run began with {name} {then} and would go on with {now}; have the former "
                "again, or run the manifest again as a whole"
            )


def _facts(before: EngineRecord, now: EngineRecord) -> Iterator[tuple[str, tuple[object, object]]]:
    yield "the engine", (before.name, now.name)
    for name in SAME_BITS:
        yield name, (before.facts.get(name), now.facts.get(name))


def make_writable(folder: Path) -> None:
    """Undo what the end of a run does to its files, if that is where it was ended."""
    if (folder / CHECKSUMS).exists():
        for name in entries(folder):
            path = folder / name
            path.chmod(path.stat().st_mode | 0o200)
        (folder / CHECKSUMS).unlink()


def take_up(run: Run, engine: Engine) -> None:
    """Keep what is on record, take over the arms that run or have ended, and remove all else."""
    for name, arm in list(run.arms.items()):
        if not is_final(arm):
            del run.arms[name]
    for name, file in drop_changed(run):
        run.note(f"{name} is run again: {file} is not as it was when the arm ended")
    run.adopted = adoptable(run, engine)
    engine.remove_leftovers(run.run_id, [handle.id for handle in run.adopted.values()])
    for job in run.plan.arms:
        if job.name not in run.arms and job.name not in run.adopted:
            keep_checkpoint(run, job, begun=job.name in run.started_before)
    keep_attempts(run)
    for name, record in list(run.datasets.items()):
        if record.status not in MEASURED:
            del run.datasets[name]
    sweep(run)


def adoptable(run: Run, engine: Engine) -> dict[str, Handle]:
    """The arms without a record whose last job the engine still knows."""
    known = handles(run.staging)
    return {
        job.name: known[job.name]
        for job in run.plan.arms
        if job.name in known
        and job.name not in run.arms
        # Where it lies was laid out by us: a number is the name of its attempt.
        and Path(known[job.name].out_dir).parent.name.isdecimal()
        and engine.adopt(known[job.name])
    }


def keep_attempts(run: Run) -> None:
    """Remove every attempt but those that are taken over, and leave checkpoints."""
    work = run.staging.path / WORK
    waiting = {job.name for job in run.plan.arms if job.name not in run.arms}
    _keep_only(work, {name for name in waiting if (work / name / KEPT).is_dir()} | {*run.adopted})
    for name in waiting:
        handle = run.adopted.get(name)
        attempts = set() if handle is None else {Path(handle.out_dir).parent.name}
        _keep_only(work / name, {KEPT, *attempts})


def keep_checkpoint(run: Run, job: Job, *, begun: bool = True) -> None:
    """Keep what an arm has left to go on from, whatever becomes of its attempts."""
    if job.resources.checkpoint_every is not None:
        folder = run.staging.path / WORK / job.name
        done = keep_last(folder, most=job.resources.disk_bytes)
        if done is not None:
            run.shown.say(f"{job.name}: its checkpoint after {in_words(done)} is kept")
        elif begun:
            run.shown.say(f"{job.name}: it has left no checkpoint, and begins at its beginning")


def take_over(run: Run, job: Job, dataset: Dataset) -> Attempt | None:
    """The attempt of an arm that is taken over; ``None`` where there is none, or at another job."""
    handle = run.adopted.get(job.name)
    if handle is None:
        return None
    folder = run.staging.path / WORK / job.name / Path(handle.out_dir).parent.name
    attempt = reopen(
        job,
        folder=folder,
        number=int(folder.name),
        inputs=dataset.inputs,
        data_dir=dataset.folder,
        labels=run.labels,
    )
    if attempt is not None:
        run.shown.say(f"{job.name}: taken over from the process before")
    return attempt


def drop_changed(run: Run) -> list[tuple[str, str]]:
    """Forget the arms whose files are not as on record; each with the first such file."""
    found = []
    for name, arm in list(run.arms.items()):
        folder, audited = run.staging.path, arm.audit.files if arm.audit else ()
        changed = [
            *changed_files(folder / layout.arm_dir(name), arm.files),
            *changed_files(folder / layout.audit_dir(name), audited),
        ]
        if changed:
            found.append((name, changed[0]))
            del run.arms[name]
    return found


def sweep(run: Run) -> None:
    """Remove what lies in the staged folder and is of nothing that has ended."""
    folder = run.staging.path
    logs = {arm.log for arm in run.arms.values()} | {data.log for data in run.datasets.values()}
    kept = {*DECLARED, WORK, layout.DATASET, *filter(None, logs)}
    if run.tests is not None:
        kept |= {layout.TESTS, layout.TESTS_LOG}
    _keep_only(folder, kept)
    _keep_only(folder / layout.ARMS, set(run.arms))
    _keep_only(folder / layout.AUDITS, {name for name, arm in run.arms.items() if arm.audit})
    for job in run.plan.datasets:
        if job.name not in run.datasets:
            remove_tree(folder / folder_of(job.name))
    for record in run.datasets.values():
        if record.audit is None:
            remove_tree(folder / layout.dataset_audit_dir(record))


def _keep_only(folder: Path, names: set[str]) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in names:
            remove_tree(path)


def same_data(before: DatasetRecord, made: Dataset) -> Dataset | None:
    """The dataset as it is on record; ``None`` where its audit withdrew it.

    Raises ``ResumeError`` where it is another one now.
    """
    if names := differing(digests(before.files), digests(made.record.files)):
        raise ResumeError(
            f"{before.name} comes out differently than when the run began: {names}; run the "
            "manifest again as a whole"
        )
    return replace(made, record=before) if before.status == "succeeded" else None


def audit_again(run: Run, job: Job) -> list[Attempt]:
    """The audit of an arm that ended before its audit did; nothing where all is done."""
    record = run.arms[job.name]
    if not audit_jobs.is_waiting(record) or run.dataset_of(job) is None:
        return []
    attempt = audits.begin(run, job, audit_jobs.as_it_ended(record))
    return [] if attempt is None else [attempt]


def describe_arms(run: Run) -> Iterator[str]:
    """What becomes of each arm, a line each."""
    for job in run.plan.arms:
        record, starts = run.arms.get(job.name), run.started_before[job.name]
        checkpoints = job.resources.checkpoint_every is not None
        yield f"{job.name}: {_becomes(record, starts, checkpoints=checkpoints)}"


def _becomes(record: ArmRecord | None, starts: int, *, checkpoints: bool) -> str:
    if record is not None and audit_jobs.is_waiting(record):
        return "ended before; its audit is still to come"
    if record is not None and is_final(record):
        return f"ended before, {record.status.replace('_', ' ')}"
    if starts:
        often = "once" if starts == 1 else f"{starts} times"
        text = f"was started {often}: taken over if its job is still there, else run again"
        return f"{text}, from its last checkpoint if it has left one" if checkpoints else text
    return "was not started yet"
