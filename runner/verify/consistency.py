"""Whether a hub agrees with itself: files, plan, jobs, results, verdict and provenance.

``SHA256SUMS`` finds a file that was changed. Whoever changes a number and writes new checksums must
also change every other place that says the same; what can be computed again is computed again here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, JsonValue

from runner.core.digest import canonical_json
from runner.core.errors import VerificationError
from runner.core.project import models_digest
from runner.core.reading import parse_json, read_file, typed
from runner.experiment import EXPERIMENT
from runner.experiment.common import AuditPart
from runner.hub import layout
from runner.hub.checksums import listed_digests
from runner.hub.journal import resumptions
from runner.hub.metrics_table import metrics_rows
from runner.hub.record import MEASURED, ArmRecord, AuditRecord, DatasetRecord, FileRecord, HubRecord
from runner.manifest.rule_parser import parse
from runner.manifest.set_knobs import OPTION, RESOURCES, SEED
from runner.plan.model import OF_DATASET, Job, Plan
from runner.verify.audit_report import OF_ARM, REPORT, from_table
from runner.verify.content_key import WORDS, of_sealed
from runner.verify.effective import compare_effective, compare_history
from runner.verify.sealed_hub import SealedHub
from runner.verify.verdict import identical_arms, judge

FILES = EXPERIMENT.results.files


def inconsistencies(sealed: SealedHub) -> tuple[str, ...]:
    """What contradicts itself in a hub whose checksums hold, a sentence each; empty for nothing.

    Raises ``VerificationError`` where there is no record that can be read.
    """
    return tuple(problem for check in CHECKS for problem in check(sealed))


def describe(folder: Path, wrong: Sequence[str]) -> str:
    """What is wrong, a line each, and what to do about it."""
    lines = [f"  {problem}" for problem in wrong]
    return "\n".join(
        [
            f"{folder} contradicts itself, although its checksums hold: it was sealed again",
            *lines,
            "Trust none of its numbers; take the hub from its archive, or run the phase again.",
        ]
    )


def check_files(sealed: SealedHub) -> Iterator[str]:
    """``hub.json`` lists every file that is there, with its digest, and no other."""
    listed, _ = listed_digests(sealed.folder)
    artifacts = sealed.artifacts
    for path in sorted(listed.keys() - artifacts.keys() - {layout.RECORD}):
        yield f"{path} is in the hub and not in {layout.RECORD}"
    for path in sorted(artifacts.keys() - listed.keys()):
        yield f"{path} is in {layout.RECORD} and not in the hub"
    for path in sorted(artifacts.keys() & listed.keys()):
        if artifacts[path].sha256 != listed[path]:
            yield f"{path} has another digest in {layout.RECORD}"


def check_parts(sealed: SealedHub) -> Iterator[str]:
    """What arms, steps, tests and the summary say they left is what the hub holds."""
    artifacts = sealed.artifacts
    for path, file in _parts(sealed.record):
        found = artifacts.get(path)
        if found is None:
            yield f"{path} is a result and not in the hub"
        elif (found.sha256, found.bytes) != (file.sha256, file.bytes):
            yield f"{path} is not the file that its job left"


def check_plan(sealed: SealedHub) -> Iterator[str]:
    """Every arm is one of the plan, with its parameters, seed, execution and command."""
    record = sealed.record
    try:
        plan = sealed.plan
    except VerificationError as error:
        yield str(error)
        return
    if (plan.phase, plan.profile) != (record.phase, record.profile):
        yield f"{layout.PLAN} is of {plan.phase}, profile {plan.profile}"
    yield from _compare_with_set(record, plan)
    planned = {job.name: job for job in plan.arms}
    for name in sorted(planned.keys() ^ {arm.name for arm in record.arms}):
        yield f"arm {name} is not in both {layout.PLAN} and {layout.RECORD}"
    for arm in record.arms:
        if arm.name in planned:
            yield from _compare_with_job(arm, planned[arm.name])


def _compare_with_set(record: HubRecord, plan: Plan) -> Iterator[str]:
    """What was set over the manifest is the same in both, and what every arm of the plan has."""
    if canonical_json(record.set_knobs) != canonical_json(plan.set_knobs):
        yield f"{layout.PLAN} and {layout.RECORD} do not say the same of what was set by {OPTION}"
    for job in plan.arms:
        # How many GPUs there are is decided by the device.
        bounds = job.resources.model_dump(mode="json", exclude={"gpus"})
        has = {**job.parameters, RESOURCES: bounds, SEED[0]: {SEED[1]: job.seed}}
        for knob, value in plan.set_knobs.items():
            if knob != f"{RESOURCES}.gpus" and not _holds(value, has, knob.split(".")):
                yield f"arm {job.name}: {knob} was set by {OPTION}, and {layout.PLAN} has another"


def _holds(value: JsonValue, tables: object, path: Sequence[str] = ()) -> bool:
    """Whether a table has a value at ``path``, beside defaults that are spelled out."""
    for part in path:
        tables = tables.get(part) if isinstance(tables, Mapping) else None
    if isinstance(value, dict):
        return all(_holds(inner, tables, (key,)) for key, inner in value.items())
    return value == tables and isinstance(value, bool) == isinstance(tables, bool)


def _compare_with_job(arm: ArmRecord, job: Job) -> Iterator[str]:
    execution = arm.execution.model_dump(exclude={"gpu_ids"})
    pairs = {
        "parameters": (arm.parameters, job.parameters),
        "seed": (arm.seed, job.seed),
        "execution": (execution, job.execution.model_dump()),
        "command": (list(arm.command), list(job.command)),
        "environment": (arm.environment, job.environment),
    }
    for name, (recorded, planned) in pairs.items():
        if canonical_json(recorded) != canonical_json(planned):
            yield f"arm {arm.name}: its {name} are not those of {layout.PLAN}"


def check_code(sealed: SealedHub) -> Iterator[str]:
    """The source of ``models/`` that the hub carries is the one that its jobs ran."""
    code = sealed.folder / layout.CODE
    if code.is_dir() and models_digest(code) != sealed.record.code.models_sha256:
        yield f"{layout.CODE}/models is not what {layout.RECORD} says that the jobs ran"


def check_lock(sealed: SealedHub) -> Iterator[str]:
    """The lock file that the hub carries is the one that the run was held to."""
    artifact = sealed.artifacts.get(layout.LOCK)
    if (artifact.sha256 if artifact else None) != sealed.record.lock_sha256:
        yield f"{layout.LOCK} is not the lock file that {layout.RECORD} says the run was held to"


def check_datasets(sealed: SealedHub) -> Iterator[str]:
    """Every dataset is one of the plan, and what the hub keeps of it is of that one."""
    record = sealed.record
    try:
        planned = {job.name: job for job in sealed.plan.datasets}
    except VerificationError:  # ``check_plan`` says so
        return
    for name in sorted(planned.keys() ^ {one.name for one in record.datasets}):
        yield f"{name} is not in both {layout.PLAN} and {layout.RECORD}"
    for one in record.datasets:
        if job := planned.get(one.name):
            said, meant = [one.parameters, one.seed], [job.parameters, job.seed]
            if canonical_json(said) != canonical_json(meant):
                yield f"{one.name}: its parameters or its seed are not those of {layout.PLAN}"
        yield from _compare_with_copies(sealed, one)


def _compare_with_copies(sealed: SealedHub, dataset: DatasetRecord) -> Iterator[str]:
    """What the hub keeps of a dataset, against its record; nothing that is not there is missed."""
    for file in dataset.files:
        path = f"{dataset.folder}/{file.path}"
        if path in sealed.artifacts and sealed.artifacts[path].sha256 != file.sha256:
            yield f"{path} is not of the {dataset.name} that {layout.RECORD} tells of"
    path = f"{dataset.folder}/{layout.JOB}"
    if dataset.status != "succeeded" or path not in sealed.artifacts:
        return
    if sealed.artifacts[path].sha256 != dataset.job_sha256:
        yield f"{path} is not the job that made the {dataset.name}"
    job = sealed.table(path)
    said, meant = [job.get("parameters"), job.get("seed")], [dataset.parameters, dataset.seed]
    if canonical_json(said) != canonical_json(meant):
        yield f"{path} has other parameters or another seed than {layout.RECORD}"


def check_jobs(sealed: SealedHub) -> Iterator[str]:
    """Every arm's ``job.json`` is the one that ran, as planned, on the arm's dataset."""
    shown = sealed.record.datasets_of_arms
    for arm in sealed.record.arms:
        if arm.name not in shown:
            yield f"arm {arm.name}: no dataset in {layout.RECORD} has its parameters"
            continue
        data = {file.path: file.sha256 for file in shown[arm.name].files}
        path = f"{layout.arm_dir(arm.name)}/{layout.JOB}"
        if arm.job_sha256 is None or path not in sealed.artifacts:
            continue
        if sealed.artifacts[path].sha256 != arm.job_sha256:
            yield f"{path} is not the job that ran"
        job = sealed.table(path)
        if canonical_json([job.get("parameters"), job.get("seed")]) != canonical_json(
            [arm.parameters, arm.seed]
        ):
            yield f"{path} has other parameters or another seed than {layout.RECORD}"
        given = _digests(job.get("inputs"))
        for name in sorted(data.keys() | given.keys()):
            if data.get(name) != given.get(name):
                yield f"{path} reads another {name} than the hub's {shown[arm.name].name} has"


def check_results(sealed: SealedHub) -> Iterator[str]:
    """What the record says an arm measured is in the arm's files, and follows from them."""
    for arm in sealed.record.arms:
        if arm.status in MEASURED:
            yield from _compare_with_files(sealed, arm)
        elif arm.status == "not_finite":
            yield from _compare_with_end(sealed, arm)


