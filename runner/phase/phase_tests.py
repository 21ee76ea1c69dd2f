"""The regression tests that a phase names: run as one job, recorded test by test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runner.core.digest import sha256_file
from runner.core.errors import RunnerError
from runner.core.project import TESTS, source_digest
from runner.core.reading import read_table, typed
from runner.engines.base import Outcome
from runner.engines.images.snapshot import Snapshot
from runner.hub import layout
from runner.hub.records.arm import ArmStatus
from runner.hub.records.beside import TestsRecord
from runner.jobs.attempts import Attempt, lay_out
from runner.jobs.ended import take
from runner.plan.model import InputRef, Job

RESULTS = "regression_tests.json"


def prepare(job: Job, *, code: Snapshot, folder: Path, labels: dict[str, str]) -> Attempt:
    """The job on disk; the tests are those of the run's snapshot."""
    source = code.tests
    names = sorted(path.relative_to(source).as_posix() for path in source.rglob("*.py"))
    inputs = {
        name: InputRef(path=f"../data/{name}", sha256=sha256_file(source / name)) for name in names
    }
    return lay_out(job, folder=folder, inputs=inputs, data_dir=source, labels=labels)


def conclude(attempt: Attempt, outcome: Outcome, *, folder: Path) -> TestsRecord:
    """Copy what the job left into the hub's ``folder``, and say what each test said."""
    source, log = attempt.launch.data_dir, folder / layout.TESTS_LOG
    facts = take(attempt, outcome, folder / layout.TESTS, log=log, read=_results)
    return TestsRecord(
        select=attempt.job.parameters["select"],
        source_sha256=None if source is None else source_digest(source / TESTS),
        log=layout.TESTS_LOG if log.is_file() else None,
        **facts,
    )


def not_run(job: Job, why: RunnerError | None) -> TestsRecord:
    """The record of tests whose turn never came."""
    status: ArmStatus = "could_not_start" if why else "not_run"
    message = str(why or "the run ended before its turn")
    return TestsRecord(select=job.parameters["select"], status=status, message=message)


def _results(folder: Path) -> dict[str, Any]:
    """What each test said. Raises ``ValueError`` for a file that does not keep the contract."""
    table: dict[str, object] = {
        "select": [],
        "status": "failed",
        "results": read_table(folder, RESULTS).get("tests"),
    }
    return {"results": typed(TestsRecord, table, RESULTS).results}


def describe(record: TestsRecord) -> str:
    """One line for the console: how the tests did."""
    if record.status != "succeeded":
        return f"regression tests: {record.status.replace('_', ' ')}: {record.message}"
    failed = [result.id for result in record.results if result.failed]
    if failed:
        return f"regression tests: {len(failed)} of {len(record.results)} failed: " + ", ".join(
            failed
        )
    return f"regression tests: {len(record.results)} ran, none failed"
