"""Manifest → jobs: overrides merged, defaults spelled out, seeds and names fixed. Pure."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from runner.manifest import Resources


class Execution(BaseModel):
    """Where the numbers are made: part of the plan, because the bits depend on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Literal["cpu", "cuda"]
    threads: int


class Job(BaseModel):
    """One planned execution: an arm's training, or the simulation of the dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    experiment: Literal["simulate", "train"]
    parameters: dict[str, Any]
    seed: int
    execution: Execution
    resources: Resources
    command: tuple[str, ...]
    environment: dict[str, str]
    """Variables that must be set before the process starts: threads and determinism."""
    num_parameters: int | None
    """Live parameters of the network; ``None`` for the simulation."""
    steps: int | None
    """Optimisation steps of the whole fit; ``None`` for the simulation."""


class Plan(BaseModel):
    """Everything that a run will do, before it does it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    phase: str
    profile: str | None
    dataset: Job
    arms: tuple[Job, ...]
