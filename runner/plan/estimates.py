"""How much memory and time jobs will take, by formula and in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeVar

from runner.experiment import EXPERIMENT
from runner.plan.model import ArmJob, Job

T = TypeVar("T")

GIB = 2**30
BESIDE_BYTES = GIB
"""What a job of ours that is no arm is taken to need."""


def needed_bytes(job: Job) -> int:
    """Memory of the host that a job will take; its limit where nothing is known of it."""
    if not job.is_known:
        return job.resources.memory_bytes
    if not isinstance(job, ArmJob):
        return min(job.resources.memory_bytes, BESIDE_BYTES)
    return EXPERIMENT.costs.memory(job.values, job.execution.device).host_bytes


def needed_s(job: Job) -> float | None:
    """Rough time of an arm on a CPU, s; on a GPU it only tells long from short. Or ``None``."""
    if not job.is_known or not isinstance(job, ArmJob):
        return None
    return EXPERIMENT.costs.cpu_seconds(job.values, job.steps or 0, job.execution.threads)


def longest_first(items: Iterable[T], job_of: Callable[[T], Job]) -> list[T]:
    """In the order in which they end soonest together; first those of which nothing is known."""
    return sorted(items, key=lambda item: -(needed_s(job_of(item)) or math.inf))


def gibibytes(size: float) -> str:
    """A size in GiB with one decimal, two below one; a small one in MiB or KiB."""
    if size >= GIB / 16:
        return f"{size / GIB:.{1 if size >= GIB else 2}f} GiB"
    return f"{size / 2**20:.0f} MiB" if size >= 1 << 20 else f"{size / 2**10:.0f} KiB"


def duration(seconds: float) -> str:
    """A time in the largest unit that it fills."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
