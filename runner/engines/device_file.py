"""GPUs out of a file in place of the driver's: to schedule as if they were there, on any machine.

``PHASEHUB_DEVICES`` names it. A JSON list, in the driver's order; ``instances`` are those of a GPU
that is partitioned, each a table like a GPU's::

    {"gpus": [{"id": "GPU-1", "name": "A", "memory_mib": 24576, "used_mib": 0, "instances": []}]}
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from runner.core.errors import EngineError
from runner.core.reading import read_table, typed
from runner.engines.nvml import Card, Device

VARIABLE = "PHASEHUB_DEVICES"
DRIVER = f"none: listed by {VARIABLE}"
Mib = Annotated[int, Field(ge=0, le=1 << 30)]


class _Device(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(max_length=100)]
    name: Annotated[str, Field(max_length=100)] = "listed GPU"
    memory_mib: Mib | None = None
    used_mib: Mib | None = None

    @property
    def device(self) -> Device:
        return Device(
            uuid=self.id,
            name=self.name,
            memory_bytes=None if self.memory_mib is None else self.memory_mib << 20,
            used_bytes=None if self.used_mib is None else self.used_mib << 20,
            driver=DRIVER,
        )


class _Card(_Device):
    instances: Annotated[tuple[_Device, ...], Field(max_length=64)] = ()


class _Listed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    gpus: Annotated[tuple[_Card, ...], Field(max_length=1024)]


def cards(named: str) -> list[Card]:
    """The GPUs that a file lists. Raises ``EngineError`` that names file and key."""
    path = Path(named)
    try:
        listed = typed(_Listed, read_table(path.parent, path.name), path.name)
    except ValueError as error:
        raise EngineError(
            f"{VARIABLE}={named}: {error}; mend the file or unset the variable"
        ) from None
    return [
        Card(uuid=one.id, devices=tuple(part.device for part in one.instances or (one,)))
        for one in listed.gpus
    ]
