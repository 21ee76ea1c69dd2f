"""A reproduction, step by step: verify, image, data, arms, comparison, seal."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from runner.archive import image_file
from runner.commands.reproduction.consent import Order, Sources, ask
from runner.commands.reproduction.files import Side, explain, made, pair, used_datasets
from runner.commands.reproduction.original import Original, jobs_again, open_original, plan_again
from runner.commands.reproduction.outcome import (
    as_test_result,
    judge,
    missing_files,
    unequal_ends,
)
from runner.compare.environment_facts import environment_facts, fact_changes
from runner.core import locks
from runner.core.digest import pretty_json, sha256_file
from runner.core.errors import INTERRUPTED, EngineError, RunnerError, VerificationError
from runner.core.installation import state_dir
from runner.core.interrupts import interrupts
from runner.core.reading import read_file
from runner.core.text import listing
from runner.engines import Needs, choose, gpus, open_engine
from runner.engines.base import Engine
from runner.engines.cluster.queue import has_commands
from runner.engines.images.build import BuiltImage, recover
from runner.engines.images.snapshot import take
from runner.engines.kinds import is_elsewhere
from runner.hub import layout, provenance
from runner.hub.record import HubRecord
from runner.hub.records.again import ReproducedFile, ReproductionRecord
from runner.hub.records.arm import MEASURED
from runner.jobs.dataset_cache import differing, digests
from runner.jobs.datasets import Dataset, find
from runner.jobs.devices import no_gpu, package_variant, with_no_other_device
from runner.jobs.progress import display
from runner.jobs.session import Session, cleaned_up
from runner.jobs.sites import contains_jobs, queue_use
from runner.phase.arm_jobs import run_arms
from runner.phase.arms import timestamp
from runner.phase.audits import audit_datasets
from runner.phase.data import make_datasets
from runner.phase.execute import summarise_arms
from runner.phase.finalize import conclude, seal
from runner.phase.follow_ups import run_steps
from runner.phase.run import Run, about, write_declaration
from runner.phase.run_notes import mismatches
from runner.phase.sessions import run_alone, session_of
from runner.phase.unfinished import WORK
from runner.plan.model import computes_on
from runner.plan.preflight import preflight, this_machine
from runner.report.reproduction import verdict
from runner.report.wording import STATUS_WORDS
from runner.verify.bundled_source import bundle_baselines, bundled_baselines
from runner.verify.trust import Consent

NOTHING = Consent()
REPRODUCTIONS = "reproductions"
"""Folder of reproduced hubs beside those of the phases, so that none is taken for the newest."""
TEST_RESULT = "test-result.json"
OTHER_DATA = (
    "the arms were not run again: the data, simulated again, are not those that the originals saw"
)


@dataclass(frozen=True, kw_only=True)
class ReproduceRequest:
    """What the user asked for on the command line."""

    hub: Path
    arms: tuple[str, ...] = ()
    engine: str = "auto"
    out: Path | None = None
    python: Path | None = None
    signers: Path | None = None
    """Allowed signers, as ssh-keygen(1) describes the file; without it no signature is needed."""
    consent: Consent = NOTHING


@dataclass(kw_only=True)
class Rerun:
    """A reproduction on its way."""

    original: Original
    request: ReproduceRequest
    run: Run
    engine: str
    contained: bool
    """Whether that engine's jobs run in containers here."""
    sources: Sources
    image: str = "none: nothing was run"
    reasons: list[str]
    data: dict[str, Dataset] = field(default_factory=dict)
    """The data that were made again, whether they are the original's or not."""
    record: ReproductionRecord | None = None


def reproduce(request: ReproduceRequest) -> tuple[Path, int]:
    """Run a sealed hub again and seal what comes out, with every file beside its original.

    Returns:
        The new hub's path, and 0 where all is identical, 4 where it is not.

    Raises:
        RunnerError: Nothing was run: the hub, the device, the engine or the folder is at fault.
    """
    original = open_original(request.hub)
    code = code_of(original)
    original = replace(original, code=code.snapshot.root)  # what is asked about is what will run
    plan = plan_again(original, request.arms)
    device = computes_on(plan)
    engine_name, said = choose_engine(original, request)
    elsewhere, contained = is_elsewhere(engine_name), contains_jobs(engine_name, queue_use())
    with_gpus = device == "cuda" and not elsewhere
    if with_gpus:
        require_gpu(original)
    variant = package_variant(original.loaded, device)
    sources = ask(
        Order(
            original=original,
            jobs=jobs_again(original, plan),
            engine=engine_name,
            asked=request.engine,
            contained=contained,
            variant=variant,
            python=request.python,
            consent=request.consent,
            signers=request.signers,
        )
    )
    artifacts = request.out or _beside(request.hub)
    remarks = preflight(plan, this_machine(artifacts, with_gpus=with_gpus), elsewhere=elsewhere)
    compared = bundled_baselines(original.folder, original.record)
    with (
        interrupts(),
        layout.staged(artifacts, plan.phase, datetime.now(UTC)) as staging,
        display() as shown,
    ):
        run = Run(
            loaded=original.loaded,
            plan=plan,
            staging=staging,
            code=code,
            shown=shown,
            only=request.arms,
            registered=original.record.registered,
            compared=compared,
            about=about(original.record.arms),
        )
        rerun = Rerun(
            original=original,
            request=request,
            run=run,
            engine=engine_name,
            contained=contained,
            sources=sources,
            reasons=[],
        )
        write_declaration(run)
        bundle_baselines(run.compared, staging.path)
        run.note(f"made again from {original.name}, digest {original.sha256}")
        if request.arms:
            run.note(f"reproduced with --arm: {listing(request.arms)}")
        for text in (*said, *remarks):
            shown.say(text)
        engine = prepare(rerun)
        record = carry_out(rerun, engine)
        path = seal(run, record)
        reproduced = record.reproduction
        assert reproduced is not None
        shown.say(verdict(reproduced))
    if run.interrupted:
        return path, INTERRUPTED
    return path, 0 if reproduced.outcome == "identical" else VerificationError.exit_code