def _compare_with_end(sealed: SealedHub, arm: ArmRecord) -> Iterator[str]:
    """An arm without scores that was ended on its way, against what its live objects showed."""
    if arm.stats or arm.rules:
        yield f"arm {arm.name} ended on its way, and {layout.RECORD} has scores of it"
    if not arm.files:
        return  # of a reproduction, which takes such an arm over as it is, without its files
    effective = sealed.table(f"{layout.arm_dir(arm.name)}/{FILES.effective}")
    why = EXPERIMENT.readback.stopped(arm.parameters, effective)
    differences = compare_effective(arm.parameters, arm.seed, arm.execution, effective)
    pairs = {
        "end": (arm.message.startswith(why) if why else False, True),
        "differences from the plan": (_dumped(arm.differences), _dumped(differences)),
        "final weights": (arm.final_weights_sha256, EXPERIMENT.readback.final_state(effective)),
    }
    yield from _unlike(arm, pairs)


def _compare_with_files(sealed: SealedHub, arm: ArmRecord) -> Iterator[str]:
    folder = layout.arm_dir(arm.name)
    effective = sealed.table(f"{folder}/{FILES.effective}")
    stats = sealed.table(f"{folder}/{FILES.stats}")
    timing = sealed.table(f"{folder}/{FILES.timing}")
    differences = (
        *compare_effective(arm.parameters, arm.seed, arm.execution, effective),
        *compare_history(effective, sealed.table(f"{folder}/{FILES.history}")),
    )
    rules = judge([parse(rule.rule) for rule in arm.rules], stats)
    weights = EXPERIMENT.readback.final_state(effective)
    own = EXPERIMENT.results.recorded(stats)
    pairs = {
        "stats": (arm.stats, stats),
        "timing": (arm.timing, timing),
        "checkpoint": (arm.resumed_from, timing.get(EXPERIMENT.progress.resumed)),
        EXPERIMENT.endpoint.noun: ({key: getattr(arm, key) for key in own}, own),
        "differences from the plan": (_dumped(arm.differences), _dumped(differences)),
        "rules": (_dumped(arm.rules), _dumped(rules)),
        "final weights": (arm.final_weights_sha256, weights),
    }
    yield from _unlike(arm, pairs)


