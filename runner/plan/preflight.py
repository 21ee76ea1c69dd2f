"""Can a plan run here, and for how long: disk, memory, processors, rough time. Starts nothing.

What a manifest alone decides (geometry, knobs) is checked when it is loaded; here the plan meets a
machine.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.core.allowance import allowance
from runner.core.errors import EngineError, ManifestError
from runner.core.installation import state_dir
from runner.engines import gpus
from runner.experiment import EXPERIMENT
from runner.plan.estimates import duration, gibibytes
from runner.plan.model import ArmJob, Plan

COSTS = EXPERIMENT.costs
HUB_BYTES, HUB_FILES = 8 << 20, 250
"""What a hub takes without its arms: code, pages, plots. One of small arms had 2 MiB, 200 files."""
ARM_BYTES, ARM_FILES = 1 << 20, 30
"""What an arm leaves beside its weights; while it is collected, it lies there twice."""
STATES_AT_A_TIME = 3
"""Checkpoints of an arm that there are at most: the last two, and one that is being written."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a machine has to offer."""

    free_disk_bytes: int
    """Where the hub will lie."""
    free_files: int | None = None
    """Inodes that are left there; ``None`` where the file system does not count them."""
    free_state_bytes: int | None = None
    """Where datasets are cached; ``None`` if that is the same disk."""
    memory_bytes: int
    processors: int
    gpu_bytes: int | None = None
    """Memory of the smallest GPU; ``None`` without GPUs, or where none tells."""


def this_machine(folder: Path, *, with_gpus: bool = False) -> Machine:
    """The machine that runs this process, with the disks of ``folder`` and of what is cached.

    Raises ``EngineError`` when its GPUs are asked for and their driver is broken.
    """
    hubs, state = _existing(folder), _existing(state_dir())
    disk = os.statvfs(hubs)
    found = gpus.available() if with_gpus else []
    allowed = allowance()
    return Machine(
        free_disk_bytes=shutil.disk_usage(hubs).free,
        free_files=disk.f_favail if disk.f_files else None,
        free_state_bytes=(
            None if hubs.stat().st_dev == state.stat().st_dev else shutil.disk_usage(state).free
        ),
        memory_bytes=allowed.memory_bytes,
        processors=allowed.cores,
        gpu_bytes=min((gpu.memory_bytes for gpu in found if gpu.memory_bytes), default=None),
    )


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.resolve().parents) if path.exists())


def preflight(plan: Plan, machine: Machine, *, elsewhere: bool = False) -> tuple[str, ...]:
    """What to know before the plan runs on ``machine``, a sentence each.

    Where jobs run ``elsewhere``, ``machine`` gives the disks alone.

    Raises:
        ManifestError: Arms will take more memory than they are allowed.
        EngineError: The disk has no room for what the run will write, or the machine or its GPU has
            not the memory that an arm will take.
    """
    _require_disk(plan, machine)
    ours = [job for job in plan.arms if job.is_known]
    if too_large := [line for job in ours for line in (*_above_limit(job), *_above_disk(job))]:
        raise ManifestError("\n".join(too_large))
    if elsewhere:
        return ()
    if too_large := [line for job in ours for line in _above_machine(job, machine)]:
        raise EngineError("\n".join(too_large))
    notes = [note for job in plan.arms for note in _notes(job, machine)]
    return tuple(dict.fromkeys(notes))


def _require_disk(plan: Plan, machine: Machine) -> None:
    kept = plan.audit is not None and plan.audit.keep
    states = [audit_bytes(job) for job in plan.arms]
    # The states of an arm go once they are audited; as many arms as processors may have some.
    most = sum(states) if kept else sum(sorted(states)[-machine.processors :])
    going_on = [fit_state_bytes(job) for job in plan.arms]
    data = sum(COSTS.dataset_bytes(job.values.dataset) for job in plan.datasets)
    needed = HUB_BYTES + data + 2 * most
    needed += 2 * sum(ARM_BYTES + checkpoint_bytes(job) for job in plan.arms)
    needed += STATES_AT_A_TIME * sum(sorted(going_on)[-machine.processors :])
    if needed > machine.free_disk_bytes:
        raise EngineError(
            f"the run writes about {gibibytes(needed)} and the disk has "
            f"{gibibytes(machine.free_disk_bytes)} left; free some, or choose another folder "
            "with --out"
        )
    files = HUB_FILES + 2 * ARM_FILES * len(plan.arms)
    if machine.free_files is not None and files > machine.free_files:
        raise EngineError(
            f"the run makes about {files} files and the disk has room for {machine.free_files} "
            "more (inodes); remove some, or choose another folder with --out"
        )
    if machine.free_state_bytes is not None and data > machine.free_state_bytes:
        raise EngineError(
            f"the datasets take about {gibibytes(data)} and the disk of {state_dir()} has "
            f"{gibibytes(machine.free_state_bytes)} left; free some, or choose another folder with "
            "PHASEHUB_STATE"
        )