def require_gpu(original: Original) -> None:
    """Raise ``EngineError`` where a GPU is missing, or a place to lock it, and a hub needs one."""
    with with_no_other_device():
        if not gpus.available():
            raise no_gpu(f"{original.name} was made on a GPU")
        locks.place()


def _beside(folder: Path) -> Path:
    """``<artifacts>/reproductions`` of a hub in its place."""
    return folder.resolve().parent.parent / REPRODUCTIONS


def code_of(original: Original) -> provenance.Code:
    """The code that the hub carries, copied. Raises ``VerificationError`` if it changes now."""
    snapshot = take(original.code, state_dir())
    if snapshot.models_sha256 != original.record.code.models_sha256:
        raise VerificationError(f"{original.code} was changed just now; verify the hub again")
    return provenance.Code(record=original.record.code, diff=_diff(original), snapshot=snapshot)


def _diff(original: Original) -> bytes:
    """What was not committed. Its name is ours, whatever the record says."""
    if not original.record.code.diff:
        return b""
    try:
        return read_file(original.folder, layout.DIFF)
    except ValueError as error:
        raise VerificationError(f"{original.folder}: {error}; {layout.RECORD} names it") from error


def choose_engine(original: Original, request: ReproduceRequest) -> tuple[str, list[str]]:
    """The engine of the original, or the one that was asked for; and what is to be said of it."""
    said: list[str] = []
    asked = request.engine
    if asked == "auto" and original.record.engine.name == "process":
        asked = "process"
    if asked == "auto" and original.record.engine.name == "slurm":
        asked = "slurm" if has_commands() else "process"
    return choose(asked, python=request.python, say=said.append), said


def prepare(rerun: Rerun) -> Engine:
    """Open the engine of the original, or the one that was asked for, on the original's code."""
    original, request, run = rerun.original, rerun.request, rerun.run
    needs = Needs(
        variant=package_variant(original.loaded, run.device),
        cache=state_dir(),
        say=run.shown.say,
        code=run.code.snapshot,
        base=rerun.sources.base,
        python=request.python,
        queue=queue_use(),
    )
    if rerun.contained:
        needs = replace(needs, image=restore_image(rerun))
    else:
        packages = "the interpreter that was named" if request.python else "the hub's lock"
        rerun.image = f"none: the {rerun.engine} engine, with the packages of {packages}"
    engine = open_engine(rerun.engine, needs)
    run.engine = provenance.describe_engine(engine, run.code.snapshot)
    run.notes += mismatches(run)
    run.note(f"image: {rerun.image}")
    return engine


def restore_image(rerun: Rerun) -> BuiltImage | None:
    """The original's own image if it can be had; how it was is noted."""
    original = rerun.original
    if original.image is None:
        rerun.image = "built from the hub's locks and source; the original ran in none"
        return None
    saved = image_file(original.sha256, state_dir())
    image = None
    if rerun.sources.place != "nowhere":  # what is there by now was on no screen
        image = recover(original.image, saved, rerun.run.shown.say)
        if image is None:
            raise EngineError(f"the image {original.image.id} was removed just now; try again")
    if image is None:
        rerun.image = "built again from the hub's locks and source; its own is not here"
    else:
        rerun.image = f"the original's own, {image.id}"
    return image


def carry_out(rerun: Rerun, engine: Engine) -> HubRecord:
    """Make the data, run the arms and what follows them, compare; the record of the new hub."""
    run = rerun.run
    with cleaned_up(session_of(run, engine, resumable=False)) as session:
        try:
            run.staging.kept = True
            with with_no_other_device():
                make_again(rerun, session)
        except RunnerError as error:
            rerun.reasons.append(f"the run ended early: {error}")
            run.failure = error
        except KeyboardInterrupt:
            rerun.reasons.append("the run was interrupted")
            run.interrupted = True
        return compare(rerun, session)


