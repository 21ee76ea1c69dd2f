"""The datasets of a hub beside what its record says of them."""

from __future__ import annotations

from collections.abc import Iterator

from runner.core.digest import canonical_json
from runner.core.errors import VerificationError
from runner.hub import layout
from runner.hub.records.data import DatasetRecord
from runner.verify.sealed_hub import SealedHub


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
