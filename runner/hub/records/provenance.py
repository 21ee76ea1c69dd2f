"""Where the jobs of a phase ran, by which code, and what it was compared with."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    JsonValue,
)

from runner.core.names import InnerPath, SafeName, Sha256
from runner.hub.records.base import (
    Record,
)


class EngineRecord(Record):
    """Where jobs ran and what kept them apart."""

    name: str
    isolated: bool
    facts: dict[str, JsonValue] = {}


class CodeRecord(Record):
    """Identity of the code that ran."""

    commit: str | None
    dirty: bool | None
    """``null`` when there is no checkout that could tell."""
    models_sha256: Sha256
    """Tree digest of ``models/``."""
    diff: InnerPath | None = None
    """Name of the file in the hub that holds what was not committed."""
    withheld: tuple[str, ...] = ()
    """Files that were not committed and whose content is not in the diff, each with the reason."""
    note: str | None = None


class ComparedHub(Record):
    """A hub whose arms stand beside those of this one."""

    name: InnerPath
    """Its phase's folder and its own: ``phase7/2026-01-30T050000Z``."""
    phase: SafeName
    profile: SafeName | None
    checksums_sha256: Sha256 | Literal[""]
    """Digest of its ``SHA256SUMS``, and thereby of every file in it; empty where it has none."""
    problem: str = ""
    """What is not as it was sealed; empty for a hub that is intact."""
