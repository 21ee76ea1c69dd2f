"""Cores are their jobs': whatever becomes of a runner, others count what it has left running."""

import os

import pytest

from runner.core.allowance import allowance
from tests.faults.phase import Begun, arms, manifest, remains


def said(run):
    return run.said.read_text()


@pytest.mark.skipif(allowance().cores < os.cpu_count(), reason="some cores are kept from us")
def test_another_run_leaves_the_cores_to_a_job_whose_runner_was_killed(
    tmp_path, interpreter, monkeypatch
):
    monkeypatch.setenv("PHASEHUB_STATE", str(tmp_path / "state"))  # nobody else's cores are there
    all_cores = manifest(one="held").replace("threads = 1", f"threads = {os.cpu_count()}")
    first, second = Begun(tmp_path / "first", interpreter, all_cores), None
    try:
        assert first.wait_for(lambda run: run.told("started", "one")), said(first)
        first.runner.kill()
        first.end()
        second = Begun(tmp_path / "second", interpreter, manifest(one="held", two=0))
        # One job of each run can always go on, and the other has to wait.
        waits = f"jobs wait for cores, which are held by a job that process {first.runner.pid} has"
        assert second.wait_for(lambda run: waits in said(run) or run.told("concluded", "two"))
        assert waits in said(second)
        first.let_go("one")
        assert second.wait_for(lambda run: run.told("concluded", "two")), said(second)
        second.let_go("one")
        assert (second.end(), first.resume().returncode) == (1, 1)
        freed = arms(first.hubs[0])["one"].ended
        assert arms(second.hubs[0])["two"].started >= freed
        assert remains(first.folder) == remains(second.folder) == []
    finally:
        for run in filter(None, (first, second)):
            run.end_all()
