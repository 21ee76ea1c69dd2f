"""What of the slurm engine can be seen without a Slurm: its words, its options, its node."""

import json
import os
import subprocess
import sys

import pytest

from runner.engines.base import Handle, Launch, Limits
from runner.engines.cluster import node, words
from runner.engines.cluster.queue import ENDED, Entry
from runner.engines.cluster.request import options
from runner.engines.supervisor import SPEC
from runner.verify.hub_checks.results import ENDS


@pytest.fixture
def handle(tmp_path):
    return Handle(
        engine="slurm", id="phasehub-run-arm-1", name="arm", log_path=str(tmp_path / "console.log"),
        out_dir=str(tmp_path / "out"), started_at=1.0, timeout_s=60.0, disk_bytes=1,
    )  # fmt: skip


def entry(state, reason="None"):
    return Entry(name="phasehub-run-arm-1", number="7", state=state, reason=reason, comment="{}")


@pytest.mark.parametrize("state", sorted(ENDED))
def test_every_end_in_the_queue_has_a_cause_that_a_hub_may_name(handle, state):
    outcome = words.ended_without_result(handle, entry(state))
    assert outcome.ended_by in ENDS[outcome.status]
    assert outcome.message.startswith("its job 7 ")


def test_what_is_not_in_the_queue_any_more_has_no_cause(handle):
    outcome = words.ended_without_result(handle, None)
    assert (outcome.status, outcome.ended_by) == ("interrupted", None)


def test_a_job_that_waits_for_its_turn_is_not_held():
    assert words.is_stuck(entry("PENDING", "JobHeldUser"))
    assert not words.is_stuck(entry("PENDING", "Priority"))
    assert not words.is_stuck(entry("RUNNING", "None"))


def launch(folder, num_gpus):
    return Launch(
        name="arm", command=("true",), job_dir=folder, data_dir=None, out_dir=folder / "out",
        log_path=folder / "50%.log", environment={}, num_gpus=num_gpus, labels={"run": "run"},
        limits=Limits(
            timeout_s=61.0, memory_bytes=1 << 30, pids=1, shm_bytes=1, tmp_bytes=1, disk_bytes=1,
            threads=3, stop_s=8.0,
        ),
    )  # fmt: skip


def test_slurm_is_asked_for_the_limits_and_a_margin(tmp_path):
    asked = options(launch(tmp_path, 0))
    assert {"--cpus-per-task=3", "--mem=1280M", "--time=5", "--export=NONE", "--no-requeue"} <= {
        *asked
    }
    assert f"--output={tmp_path}/50%%.log" in asked
    assert not [word for word in asked if "gpu" in word]
    assert "--gpus-per-node=2" in options(launch(tmp_path, 2))


def on_node(view, **variables):
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", node.START, str(view)],
        env=os.environ | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_an_attempt_runs_once_in_its_folder_and_sees_the_gpus_that_it_was_given(tmp_path):
    view, out = tmp_path / "out.process", tmp_path / "out"
    for folder in (view, out):
        folder.mkdir()
    script = 'echo "$CUDA_VISIBLE_DEVICES $SLURM_JOB_ID" >> seen'
    spec = {
        "command": ["/bin/sh", "-c", script], "environment": {node.GPUS: node.ASSIGNED},
        "cwd": str(out), "log": str(tmp_path / "log"), "out": str(out), "timeout_s": 60,
        "memory_bytes": 1 << 30, "disk_bytes": 1 << 20, "stop_s": 0,
    }  # fmt: skip
    (view / SPEC).write_text(json.dumps(spec))
    assert on_node(view, CUDA_VISIBLE_DEVICES="3,5", SLURM_JOB_ID="7").returncode == 0
    again = on_node(view)
    assert (again.returncode, "begun before" in again.stderr) == (1, True)
    assert (out / "seen").read_text() == "3,5 \n"
    assert "given this attempt up" in on_node(tmp_path / "gone").stderr
