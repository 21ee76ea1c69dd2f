"""How a site's queue is used: what its users add to every job, and how patient phasehub is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

RuntimeName = Literal["process", "docker", "podman", "oci", "apptainer", "slurm"]
"""How a job starts on a node: as a process of the user, or in a container."""


@dataclass(frozen=True, kw_only=True)
class QueueUse:
    """What holds for every job of a site; times in seconds."""

    options: tuple[str, ...] = ()
    """Further words for sbatch."""
    runtime: RuntimeName = "process"
    shared: Path | None = None
    """The folder that all nodes see under the same path; ``None`` where it is not said."""
    side_by_side: int = 64
    """Most jobs in the queue at a time."""
    every_s: float = 5.0
    """Between two looks at the queue."""
    settle_s: float = 10.0
    """How long a result is waited for once the queue says that its job has ended."""
    held_s: float = 600.0
    """How long a job that is held stays in the queue."""
    patience_s: float = 300.0
    """How long a controller that does not answer is waited for."""
