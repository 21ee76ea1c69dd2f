"""Regression tests that a manifest names: planned, and refused where they are not there."""

import os
import shutil
from pathlib import Path

import pytest

from runner.core.errors import ManifestError
from runner.manifest.model import load
from runner.manifest.phase_tests import MOST_SOURCE_BYTES, check_tests
from runner.manifest.source import parse
from runner.plan.make import make_plan
from runner.report.plan_text import render_plan

PHASE = """\
schema_version = 1
[phase]
name = "tested"
title = "A phase"
question = "Why?"
seed = 7
[resources]
gpus = 1
threads = 3
[[arms]]
name = "one"
[tests]
select = [
  {tests},
]
"""
BLOCKS = "tests/models/nets/test_blocks.py"
TEST = f"{BLOCKS}::test_the_zero_gamma_block_is_exactly_the_identity_at_first"


ROOT = Path(__file__).parents[3]


@pytest.fixture
def loaded(tmp_path):
    (tmp_path / BLOCKS).parent.mkdir(parents=True)
    shutil.copy(ROOT / BLOCKS, tmp_path / BLOCKS)

    def load_with(*tests):
        path = tmp_path / "tested.toml"
        path.write_text(PHASE.format(tests=",\n  ".join(f'"{test}"' for test in tests)))
        return load(path)

    return load_with


def test_the_tests_are_one_job_on_the_cpu(loaded):
    job = make_plan(loaded(TEST, BLOCKS), device="cuda").tests
    assert (job.name, job.experiment) == ("regression_tests", "test")
    assert job.parameters == {"select": [TEST, BLOCKS]}
    assert (job.execution.device, job.execution.threads, job.resources.gpus) == ("cpu", 3, 0)
    assert job.command[:4] == ("python", "-m", "models", "test")


def test_a_phase_that_names_none_plans_none(tmp_path):
    path = tmp_path / "tested.toml"
    path.write_text(PHASE.split("[tests]")[0])
    assert make_plan(load(path)).tests is None


def test_the_plan_shows_the_tests(loaded):
    text = render_plan(make_plan(loaded(TEST)))
    assert f"Regression tests\n  {TEST}\n" in text
    assert "python -m models test --job" in text


REFUSED = {
    "another place": (
        "tests/runner/plan/test_plan.py",
        "got 'tests/runner/plan/test_plan.py'; expected a test of tests/models, like "
        "'tests/models/nets/test_blocks.py::test_name'",
    ),
    "a way out": (
        "tests/models/../runner/test_plan.py",
        "got 'tests/models/../runner/test_plan.py'; expected a test of tests/models, like "
        "'tests/models/nets/test_blocks.py::test_name'",
    ),
    "a file that is not there": (
        "tests/models/nets/test_block.py",
        "got 'tests/models/nets/test_block.py'; there is no such file below <project>; did you "
        "mean 'test_blocks.py'?",
    ),
    "a function that is not there": (
        f"{BLOCKS}::test_zzz",
        f"got '{BLOCKS}::test_zzz'; test_blocks.py defines no test_zzz",
    ),
    "a function that is misspelt": (
        f"{TEST}_",
        f"got '{TEST}_'; test_blocks.py defines no {TEST.split('::')[1]}_; did you mean "
        f"'{TEST.split('::')[1]}'?",
    ),
    "a method of no class": (
        f"{TEST}::test_x",
        f"got '{TEST}::test_x'; test_blocks.py defines no test_x",
    ),
}


@pytest.mark.parametrize(("test", "problem"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_before_anything_runs(loaded, test, problem, tmp_path):
    with pytest.raises(ManifestError) as error:
        loaded(TEST, test)
    first = str(error.value).replace(f"{tmp_path}/", "").splitlines()[0]
    first = first.replace(str(tmp_path), "<project>")
    assert first == f"tested.toml:15: tests.select[1]: {problem}"


def test_the_same_test_twice_is_refused(loaded):
    with pytest.raises(ManifestError, match="a test is named twice; name each once"):
        loaded(TEST, TEST)


def test_one_case_of_a_test_can_be_named(loaded):
    assert make_plan(loaded(f"{TEST}[8-2]")).tests.parameters["select"] == [f"{TEST}[8-2]"]


UNREADABLE = {
    "a nest": "x = " + "(" * 5000 + ")" * 5000,
    "operators": "x = " + "-" * 100_000 + "1",
    "no Python": "def",
    "a NUL": "x = 1\0",
    "too large": "#" * (MOST_SOURCE_BYTES + 1),
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_cannot_be_parsed_is_refused(text, tmp_path):
    path = tmp_path / "tests" / "models" / "test_x.py"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    source = parse(b"tests.select = ['tests/models/test_x.py::test_a']", tmp_path / "x.toml")
    (mistake,) = check_tests(source)
    assert "test_x.py cannot be read (" in mistake.problem
    assert mistake.problem.endswith("); give a file of tests that can")


@pytest.mark.parametrize("kind", ["fifo", "link", "link on the way"])
def test_a_file_that_is_no_regular_one_is_not_there(kind, tmp_path):
    folder = tmp_path / "tests" / "models"
    if kind == "link on the way":
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "test_x.py").write_text("def test_a(): ...")
        folder.parent.mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir(parents=True)
        (folder / "other.py").write_text("def test_a(): ...")
        path = folder / "test_x.py"
        os.mkfifo(path) if kind == "fifo" else path.symlink_to("other.py")
    source = parse(b"tests.select = ['tests/models/test_x.py::test_a']", tmp_path / "x.toml")
    (mistake,) = check_tests(source)
    assert "there is no such file" in mistake.problem


def test_a_name_that_no_file_can_have_is_not_there(loaded):
    with pytest.raises(ManifestError, match="there is no such file"):
        loaded(f"tests/models/test_{'x' * 300}.py")


def test_they_are_those_of_the_manifest_s_project_and_not_of_phasehub(tmp_path):
    (tmp_path / "manifests").mkdir()
    path = tmp_path / "manifests" / "tested.toml"
    path.write_text(PHASE.format(tests=f'"{BLOCKS}"'))
    with pytest.raises(ManifestError, match="there is no such file"):
        load(path)
    (tmp_path / BLOCKS).parent.mkdir(parents=True)
    (tmp_path / BLOCKS).touch()
    assert load(path).project == tmp_path.resolve()