def _unlike(arm: ArmRecord, pairs: Mapping[str, tuple[Any, Any]]) -> Iterator[str]:
    for name, (recorded, found) in pairs.items():
        if canonical_json(recorded) != canonical_json(found):
            yield f"arm {arm.name}: its {name} in {layout.RECORD} are not those of its files"


def check_audits(sealed: SealedHub) -> Iterator[str]:
    """What the record says of an audit is what the audit reported of these very files."""
    record = sealed.record
    shown = record.datasets_of_arms
    for arm in record.arms:
        if arm.level not in (None, arm.proof):
            yield f"arm {arm.name} is called {arm.level}, and its record shows it as {arm.proof}"
        if arm.audit is not None:
            given = {
                f"arm/{file.path}": file.sha256
                for file in (*arm.files, *arm.audit.removed)
                if file.deterministic
            }
            given |= _data(shown[arm.name]) if arm.name in shown else {}
            yield from _compare_with_outcome(f"arm {arm.name}", arm.status, arm.audit)
            yield from _compare_with_audit_job(sealed, layout.audit_dir(arm.name), arm, OF_ARM)
            yield from _compare_with_audit(sealed, layout.audit_dir(arm.name), arm.audit, given)
        elif arm.level and arm.status == "succeeded" and _is_asked_for(arm):
            yield f"arm {arm.name} was to be audited, and no audit is on record"
        data = shown.get(arm.name)
        if arm.proof == "audited" and not (data and _is_derived(data)):
            yield f"arm {arm.name} is audited, and the data that it was shown are not"
    for one in record.datasets:
        if one.audit is not None:
            folder = layout.dataset_audit_dir(one)
            yield from _compare_with_outcome(one.name, one.status, one.audit)
            yield from _compare_with_audit_job(sealed, folder, one, OF_DATASET)
            yield from _compare_with_audit(sealed, folder, one.audit, _data(one))


