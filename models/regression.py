"""Tests of the project as a job: what each one said. A test that fails is a result of the job."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from models.config import Selection
from models.job import Events, Job, JobError, write_json

RESULTS = "regression_tests.json"


class Recorder:
    """A plugin of pytest that keeps the outcome of every test, and of files that do not load."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._results: dict[str, dict[str, str]] = {}
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what the test said, or what went wrong before or after it."""
        self._seconds[report.nodeid] += report.duration
        if report.when == "call" or report.skipped:
            self._keep(report, report.outcome)
        elif report.failed:
            self._keep(report, "error")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep a file that could not be loaded."""
        if report.failed:
            self._keep(report, "error")

    def table(self) -> list[dict[str, Any]]:
        """Every test with its outcome, in the order in which they ran."""
        return [
            {"id": test, **result, "seconds": round(self._seconds[test], 3)}
            for test, result in self._results.items()
        ]

    def _keep(self, report: pytest.TestReport | pytest.CollectReport, outcome: str) -> None:
        """A failure after the test replaces that it passed, and nothing else."""
        if self._results.get(report.nodeid, {}).get("outcome", "passed") == "passed":
            message = "" if outcome == "passed" else _reason(report)
            self._results[report.nodeid] = {"outcome": outcome, "message": message}
            self._events.write("test", id=report.nodeid, outcome=outcome)


def run_tests(job: Job, selection: Selection, out: Path, events: Events) -> None:
    """Run the tests that are selected and write what each one said.

    Raises:
        RuntimeError: pytest found no such tests, or broke.
    """
    root, recorder = _root(job), Recorder(events)
    code = pytest.main(
        [
            *("-c", os.devnull, "--rootdir", str(root), "-o", f"pythonpath={root}"),
            *("--import-mode=importlib", "-p", "no:cacheprovider", "-ra", "-v"),
            *(str(root / test) for test in selection.select),
        ],
        plugins=[recorder],
    )
    tests = recorder.table()
    if not tests or code == pytest.ExitCode.INTERNAL_ERROR:
        raise RuntimeError(f"pytest ended with {code!r} and ran {len(tests)} tests; see the log")
    tests += [
        {"id": test, "outcome": "error", "message": "did not run; see the log", "seconds": 0.0}
        for test in selection.select
        if not any(result["id"].startswith(test) for result in tests)
    ]
    table = {"schema_version": 1, "pytest": pytest.__version__, "tests": tests}
    write_json(out / RESULTS, table)


def _root(job: Job) -> Path:
    """The folder that the inputs' names are relative to."""
    for name, given in job.inputs.items():
        return given.path.resolve().parents[len(PurePosixPath(name).parts) - 1]
    raise JobError("inputs name no file of the tests")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test did not pass, in one line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        return str(crash.message).splitlines()[0]
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    return (str(report.longrepr).strip().splitlines() or [""])[-1]
