"""Can a plan run here, and for how long: disk, memory, processors, rough time. Starts nothing.

What a manifest alone decides (geometry, knobs) is checked when it is loaded; here the plan meets a
machine.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from models.config import Dataset, Parameters, count_parameters, step_operations
from runner.errors import EngineError, ManifestError
from runner.plan import Job, Plan

GIB = 2**30

STARTED_PYTHON_BYTES = 300 * 2**20
"""Resident memory of a process that has imported torch and done nothing."""
STEP_OVERHEAD_S = 0.015
FLOPS_PER_THREAD = 80e9
"""With the overhead, these give the time of a step on CPU cores of the 2020s within a factor of two
or so: 0.4 s at N = 64, h = 32, n = 4 on two threads, 0.025 s at N = 32, h = 8, n = 3 on one."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a machine has to offer."""

    free_disk_bytes: int
    memory_bytes: int
    processors: int


def this_machine(folder: Path) -> Machine:
    """The machine that runs this process, with the disk that ``folder`` lies on."""
    existing = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    return Machine(
        free_disk_bytes=shutil.disk_usage(existing).free,
        memory_bytes=psutil.virtual_memory().total,
        processors=len(os.sched_getaffinity(0)),
    )


def preflight(plan: Plan, machine: Machine) -> tuple[str, ...]:
    """What to know before the plan runs on ``machine``, a sentence each.

    Raises:
        ManifestError: An arm's memory limit is below what its data and weights alone take.
        EngineError: The disk has no room for what the run will write.
    """
    _require_disk(plan, machine)
    notes = [note for job in plan.arms for note in _notes(job, machine)]
    return tuple(dict.fromkeys(notes))


def dataset_bytes(dataset: Dataset) -> int:
    """Size of the stored dataset: three float32 maps a patch, the objects in complex64."""
    patches = sum(
        objects * dataset.patches_per_object(stride)
        for objects, stride in (
            (dataset.num_train_objects, dataset.train_stride),
            (dataset.num_test_objects, dataset.test_stride),
        )
    )
    objects = dataset.num_train_objects + dataset.num_test_objects
    return 12 * patches * dataset.patch_size**2 + 8 * objects * dataset.object_size**2


def least_memory_bytes(parameters: Parameters) -> int:
    """What an arm takes at the very least: Python, the patterns, weights and their gradients."""
    weights = 4 * count_parameters(parameters).live
    return STARTED_PYTHON_BYTES + dataset_bytes(parameters.dataset) // 3 + 2 * weights


def cpu_seconds(job: Job) -> float:
    """Rough time of an arm's training on a CPU; see ``FLOPS_PER_THREAD``."""
    flops = step_operations(_parameters(job))
    return (job.steps or 0) * (STEP_OVERHEAD_S + flops / (FLOPS_PER_THREAD * job.execution.threads))


def _require_disk(plan: Plan, machine: Machine) -> None:
    dataset = Dataset.model_validate_json(json.dumps(plan.dataset.parameters["dataset"]))
    # Each arm keeps two checkpoints, once where it writes them and once in the hub.
    needed = dataset_bytes(dataset) + sum(16 * (job.num_parameters or 0) for job in plan.arms)
    if needed > machine.free_disk_bytes:
        raise EngineError(
            f"the run writes about {needed / GIB:.1f} GiB and the disk has "
            f"{machine.free_disk_bytes / GIB:.1f} GiB left; free some, or choose another folder "
            "with --out"
        )


def _notes(job: Job, machine: Machine) -> list[str]:
    limit, least = job.resources.memory_bytes, least_memory_bytes(_parameters(job))
    if least > limit:
        raise ManifestError(
            f"arm {job.name}: resources.memory_gib {job.resources.memory_gib:g} is below the "
            f"{least / GIB:.1f} GiB that its data and weights alone take; raise it"
        )
    notes = []
    if least > machine.memory_bytes:
        notes.append(
            f"arm {job.name} takes at least {least / GIB:.1f} GiB of memory and the machine has "
            f"{machine.memory_bytes / GIB:.1f} GiB"
        )
    if job.execution.threads > machine.processors:
        notes.append(
            f"arm {job.name} runs {job.execution.threads} threads on {machine.processors} "
            "processors: slower, with the same result"
        )
    if job.execution.device == "cpu":
        notes.append(
            f"arm {job.name}: {job.steps} steps on the CPU, roughly {_duration(cpu_seconds(job))}"
        )
    return notes


def _parameters(job: Job) -> Parameters:
    return Parameters.model_validate_json(json.dumps(job.parameters))


def _duration(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
