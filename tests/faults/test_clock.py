"""A clock that is set while a phase runs ends no arm early, and is sealed as what it was.

The runner and the supervisors see the clock of Debian's libfaketime, which a file sets; the clock
of the machine, which all others live by, stays as it is. What counts time spans is not touched.
"""

from pathlib import Path

import pytest

from tests.faults.phase import Begun, arms, manifest, phasehub, remains, results

(LIBRARY,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
HOUR_S = 3600
PHASE = manifest(one=0, two="held", three=0).replace("threads = 1", "threads = 1\ntimeout_s = 900")
"""A clock that is believed ends the second arm when it is set forward by an hour."""


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """What sets the clock of every process that is started from now on, by seconds."""
    told = tmp_path / "clock"

    def set_by(seconds):
        new = told.with_suffix(".new")
        new.write_text(f"{seconds:+d}s\n")
        new.replace(told)

    set_by(0)
    monkeypatch.setenv("LD_PRELOAD", str(LIBRARY))
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(told))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    monkeypatch.setenv("NO_FAKE_STAT", "1")
    return set_by


@pytest.fixture
def begun(tmp_path, interpreter, clock):
    run = Begun(tmp_path / "set", interpreter, PHASE)
    assert run.wait_for(lambda run: run.told("started", "two")), run.said.read_text()
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
    clock(by_s)
    assert begun.wait_for(lambda run: run.told("concluded", "one")), begun.said.read_text()
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
    clock(by_s)
    run = Begun.resumed(begun)
    assert run.wait_for(lambda run: run.told("concluded", "three"))
    run.let_go("two")
    assert run.end() == 1, run.said.read_text()
    (hub,) = run.hubs
    assert results(hub) == plain
    assert arms(hub)["two"].attempts == 1
    assert phasehub("verify", hub).returncode == 0
    assert remains(begun.folder) == []
