"""Reports on the stored weights of a sealed hub's arm, made afterwards in a folder of their own."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from runner.core.digest import pretty_json, sha256_file
from runner.core.errors import ARM_FAILED, EngineError, VerificationError
from runner.core.files import remove_tree
from runner.core.host_paths import Places
from runner.core.installation import SOURCES, state_dir
from runner.core.interrupts import interrupts
from runner.core.reading import typed
from runner.engines import Needs, open_engine
from runner.engines import choose as choose_engine
from runner.engines.images.snapshot import Snapshot
from runner.experiment import EXPERIMENT
from runner.hub import layout, provenance
from runner.hub.checksums import CHECKSUMS
from runner.hub.record import HubRecord
from runner.hub.records.beside import DiagnosisRecord
from runner.hub.records.data import DatasetRecord
from runner.hub.records.provenance import EngineRecord
from runner.jobs.datasets import Dataset, find, given_digest, prepare, refuse_other_data
from runner.jobs.devices import choose_device
from runner.jobs.progress import Display, display
from runner.jobs.session import Session, cleaned_up
from runner.jobs.sites import contains_jobs, queue_use
from runner.manifest.follow_ups import Capture
from runner.manifest.manifest_errors import did_you_mean
from runner.manifest.overrides import table
from runner.manifest.source import read
from runner.manifest.tables import Image
from runner.phase.arms import timestamp
from runner.phase.captures import (
    CaptureOrder,
    choose,
    conclude_capture,
    lay_out_capture,
    require_stored,
    stored_checkpoints,
)
from runner.phase.unfinished import WORK
from runner.plan.model import Job, Plan, command_of
from runner.verify.sealed_hub import SealedHub
from runner.verify.trust import Consent, base_reasons, pulled_base, refuse, within_defaults

NOTHING = Consent()
DIAGNOSES = "diagnoses"
"""Folder of the diagnoses beside the hubs of a phase."""
RECORD = "diagnosis.json"
AJob = TypeVar("AJob", bound=Job)


@dataclass(frozen=True, kw_only=True)
class DiagnoseRequest:
    """What the user asked for on the command line; without ``out`` it lies beside the hub."""

    hub: Path
    arm: str
    moment: int | None = None
    """At the end of which unit of the fit the weights were those that are meant."""
    checkpoint: str | None = None
    reports: tuple[Capture, ...] = tuple(sorted(EXPERIMENT.captures.reports))
    engine: str = "auto"
    device: str = "auto"
    python: Path | None = None
    out: Path | None = None
    consent: Consent = NOTHING


@dataclass(frozen=True, kw_only=True)
class Patient:
    """The arm of a verified hub, and the weights that were chosen."""

    hub: Path
    record: HubRecord
    plan: Plan
    """Its arms are the one that is looked into, and its dataset is that one's."""
    order: CaptureOrder
    notes: tuple[str, ...]
    """Where the jobs do not match the hub's plan."""


def diagnose(request: DiagnoseRequest) -> tuple[Path, int]:
    """Make the reports that were asked for, through an engine, and seal them.

    Returns:
        The folder and the exit code.

    Raises:
        VerificationError: The hub is not as it was sealed, or has no such arm or weights; or its
            dataset cannot be had again.
        EngineError: The engine, the device or the folder is not there.
    """
    patient = examine(request)
    wants_gpu = patient.order.arm.execution.device == "cuda"
    device, remark = choose_device(request.device, wants_gpu=wants_gpu, engine=request.engine)
    with interrupts(), staged(request) as staging, display() as shown:
        order = on_device(patient.order, device)
        notes = [*([remark] if remark else []), *patient.notes]
        record = carry_out(request, patient, order, staging, shown, notes)
        places = Places(diagnosis=staging.path, hub=request.hub)
        table = places.hidden(record.model_dump(mode="json"))
        (staging.path / RECORD).write_bytes(pretty_json(table))
        remove_tree(staging.path / WORK)
        path = staging.seal()
        if record.capture.status != "succeeded":
            shown.say(f"{request.arm}: {record.capture.status}: {record.capture.message}")
    return path, 0 if record.capture.status == "succeeded" else ARM_FAILED


def examine(request: DiagnoseRequest) -> Patient:
    """Verify the hub and find the arm and its weights. Raises ``VerificationError``."""
    sealed = SealedHub(folder=request.hub).require_intact()
    record = sealed.record
    names = [arm.name for arm in record.arms]
    if request.arm not in names:
        raise VerificationError(
            f"{request.hub} has no arm {request.arm!r}; arms are {', '.join(names)}"
            f"{did_you_mean(request.arm, names)}"
        )
    plan = sealed.plan
    folder = request.hub / layout.arm_dir(request.arm)
    try:
        stored = stored_checkpoints(folder)
        name = choose(stored, name=request.checkpoint, moment=request.moment)
        require_stored(folder, stored[name])
    except ValueError as error:
        raise VerificationError(f"{folder}: {error}; no weights can be looked into") from error
    job = next((job for job in plan.arms if job.name == request.arm), None)
    if job is None:
        raise VerificationError(
            f"{request.hub} contradicts itself: its plan has no arm {request.arm}; `phasehub "
            "verify` tells all"
        )
    job, notes = ours(job, request.consent)
    plan = plan.for_arms([job])
    plan = plan.model_copy(update={"datasets": (ours(plan.datasets[0], request.consent)[0],)})
    order = CaptureOrder(
        arm=job,
        arm_folder=folder,
        checkpoint=name,
        stored=stored[name],
        reports=request.reports,
    )
    return Patient(hub=request.hub, record=record, plan=plan, order=order, notes=tuple(notes))


