"""What a job asks of the queue, and the script that it is on a node."""

from __future__ import annotations

import json
import math
import shlex
import sys
from pathlib import Path

from runner.engines.base import Launch
from runner.engines.cluster import node
from runner.engines.views import (
    label_words,
    library_path,
)

MIB = 1 << 20


MARGIN_BYTES = 256 * MIB
"""Memory beyond a job's limit that Slurm is asked for: the supervisor ends the job first."""


BACKSTOP_S = 180.0
"""Time beyond a job's limit that Slurm is asked for. It counts in minutes, and ends late."""


def options(launch: Launch, prepare_s: float = 0.0) -> list[str]:
    """What a job asks of the queue: as much as it is allowed, and a margin that only catches."""
    limits = launch.limits
    memory = math.ceil((limits.memory_bytes + MARGIN_BYTES) / MIB)
    minutes = math.ceil((limits.timeout_s + limits.stop_s + prepare_s + BACKSTOP_S) / 60)
    asked = [
        "--parsable",
        f"--comment={json.dumps(dict(launch.labels), sort_keys=True)}",
        "--export=NONE",
        "--no-requeue",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={limits.threads}",
        f"--mem={memory}M",
        f"--time={minutes}",
        "--chdir=/",
        f"--output={str(launch.log_path.resolve()).replace('%', '%%')}",
        "--open-mode=append",
    ]
    return [*asked, f"--gpus-per-node={launch.num_gpus}"] if launch.num_gpus else asked


def script(view: Path, launch: Launch) -> str:
    """The script that becomes the supervisor on a node."""
    command = [sys.executable, "-I", "-S", "-c", node.START, str(view)]
    lines = [f"export {name}={shlex.quote(value)}" for name, value in library_path().items()]
    return "\n".join(
        ["#!/bin/sh", *lines, f"exec {shlex.join([*command, *label_words(launch.labels)])}", ""]
    )
