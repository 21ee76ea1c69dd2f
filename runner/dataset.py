"""One dataset for all arms: addressed by what it is made from, verified by its bytes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock

from runner.attempts import Attempt, lay_out
from runner.collect import RESULT, collect
from runner.digest import digest_json, sha256_file, tree_digest
from runner.engines.base import Outcome
from runner.engines.console import keep, tail
from runner.errors import RunnerError, VerificationError
from runner.plan import InputRef, Job
from runner.reading import read_table
from runner.record import ArmStatus, DatasetRecord, FileRecord
from runner.removal import remove_tree

SIMULATOR = ("data", "physics", "config", "seeding.py")
"""What of ``models/`` decides the bytes of a dataset."""
METADATA = "metadata.json"
LOG = "console.log"
JOB = "job.json"
PROBE = "probe.npz"
"""A measured probe; it lies beside ``job.json``, also in the hub, where it can be run again."""

RunAttempt = Callable[[Attempt], Outcome]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset that every arm is shown: its folder, and the record for the hub."""

    folder: Path
    record: DatasetRecord

    @property
    def inputs(self) -> dict[str, InputRef]:
        """The inputs of ``job.json``; paths are relative to the folder that holds it."""
        return {
            file.path: InputRef(path=f"../data/{file.path}", sha256=file.sha256)
            for file in self.record.files
        }

    def describe_in(self, folder: Path) -> None:
        """Copy what tells of the dataset, without the arrays, into the hub's ``folder``."""
        folder.mkdir(parents=True)
        for name in (METADATA, RESULT, JOB, PROBE, LOG):
            if (self.folder / name).is_file():
                shutil.copyfile(self.folder / name, folder / name)


def find(record: DatasetRecord, cache: Path) -> Dataset | None:
    """The dataset of a hub's ``record``, simulated or restored, if its files have their digests.

    Whatever is missing or has other bytes makes it ``None``.
    """
    if not re.fullmatch("[0-9a-f]{64}", record.parameters_sha256) or not record.files:
        return None
    for folder in (cache / record.parameters_sha256, restored_folder(record, cache)):
        if all(_has(folder / file.path, file.sha256) for file in record.files):
            return Dataset(folder=folder, record=record)
    return None


def restored_folder(record: DatasetRecord, cache: Path) -> Path:
    """Where arrays out of an archive are kept: under the digest of what they are.

    Not where a run looks. That place is named after the parameters, and nobody but a simulation on
    this machine can say that these arrays follow from them.
    """
    return cache / f"restored-{digest_json({file.path: file.sha256 for file in record.files})}"


