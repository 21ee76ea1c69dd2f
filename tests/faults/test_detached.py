"""Runs that go on without their terminal: followed from another one, and stopped from there."""

import json
import os
import signal
import subprocess
import sys

import pytest

from runner.hub import layout
from runner.phase.run_process import read_run_process
from tests.faults.phase import (
    PLAIN,
    Begun,
    Terminal,
    arms,
    manifest,
    phasehub,
    remains,
    wait_until,
    words_of_run,
)
from tests.runner.conftest import ROOT

HELD = manifest(one=0, two="held", three=0)


class Detached(Begun):
    """A run that no process of the test has started."""

    def __init__(self, folder):
        self.folder, self.later, self.artifacts = folder, [], folder / "artifacts"

    @property
    def run_process(self):
        return read_run_process(self.staging)

    def is_under_way(self):
        return self.staging and self.told("concluded", "one") and self.told("started", "two")

    def end_all(self):
        if self.staging and (run_process := self.run_process) and run_process.runs:
            os.kill(int(run_process.process.partition(":")[0]), signal.SIGKILL)
            wait_until(lambda: not run_process.runs)
        for one in self.supervisors():
            one.stop()


@pytest.fixture
def run(tmp_path):
    run = Detached(tmp_path)
    yield run
    run.end_all()


def detach(run, interpreter, text=HELD):
    done = phasehub(*words_of_run(run.folder, interpreter, text), "--detach")
    if done.returncode == 0:
        wait_until(run.is_under_way)
    return done


class Attached:
    """``phasehub attach`` in a process of its own."""

    def __init__(self, run):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runner", "attach", "--out", run.artifacts],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def read_until(self, text):
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            if text in line:
                return "".join(lines)
        raise AssertionError("".join(lines))

    def end(self):
        """Its exit status, what it printed, and what it said that was not read yet."""
        said = self.process.stderr.read()
        printed = self.process.stdout.read()
        return self.process.wait(), printed, said


def test_a_run_outlives_its_terminal_and_is_followed_from_another(run, interpreter):
    terminal = Terminal(*words_of_run(run.folder, interpreter, HELD), "--detach")
    assert "phasehub attach" in terminal.read_until(b"phasehub stop")
    assert terminal.close() == -signal.SIGHUP
    wait_until(run.is_under_way)
    assert (
        f"phasehub attach {run.staging.path}" in phasehub("status", "--out", run.artifacts).stdout
    )

    (known,) = json.loads(phasehub("status", "--json", "--out", run.artifacts).stdout)
    counted = {name: known[name] for name in ("arms", "ended", "failed", "alive", "detached")}
    assert counted["failed"] == counted["ended"] >= 1, "no arm keeps the contract"
    assert (counted["arms"], counted["alive"], counted["detached"]) == (3, True, True)
    assert known["running"] + known["waiting"] == 3 - known["ended"]
    assert known["running"] >= 1

    first = Attached(run)
    first.read_until("two: started")
    first.process.send_signal(signal.SIGINT)
    code, printed, said = first.end()
    assert (code, printed) == (130, "")
    assert "The run goes on" in said

    second = Attached(run)
    second.read_until("one: finished")  # which was said before
    path = run.staging.path
    run.let_go("two")
    code, printed, said = second.end()
    assert (code, printed.splitlines()) == (1, [str(hub) for hub in run.hubs])
    assert "two: finished" in said
    assert "ended" not in said.splitlines()[-1], "the line of the exit status is not shown"
    assert phasehub("verify", run.hubs[0]).returncode == 0
    wait_until(lambda: remains(run.folder) == [])

    later = phasehub("attach", path)
    assert (later.returncode, later.stdout) == (1, f"{run.hubs[0]}\n")


def test_a_detached_run_is_stopped_resumed_without_a_terminal_and_sealed(run, interpreter):
    done = detach(run, interpreter)
    path = run.staging.path
    assert (done.returncode, done.stdout) == (0, f"{path}\n"), done.stderr
    attached = Attached(run)
    attached.read_until("two: started")
    wait_until(lambda: run.told("concluded", "three"))  # else it may be cut short, too
    stopped = phasehub("stop", path)
    assert stopped.returncode == 0
    assert f"phasehub resume {path}" in stopped.stderr
    code, printed, said = attached.end()
    assert (code, printed) == (130, "")
    assert f"phasehub resume {path}" in said
    assert run.supervisors() == []

    assert [phasehub(verb, path).returncode for verb in ("attach", "stop")] == [3, 3]
    done = phasehub("resume", "--detach", "--quiet", "--out", run.artifacts)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{path}\n", "")
    attached = Attached(run)
    attached.read_until("one: ended before")
    wait_until(lambda: run.has(".staging-*/.attempts/two/2/out"))
    run.let_go("two")
    assert attached.end()[0] == 1
    assert {name: arm.attempts for name, arm in arms(run.hubs[0]).items()} == {
        "one": 1,
        "two": 2,
        "three": 1,
    }


def test_who_follows_a_run_that_is_killed_learns_how_to_go_on(run, interpreter):
    detach(run, interpreter)
    path = run.staging.path
    attached = Attached(run)
    attached.read_until("two: started")
    os.kill(int(run.run_process.process.partition(":")[0]), signal.SIGKILL)
    code, printed, said = attached.end()
    assert (code, printed) == (3, "")
    assert "was killed" in said
    assert f"phasehub resume {path}" in said


@pytest.mark.parametrize(
    ("options", "code"),
    [(("--only", "nobody"), 2), (("--sign", "/nowhere"), 3)],
)
def test_what_cannot_begin_ends_as_it_does_in_a_terminal(run, interpreter, options, code):
    words = (*words_of_run(run.folder, interpreter, PLAIN), *options)
    in_terminal, detached = phasehub(*words, "--quiet"), phasehub(*words, "--detach")
    assert detached.returncode == in_terminal.returncode == code
    assert (detached.stdout, detached.stderr) == ("", in_terminal.stderr)
    assert list(run.artifacts.glob("*/.*")) == []


def test_a_run_that_has_a_terminal_is_stopped_from_another_and_not_followed(tmp_path, interpreter):
    held = Begun(tmp_path, interpreter, HELD)
    try:
        assert held.wait_for(lambda run: run.told("started", "two"))
        refused = phasehub("attach", "--out", held.artifacts)
        assert refused.returncode == 3
        assert "has a terminal of its own" in refused.stderr
        assert phasehub("stop", "--out", held.artifacts).returncode == 0
        assert held.end() == 130
        assert layout.find_hubs(held.artifacts) == []
    finally:
        held.end_all()
