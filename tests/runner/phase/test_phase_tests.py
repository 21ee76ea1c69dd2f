"""What the regression tests of a phase leave in the hub, and what is said of it."""

import hashlib
import json

import pytest

from runner.core.installation import SOURCES
from runner.engines.base import Outcome
from runner.engines.images.snapshot import take
from runner.hub.records.beside import TestResult, TestsRecord
from runner.manifest.tables import Resources
from runner.phase import phase_tests
from runner.plan.model import Job, PlannedExecution
from runner.report.statements import statements
from runner.verify import verdict

TEST = "tests/models/nets/test_blocks.py::test_x"
JOB = Job(
    name="regression_tests",
    experiment="test",
    parameters={"select": [TEST]},
    seed=7,
    execution=PlannedExecution(device="cpu", threads=1, determinism="native"),
    resources=Resources(),
    command=("python",),
    environment={},
    num_parameters=None,
    steps=None,
)


def result(outcome="passed", message="", name=TEST):
    return TestResult(id=name, outcome=outcome, message=message, seconds=0.5)


def ended(status="succeeded", message=""):
    return Outcome(status=status, exit_code=0, message=message, started_at=10.0, ended_at=12.5)


@pytest.fixture
def attempt(tmp_path):
    code = take(SOURCES, tmp_path / "state", tests=SOURCES)
    return phase_tests.prepare(JOB, code=code, folder=tmp_path / "work", labels={})


def leave(attempt, tests):
    """An output folder as the job leaves it."""
    content = json.dumps({"schema_version": 1, "pytest": "9", "tests": tests}).encode()
    out = attempt.launch.out_dir
    (out / "regression_tests.json").write_bytes(content)
    file = {
        "path": "regression_tests.json",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "deterministic": False,
    }
    table = {
        "schema_version": 1,
        "experiment": "test",
        "job_sha256": attempt.job_sha256,
        "files": [file],
    }
    (out / "result.json").write_text(json.dumps(table))
    attempt.launch.log_path.write_text("1 failed\n")


def test_the_job_is_shown_a_copy_of_the_tests_with_their_digests(attempt):
    source = attempt.launch.data_dir
    inputs = json.loads(attempt.job_file.read_text())["inputs"]
    assert "tests/models/conftest.py" in inputs
    assert all(name.startswith("tests/models/") for name in inputs)
    for name, given in inputs.items():
        assert given["path"] == f"../data/{name}"
        assert hashlib.sha256((source / name).read_bytes()).hexdigest() == given["sha256"]
    assert {path.name for path in source.iterdir()} == {"tests"}


def test_log_and_results_are_in_the_hub(attempt, tmp_path):
    failed = result("failed", "assert 1 == 2").model_dump()
    leave(attempt, [failed])
    record = phase_tests.conclude(attempt, ended(), folder=tmp_path / "hub")
    assert (record.status, record.wall_s) == ("succeeded", 2.5)
    assert record.results == (result("failed", "assert 1 == 2"),)
    assert not record.hold
    assert len(record.source_sha256) == 64
    assert (tmp_path / "hub" / record.log).read_text() == "1 failed\n"
    names = {path.name for path in (tmp_path / "hub" / "tests").iterdir()}
    assert names == {"job.json", "regression_tests.json", "result.json"}
    assert phase_tests.describe(record) == f"regression tests: 1 of 1 failed: {TEST}"


def test_results_that_are_none_are_told(attempt, tmp_path):
    leave(attempt, [{"id": TEST, "outcome": "fine"}])
    record = phase_tests.conclude(attempt, ended(), folder=tmp_path / "hub")
    assert record.status == "invalid_output"
    assert record.message.startswith("regression_tests.json: ")
    assert record.log_tail == ("1 failed",)


def test_a_job_that_failed_has_no_results(attempt, tmp_path):
    attempt.launch.log_path.write_text("No module named pytest\n")
    record = phase_tests.conclude(attempt, ended("failed", "exit 1"), folder=tmp_path / "hub")
    assert (record.status, record.results, record.hold) == ("failed", (), False)
    assert record.log_tail == ("No module named pytest",)
    assert phase_tests.describe(record) == "regression tests: failed: exit 1"


def test_tests_whose_turn_never_came_are_on_record():
    record = phase_tests.not_run(JOB, None)
    assert (record.status, record.select) == ("not_run", (TEST,))
    assert not record.hold


def shown(record, **tests):
    tests = TestsRecord(**({"select": (TEST,), "status": "succeeded"} | tests))
    changed = record.model_copy(update={"tests": tests})
    return [(each.kind, each.text) for each in statements(changed) if "egression" in each.text]


def test_a_test_that_failed_is_said_first(record):
    failed = result("failed", "assert 1 == 2")
    assert shown(record, results=(failed, result(name="b"))) == [
        ("bad", f"Regression test {TEST} failed: assert 1 == 2"),
        ("bad", "Regression tests: 1 failed, 1 passed; see regression_tests.log."),
    ]


def test_a_test_that_was_skipped_proves_nothing(record):
    assert shown(record, results=(result("skipped", "no GPU"),)) == [
        ("neutral", "Regression tests: 1 skipped; see regression_tests.log.")
    ]
    assert shown(record, results=(result(),)) == [
        ("good", "Regression tests: 1 passed; see regression_tests.log.")
    ]


def test_tests_that_did_not_run_are_said(record):
    assert shown(record, status="timed_out", message="after 7200 s") == [
        ("bad", "The regression tests: timed out: after 7200 s")
    ]


@pytest.mark.parametrize(
    ("outcome", "code"), [("passed", 0), ("skipped", 0), ("failed", 1), ("error", 1)]
)
def test_a_test_that_fails_makes_the_run_fail(record, outcome, code):
    arms = tuple(arm for arm in record.arms if arm.status == "succeeded")
    tests = TestsRecord(select=(TEST,), status="succeeded", results=(result(outcome),))
    assert verdict.exit_code(record.model_copy(update={"arms": arms, "tests": tests})) == code
