"""Which GPUs this machine has, and what of them this process may use.

The driver tells; or, where ``PHASEHUB_DEVICES`` names a file, that file in its place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.core.errors import EngineError

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
    return visible(cards(), os.environ.get("CUDA_VISIBLE_DEVICES"))


def used_bytes() -> dict[str, int | None]:
    """Memory of each GPU that somebody uses now, by its id; ``None`` where nobody tells."""
    return {device.uuid: device.used_bytes for card in cards() for device in card.devices}


def cards() -> list[Card]:
    """The machine's GPUs, as the driver or the file lists them. Raises as ``available``."""
    from runner.engines import device_file, nvml  # here, because most verbs never ask

    named = os.environ.get(device_file.VARIABLE)
    return device_file.cards(named) if named else nvml.cards()


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