def checkpoint_bytes(job: ArmJob) -> int:
    """Size of the weights that an arm stores at its end.

    0 where nothing is known of what it stores.
    """
    if not job.is_known:
        return 0
    return COSTS.stored_bytes(job.num_parameters or 0)


def audit_bytes(job: ArmJob) -> int:
    """Most that the states take which an arm leaves for its audit.

    0 where nothing is known of what it leaves.
    """
    if not job.is_known:
        return 0
    return COSTS.audit_bytes(job.values, job.num_parameters or 0)


def fit_state_bytes(job: ArmJob) -> int:
    """Most that a checkpoint takes from which an arm can go on; 0 where it leaves none."""
    if not job.is_known or job.resources.checkpoint_every is None:
        return 0
    return COSTS.fit_state_bytes(job.values, job.num_parameters or 0)


def _above_limit(job: ArmJob) -> Iterator[str]:
    needed = COSTS.memory(job.values, job.execution.device).host_bytes + fit_state_bytes(job)
    if needed > job.resources.memory_bytes:
        yield (
            f"arm {job.name} will take about {gibibytes(needed)} of memory, more than its "
            f"resources.memory_gib {job.resources.memory_gib:g}; raise it{_or_save(job)}"
        )


def _above_disk(job: ArmJob) -> Iterator[str]:
    states = audit_bytes(job)
    needed = checkpoint_bytes(job) + states + STATES_AT_A_TIME * fit_state_bytes(job)
    if needed > job.resources.disk_bytes:
        less = " or set [audit] steps to 1" if states else ""
        yield (
            f"arm {job.name} will leave about {gibibytes(needed)} of files, more than its "
            f"resources.disk_gib {job.resources.disk_gib:g}; raise it{less}"
        )


def _above_machine(job: ArmJob, machine: Machine) -> Iterator[str]:
    memory = COSTS.memory(job.values, job.execution.device)
    if memory.host_bytes > machine.memory_bytes:
        yield (
            f"arm {job.name} will take about {gibibytes(memory.host_bytes)} of memory and the "
            f"machine has {gibibytes(machine.memory_bytes)}; take a larger one{_or_save(job)}"
        )
    if machine.gpu_bytes is not None and memory.gpu_bytes > machine.gpu_bytes:
        yield (
            f"arm {job.name} will take about {gibibytes(memory.gpu_bytes)} of a GPU's memory and "
            f"the GPU has {gibibytes(machine.gpu_bytes)}; take a larger one, run with --device "
            f"cpu{_or_save(job)}"
        )


def _or_save(job: ArmJob) -> str:
    """The knobs that would help."""
    device = job.execution.device
    found = [
        f"{change} ({gibibytes(taken.gpu_bytes if device == 'cuda' else taken.host_bytes)})"
        for change, taken in COSTS.savings(job.values, device)
    ]
    return f", or save memory: {', '.join(found)}" if found else ""


def _notes(job: ArmJob, machine: Machine) -> Iterator[str]:
    if job.execution.threads > machine.processors:
        yield (
            f"arm {job.name} runs {job.execution.threads} threads on {machine.processors} "
            "processors: slower, with the same result"
        )
    if not job.is_known:
        yield f"arm {job.name}: own command, no estimate of its time and memory"
    elif job.execution.device == "cpu":
        parameters, steps = job.values, job.steps or 0
        seconds = COSTS.cpu_seconds(parameters, steps, job.execution.threads)
        memory = COSTS.memory(parameters, "cpu").host_bytes
        yield (
            f"arm {job.name}: {steps} steps on the CPU, roughly {duration(seconds)} and "
            f"{gibibytes(memory)} of memory"
        )
