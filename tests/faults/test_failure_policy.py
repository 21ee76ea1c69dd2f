"""What becomes of the others when an arm fails, and which failures are tried again."""

import os
import signal

import pytest

from runner.engines import processes
from tests.faults.phase import Begun, arms, manifest, phasehub, remains


@pytest.fixture
def begin(tmp_path, interpreter):
    """A run of such arms with such options, one arm at a time; all is gone at the end."""
    runs = []

    def start(*options, **kinds):
        text = manifest(**kinds)
        runs.append(Begun(tmp_path, interpreter, text, options=("--jobs", "1", *options)))
        return runs[-1]

    yield start
    for run in runs:
        run.end_all()


def test_with_fail_fast_no_arm_begins_once_one_has_failed(begin):
    """None of them keeps the contract, so that each that runs has failed."""
    run = begin("--fail-fast", one="held", two=0, three=0)
    assert run.wait_for(lambda run: run.told("started", "one")), run.said.read_text()
    # It holds for who goes on with the run as well.
    run.runner.send_signal(signal.SIGKILL)
    run.end()
    run.let_go("one")
    assert run.resume().returncode == 1
    found = arms(run.hubs[0])
    assert {name: (arm.status, arm.attempts) for name, arm in found.items()} == {
        "one": ("invalid_output", 1),
        "two": ("not_run", 0),
        "three": ("not_run", 0),
    }
    assert found["two"].message == "one had failed before its turn (--fail-fast)"
    assert phasehub("verify", run.hubs[0]).returncode == 0
    assert remains(run.folder) == []


def test_what_could_not_be_started_is_tried_again_and_what_failed_is_not(begin):
    run = begin("--retries", "1", one="held", two=0)
    assert run.wait_for(lambda run: run.told("started", "one")), run.said.read_text()
    (attempt,) = run.artifacts.glob("tiny/.staging-*/.attempts/two/1")
    (attempt / "out.process").mkdir()  # in the way of the engine
    run.let_go("one")
    assert run.end() == 1, run.said.read_text()
    one, two = arms(run.hubs[0]).values()
    assert (one.status, one.attempts, one.notes) == ("invalid_output", 1, ())
    assert (two.status, two.attempts) == ("invalid_output", 2)
    (note,) = two.notes
    assert note.startswith("attempt 1: could not start: two: ")
    assert "two is started again in 1 s" in run.said.read_text()


def test_retries_come_to_an_end(begin):
    run = begin("--retries", "0", one="held")
    assert run.wait_for(lambda run: run.told("started", "one")), run.said.read_text()
    os.kill(processes.pid_of(run.job_of("one").identity), signal.SIGKILL)
    assert run.end() == 130, run.said.read_text()
    (arm,) = arms(run.hubs[0]).values()
    assert (arm.status, arm.attempts) == ("interrupted", 1)
