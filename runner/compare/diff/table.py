"""What differs between two hubs, as values: the JSON of ``phasehub diff --json``."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from runner.compare.environment_facts import FactChange
from runner.hub.records.base import Record

DATASET = "dataset"
"""Among the names of arms: the simulation of their dataset. No arm can be called so."""


class SealedSide(Record):
    """One of the two hubs."""

    name: str
    """Its phase's folder and its own: ``phase7/2026-01-30T050000Z``."""
    phase: str
    profile: str | None
    checksums_sha256: str
    """Digest of its ``SHA256SUMS``, and thereby of every file in it."""


class Change(Record):
    """A value that is not the same on both sides."""

    before: JsonValue
    after: JsonValue


class KnobChange(Change):
    """A knob that was planned otherwise; ``null`` where a side has no such knob."""

    knob: str
    of: tuple[str, ...] = ()
    """The arms, and ``dataset`` if there is one; empty for what the phase as a whole declares."""


class PlanDifference(Record):
    """What was declared otherwise."""

    knobs: tuple[KnobChange, ...]
    only_before: tuple[str, ...]
    """Arms that only the first hub has."""
    only_after: tuple[str, ...]
    common: tuple[str, ...]
    """Arms that both have."""
    source: Change | None
    """Tree digests of ``models/``, if they differ."""
    commit: Change | None
    """Commits of the checkout, if they differ; of no account where ``source`` is ``null``."""

    @property
    def differs(self) -> bool:
        """Whether anything was declared otherwise, the source included."""
        return bool(self.knobs or self.only_before or self.only_after or self.source)


class EnvironmentDifference(Record):
    """How the places differ in which the hubs were made."""

    facts: tuple[FactChange, ...]
    set_by_plan: tuple[str, ...]
    """Names of further facts that differ because the plans say so, as the number of threads."""
    num_compared: int
    """Facts that both hubs record."""


class ArtifactsPart(Record):
    """The deterministic files of a dataset, of one arm, or of all arms together."""

    name: str
    """``dataset``, ``dataset-<label>``, ``arm <name>`` or ``all arms together``."""
    num_identical: int
    first: tuple[str, ...] = ()
    """Of the files that differ or that only one has, those that are made first."""
    stage: str = ""
    """What ``first`` are: ``weights``, ``history`` …"""
    later: tuple[str, ...] = ()
    """The others: they may follow from ``first``."""
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()
    may_follow_from: tuple[str, ...] = ()
    """Earlier differences that can explain ``first``; empty where nothing recorded can."""

    @property
    def differing(self) -> tuple[str, ...]:
        """Every file that differs or that only one has, upstream first."""
        return self.first + self.later


class Given(Record):
    """What the runs were given: manifest, plan, jobs, the code, the hubs to compare with."""

    num_identical: int
    differing: tuple[str, ...]
    """Files that differ or that only one has."""


class ArtifactsDifference(Record):
    """Which deterministic files that the runs made are the same bytes."""

    given: Given
    parts: tuple[ArtifactsPart, ...]
    num_identical: int
    num_different: int
    num_only_before: int
    num_only_after: int
    num_observational: int
    """Files that are not compared: times, hardware, logs."""

    @property
    def num_made(self) -> int:
        """All deterministic files that either run made."""
        return self.num_identical + self.num_differing

    @property
    def num_differing(self) -> int:
        """Those that differ or that only one has."""
        return self.num_different + self.num_only_before + self.num_only_after


class StatChange(Change):
    """A statistic of an arm that differs."""

    name: str
    difference: float | None
    """After minus before; ``null`` where one is no number."""


class ArmMetrics(Record):
    """The statistics of an arm that both hubs have."""

    arm: str
    status: Change | None
    """How it ended, if that differs."""
    stats: tuple[StatChange, ...]
    num_equal: int


class HubDifference(Record):
    """Two hubs explained."""

    schema_version: Literal[1] = 1
    before: SealedSide
    after: SealedSide
    headline: str
    identical: bool
    """Whether both hold the same deterministic files with the same bytes."""
    notes: tuple[str, ...]
    """What a reader must know first: different phases, a hub that contradicts itself."""
    plan: PlanDifference
    environment: EnvironmentDifference
    artifacts: ArtifactsDifference
    metrics: tuple[ArmMetrics, ...]