def _has(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_file(path) == digest


def refuse_other_data(sealed: DatasetRecord, made: DatasetRecord) -> None:
    """Raise ``VerificationError`` when a dataset is not the one that a hub's arms were shown."""
    old, new = ({file.path: file.sha256 for file in one.files} for one in (sealed, made))
    if old != new:
        names = ", ".join(sorted(name for name in old | new if old.get(name) != new.get(name)))
        raise VerificationError(
            f"the dataset, simulated again, differs from the hub's in {names}; use the packages "
            "and the version of phasehub that made the hub"
        )


def address(job: Job, models: Path, environment: str) -> str:
    """Digest of everything that the bytes of a dataset follow from.

    The parameters and the seed; the simulator's source; and ``environment``, the identity of the
    installed packages. No parameter can change and leave the old dataset in use.
    """
    return digest_json(
        {
            "parameters": job.parameters,
            "seed": job.seed,
            "threads": job.execution.threads,
            "determinism": job.execution.determinism,
            "simulator": tree_digest(models, include=_is_simulator),
            "environment": environment,
        }
    )


def _is_simulator(path: PurePosixPath) -> bool:
    return path.parts[0] in SIMULATOR and "__pycache__" not in path.parts


def prepare(
    job: Job,
    *,
    models: Path,
    environment: str,
    cache: Path,
    labels: dict[str, str],
    run: RunAttempt,
    say: Callable[[str], None],
    probe: Path | None = None,
) -> Dataset | DatasetRecord:
    """The dataset from the cache, verified, or simulated now; a bare record where that failed.

    ``probe`` is the file of a measured probe, if the dataset has one. A cached dataset whose bytes
    are not those that were sealed with it is put aside, said, and simulated anew. Raises
    ``VerificationError`` if the new one then differs from the old digests, or if the probe is no
    longer the file that was planned with.
    """
    key = address(job, models, environment)
    folder = cache / key
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{key}.lock"):
        expected = None
        if folder.is_dir():
            cached, problem = _load(folder, job, key)
            if problem is None and cached is not None:
                say(f"dataset: {key[:12]} from the cache, verified")
                return Dataset(folder=folder, record=cached)
            say(f"dataset: the cached {key[:12]} is damaged ({problem}); simulating it anew")
            expected = cached
            remove_tree(folder)
        work = cache / f"{key}.work"
        remove_tree(work)
        attempt = lay_out(job, folder=work, inputs=_inputs(job), labels=labels)
        if probe is not None:
            _copy_probe(probe, attempt.launch.job_dir / PROBE, job)
        record = _seal(attempt, key, folder=folder, outcome=run(attempt))
        if record.status != "succeeded":
            return record
        _refuse_other_bytes(expected, record)
        return Dataset(folder=folder, record=record)


def probe_digest(job: Job) -> str | None:
    """Digest of the measured probe that a simulation reads, if it reads one."""
    digest = job.parameters["dataset"]["probe_sha256"]
    return None if digest is None else str(digest)


def _inputs(job: Job) -> dict[str, InputRef]:
    digest = probe_digest(job)
    return {} if digest is None else {PROBE: InputRef(path=PROBE, sha256=digest)}


def _copy_probe(source: Path, copy: Path, job: Job) -> None:
    shutil.copyfile(source, copy)
    if sha256_file(copy) != probe_digest(job):
        raise VerificationError(f"{source} was changed since the phase was planned; run it again")


def _seal(attempt: Attempt, key: str, *, folder: Path, outcome: Outcome) -> DatasetRecord:
    """The record of an ended simulation; what it left is in ``folder`` if it succeeded."""
    job, work = attempt.job, attempt.launch.job_dir.parent
    facts = _planned(job, key) | {
        "status": outcome.status,
        "message": outcome.message,
        "wall_s": round(outcome.ended_at - outcome.started_at, 3),
        "job_sha256": attempt.job_sha256,
    }
    if outcome.status != "succeeded":
        return DatasetRecord(**facts, log_tail=tail(attempt.launch.log_path))
    sealed = work / "sealed"
    collected = collect(
        attempt.launch.out_dir, sealed, experiment="simulate", job_sha256=attempt.job_sha256
    )
    if collected.problems:
        facts |= {"status": "invalid_output", "message": collected.describe()}
        return DatasetRecord(**facts)
    keep(attempt.launch.log_path, sealed / LOG)
    for name in (JOB, *_inputs(job)):
        shutil.copyfile(attempt.launch.job_dir / name, sealed / name)
    sealed.rename(folder)
    remove_tree(work)
    metadata: Any = read_table(folder, METADATA)
    return DatasetRecord(**facts, files=data_files(collected.files), metadata=metadata)


def not_made(job: Job, why: RunnerError | None) -> DatasetRecord:
    """The record of a dataset that a run never came to."""
    status: ArmStatus = "could_not_start" if why else "not_run"
    return DatasetRecord(
        status=status,
        message=str(why or "the run ended before its turn"),
        **_planned(job, digest_json({"parameters": job.parameters, "seed": job.seed})),
    )


def data_files(files: tuple[FileRecord, ...]) -> tuple[FileRecord, ...]:
    """The files that arms read: those that are deterministic."""
    return tuple(file for file in files if file.deterministic)


def _planned(job: Job, key: str) -> dict[str, Any]:
    return {"seed": job.seed, "parameters": job.parameters, "parameters_sha256": key}


def _load(folder: Path, job: Job, key: str) -> tuple[DatasetRecord | None, str | None]:
    """The record of a cached dataset, and what is wrong with its bytes, if anything is."""
    try:
        result: Any = read_table(folder, RESULT)
        metadata: Any = read_table(folder, METADATA)
        files = data_files(tuple(FileRecord(**file) for file in result["files"]))
        record = DatasetRecord(
            status="succeeded",
            cached=True,
            job_sha256=result["job_sha256"],
            files=files,
            metadata=metadata,
            **_planned(job, key),
        )
    except (ValueError, KeyError, TypeError) as error:
        return None, f"{RESULT} or {METADATA} cannot be used: {error}"
    expected = {file.path: file.sha256 for file in files}
    expected |= {name: given.sha256 for name, given in _inputs(job).items()}
    for name, digest in expected.items():
        if not (folder / name).is_file():
            return record, f"{name} is missing"
        if sha256_file(folder / name) != digest:
            return record, f"{name} was changed"
    return record, None


def _refuse_other_bytes(expected: DatasetRecord | None, record: DatasetRecord) -> None:
    if expected is None:
        return
    old = {file.path: file.sha256 for file in expected.files}
    new = {file.path: file.sha256 for file in record.files}
    if old != new:
        names = ", ".join(sorted(name for name in old | new if old.get(name) != new.get(name)))
        raise VerificationError(
            f"dataset {record.parameters_sha256[:12]}: simulated anew, {names} did not come out as "
            "before; the simulation is not repeatable on this machine, or the cache was forged: "
            "remove the cached datasets and run again"
        )