def ours(job: AJob, consent: Consent) -> tuple[AJob, list[str]]:
    """The job as this installation runs it, and where that does not match the hub's plan.

    The standard command line, no network, and limits beyond the defaults only by consent.
    """
    kept, notes = job.resources, list[str]()
    if not consent.limits:
        kept, notes = within_defaults(kept)
        notes = [f"{note} ({job.name}); --allow-limits grants the hub's own" for note in notes]
    return job.model_copy(
        update={
            "resources": kept.model_copy(update={"network": False}),
            "command": command_of(job.experiment),
        }
    ), notes


def staged(request: DiagnoseRequest) -> AbstractContextManager[layout.Staging]:
    """Where the diagnosis is put together. Raises ``EngineError`` where it cannot be written."""
    if request.out is None:
        return layout.staged(request.hub.resolve().parent, DIAGNOSES, datetime.now(UTC))
    return layout.staged_at(request.out.resolve())


def on_device(order: CaptureOrder, device: str) -> CaptureOrder:
    """The order with its job on ``device``."""
    arm: Job = order.arm.model_copy(
        update={
            "execution": order.arm.execution.model_copy(update={"device": device}),
            "resources": order.arm.resources.model_copy(update={"gpus": int(device == "cuda")}),
        }
    )
    return CaptureOrder(**vars(order) | {"arm": arm})


def carry_out(
    request: DiagnoseRequest,
    patient: Patient,
    order: CaptureOrder,
    staging: layout.Staging,
    shown: Display,
    notes: list[str],
) -> DiagnosisRecord:
    """Open the engine, find the dataset, run the job, and say what came of it."""
    started = time.time()
    code = provenance.take_code(SOURCES, state_dir()).snapshot
    wanted = needs(request, order, code, shown)
    name = choose_engine(request.engine, python=request.python, say=shown.say)
    if contains_jobs(name, queue_use()) and wanted.base is not None:
        pulled = pulled_base(wanted.base, SOURCES)
        refuse(str(request.hub), base_reasons(pulled, request.consent))
    engine = open_engine(name, wanted)
    facts = provenance.describe_engine(engine, code)
    with cleaned_up(Session(engine=engine, shown=shown)) as session:
        labels = {"phase": patient.plan.phase, "run": session.run_id}
        dataset = dataset_of(patient, session, facts, code, labels)
        attempt = lay_out_capture(
            order,
            name=request.arm,
            folder=staging.path / WORK,
            inputs=dataset.inputs,
            data_dir=dataset.folder,
            labels=labels,
        )
        outcome = session.run([attempt])[attempt.launch.name]
        capture = conclude_capture(order, attempt, outcome, staging.path / request.arm)
    return DiagnosisRecord(
        phase=patient.record.phase,
        hub=request.hub.resolve().name,
        hub_sha256=sha256_file(request.hub / CHECKSUMS),
        started=timestamp(started),
        ended=timestamp(time.time()),
        reports=order.reports,
        device=order.arm.execution.device,
        engine=facts,
        notes=(*notes, *mismatches(patient.record, facts, code)),
        capture=capture,
    )


def needs(request: DiagnoseRequest, order: CaptureOrder, code: Snapshot, shown: Display) -> Needs:
    """What the engine is opened with: the hub's own base image, torch for the device."""
    try:
        declared = table(read(request.hub / layout.MANIFEST).document, "image")
        image = typed(Image, declared, f"{request.hub / layout.MANIFEST}: image")
    except ValueError as error:
        raise VerificationError(f"{error}; use the version that made the hub") from error
    on_gpu = order.arm.execution.device == "cuda"
    return Needs(
        variant=("cuda" if on_gpu else "cpu") if image.variant == "auto" else image.variant,
        cache=state_dir(),
        say=shown.say,
        code=code,
        base=image.base,
        python=request.python,
        queue=queue_use(),
    )


def dataset_of(
    patient: Patient,
    session: Session,
    facts: EngineRecord,
    code: Snapshot,
    labels: dict[str, str],
) -> Dataset:
    """The arm's dataset: from the cache by its digests, or simulated again and compared."""
    cache, (job,) = state_dir() / "datasets", patient.plan.datasets
    sealed = patient.record.datasets_of_arms.get(patient.order.arm.name)
    if sealed is None:
        raise VerificationError(
            f"{patient.hub} contradicts itself: it has no dataset of {patient.order.arm.name}; "
            "`phasehub verify` tells all"
        )
    if (cached := find(sealed, cache)) is not None:
        return cached
    made = prepare(
        job,
        code=code,
        engine=facts,
        cache=cache,
        labels=labels,
        run=session.run_alone,
        say=session.shown.say,
        given=(patient.hub / sealed.folder / EXPERIMENT.given.name) if given_digest(job) else None,
    )
    if isinstance(made, DatasetRecord):
        raise EngineError(f"the dataset could not be simulated: {made.status}: {made.message}")
    refuse_other_data(sealed, made.record)
    return made


def mismatches(record: HubRecord, engine: EngineRecord, code: Snapshot) -> list[str]:
    """How this environment differs from the one that the arm ran in."""
    notes = []
    before, now = (one.facts.get("packages_sha256") for one in (record.engine, engine))
    if before != now:
        notes.append(f"other packages than the arm's: {now} in place of {before}")
    if code.models_sha256 != record.code.models_sha256:
        notes.append(
            f"other source of models/ than the arm's: {code.models_sha256} in place of "
            f"{record.code.models_sha256}"
        )
    return notes
