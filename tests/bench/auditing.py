"""What an audit costs: beside the arm that it is about, and beside one of the study's own size.

Real phases by the process engine, one arm each. An arm of the study's size takes hours; what its
audit takes does not depend on the number of its steps, so an arm with fewer of them is run, and its
audit set beside the time that all steps of the study would take at the pace which it had.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STUDY_STEPS = 8200
"""Of an arm of phase 8."""
HEAD = """schema_version = 1
[phase]
name = "bench"
title = "What an audit costs"
question = "How long does it take?"
seed = 20260128
[resources]
threads = 1
determinism = "native"
"""
TAIL = """
[[arms]]
name = "arm"
"""
QUICKSTART = """
[dataset]
object_size = 256
patch_size = 32
train_stride = 5
test_stride = 5
[model]
architecture = "hybrid"
hidden_channels = 8
modes = 8
fno_blocks = 3
[train]
epochs = 12
batch_size = 16
physics_gain = 1.0
"""
STUDY = """
[dataset]
object_size = 392
patch_size = 64
train_stride = 20
test_stride = 10
[model]
architecture = "hybrid"
[train]
epochs = 2
batch_size = 16
"""


def measure() -> None:
    """Print both."""
    print("\nAudits, in seconds and as a share of their arms (one thread)")
    record = run(QUICKSTART)
    audit, arm = record["audit"]["wall_s"], record["wall_s"]
    print(f"  {'quickstart, the whole arm':<44}{audit:10.3g} s   {audit / arm:.1%} of {arm:.3g} s")
    record = run(STUDY)
    audit, pace = record["audit"]["wall_s"], record["timing"]["steps_per_s"]
    whole = STUDY_STEPS / pace
    print(f"  {'study, at the pace of a shorter arm':<44}{audit:10.3g} s   {audit / whole:.1%} of "
          f"{whole:.3g} s", flush=True)  # fmt: skip


def run(tables: str) -> dict[str, Any]:
    """The record of the only arm of a phase that was run now."""
    with tempfile.TemporaryDirectory(prefix="phasehub-audits-") as folder:
        manifest = Path(folder) / "bench.toml"
        manifest.write_text(HEAD + tables + TAIL)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "runner", "run", manifest, "--engine", "process"),
                *("--python", sys.executable, "--out", Path(folder) / "artifacts"),
            ],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        hub = Path(done.stdout.splitlines()[-1])
        (arm,) = json.loads((hub / "hub.json").read_text())["arms"]
        return dict(arm)
