"""The audits of a hub beside the jobs that made them and what they left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runner.core.digest import canonical_json
from runner.experiment import EXPERIMENT
from runner.experiment.common import AuditPart
from runner.hub import layout
from runner.hub.records.arm import ArmRecord, AuditRecord
from runner.hub.records.data import DatasetRecord
from runner.plan.other_jobs import OF_DATASET
from runner.verify.audit_report import OF_ARM, REPORT, from_table
from runner.verify.hub_checks.plan import _digests
from runner.verify.sealed_hub import SealedHub


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
