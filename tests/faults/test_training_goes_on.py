"""A training that is ended, by whatever, goes on from its checkpoint to the same bits."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from runner.engines import processes
from runner.hub import layout
from tests.faults.phase import Begun, arms, phasehub, remains, results
from tests.runner.conftest import AUDITED, run_phase

EVERY, EPOCHS = 4, 24
TEXT = (
    AUDITED.partition("[[arms]]")[0]
    .replace("epochs = 1", f"epochs = {EPOCHS}")
    .replace(
        "threads = 1", f"threads = 1\ntimeout_s = 600\ncheckpoint_every = {{ epochs = {EVERY} }}"
    )
    .replace("[train]", '[train]\noptimizer = { kind = "adamw" }\n')
    .replace("[verdict]", "[train.scheduler]\nkind = 'plateau'\npatience = 1\n[verdict]")
    + '[[arms]]\nname = "one"\n'
)
"""One arm of many short epochs, audited, with a plateau that is cut now and then."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    done = run_phase(tmp_path_factory.mktemp("undisturbed"), TEXT)
    assert done.returncode == 0, done.stderr
    return results(Path(done.stdout.splitlines()[-1]))


def has_left(epochs):
    return lambda run: run.has(f".staging-*/.attempts/one/*/out/fit_checkpoint_{epochs:06d}.json")


def end_all(run):
    """As a power cut would: runner, supervisor and job at once."""
    run.runner.kill()
    end_jobs(run)


def end_jobs(run):
    for one in run.supervisors():
        os.kill(processes.pid_of(one.identity), signal.SIGKILL)


def interrupt(run):
    run.runner.send_signal(signal.SIGINT)


def disturbed(folder, *faults, text=TEXT):
    """A run that has a fault after so many epochs, is resumed, has the next one, and so on."""
    begun = run = Begun(folder, Path(sys.executable), text)
    try:
        for epochs, fault in faults:
            assert run.wait_for(has_left(epochs)), run.said.read_text()
            fault(run)
            if fault is not end_jobs:
                run.end()
                run = Begun.resumed(begun)
        assert run.end() == 0, run.said.read_text()
    finally:
        begun.end_all()
    return run


FAULTS = ((4, end_all), (8, interrupt), (12, end_jobs))
"""After so many epochs, and so within a later one."""


def test_it_goes_on_to_the_same_bits(tmp_path, undisturbed):
    run = disturbed(tmp_path, *FAULTS)
    (hub,) = run.hubs
    assert results(hub) == undisturbed
    arm = arms(hub)["one"]
    assert (arm.status, arm.proof, arm.attempts) == ("succeeded", "audited", 1 + len(FAULTS))
    assert 12 <= arm.resumed_from < EPOCHS
    assert arm.timing["resumed_from_epoch"] == arm.resumed_from
    assert any("went on from a checkpoint" in note for note in arm.notes)
    assert not [*hub.rglob("fit_checkpoint_*")]
    assert phasehub("verify", hub).returncode == 0
    assert remains(tmp_path) == []


def test_an_interrupted_training_leaves_a_last_checkpoint(tmp_path):
    # So many epochs that it is far from its end, however late the interrupt comes.
    endless = TEXT.replace(f"epochs = {EPOCHS}", "epochs = 100_000")
    run = Begun(
        tmp_path, Path(sys.executable), endless.replace(f"epochs = {EVERY} }}", "minutes = 9 }")
    )
    try:
        assert run.wait_for(lambda run: '"epoch": 7' in told(run))
        interrupt(run)
        assert run.end() == 130
        (table,) = run.staging.path.glob(".attempts/one/checkpoint/fit_checkpoint_*.json")
        assert json.loads(table.read_text())["epochs"] >= 7
        assert "its checkpoint after" in run.said.read_text()
        assert phasehub("seal", run.staging.path).returncode == 0
        assert arms(run.hubs[0])["one"].status == "interrupted"
        assert not [*run.hubs[0].rglob("fit_checkpoint_*")]
    finally:
        run.end_all()


def test_an_arm_that_left_no_checkpoint_is_named_and_one_that_never_began_is_not(tmp_path):
    endless = TEXT.replace(f"epochs = {EPOCHS}", "epochs = 100_000") + '[[arms]]\nname = "two"\n'
    every = endless.replace(f"epochs = {EVERY} }}", "minutes = 9 }")
    begun = Begun(tmp_path, Path(sys.executable), every, options=("--jobs", "1"))
    try:
        assert begun.wait_for(lambda run: '"epoch": 7' in told(run))
        assert [folder.name for folder in begun.attempts("two")] == ["1"]
        end_all(begun)
        resumed = Begun.resumed(begun)
        assert resumed.wait_for(lambda run: "one: it" in run.said.read_text() and run.supervisors())
        said = resumed.said.read_text()
        assert "one: it has left no checkpoint, and begins at its beginning" in said
        assert "two: it has left" not in said
        interrupt(resumed)
        assert resumed.end() == 130
    finally:
        begun.end_all()


def told(run):
    events = [*run.artifacts.glob("tiny/.staging-*/.attempts/one/*/out/events.jsonl")]
    return events[0].read_text() if events else ""


def test_checkpoints_that_are_to_be_kept_are_in_the_hub(tmp_path):
    text = TEXT.replace(f"epochs = {EPOCHS}", "epochs = 3").replace(
        f"epochs = {EVERY} }}", "epochs = 1, keep = true }"
    )
    done = run_phase(tmp_path, text)
    assert done.returncode == 0, done.stderr
    hub = Path(done.stdout.splitlines()[-1])
    kept = [file for file in arms(hub)["one"].files if file.path.startswith("fit_checkpoint_")]
    assert sorted(file.path for file in kept) == [
        f"fit_checkpoint_00000{epochs}.{kind}" for epochs in (2, 3) for kind in ("json", "pt")
    ]
    assert not any(file.deterministic for file in kept)
    assert layout.verify(hub).intact
    assert arms(hub)["one"].resumed_from is None
