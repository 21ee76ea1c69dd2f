"""A small phase, and how it is run through the command line; with a daemon and without."""

import os
import subprocess
import sys
from pathlib import Path

from runner.core.installation import state_dir

ROOT = Path(__file__).parents[1]

SMALL = """
schema_version = 1
[phase]
name = "{name}"
title = "A phase for tests"
question = "Does the runner do what it says?"
stage = "stage_a"
seed = 7
[resources]
threads = 1
timeout_s = {timeout_s}
memory_gib = 1.0
pids = 64
[dataset]
object_size = 64
patch_size = 16
train_stride = 6
test_stride = 6
probe_defocus = 0.3
[model]
architecture = "hybrid"
hidden_channels = 2
modes = 3
fno_blocks = 2
[train]
epochs = {epochs}
learning_rate = 1e-3
[verdict]
success = ["not collapsed"]
[audit]
level = "read back"
"""


def write(folder, arms, *, name="trial", epochs=1, timeout_s=120):
    """The manifest of a small phase with these arms, in ``folder``."""
    path = folder / f"{name}.toml"
    path.write_text(SMALL.format(name=name, epochs=epochs, timeout_s=timeout_s) + arms)
    return path


def command(manifest, artifacts, *options, engine="docker", python=sys.executable):
    return [
        python, "-m", "runner", "run", str(manifest), "--out", str(artifacts),
        "--engine", engine, *options,
    ]  # fmt: skip


def run(manifest, artifacts, *options, engine="docker", cwd=ROOT):
    """Run a phase to its end: the hub's path, the exit code, and what was said on stderr."""
    done = subprocess.run(
        command(manifest, artifacts, *options, engine=engine),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PHASEHUB_STATE": str(state_dir())},
    )
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    return Path(lines[-1]), done.returncode, done.stderr
