"""Which GPUs this machine has, and one lock for each, so that two runners never share one."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.core import locks
from runner.core.errors import EngineError, GpuError

if TYPE_CHECKING:
    from runner.engines.nvml import Card, Device

ID = re.compile(r"(GPU|MIG)-[0-9A-Za-z-]+")


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU, or one instance of a partitioned one (MIG).

    ``id`` is the driver's UUID, which containers and CUDA both understand.
    """

    id: str
    name: str
    memory_bytes: int | None
    """``None`` where the driver does not tell (shared memory)."""
    driver: str


def available() -> list[Gpu]:
    """The GPUs that this process may use, in the driver's order; none without NVIDIA driver.

    ``CUDA_VISIBLE_DEVICES`` restricts them, as a cluster's scheduler does. Raises ``GpuError``
    where there is a driver that fails, and ``EngineError`` where it says what it should not.
    """
    from runner.engines import nvml  # here, because most verbs never ask

    return visible(nvml.cards(), os.environ.get("CUDA_VISIBLE_DEVICES"))


def visible(cards: Sequence[Card], setting: str | None) -> list[Gpu]:
    """What of ``cards`` ``CUDA_VISIBLE_DEVICES`` names by position or (start of) UUID.

    As in CUDA, ``None`` means all, the first entry that names nothing ends the list, and a GPU
    that is partitioned is its first instance. Raises ``EngineError`` for an id of another form.
    """
    known = [[gpu(device) for device in card.devices] for card in cards]
    if setting is None:
        return [one for devices in known for one in devices]
    chosen: list[Gpu] = []
    for entry in setting.split(","):
        named = _named(entry.strip(), [card.uuid for card in cards], known)
        if len(named) != 1:
            break
        chosen += named
    return chosen


def _named(entry: str, uuids: Sequence[str], known: Sequence[Sequence[Gpu]]) -> list[Gpu]:
    if entry.startswith("MIG-"):
        return [one for devices in known for one in devices if one.id.startswith(entry)]
    return [
        one
        for position, (uuid, devices) in enumerate(zip(uuids, known, strict=True))
        if entry == str(position) or (entry.startswith("GPU-") and uuid.startswith(entry))
        for one in devices[:1]
    ]


def gpu(device: Device) -> Gpu:
    """A GPU, or an instance of one, as the driver tells it.

    Raises ``EngineError`` for an id that is none: it names locks and goes to engines.
    """
    if not ID.fullmatch(device.uuid):
        raise EngineError(
            f"the NVIDIA driver calls a GPU {device.uuid!r}; expected GPU-… or MIG-… with letters, "
            "digits and hyphens"
        )
    return Gpu(
        id=device.uuid,
        name=device.name,
        memory_bytes=device.memory_bytes,
        driver=device.driver,
    )


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
