"""A clock that is set while a phase runs ends no arm early.

The runner and the supervisors see a clock that a file sets, by a library that is loaded before the
C library's; the clock of the machine, which all others live by, stays as it is.
"""

import shutil
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from runner.engines import processes
from runner.engines.supervisor import TICK_S
from tests.faults.phase import (
    Begun,
    arms,
    light_interpreter,
    manifest,
    phasehub,
    remains,
    results,
    wait_until,
)

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

SOURCE = Path(__file__).with_name("clock.c")
HOUR_S = 3600
PHASE = manifest(one=0, two="held", three=0).replace("threads = 1", "threads = 1\ntimeout_s = 900")
"""A clock that is believed ends the second arm when it is set forward by an hour."""


class Clock:
    """A clock that can be set, and the interpreter whose processes live by it."""

    def __init__(self, folder):
        self._told = folder / "clock"
        self.set_by(0)
        library = folder / "clock.so"
        place = f'-DPLACE="{self._told}"'
        command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", place, "-o", library, SOURCE]
        subprocess.run(command, check=True)
        self.python = light_interpreter(folder / "interpreter")
        real = self.python.resolve()
        self.python.unlink()
        # Supervisors are given no variable of the runner's, so the interpreter sets them itself.
        self.python.write_text(
            f'#!/bin/bash\nexport LD_PRELOAD={library}\nexec -a "$0" {real} "$@"\n'
        )
        self.python.chmod(0o755)

    def set_by(self, seconds):
        new = self._told.with_suffix(".new")
        new.write_text(f"{seconds}\n")
        new.replace(self._told)
        time.sleep(10 * TICK_S)  # whoever goes by it has looked


@pytest.fixture
def clock(tmp_path, monkeypatch):
    made = Clock(tmp_path)
    monkeypatch.setattr(Begun, "python", made.python)
    return made


def test_the_clock_is_one_that_can_be_set(clock):
    code = "import time; time.sleep(0.01); print(time.time(), time.monotonic())"
    said = [clock.python, "-c", code]

    def read():
        return map(float, subprocess.run(said, capture_output=True, check=True).stdout.split())

    date_s, counted_s = read()
    clock.set_by(HOUR_S)
    later_s, still_s = read()
    assert later_s - date_s - (still_s - counted_s) == pytest.approx(HOUR_S, abs=60)


@pytest.fixture
def begun(tmp_path, interpreter, clock):
    run = Begun(tmp_path / "set", interpreter, PHASE)
    assert run.wait_for(lambda run: run.told("started", "two")), run.said.read_text()
    supervisor = psutil.Process(processes.pid_of(run.job_of("two").identity))
    wait_until(supervisor.children)
    yield run
    run.end_all()


@pytest.fixture(scope="module")
def plain(tmp_path_factory, interpreter):
    """The deterministic files of a run of which the clock was left alone."""
    run = Begun(tmp_path_factory.mktemp("plain"), interpreter, PHASE)
    try:
        assert run.wait_for(lambda run: run.told("started", "two")), run.said.read_text()
        run.let_go("two")
        assert run.end() == 1, run.said.read_text()
        return results(run.hubs[0])
    finally:
        run.end_all()


@pytest.mark.parametrize("by_s", [HOUR_S, -HOUR_S])
def test_an_arm_lives_on_when_the_clock_is_set(begun, clock, plain, by_s):
    clock.set_by(by_s)
    begun.let_go("two")
    assert begun.end() == 1, begun.said.read_text()
    (hub,) = begun.hubs
    assert results(hub) == plain
    two = arms(hub)["two"]
    assert two.attempts == 1
    assert two.started <= two.ended
    assert any("clock was set" in note for note in two.notes), two.notes
    assert phasehub("verify", hub).returncode == 0
    assert remains(begun.folder) == []


@pytest.mark.parametrize("by_s", [HOUR_S, -HOUR_S])
def test_a_run_is_resumed_after_the_clock_was_set(begun, clock, plain, by_s):
    begun.runner.kill()
    begun.end()
    clock.set_by(by_s)
    run = Begun.resumed(begun)
    assert run.wait_for(lambda run: run.told("concluded", "three"))
    run.let_go("two")
    assert run.end() == 1, run.said.read_text()
    (hub,) = run.hubs
    assert results(hub) == plain
    assert arms(hub)["two"].attempts == 1
    assert phasehub("verify", hub).returncode == 0
    assert remains(begun.folder) == []
