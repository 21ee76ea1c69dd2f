"""Where a run computes: the CPU or GPUs, and how many arms fit side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from runner.core import locks
from runner.core.allowance import Allowance, allowance
from runner.core.errors import EngineError, GpuError
from runner.core.installation import state_dir
from runner.core.text import briefly
from runner.engines import gpus, has_gpus
from runner.engines.environments.wheels import Variant
from runner.engines.kinds import EngineName, is_elsewhere
from runner.jobs.sites import queue_use
from runner.jobs.slots import Shares, Slots
from runner.manifest.model import LoadedManifest
from runner.plan.model import Device, Job


def choose_device(
    asked: str,
    *,
    wants_gpu: bool,
    engine: str = EngineName.auto,
    project: Path | None = None,
) -> tuple[Device, str | None]:
    """The device, and what the user must know about the choice, if anything.

    Args:
        asked: ``auto`` (a GPU when the manifest wants one and there is one), ``cpu``, or ``cuda``,
            which insists.
        wants_gpu: Whether any arm of the manifest asks for a GPU.
        engine: The engine, which knows of GPUs elsewhere if its jobs run on other machines.
        project: The folder whose site file says how those are used.

    Raises:
        EngineError: ``cuda`` was asked for and there is no GPU.
    """
    if asked == "cpu" or (asked == "auto" and not wants_gpu):
        chosen_against = "running on the CPU as asked, although the manifest asks for a GPU"
        return "cpu", chosen_against if wants_gpu else None
    if is_elsewhere(engine):
        if asked == "cuda" or has_gpus(engine, queue_use(project)):
            return "cuda", None
        return "cpu", "the manifest asks for a GPU and no node has one: running on the CPU"
    if gpus.available():
        return "cuda", locks.place().remark
    if asked == "cuda":
        raise no_gpu("--device cuda")
    return "cpu", "the manifest asks for a GPU and there is none: running on the CPU"


def no_gpu(who: str) -> GpuError:
    """The error where a GPU is needed, by ``who``, and there is none."""
    return GpuError(
        f"{who}: this machine has no NVIDIA GPU that its driver lists and CUDA_VISIBLE_DEVICES "
        "leaves; install its driver"
    )


@contextmanager
def with_no_other_device() -> Iterator[None]:
    """A block that makes numbers again: what is said of a missing GPU does not advise the CPU.

    Raises ``EngineError`` in place of ``GpuError``.
    """
    try:
        yield
    except GpuError as error:
        raise EngineError(
            f"{error.problem}, or use another machine: on a CPU other bits come out. To have a "
            "new hub of the same phase, `phasehub run` its manifest.toml with --device cpu"
        ) from error


@contextmanager
def reserve_slots(
    jobs: Sequence[Job],
    note: Callable[[str], object] = lambda _text: None,
    side_by_side: int | None = None,
) -> Iterator[Slots]:
    """Slots for the jobs: GPUs, and so many ``side_by_side``, or as cores and memory allow.

    ``note`` is called for GPUs that are passed over. Raises ``EngineError`` when there are not as
    many as a job asks for; that others hold them now is none of it.
    """
    on_gpu = [job for job in jobs if job.execution.device == "cuda"]
    ids = [gpu.id for gpu in gpus.available()] if on_gpu else []
    most = max((job.resources.gpus for job in on_gpu), default=0)
    if on_gpu and not ids:
        raise no_gpu(f"no GPU for {briefly([job.name for job in on_gpu])}")
    if len(ids) < most:
        names = briefly([job.name for job in on_gpu if job.resources.gpus == most])
        raise EngineError(f"{names}: {most} GPUs are asked for, and there are {len(ids)}")
    shares = None if side_by_side else shares_of(allowance(), state_dir() / "cores")
    slots = Slots(side_by_side, shares=shares, gpu_ids=ids, note=note)
    try:
        yield slots
    finally:
        slots.close()


def shares_of(allowed: Allowance, folder: Path | None = None) -> Shares:
    """What the jobs of a run may take; locks against other runs lie in ``folder``, if there."""
    if folder is not None:
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Shares(
        cores=allowed.cores,
        memory_bytes=allowed.free_bytes,
        of_machine=os.cpu_count() or allowed.cores,
        folder=None if folder is None or locks.wrong(folder) else folder,
    )


def package_variant(loaded: LoadedManifest, device: Device) -> Variant:
    """The packages that the jobs of a phase need: those that it names, or those for the device."""
    named = loaded.manifest.image.variant
    return device if named == "auto" else named
