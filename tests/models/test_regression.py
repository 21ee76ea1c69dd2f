"""Tests as a job: every outcome is a result, and a job that ran none is a failure."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FILE = """\
import pytest


def test_right():
    assert True


def test_wrong():
    assert 1 + 1 == 3, "arithmetic"


@pytest.mark.skip(reason="no such device")
def test_not_here():
    assert False


@pytest.fixture
def broken():
    raise OSError("no disk")


def test_that_cannot_begin(broken):
    assert True
"""
BROKEN = "import there_is_no_such_module\n\ndef test_x():\n    pass\n"


@pytest.fixture
def run(tmp_path):
    """Run a job on two files of tests; its exit code, stderr and output folder."""

    def run_job(*select):
        inputs = {}
        for name, text in (("test_some.py", FILE), ("test_broken.py", BROKEN)):
            path = tmp_path / "data" / "tests" / "models" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            inputs[f"tests/models/{name}"] = {
                "path": f"../data/tests/models/{name}",
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
        job = {
            "schema_version": 1,
            "experiment": "test",
            "name": "regression_tests",
            "parameters": {"select": [f"tests/models/{name}" for name in select]},
            "seed": 1,
            "execution": {"device": "cpu", "threads": 1, "determinism": "native"},
            "inputs": inputs,
        }
        (tmp_path / "job").mkdir()
        (tmp_path / "job" / "job.json").write_text(json.dumps(job))
        command = [sys.executable, "-m", "models", "test", "--job", "job/job.json", "--out", "out"]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stderr, tmp_path / "out"

    return run_job


def outcomes(out):
    tests = json.loads((out / "regression_tests.json").read_text())["tests"]
    return {
        test["id"].removeprefix("tests/models/"): (test["outcome"], test["message"])
        for test in tests
    }


def test_every_outcome_is_kept_and_the_job_succeeds(run):
    code, stderr, out = run("test_some.py")
    assert code == 0, stderr
    assert outcomes(out) == {
        "test_some.py::test_right": ("passed", ""),
        "test_some.py::test_wrong": ("failed", "AssertionError: arithmetic"),
        "test_some.py::test_not_here": ("skipped", "Skipped: no such device"),
        "test_some.py::test_that_cannot_begin": ("error", "OSError: no disk"),
    }
    assert (out / "result.json").exists()


def test_only_what_is_selected_runs(run):
    code, stderr, out = run("test_some.py::test_right")
    assert code == 0, stderr
    assert list(outcomes(out)) == ["test_some.py::test_right"]


def test_a_file_that_does_not_load_and_what_it_kept_from_running_are_errors(run):
    code, stderr, out = run("test_broken.py::test_x", "test_some.py::test_right")
    assert code == 0, stderr
    found = outcomes(out)
    assert found.keys() == {"test_broken.py", "test_broken.py::test_x", "test_some.py::test_right"}
    assert {outcome for outcome, _ in found.values()} == {"error"}
    assert "there_is_no_such_module" in found["test_broken.py"][1]
    assert found["test_some.py::test_right"][1] == "did not run; see the log"


def test_a_test_that_is_not_there_fails_the_job(run):
    code, stderr, out = run("test_some.py::test_nowhere")
    assert code == 1
    assert stderr.splitlines()[-1] == (
        "error: RuntimeError: pytest ended with <ExitCode.USAGE_ERROR: 4> and ran 0 tests; see the "
        "log"
    )
    assert not (out / "result.json").exists()
