"""A run that is killed at any moment is finished by another process, to the same bits."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.hub import layout
from runner.phase.unfinished import unfinished
from tests.runner.conftest import AUDITED, ROOT, run_phase

THIRD = '[[arms]]\nname = "three"\nseed = 8\n'


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    done = run_phase(tmp_path_factory.mktemp("undisturbed"), AUDITED + THIRD)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])


def phasehub(*words):
    return subprocess.run(
        [sys.executable, "-m", "runner", *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def has(pattern):
    """Whether a file of a run is there."""
    return lambda artifacts: any(artifacts.glob(f"tiny/{pattern}"))


def says(word):
    """Whether the journal has a word."""
    return lambda artifacts: any(
        word in path.read_text() for path in artifacts.glob(f"tiny/.staging-*/{layout.JOURNAL}")
    )


MOMENTS = {
    "declared": has(".run-*/run.json"),
    "an engine is there": has(".run-*/engine.json"),
    "the dataset is made": has(".run-*/datasets/dataset.json"),
    "an arm runs": says('"event":"started","handle":{"disk_bytes":4294967296,"engine":"process"'),
    "an arm has ended": says('"event":"ended","exit_code":0,"name":"one"'),
    "an audit is due": has(".run-*/arms/*.json"),
    "two records": has(".run-*/arms/two.json"),
    "all records": has(".run-*/arms/three.json"),
    "a summary": has(".staging-*/summary"),
}


CHAINS = (
    ("declared", "an arm runs", "two records"),
    ("an engine is there", "an arm has ended", "all records"),
    ("the dataset is made", "an audit is due", "a summary"),
)
"""A run, and twice what goes on with it, is killed: each moment in one of three chains."""


def test_every_moment_is_in_a_chain():
    assert sorted(moment for chain in CHAINS for moment in chain) == sorted(MOMENTS)


def killed(words, artifacts, moment):
    """Start phasehub and kill it at that moment; the run that it leaves."""
    runner = subprocess.Popen(
        [sys.executable, "-m", "runner", *words],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not MOMENTS[moment](artifacts):
        assert runner.poll() is None, f"{moment}: it had ended before"
        time.sleep(0.01)
    assert runner.poll() is None, f"{moment}: it had ended before"
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    (run,) = unfinished(artifacts)
    deadline = time.monotonic() + 30
    while run.alive and time.monotonic() < deadline:
        time.sleep(0.01)  # a child that was being started has the lock until it is a program
        (run,) = unfinished(artifacts)
    assert not run.alive, moment
    assert str(run.staging.path) in phasehub("status", "--out", artifacts).stdout, moment
    return run


@pytest.mark.parametrize("moments", CHAINS, ids=", ".join)
def test_a_killed_run_is_finished_to_the_same_bits(undisturbed, tmp_path, moments):
    (tmp_path / "tiny.toml").write_text(AUDITED + THIRD)
    artifacts = tmp_path / "artifacts"
    engine = ("--engine", "process", "--python", sys.executable)
    words, ended = ("run", tmp_path / "tiny.toml", *engine, "--out", artifacts), 0
    for moment in moments:
        run = killed(words, artifacts, moment)
        assert run.ended >= ended, f"{moment}: a record of what had ended is gone"
        words, ended = ("resume", "--out", artifacts), run.ended
    done = phasehub(*words)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(": ended before, succeeded") <= ended
    hub = Path(done.stdout.splitlines()[-1])
    assert [path.name for path in (artifacts / "tiny").iterdir()] == [hub.name]
    assert phasehub("verify", hub).returncode == 0
    compared = phasehub("diff", undisturbed, hub)
    assert compared.returncode == 0, compared.stdout