def check_ends(sealed: SealedHub) -> Iterator[str]:
    """What has ended an arm is what its outcome is called after."""
    for arm in sealed.record.arms:
        if arm.ended_by is not None and arm.ended_by not in ENDS.get(arm.status, ()):
            yield f"arm {arm.name} is called {arm.status}, and was ended by {arm.ended_by}"


ENDS: Mapping[str, tuple[str, ...]] = {
    "failed": ("itself", "signal"),
    "timed_out": ("time",),
    "out_of_memory": ("memory",),
    "out_of_disk": ("disk",),
    "could_not_start": ("hold",),
    "interrupted": (
        *("removal", "daemon", "supervisor", "stop"),
        *("cancellation", "preemption", "node", "requeue", "folder"),
    ),
}
"""How an arm ended → what may have ended it; no other one says what did."""


def check_reused(sealed: SealedHub) -> Iterator[str]:
    """An arm that was not run for this hub has all in common with it that decides its content."""
    for arm in sealed.record.arms:
        if arm.reused is None:
            continue
        try:
            own = of_sealed(sealed, arm)
        except VerificationError:  # ``check_plan`` says so
            continue
        for name in WORDS:
            if own[name] is None or own[name] != arm.reused.key.get(name):
                yield f"arm {arm.name} was reused, and {WORDS[name]} are not those of this hub"
        if arm.attempts or arm.status != "succeeded":
            yield f"arm {arm.name} was reused, and its record has a run of its own"


def check_resumed(sealed: SealedHub) -> Iterator[str]:
    """The run was gone on with when its journal says so; hubs of earlier versions do not tell."""
    moments = sealed.record.resumed
    if moments and moments != resumptions(sealed.folder):
        yield f"{layout.JOURNAL} has the run resumed at other times than {layout.RECORD}"


def _is_asked_for(arm: ArmRecord) -> bool:
    return EXPERIMENT.parameters.audited_steps(arm.parameters) > 0


def _is_derived(dataset: DatasetRecord) -> bool:
    audit = dataset.audit
    return audit is not None and audit.outcome == "agrees" and "data" in audit.parts


def _data(dataset: DatasetRecord) -> dict[str, str]:
    return {file.path: file.sha256 for file in dataset.files}


def _compare_with_outcome(name: str, status: str, audit: AuditRecord) -> Iterator[str]:
    """Nothing has succeeded of which an audit says otherwise, and nothing else failed by one."""
    wanted = "succeeded" if audit.found_no_difference else "audit_failed"
    if status != wanted:
        yield f"{name} is called {status}, and by its audit ({audit.outcome}) it is {wanted}"


def _compare_with_audit_job(
    sealed: SealedHub, folder: str, one: ArmRecord | DatasetRecord, parts: tuple[AuditPart, ...]
) -> Iterator[str]:
    """The job derived all ``parts`` of what the record tells of, and no less."""
    path = f"{folder}/{layout.JOB}"
    if path not in sealed.artifacts:  # ``_compare_with_audit`` says so
        return
    job = sealed.table(path)
    said = [job.get("experiment"), job.get("parameters"), job.get("seed")]
    meant = ["audit", {**one.parameters, "audit": {"parts": list(parts)}}, one.seed]
    derived = one.audit.parts if one.audit else ()
    removed = one.audit.removed if one.audit else ()
    known = {f"arm/{file.path}" for file in (*one.files, *removed)}
    for name in sorted(_digests(job.get("inputs")).keys() - known):
        if name.startswith("arm/"):
            yield f"{path} read {name}, which the record does not have"
    if derived != parts or canonical_json(said) != canonical_json(meant):
        yield f"{path} is not an audit of {', '.join(parts)} with the parameters of {layout.RECORD}"


def _compare_with_audit(
    sealed: SealedHub, folder: str, audit: AuditRecord, given: Mapping[str, str]
) -> Iterator[str]:
    path = f"{folder}/{layout.JOB}"
    found = sealed.artifacts.get(path)
    if found is None or found.sha256 != audit.job_sha256:
        yield f"{path} is not the job that ran"
        return
    inputs = _digests(sealed.table(path).get("inputs"))
    for name, digest in given.items():
        if inputs.get(name) != digest:
            yield f"{path} read another {name} than the record has"
    if audit.outcome == "not_done":
        return
    try:
        reported = from_table(sealed.table(f"{folder}/{REPORT}"), audit.parts)
    except ValueError as error:
        yield f"{folder}/{error}"
        return
    if reported != {name: getattr(audit, name) for name in reported}:
        yield f"{folder}/{REPORT} says something else than {layout.RECORD}"


