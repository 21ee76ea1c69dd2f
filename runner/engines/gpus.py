"""Which GPUs this machine has, and one lock for each, so that two runners never share one."""

from __future__ import annotations

import contextlib
import csv
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.core import locks
from runner.core.errors import EngineError, GpuError

QUERY = ("uuid", "name", "memory.total", "driver_version")


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU. ``id`` is the driver's UUID, which containers and CUDA both understand."""

    id: str
    name: str
    memory_bytes: int | None
    """``None`` where the driver does not tell (shared memory)."""
    driver: str


def available() -> list[Gpu]:
    """The GPUs that this process may use, in the driver's order; none without NVIDIA driver.

    ``CUDA_VISIBLE_DEVICES`` restricts them, as a cluster's scheduler does. Raises ``EngineError``
    when ``nvidia-smi`` is there and fails: a broken driver is not the absence of a GPU.
    """
    command = ["nvidia-smi", f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError:
        return []
    except subprocess.TimeoutExpired:
        raise GpuError("nvidia-smi does not answer; check the driver") from None
    if done.returncode != 0:
        told = (done.stdout + done.stderr).strip()
        if "No devices were found" in told:
            return []
        raise GpuError(f"nvidia-smi failed: {told}. Check the driver")
    return visible(parse(done.stdout), os.environ.get("CUDA_VISIBLE_DEVICES"))


def visible(gpus: Sequence[Gpu], setting: str | None) -> list[Gpu]:
    """Those of ``gpus`` that ``CUDA_VISIBLE_DEVICES`` names by position or (start of) UUID.

    As in CUDA, ``None`` means all, and the first entry that names no GPU ends the list.
    """
    if setting is None:
        return list(gpus)
    chosen: list[Gpu] = []
    for entry in setting.split(","):
        named = [
            gpu
            for position, gpu in enumerate(gpus)
            if entry.strip() == str(position)
            or (entry.strip().startswith("GPU-") and gpu.id.startswith(entry.strip()))
        ]
        if len(named) != 1:
            break
        chosen += named
    return chosen


def parse(listing: str) -> list[Gpu]:
    """GPUs from the lines that ``nvidia-smi --query-gpu=… --format=csv,noheader`` prints.

    Raises ``EngineError`` for a line of another form.
    """
    rows = [row for row in csv.reader(listing.splitlines(), skipinitialspace=True) if row]
    return [_gpu(row) for row in rows]


def _gpu(row: list[str]) -> Gpu:
    if len(row) != len(QUERY) or not re.fullmatch(r"GPU-[0-9A-Za-z-]+", row[0].strip()):
        raise EngineError(f"nvidia-smi says {', '.join(row)!r}; expected {', '.join(QUERY)}")
    identity, name, memory, driver = (value.strip() for value in row)
    size = re.fullmatch(r"(\d+) MiB", memory)
    memory_bytes = int(size[1]) << 20 if size else None
    return Gpu(id=identity, name=name, memory_bytes=memory_bytes, driver=driver)


@contextlib.contextmanager
def reserve(ids: Sequence[str], folder: Path | None = None) -> Iterator[tuple[str, ...]]:
    """Hold those of ``ids`` that no other runner holds, until the block ends.

    A lock ends with the process that holds it, however that ends. Raises ``EngineError`` when
    all are held by others, which is never taken for having none; and as ``locks.hold``.
    """
    with contextlib.ExitStack() as held:
        place = folder or locks.place().folder
        free = tuple(gpu_id for gpu_id in ids if held.enter_context(locks.hold(place, gpu_id)))
        if ids and not free:
            raise GpuError(
                f"every GPU of this machine ({len(ids)}) is held by another runner; wait until "
                "it is done"
            )
        yield free
