"""A dataset: simulated once for its arms, kept under what it is made from, verified on use."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import JsonValue

from runner.core.caches import mark_used
from runner.core.digest import digest_json, sha256_bytes, sha256_file
from runner.core.errors import RunnerError, VerificationError
from runner.core.files import remove_tree
from runner.core.reading import read_table
from runner.core.text import Say
from runner.engines.base import Outcome
from runner.engines.images.snapshot import Snapshot
from runner.experiment import EXPERIMENT
from runner.hub.records.arm import ArmStatus
from runner.hub.records.data import DatasetRecord
from runner.hub.records.provenance import EngineRecord
from runner.jobs.attempts import Attempt, lay_out
from runner.jobs.collection import RESULT
from runner.jobs.dataset_cache import (
    METADATA,
    CacheEntry,
    Expectation,
    Sealed,
    data_files,
    differing,
    digests,
    expect,
    expectation_file,
    find_folder,
    made_from,
    open_entry,
    read_expectation,
    refuse_other_bytes,
    write_entry,
)
from runner.jobs.ended import LOG, take
from runner.plan.model import InputRef, Job, job_document

JOB = "job.json"
GIVEN = EXPERIMENT.given
"""The file that it may be made from lies beside ``job.json``, also in the hub, to run it again."""

RunAttempt = Callable[[Attempt], Outcome]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset that arms are shown: its folder, and the record for the hub."""

    folder: Path
    record: DatasetRecord

    @property
    def inputs(self) -> dict[str, InputRef]:
        """The inputs of ``job.json``; paths are relative to the folder that holds it."""
        return {
            file.path: InputRef(path=f"../data/{file.path}", sha256=file.sha256)
            for file in self.record.files
        }

    @property
    def all_inputs(self) -> dict[str, InputRef]:
        """The same with the file that was given, if one was: what an audit derives from."""
        path = self.folder / GIVEN.name
        if not path.is_file():
            return self.inputs
        given = InputRef(path=f"../data/{GIVEN.name}", sha256=sha256_file(path))
        return {**self.inputs, GIVEN.name: given}

    def describe_in(self, folder: Path) -> None:
        """Copy what tells of the dataset, without the arrays, into the hub's ``folder``."""
        folder.mkdir(parents=True)
        for name in (METADATA, RESULT, JOB, GIVEN.name, LOG):
            if (self.folder / name).is_file():
                shutil.copyfile(self.folder / name, folder / name)


def find(record: DatasetRecord, cache: Path) -> Dataset | None:
    """The dataset of a hub's ``record``, simulated or restored, if its files have their digests.

    Whatever is missing or has other bytes makes it ``None``.
    """
    folder = find_folder(record, cache)
    return None if folder is None else Dataset(folder=folder, record=record)


def refuse_other_data(sealed: DatasetRecord, made: DatasetRecord) -> None:
    """Raise ``VerificationError`` when a dataset is not the one that a hub's arms were shown."""
    if names := differing(digests(sealed.files), digests(made.files)):
        raise VerificationError(
            f"the dataset, simulated again, differs from the hub's in {names}; use the packages "
            "and the version of phasehub that made the hub"
        )


def origin(job: Job, code: Snapshot, engine: EngineRecord) -> dict[str, JsonValue]:
    """What the data of a run are made from; its digest is their address."""
    return made_from(job, code.root / "models", str(engine.facts["packages_sha256"]))


def prepare(
    job: Job,
    *,
    code: Snapshot,
    engine: EngineRecord,
    cache: Path,
    labels: dict[str, str],
    run: RunAttempt,
    say: Say,
    given: Path | None = None,
    sealed: Sealed | None = None,
) -> Dataset | DatasetRecord:
    """The dataset from the cache, verified, or simulated now; a bare record where that failed.

    ``given`` is the file that the dataset is made from, if there is one; ``sealed`` is what a hub
    says of these data. A cached dataset that is not what was put there, not what a simulation gave
    before, or not what the hub says, is put aside, said, and simulated again.

    Raises ``VerificationError`` if the new one is not what a simulation gave before; if the file
    that is given is not the one that was planned with; or if the code was changed meanwhile.
    """
    made_of = origin(job, code, engine)
    key = digest_json(made_of)
    folder, expected_in = cache / key, expectation_file(cache, key)
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{key}.lock"):
        expected = read_expectation(expected_in)
        if folder.is_dir():
            try:
                entry = trusted(folder, job, expected, sealed)
                cached = _cached(folder, entry, job, key)
            except ValueError as error:
                say(f"dataset: the cached {key[:12]} is damaged ({error}); simulating it again")
                remove_tree(folder)
            else:
                say(f"dataset: {key[:12]} from the cache, verified")
                mark_used(folder)
                if expected is None:
                    expect(expected_in, entry)
                return Dataset(folder=folder, record=cached)
        attempt = _lay_out(job, cache / f"{key}.work", labels, given)
        record = _collected(attempt, key, run(attempt))
        code.refuse_changes()
        if record.status != "succeeded":
            return record
        refuse_other_bytes(expected_in, expected, digests(record.files))
        collected = attempt.launch.job_dir.parent / SEALED
        entry = write_entry(
            collected,
            origin=made_of,
            code=code,
            engine=engine,
            job_sha256=attempt.job_sha256,
            files=record.files,
        )
        if expected is None:
            expect(expected_in, entry)
        collected.rename(folder)
        remove_tree(attempt.launch.job_dir.parent)
        return Dataset(folder=folder, record=record)


