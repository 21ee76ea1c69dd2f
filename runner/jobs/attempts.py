"""One try at one job on disk: ``job.json``, an empty output folder, and the engine's launch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.core.digest import sha256_bytes, sha256_file
from runner.core.files import remove_tree
from runner.engines.base import Launch, Limits
from runner.manifest.tables import Resources
from runner.plan.model import InputRef, Job, job_document

LAST_CHECKPOINT_S = 8.0
"""Time for a job that is asked to stop to end its step and to leave a last checkpoint, s."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try at one job: its launch, and the digest of the ``job.json`` that it was given."""

    job: Job
    number: int
    launch: Launch
    job_sha256: str
    not_before_s: float = 0.0
    """When it may begin, by the monotonic clock."""
    notes: tuple[str, ...] = ()
    """What became of the attempts before it, where that was not the job's doing."""

    @property
    def job_file(self) -> Path:
        """Where ``job.json`` lies."""
        return self.launch.job_dir / "job.json"


def lay_out(
    job: Job,
    *,
    folder: Path,
    number: int = 1,
    inputs: Mapping[str, InputRef] | None = None,
    data_dir: Path | None = None,
    labels: Mapping[str, str],
) -> Attempt:
    """Make ``folder`` with the job's input and a fresh output folder, so nothing stale can mix in.

    Raises ``FileExistsError`` when the folder was used before.
    """
    attempt = _attempt(job, folder, number, inputs, data_dir, labels)
    attempt.launch.job_dir.mkdir(parents=True)
    attempt.launch.out_dir.mkdir()
    attempt.job_file.write_bytes(job_document(job, inputs or {}))
    return attempt


def reopen(
    job: Job,
    *,
    folder: Path,
    number: int,
    inputs: Mapping[str, InputRef],
    data_dir: Path,
    labels: Mapping[str, str],
) -> Attempt | None:
    """The attempt that ``lay_out`` made in ``folder``, if it was at the very same job."""
    attempt = _attempt(job, folder, number, inputs, data_dir, labels)
    try:
        same = sha256_file(attempt.job_file) == attempt.job_sha256
    except OSError:
        return None
    return attempt if same and attempt.launch.out_dir.is_dir() else None


def renew(attempt: Attempt) -> Attempt:
    """The same attempt once more, with a fresh output folder; its job has been stopped."""
    remove_tree(attempt.launch.out_dir)
    attempt.launch.out_dir.mkdir()
    return attempt


def _attempt(
    job: Job,
    folder: Path,
    number: int,
    inputs: Mapping[str, InputRef] | None,
    data_dir: Path | None,
    labels: Mapping[str, str],
) -> Attempt:
    return Attempt(
        job=job,
        number=number,
        job_sha256=sha256_bytes(job_document(job, inputs or {})),
        launch=Launch(
            name=job.name,
            command=job.command,
            job_dir=folder / "job",
            data_dir=data_dir,
            out_dir=folder / "out",
            log_path=folder / "console.log",
            environment=job.environment,
            limits=limits(job.resources),
            num_gpus=max(1, job.resources.gpus) if job.execution.device == "cuda" else 0,
            labels={**labels, "arm": job.name, "attempt": str(number)},
        ),
    )


def limits(resources: Resources) -> Limits:
    """A job's bounds in the units of engines."""
    return Limits(
        timeout_s=resources.timeout_s,
        memory_bytes=resources.memory_bytes,
        pids=resources.pids,
        shm_bytes=resources.shm_bytes,
        tmp_bytes=resources.tmp_bytes,
        disk_bytes=resources.disk_bytes,
        threads=resources.threads,
        network=resources.network,
        seccomp=resources.seccomp,
        stop_s=LAST_CHECKPOINT_S if resources.checkpoint_every else 0.0,
    )
