"""A dataset of a phase, and the arms that are trained on it."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
)

from runner.core.names import InnerPath, Sha256
from runner.hub.records.arm import ArmStatus, AuditRecord
from runner.hub.records.base import (
    FileRecord,
    Record,
    Seconds,
)
from runner.manifest.dataset_names import (
    ONLY,
    DatasetName,
    folder_of,
)
from runner.manifest.parameter_tables import (
    require_dataset_parameters,
)

DatasetParameters = Annotated[dict[str, JsonValue], AfterValidator(require_dataset_parameters)]


def _is_only(name: str) -> bool:
    return name == ONLY


class DatasetRecord(Record):
    """A dataset, shared by the arms that have its parameters."""

    name: DatasetName = Field(ONLY, exclude_if=_is_only)
    """What one of several is called; it is not written where there is one."""
    status: ArmStatus
    message: str = ""
    cached: bool = False
    """Whether it was simulated by an earlier run and verified again by this one."""
    seed: int
    parameters: DatasetParameters
    parameters_sha256: Sha256
    job_sha256: Sha256 | None = None
    wall_s: Seconds | None = None
    metadata: dict[str, JsonValue] = {}
    log: InnerPath | None = None
    log_tail: tuple[str, ...] = ()
    files: tuple[FileRecord, ...] = ()
    """The dataset's files by name; where the hub keeps a copy, it is ``dataset/<path>``, or
    ``dataset/<label>/<path>`` of one of several."""
    audit: AuditRecord | None = None
    """``null`` where the phase has no audits."""

    @property
    def folder(self) -> str:
        """The folder in the hub with what tells of it."""
        return folder_of(self.name)
