"""Arms that are not run again: taken from sealed hubs that have them, with the same content.

A hub is opened by the one way that there is (``verify.sealed_hub``). Before anything of it is
used, all its files are held against its ``SHA256SUMS`` and against each other, and what is copied
is digested as it is copied. Numbers are not taken from its record: they are read from the arm's
files by this version, as those of an arm that has just ended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from runner.core.digest import sha256_bytes
from runner.core.errors import VerificationError
from runner.core.files import remove_tree
from runner.core.interrupts import held_back
from runner.core.reading import first_problem
from runner.hub import layout
from runner.hub.checksums import CHECKSUMS
from runner.hub.records.arm import ArmRecord, ReusedFrom
from runner.jobs.collection import RESULT, copied
from runner.jobs.datasets import Dataset
from runner.jobs.ended import LOG
from runner.phase import arms
from runner.phase.run import Run
from runner.phase.sources import ArmSource
from runner.plan.model import Job, job_document
from runner.verify.content_key import Components, differing, explained, of_planned, of_sealed
from runner.verify.sealed_hub import SealedHub


def take(run: Run, job: Job, dataset: Dataset) -> bool:
    """Have an arm that need not be run in the hub and on record; whether there was such a one.

    It is taken as a whole, whatever signals come. Says why an arm is not reused.
    """
    if not run.sources.hubs:
        return False
    ours = _ours(run, job, dataset)
    reasons = []
    for source in run.sources.hubs:
        reason, lines = why_not(source, job, ours)
        if not reason:
            with held_back():
                reason = _taken(run, source, job, ours)
        if not reason:
            return True
        name = source.sealed.folder
        reasons.append(f"{name}: {reason}")
        if job.name in run.sources.why:
            for line in (reason, *lines):
                run.shown.say(f"{job.name}, {name}: {line}")
    if job.name not in run.sources.why:
        more = f"; and {len(reasons) - 1} more, see --why {job.name}" if len(reasons) > 1 else ""
        run.shown.say(f"{job.name} is not reused: {reasons[0]}{more}")
    return False


def _ours(run: Run, job: Job, dataset: Dataset) -> Components:
    return of_planned(
        job,
        job_sha256=sha256_bytes(job_document(job, dataset.inputs)),
        models_sha256=run.code.record.models_sha256,
        engine=run.engine,
        dataset=dataset.record,
        machine=run.sources.machine,
    )


def why_not(
    source: ArmSource, job: Job, ours: Components, later: Collection[str] = ()
) -> tuple[str, list[str]]:
    """Why an arm is not taken from a hub, in a line and in detail; the line is empty if it is.

    Components that are known ``later`` are passed over. What costs little is looked at first: a hub
    that has nothing to give is not verified.
    """
    if job.resources.network or not job.is_known:
        return "what an arm comes to that has a command or a network of its own is not known", []
    try:
        arm = source.sealed.record.arm(job.name)
        theirs = of_sealed(source.sealed, arm)
    except KeyError:
        return "it has no arm of this name", []
    except VerificationError as error:
        return str(error).splitlines()[0], []
    lines = list(explained(ours, theirs, later))
    if wrong := [name for name in differing(ours, theirs) if name not in later]:
        unknown = [name for name in wrong if theirs[name] is None]
        first = f"{wrong[0]} differs: {ours[wrong[0]]} here, {theirs[wrong[0]]} there"
        reason = f"it does not say its {unknown[0]}" if unknown else first
        more = f", and so do {', '.join(wrong[1:])}" if len(wrong) > 1 and not unknown else ""
        return reason + more, lines
    if arm.reused is not None:
        return f"it was reused there, too; take it from {arm.reused.hub}", lines
    if arm.status != "succeeded" or not arm.attempts:
        return f"it has {arm.status.replace('_', ' ')} there", lines
    return source.problem, lines


def _taken(run: Run, source: ArmSource, job: Job, ours: Components) -> str:
    """Copy an arm into the hub and put it on record; or why it cannot be used after all."""
    sealed = source.sealed
    theirs = sealed.record.arm(job.name)
    reused = ReusedFrom(
        hub=sealed.name,
        checksums_sha256=sealed.sha256,
        attempt=theirs.attempts,
        signature=source.signature[:400],
        key={name: digest for name, digest in ours.items() if digest is not None},
    )
    run.journal("reused", name=job.name, hub=reused.hub, checksums_sha256=reused.checksums_sha256)
    stage = run.loaded.manifest.phase.stage
    log = layout.log_name(stage, job.name) if theirs.log else None
    problem = copy_arm(sealed, theirs, run.staging.path, log)
    record = problem or _record(run, job, theirs, reused, log)
    if isinstance(record, str):
        for folder in (layout.arm_dir(job.name), layout.audit_dir(job.name)):
            remove_tree(run.staging.path / folder)
        if log is not None:
            (run.staging.path / log).unlink(missing_ok=True)
        run.journal("not_reused", name=job.name)
        return record
    run.arms[job.name] = record
    run.journal("concluded", name=job.name)
    run.shown.say(describe(record))
    return ""


def copy_arm(sealed: SealedHub, arm: ArmRecord, hub: Path, log: str | None) -> str:
    """Copy what a hub has of an arm, byte by byte under its digests; what is wrong, or nothing.

    That is what the arm and its audit left by their records, and nothing that lies beside it.
    """
    wanted = dict(_places(arm)) | ({arm.log: log} if arm.log and log else {})
    for path, new in wanted.items():
        if (file := sealed.artifacts.get(path)) is not None:
            problem = copied(sealed.folder, hub, file, listed_in=CHECKSUMS, as_path=new)
            if problem is not None:
                return f"{sealed.folder}: {problem}"
    return ""


def _places(arm: ArmRecord) -> Iterator[tuple[str, str]]:
    """Where the files of an arm and of its audit lie: the same in every hub."""
    audited = arm.audit.files if arm.audit else ()
    for folder, files, beside in (
        (layout.arm_dir(arm.name), arm.files, (layout.JOB, RESULT)),
        (layout.audit_dir(arm.name), audited, (layout.JOB, RESULT, LOG)),
    ):
        for name in (*beside, *(file.path for file in files)):
            yield f"{folder}/{name}", f"{folder}/{name}"


def _record(
    run: Run, job: Job, theirs: ArmRecord, reused: ReusedFrom, log: str | None
) -> ArmRecord | str:
    """The record of a copied arm, by its files; or why it is not what it was called."""
    facts = arms.planned(job) | _kept(theirs) | {"log": log, "reused": reused}
    rules = run.loaded.manifest.verdict.rules
    try:
        found = arms.measured(
            job,
            run.staging.path / layout.arm_dir(job.name),
            rules,
            resumed_from=theirs.resumed_from,
        )
        record = ArmRecord(**facts | {"status": "succeeded"} | found)
    except ValidationError as error:
        return f"{reused.hub}: {first_problem(error)}"
    except ValueError as error:
        return f"{reused.hub}: {error}"
    if record.status != "succeeded":
        return f"{reused.hub}: by its files it is {record.status}: {record.message}"
    return record


KEPT = (
    *("exit_code", "started", "ended", "wall_s", "job_sha256"),
    *("audit", "resumed_from", "notes", "files"),
)
"""What is recorded of an arm as in the hub that ran it: times, and what it did not write itself."""


def _kept(theirs: ArmRecord) -> dict[str, Any]:
    return {name: getattr(theirs, name) for name in KEPT}


def describe(record: ArmRecord) -> str:
    """One line for the console: where an arm comes from that was not run."""
    assert record.reused is not None
    one = record.reused
    return (
        f"{record.name}: reused from {one.hub}, attempt {one.attempt}, {one.signature}; digest of "
        f"its {CHECKSUMS} {one.checksums_sha256[:12]}"
    )
