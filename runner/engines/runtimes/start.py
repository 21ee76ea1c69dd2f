"""The runtime that a job was laid out for, on its node."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.engines.supervisor import Starter


def starter_of(spec: Mapping[str, Any], folder: Path) -> Starter:
    """Who starts the job of a folder: itself, or the runtime that its container is for."""
    if "container" not in spec:
        return Starter(spec, folder)
    # Only a job in a container needs more than the supervisor, which starts in 20 ms.
    from runner.engines.runtimes.apptainer import ApptainerCommand
    from runner.engines.runtimes.command_line import DockerCommand, PodmanCommand
    from runner.engines.runtimes.oci import OciBundle
    from runner.engines.runtimes.slurm_step import SlurmStep

    runtimes: dict[str, type[Starter]] = {
        "apptainer": ApptainerCommand,
        "docker": DockerCommand,
        "oci": OciBundle,
        "podman": PodmanCommand,
        "slurm": SlurmStep,
    }
    return runtimes[spec["container"]["runtime"]](spec, folder)