def check_whole(sealed: SealedHub) -> Iterator[str]:
    """What is said of all arms together follows from the arms."""
    record = sealed.record
    identical = identical_arms(
        {arm.name: arm.plan for arm in record.arms},
        {arm.name: arm.final_weights_sha256 for arm in record.arms},
    )
    if identical != record.identical_arms:
        yield f"{layout.RECORD} names other identical arms than the weights show"
    path = layout.metrics_name(record.stage, record.phase)
    try:
        rows = parse_json(read_file(sealed.folder, path))
    except ValueError:
        rows = None
    if canonical_json(_without_nulls(rows)) != canonical_json(_without_nulls(metrics_rows(record))):
        yield f"{path} is not the table of the record's arms"


def _without_nulls(rows: object) -> object:
    """A table's rows without what is null in them: a later phasehub knows of more scores."""
    if not isinstance(rows, list):
        return rows
    return [
        {name: value for name, value in row.items() if value is not None}
        if isinstance(row, dict)
        else row
        for row in rows
    ]


class _Subject(BaseModel):
    """A file that an in-toto statement speaks of."""

    name: str
    digest: dict[str, str]


class _Statement(BaseModel):
    """An in-toto statement, as far as it names files."""

    subject: tuple[_Subject, ...] = ()


class _Entity(BaseModel):
    """An entity of an RO-Crate, as far as it is a file."""

    type_: JsonValue = Field(None, alias="@type")
    name: JsonValue = None
    sha256: JsonValue = None


class _RoCrate(BaseModel):
    """An RO-Crate, as far as it names files."""

    graph: tuple[_Entity, ...] = Field((), alias="@graph")


def check_provenance(sealed: SealedHub) -> Iterator[str]:
    """The provenance and the RO-Crate name the files as they are."""
    made_last = {layout.RECORD, layout.PROVENANCE, layout.CRATE}
    present = {path: file.sha256 for path, file in sealed.artifacts.items()}
    try:
        statement = typed(_Statement, sealed.table(layout.PROVENANCE), layout.PROVENANCE)
        crate = typed(_RoCrate, sealed.table(layout.CRATE), layout.CRATE)
    except ValueError as error:
        yield str(error)
        return
    subjects = {one.name: one.digest.get("sha256", "") for one in statement.subject}
    entities = {str(one.name): str(one.sha256) for one in crate.graph if one.type_ == "File"}
    for name, found, left_out in (
        (layout.PROVENANCE, subjects, made_last),
        (layout.CRATE, entities, {layout.RECORD, layout.CRATE}),
    ):
        wanted = {path: digest for path, digest in present.items() if path not in left_out}
        for path in sorted(wanted.keys() | found.keys()):
            if wanted.get(path) != found.get(path):
                yield f"{name} does not name {path} as it is"


CHECKS: tuple[Callable[[SealedHub], Iterator[str]], ...] = (
    check_files,
    check_parts,
    check_plan,
    check_code,
    check_lock,
    check_datasets,
    check_jobs,
    check_results,
    check_audits,
    check_ends,
    check_reused,
    check_resumed,
    check_whole,
    check_provenance,
)


def _parts(record: HubRecord) -> Iterator[tuple[str, FileRecord]]:
    """Every file that a part of the record claims, by its path in the hub."""
    for arm in record.arms:
        yield from ((f"{layout.arm_dir(arm.name)}/{file.path}", file) for file in arm.files)
        for file in arm.audit.files if arm.audit else ():
            yield f"{layout.audit_dir(arm.name)}/{file.path}", file
    for data in record.datasets:
        for file in data.audit.files if data.audit else ():
            yield f"{layout.dataset_audit_dir(data)}/{file.path}", file
    for step in record.steps:
        for capture in step.captures:
            folder = f"steps/{step.name}/{capture.arm}"
            yield from ((f"{folder}/{file.path}", file) for file in capture.files)
    if record.tests is not None:
        yield from ((f"tests/{file.path}", file) for file in record.tests.files)
    if record.summary is not None:
        yield from ((file.path, file) for file in record.summary.files)


def _digests(inputs: object) -> dict[str, str]:
    if not isinstance(inputs, Mapping):
        return {}
    return {
        str(name): str(given.get("sha256"))
        for name, given in inputs.items()
        if isinstance(given, Mapping)
    }


def _dumped(records: tuple[Any, ...]) -> list[Any]:
    return [record.model_dump(mode="json") for record in records]