SEALED = "sealed"
"""Folder of what was collected, until it is put into its place."""


def trusted(
    folder: Path, job: Job, expected: Expectation | None, sealed: Sealed | None
) -> CacheEntry:
    """The entry of a cached dataset that a run may use. Raises ``ValueError`` saying why not."""
    entry = open_entry(folder)
    found = digests(entry.files)
    if entry.job_sha256 != sha256_bytes(job_document(job, _inputs(job))):
        raise ValueError("it was made by another job")
    for name, given in _inputs(job).items():
        if entry.beside.get(name) != given.sha256:
            raise ValueError(f"{name} is not the one that was planned with")
    if expected is not None and (names := differing(expected.files, found)):
        raise ValueError(f"{names}: not what a simulation gave before")
    if sealed is not None and (names := differing(sealed.files, found)):
        raise ValueError(f"{names}: not what {sealed.hub} was made with")
    return entry


def given_digest(job: Job) -> str | None:
    """Digest of the file that a simulation is given, if it is given one."""
    digest = job.parameters[GIVEN.section][GIVEN.planned]
    return None if digest is None else str(digest)


def _inputs(job: Job) -> dict[str, InputRef]:
    digest = given_digest(job)
    return {} if digest is None else {GIVEN.name: InputRef(path=GIVEN.name, sha256=digest)}


def _lay_out(job: Job, work: Path, labels: dict[str, str], given: Path | None) -> Attempt:
    """The simulation on disk, with the file that it is given beside its job."""
    remove_tree(work)
    attempt = lay_out(job, folder=work, inputs=_inputs(job), labels=labels)
    if given is not None:
        _copy_given(given, attempt.launch.job_dir / GIVEN.name, job)
    return attempt


def _copy_given(source: Path, copy: Path, job: Job) -> None:
    shutil.copyfile(source, copy)
    if sha256_file(copy) != given_digest(job):
        raise VerificationError(f"{source} was changed since the phase was planned; run it again")


def _collected(attempt: Attempt, key: str, outcome: Outcome) -> DatasetRecord:
    """The record of an ended simulation; what it left is collected if it succeeded."""
    job, sealed = attempt.job, attempt.launch.job_dir.parent / SEALED
    facts = take(
        attempt, outcome, sealed, read=lambda folder: {"metadata": read_table(folder, METADATA)}
    )
    files = facts.pop("files", ())
    if facts["status"] != "succeeded":
        return DatasetRecord(**_planned(job, key), **facts)
    for name in _inputs(job):
        shutil.copyfile(attempt.launch.job_dir / name, sealed / name)
    return DatasetRecord(**_planned(job, key), **facts, files=data_files(files))


def _cached(folder: Path, entry: CacheEntry, job: Job, key: str) -> DatasetRecord:
    metadata: Any = read_table(folder, METADATA)
    return DatasetRecord(
        status="succeeded",
        cached=True,
        job_sha256=entry.job_sha256,
        files=entry.files,
        metadata=metadata,
        **_planned(job, key),
    )


def not_made(job: Job, why: RunnerError | None) -> DatasetRecord:
    """The record of a dataset that a run never came to."""
    status: ArmStatus = "could_not_start" if why else "not_run"
    return DatasetRecord(
        status=status,
        message=str(why or "the run ended before its turn"),
        **_planned(job, digest_json({"parameters": job.parameters, "seed": job.seed})),
    )


def _planned(job: Job, key: str) -> dict[str, Any]:
    return {
        "name": job.name,
        "seed": job.seed,
        "parameters": job.parameters,
        "parameters_sha256": key,
    }
