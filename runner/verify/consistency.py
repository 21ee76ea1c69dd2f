"""Whether a hub agrees with itself: files, plan, jobs, results, verdict and provenance.

``SHA256SUMS`` finds a file that was changed. Whoever changes a number and writes new checksums must
also change every other place that says the same; what can be computed again is computed again here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from runner.hub import layout
from runner.hub.checksums import listed_digests
from runner.hub.record import HubRecord
from runner.hub.records.base import FileRecord
from runner.verify.hub_checks.audits import check_audits
from runner.verify.hub_checks.data import check_datasets
from runner.verify.hub_checks.plan import check_code, check_jobs, check_lock, check_plan
from runner.verify.hub_checks.provenance import check_provenance
from runner.verify.hub_checks.results import (
    check_ends,
    check_results,
    check_resumed,
    check_reused,
    check_whole,
)
from runner.verify.sealed_hub import SealedHub


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
