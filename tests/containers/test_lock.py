"""A lock made with containers names the base image, and a run on another base is refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.core.installation import state_dir
from runner.hub import layout

ROOT = Path(__file__).parents[2]
MANIFEST = """
schema_version = 1
[phase]
name = "trial"
title = "A phase for tests"
question = "On which base does it run?"
stage = "stage_a"
seed = 7
[resources]
threads = 1
memory_gib = 1.0
[dataset]
object_size = 48
patch_size = 16
train_stride = 8
test_stride = 8
[model]
hidden_channels = 2
modes = 3
fno_blocks = 2
[train]
epochs = 1
[audit]
level = "read back"
[[arms]]
name = "one"
"""


def phasehub(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "runner", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"PHASEHUB_STATE": str(state_dir())},
    )  # fmt: skip


@pytest.mark.docker
def test_a_run_is_held_to_the_locked_base_image(image, tmp_path):
    manifest, out = tmp_path / "trial.toml", tmp_path / "artifacts"
    manifest.write_text(MANIFEST)
    done = phasehub("lock", manifest, "--engine", "docker")
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.splitlines()[-1])
    table = json.loads(path.read_text())
    assert table["entries"][0]["base"]["id"] == image.base_id

    # No engine is asked for: it is the locked one.
    done = phasehub("run", manifest, "--locked", "--out", out)
    assert done.returncode == 0, done.stderr
    assert layout.read(Path(done.stdout.splitlines()[-1])).engine.name == "docker"

    table["entries"][0]["base"] |= {"id": "sha256:" + "0" * 64, "digests": []}
    path.write_text(json.dumps(table))
    done = phasehub("run", manifest, "--locked", "--out", out)
    assert done.returncode == 4
    assert "  base image: locked " in done.stderr
    assert "sha256:000000000000, found " in done.stderr
    record = layout.read(Path(done.stdout.splitlines()[-1]))
    assert [arm.status for arm in record.arms] == ["could_not_start"]
