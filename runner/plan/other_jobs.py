"""Jobs that are no arms: audits, captures, the summary of a phase, the comparison of files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.experiment import EXPERIMENT
from runner.experiment.common import AuditPart, Summary
from runner.manifest.tables import Resources
from runner.plan.model import FOR_ARMS, Job, beside_the_arms, command_of


def summary_job(summary: Summary, *, seed: int, resources: Resources) -> Job:
    """The job at the end of a phase, which follows from how its arms ended: on the CPU, alone."""
    return Job(
        name="summary",
        experiment="summarise",
        parameters=summary.model_dump(mode="json"),
        **beside_the_arms("summarise", seed, _alone(resources)),
    )


def comparison_job(paths: Sequence[str], *, resources: Resources) -> Job:
    """The job that says where files begin to differ: on the CPU, alone."""
    return Job(
        name="comparison",
        experiment="compare",
        parameters={"paths": list(paths)},
        **beside_the_arms("compare", 0, _alone(resources)),
    )


OF_AUDIT = ".audit"
"""What the name of an audit has behind that of the job which it is about; no arm has a dot."""


OF_DATASET = EXPERIMENT.audits.of_dataset
"""What is derived of a dataset."""


def job_about(
    job: Job, *, name: str, experiment: str, more: Mapping[str, Any], **changes: object
) -> Job:
    """A job on what another one left: within its bounds, with its parameters and ``more``."""
    facts = {field: getattr(job, field) for field in Job.model_fields if field != "values"}
    facts |= {**changes, "name": name, "experiment": experiment, "command": command_of(experiment)}
    facts["parameters"] = {**job.parameters, **more}
    # Made of validated parts; its name may have a dot, as that of an audit, which no arm has.
    return Job.model_construct(**facts)


def arm_audit_job(arm: Job, parts: Sequence[AuditPart]) -> Job:
    """The job that derives again what an arm did: on the CPU, within the bounds of the arm."""
    return job_about(
        arm,
        name=arm.name + OF_AUDIT,
        experiment="audit",
        more={"audit": {"parts": list(parts)}},
        execution=arm.execution.model_copy(update={"device": "cpu"}),
        resources=arm.resources.model_copy(update={"gpus": 0, "network": False, **FOR_ARMS}),
        steps=None,
    )


def dataset_audit_job(dataset: Job) -> Job:
    """The job that derives a dataset again."""
    more = {"audit": {"parts": list(OF_DATASET)}}
    return job_about(dataset, name=dataset.name + OF_AUDIT, experiment="audit", more=more)


def _alone(resources: Resources) -> Resources:
    return resources.model_copy(update={"gpus": 0, "threads": 1, "network": False})
