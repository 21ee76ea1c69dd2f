"""A sealed hub as values: the one way from a folder that anybody made to what the verbs work with.

Whatever of it is read is read once, bounded, and of a type that holds no bad value. What cannot be
read so is one error that names the file and the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from runner.core.digest import sha256_bytes
from runner.core.errors import VerificationError
from runner.core.names import is_plain_name
from runner.core.reading import parse_table, read_file, typed
from runner.hub import layout
from runner.hub.checksums import CHECKSUMS
from runner.hub.record import HubRecord
from runner.hub.records.base import FileRecord
from runner.plan.model import Plan, parse_plan
from runner.verify.statistics import Statistics, read_statistics

Table = dict[str, JsonValue]


class RecordedMachine(BaseModel):
    """What the runner saw of the machine, as far as it is looked at again."""

    model_config = ConfigDict(frozen=True)

    system: Table = {}
    cpu: Table = {}
    memory_bytes: int = 0
    gpus: tuple[Table, ...] | Table = ()


class Environment(BaseModel):
    """``environment.json`` of a hub, as far as it is looked at again."""

    model_config = ConfigDict(frozen=True)

    command: tuple[str, ...] = ()
    machine: RecordedMachine = Field(default_factory=RecordedMachine)


@dataclass(frozen=True, kw_only=True)
class NamedHub:
    """The record of a hub under a name that no other has: the one that a page calls it by."""

    name: str
    record: HubRecord


@dataclass(frozen=True, kw_only=True)
class SealedHub:
    """A hub by its folder; each of its files is read when it is first asked for.

    Every property raises ``VerificationError`` where its file cannot be read.
    """

    folder: Path

    @cached_property
    def record(self) -> HubRecord:
        """``hub.json``."""
        return layout.read(self.folder)

    @cached_property
    def plan(self) -> Plan:
        """``plan.json``."""
        try:
            return parse_plan(read_file(self.folder, layout.PLAN, most=layout.MOST_RECORD_BYTES))
        except ValueError as error:
            raise VerificationError(
                f"{self.folder} cannot be read by this phasehub: {error}; use the version that "
                "made the hub, or take the hub from its archive"
            ) from None

    @cached_property
    def statistics(self) -> Statistics | None:
        """``statistics.json``; ``None`` where the hub has none."""
        try:
            return read_statistics(self.folder, layout.STATISTICS)
        except ValueError as error:
            raise VerificationError(
                f"{self.folder}: {error}; `phasehub verify` tells whether it was changed"
            ) from None

    @cached_property
    def environment(self) -> Environment:
        """``environment.json``; empty where there is none that can be read."""
        try:
            return typed(Environment, self.table(layout.ENVIRONMENT), layout.ENVIRONMENT)
        except ValueError:
            return Environment()

    @cached_property
    def sha256(self) -> str:
        """Digest of ``SHA256SUMS``, and thereby of every file of a hub that is intact."""
        try:
            return sha256_bytes(read_file(self.folder, CHECKSUMS, most=layout.MOST_RECORD_BYTES))
        except ValueError as error:
            raise VerificationError(
                f"{self.folder}: {error}; it is not a hub, or it was never sealed"
            ) from None

    @property
    def name(self) -> str:
        """The phase and the hub's own name: ``phase8/2026-01-30T050000Z``.

        The folder may have been given another name by whoever keeps it.
        """
        own = self.folder.resolve().name
        return f"{self.record.phase}/{own if is_plain_name(own) else 'unnamed'}"

    @property
    def artifacts(self) -> dict[str, FileRecord]:
        """The files that ``hub.json`` lists, by path."""
        return {file.path: file for file in self.record.artifacts}

    def table(self, path: str) -> dict[str, Any]:
        """A JSON file of the hub; empty where it is missing or no table."""
        try:
            return parse_table(read_file(self.folder, path), path)
        except ValueError:
            return {}

    def require_intact(self) -> SealedHub:
        """The hub itself; raises ``VerificationError`` where a file is not as it was sealed."""
        found = layout.verify(self.folder)
        if not found.intact:
            raise VerificationError(found.describe())
        return self


def distinct(folders: Sequence[Path]) -> list[SealedHub]:
    """The hubs of several folders, each once."""
    return [SealedHub(folder=one) for one in {one.resolve(): one for one in folders}.values()]
