"""A hub that an older phasehub sealed is verified, shown, set beside others and run again."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runner.hub import layout

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OLDER = sorted((HERE / "older").glob("*.tar.zst"))
"""Archives with their datasets, called after the day on which they were made."""


def phasehub(*words):
    done = subprocess.run(
        [sys.executable, "-m", "runner", *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(params=OLDER, ids=lambda path: path.name.partition(".")[0])
def hub(request, tmp_path):
    told = phasehub("restore", request.param, "--out", tmp_path / "artifacts")
    return Path(told.splitlines()[-1])


def test_it_comes_out_again_bit_by_bit_from_its_own_code(hub, tmp_path):
    assert "all as sealed" in phasehub("verify", hub)
    assert "Both arms ran as planned" in phasehub("show", hub)
    phasehub("diff", hub, hub)
    told = phasehub(
        "reproduce", hub, "--out", tmp_path / "again", "--engine", "process",
        "--python", sys.executable, "--run-foreign-code-on-this-machine",
    )  # fmt: skip
    made = json.loads((Path(told.splitlines()[-1]) / layout.RECORD).read_bytes())
    assert made["reproduction"]["outcome"] == "identical"
    assert {arm["level"] for arm in made["arms"]} == {"audited"}
