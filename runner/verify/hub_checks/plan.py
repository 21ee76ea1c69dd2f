"""The plan of a hub beside its record, its jobs, its code and its lock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from runner.core.digest import canonical_json
from runner.core.errors import VerificationError
from runner.core.project import models_digest
from runner.hub import layout
from runner.hub.record import HubRecord
from runner.hub.records.arm import OF_PLAN, ArmRecord
from runner.manifest.set_knobs import OPTION, RESOURCES, SEED
from runner.plan.model import Job, Plan
from runner.verify.sealed_hub import SealedHub


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
    for name in OF_PLAN:
        recorded, planned = pairs[name]
        if canonical_json(recorded) != canonical_json(planned):
            yield f"arm {arm.name}: {name} differs between {layout.RECORD} and {layout.PLAN}"


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


def _digests(inputs: object) -> dict[str, str]:
    if not isinstance(inputs, Mapping):
        return {}
    return {
        str(name): str(given.get("sha256"))
        for name, given in inputs.items()
        if isinstance(given, Mapping)
    }