def make_again(rerun: Rerun, session: Session) -> None:
    """The data, where they are the original's the arms, and what follows from these."""
    run = rerun.run
    leave_out(rerun)
    make_datasets(run, session, cache=run.staging.path / WORK / "datasets")
    withdraw_other_data(rerun)
    audit_datasets(run, session)
    if run.data:
        run_arms(run, session)
        if not rerun.request.arms:
            summarise_arms(run, session)
            run_steps(run, session)


def leave_out(rerun: Rerun) -> None:
    """Take over as it is every arm that left no results, so that the statistics count it again.

    And every dataset that no other arm was shown. The new hub has none of their files, so that
    nothing is said either of an audit whose report is one of them.
    """
    used = used_datasets(rerun.original.record, rerun.request.arms)
    without = {"files": (), "log": None, "audit": None}
    for one in rerun.original.record.datasets:
        if one.name not in used:
            rerun.run.datasets[one.name] = one.model_copy(update=without)
    for arm in rerun.original.record.arms:
        if arm.status in MEASURED or arm.name not in {job.name for job in rerun.run.plan.arms}:
            continue
        rerun.run.arms[arm.name] = arm.model_copy(update=without)
        rerun.run.note(f"{arm.name} was not run again: the original {STATUS_WORDS[arm.status]}")


def withdraw_other_data(rerun: Rerun) -> None:
    """Let no arm run on data that are not the original's; why an arm does not run is noted."""
    run, rerun.data = rerun.run, dict(rerun.run.data)
    original = {one.name: one for one in rerun.original.record.datasets}
    for name, made_now in run.datasets.items():
        if made_now.status == "succeeded" and name in run.data:
            if differing(digests(original[name].files), digests(made_now.files)):
                del run.data[name]
                rerun.reasons.append(OTHER_DATA if len(original) == 1 else f"{name}: {OTHER_DATA}")
        elif name in used_datasets(rerun.original.record, rerun.request.arms):
            what = "the data" if len(original) == 1 else f"the data of {name}"
            rerun.reasons.append(
                f"{what} could not be simulated: {made_now.status}: {made_now.message}"
            )


def compare(rerun: Rerun, session: Session) -> HubRecord:
    """Set files and facts side by side; the record of the new hub with what came of it."""
    run, original, arms = rerun.run, rerun.original, rerun.request.arms
    folder = run.staging.path
    described = provenance.describe_run(
        [], started=timestamp(run.started), ended=timestamp(time.time())
    )
    (folder / layout.ENVIRONMENT).write_bytes(pretty_json(run.places.hidden(described)))
    record = conclude(run)
    pairs = pair(
        made(original.record.artifacts, original.record, arms),
        made(layout.list_files(folder, record), record, arms),
    )
    reasons = [*rerun.reasons]
    if run.data or OTHER_DATA not in reasons:
        reasons += [*unequal_ends(original.record, record, arms), *missing_files(pairs)]
    if not run.interrupted:
        pairs = look_into(rerun, session, pairs, record)
    reproduced = ReproductionRecord(
        hub=original.name,
        hub_sha256=original.sha256,
        outcome=judge(pairs, reasons),
        arms=tuple(arm.name for arm in record.arms if arm.status in MEASURED),
        image=rerun.image,
        files=pairs,
        facts=fact_changes(
            environment_facts(original.folder, original.record), environment_facts(folder, record)
        ),
        reasons=tuple(run.places.hide(reason) for reason in reasons),
    )
    result = as_test_result(reproduced, sha256_file(original.folder / layout.PLAN))
    (folder / TEST_RESULT).write_bytes(pretty_json(result.table()))
    return record.model_copy(update={"reproduction": reproduced, "notes": tuple(run.notes)})


def look_into(
    rerun: Rerun, session: Session, pairs: tuple[ReproducedFile, ...], record: HubRecord
) -> tuple[ReproducedFile, ...]:
    """Have a job say where files begin to differ; that it could not is a note and ends nothing."""
    run, original = rerun.run, rerun.original
    cached = {one.name: find(one, state_dir() / "datasets") for one in original.record.datasets}
    before = Side(
        folder=original.folder,
        record=original.record,
        data={name: data.folder for name, data in cached.items() if data},
    )
    after = Side(
        folder=run.staging.path,
        record=record,
        data={name: data.folder for name, data in rerun.data.items()},
    )
    try:
        return explain(
            pairs,
            before,
            after,
            work=run.staging.path / WORK / ".comparison",
            resources=run.plan.datasets[0].resources,
            labels=run.labels,
            run=lambda attempt: run_alone(run, session, attempt),
        )
    except (RunnerError, ValueError) as error:
        run.note(f"where the files begin to differ is not known: {error}")
        return pairs
