"""A job of a moment on a cluster, for ``phasehub site check``: how it is asked for and followed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.core.errors import EngineError
from runner.engines.base import Handle, Launch, Limits, Outcome
from runner.engines.leftovers import marks
from runner.engines.slurm import SlurmEngine

MIB = 1 << 20
LONGEST_S = 60.0
"""Time limit of the job, s."""


def launch_in(folder: Path, word: str, script: str, *, num_gpus: int = 0) -> Launch:
    """The job on disk: it runs a script, and finds a word in its folder."""
    (folder / "job").mkdir(parents=True)
    (folder / "out").mkdir()
    (folder / "job" / "word").write_text(word)
    labels: Mapping[str, Any] = {"run": word, "phase": "site-check", **marks(folder)}
    return Launch(
        name="site-check",
        command=("python", "-I", "-c", script, "{job}", "{out}"),
        job_dir=folder / "job",
        data_dir=None,
        out_dir=folder / "out",
        log_path=folder / "console.log",
        environment={},
        limits=Limits(
            timeout_s=LONGEST_S,
            memory_bytes=256 * MIB,
            pids=64,
            shm_bytes=MIB,
            tmp_bytes=MIB,
            disk_bytes=MIB,
            threads=1,
        ),
        num_gpus=num_gpus,
        labels=labels,
    )


def wait_for(engine: SlurmEngine, handle: Handle, wait_s: float) -> Outcome:
    """How the job ended. Raises ``EngineError`` where it has not after ``wait_s``."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        if (outcome := engine.poll(handle)) is not None:
            return outcome
        engine.wait([handle], 0.5)
    raise EngineError(
        f"the job of the check has not ended after {wait_s:g} s: {engine.in_words(handle)}; "
        "have a look at `squeue --me`, or wait longer with --wait"
    )
