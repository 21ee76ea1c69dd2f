"""Whole phases as processes: knobs, seeds, interpreters, progress, statistics."""

import functools
import json
import shutil
import subprocess
import sys

import pytest

from runner.core.host_paths import Places
from runner.hub import layout
from runner.verify.consistency import inconsistencies
from runner.verify.sealed_hub import SealedHub
from runner.verify.statistics import read_statistics
from tests import phases
from tests.phases import ROOT, command, run


@pytest.fixture
def write(tmp_path):
    return functools.partial(phases.write, tmp_path)


@pytest.fixture
def other_checkout(tmp_path):
    """A copy of the sources in which a defect can be planted."""
    root = tmp_path / "checkout"
    for name in ("runner", "models"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Dockerfile", root)
    return root


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """A phase of one arm, run by the locked environment: hub, exit code, what was said."""
    folder = tmp_path_factory.mktemp("earlier")
    arms = '[[arms]]\nname = "only"\ntrain.learning_rate = 3e-3\n'
    return run(
        phases.write(folder, arms, name="before", epochs=2), folder / "hubs", engine="process"
    )


SEEDED = """
[[arms]]
name = "one"
[[arms]]
name = "same"
[[arms]]
name = "other"
seed = 8
"""


@pytest.fixture(scope="module")
def seeded(tmp_path_factory):
    """A phase run by the interpreter of the tests: its record."""
    folder = tmp_path_factory.mktemp("seeded")
    path, code, said = run(
        phases.write(folder, SEEDED), folder, "--python", sys.executable, engine="process"
    )
    assert code == 0, said
    return layout.read(path)


TWO_RATES = """
[[arms]]
name = "slow"
train.learning_rate = 1e-4
[[arms]]
name = "fast"
train.learning_rate = 1e-3
"""


def test_a_knob_that_is_dropped_on_its_way_fails_its_arm(other_checkout, write, tmp_path):
    source = other_checkout / "models" / "training" / "optimizers.py"
    text = source.read_text()
    assert "parameters, lr=rate, betas" in text
    source.write_text(text.replace("parameters, lr=rate, betas", "parameters, lr=1e-3, betas"))
    path, code, said = run(write(TWO_RATES), tmp_path, engine="process", cwd=other_checkout)
    record = layout.read(path)
    assert code == 1, said
    assert record.arm("fast").status == "succeeded"
    slow = record.arm("slow")
    assert slow.status == "configuration_differs"
    assert "train.learning_rate: planned 0.0001, effective 0.001" in slow.message
    assert [group.arms for group in record.identical_arms] == [("slow", "fast")]
    assert record.identical_arms[0].knobs == ("train.learning_rate",)
    summary = (path / "summary.md").read_text()
    assert "train.learning\\_rate" in summary or "train.learning_rate" in summary


def test_another_seed_gives_other_weights_and_the_same_seed_the_same(seeded):
    digests = [seeded.arm(name).final_weights_sha256 for name in ("one", "same", "other")]
    assert digests[0] == digests[1] != digests[2]


def test_another_interpreter_is_told_apart_from_the_lock(seeded):
    assert seeded.engine.facts["interpreter"] == Places().hide(sys.executable)
    assert seeded.engine.facts["differences"] == []


def test_what_an_interpreter_lacks_of_the_lock_is_listed_in_the_hub(write, tmp_path):
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True
    )
    bare = str(tmp_path / "bare" / "bin" / "python")
    manifest = write('[[arms]]\nname = "only"\nresources.network = true\n')
    path, code, _ = run(manifest, tmp_path, "--python", bare, engine="process")
    record = layout.read(path)
    assert code == 1
    assert "torch: locked 2.13.0+cpu, not installed" in record.engine.facts["differences"]
    network, packages, statistics = record.notes
    assert statistics == "no statistics over arms: no arm succeeded"
    assert network == "only may reach the network"
    assert packages.startswith("the environment is not the lock's, ")
    assert "all of them in hub.json" in (path / "summary.md").read_text()


def test_stdout_ends_with_the_hub_and_stderr_has_plain_progress(earlier):
    path, _, said = earlier
    assert json.loads((path / "hub.json").read_text())["phase"] == "before"
    assert "only: epoch 2/2" in said
    assert "steps/s" in said
    assert "\x1b" not in said


def test_a_manifest_that_is_wrong_runs_nothing_and_exits_2(write, tmp_path):
    manifest = write('[[arms]]\nname = "only"\ntrain.learning_rat = 1\n')
    done = subprocess.run(
        command(manifest, tmp_path / "hubs"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "learning_rate" in done.stderr
    assert not (tmp_path / "hubs").exists()


SEEDS = """
[matrix]
train.learning_rate = [1e-3, 2e-3]
seed = [1, 2]
"""


def test_a_phase_ends_with_statistics_over_its_seeds_and_those_of_an_earlier_phase(write, earlier):
    before, code, said = earlier
    assert code == 0, said
    manifest = write(SEEDS, name="after", epochs=2)
    text = manifest.read_text().replace("seed = 7", 'seed = 7\ncompare_with = ["before", "never"]')
    manifest.write_text(text)
    path, code, said = run(manifest, before.parents[1], engine="process")
    assert code == 0, said
    record = layout.read(path)
    assert record.summary.status == "succeeded"
    assert [one.name for one in record.compared] == [f"before/{before.name}"]
    statistics = read_statistics(path, "statistics.json")
    assert [(group.label, group.num_arms) for group in statistics.groups] == [
        ("lr1e-3", 2),
        ("lr2e-3", 2),
        ("before · only", 1),
    ]
    assert [pair.places for pair in statistics.comparisons] == [(0, 1), (0, 2), (1, 2)]
    assert "no sealed hub of never to compare with" in record.notes
    assert all((path / name).is_file() for name in ("losses.png", "scores.png", "summary/job.json"))
    assert "before · only" in (path / "summary.md").read_text()


def test_a_phase_in_which_nothing_succeeded_says_why_it_has_no_statistics(write, tmp_path):
    arms = '[[arms]]\nname = "broken"\ncommand = ["python", "-c", "raise SystemExit(3)"]\n'
    path, code, _ = run(write(arms), tmp_path, engine="process")
    assert code == 1
    assert layout.read(path).summary is None
    assert "no statistics over arms: no arm succeeded" in layout.read(path).notes
    assert not (path / "statistics.json").exists()


DIVERGING = """
[[arms]]
name = "sound"
[[arms]]
name = "diverging"
train.loss = "poisson"
train.learning_rate = 1e30
train.optimizer = { kind = "sgd" }
train.on_nan = "stop"
"""


def test_an_arm_that_is_to_end_where_its_numbers_do_says_so_and_never_scores(write, tmp_path):
    path, code, said = run(write(DIVERGING), tmp_path, "--python", sys.executable, engine="process")
    assert code == 1, said
    arm = layout.read(path).arm("diverging")
    assert arm.status == "not_finite", arm.message
    assert "in epoch 0, counted from 0, as train.on_nan asks" in arm.message
    assert (arm.stats, arm.rules, arm.differences, arm.level) == ({}, (), (), "read back")
    assert "model_stopped.pt" in {file.path for file in arm.files}
    for page in ("summary.md", "report.html"):
        text = (path / page).read_text()
        assert "stopped: not finite" in text
        assert "train.on" in text
    assert inconsistencies(SealedHub(folder=path)) == ()
    forged = layout.read(path)
    told = arm.model_copy(update={"message": arm.message.replace("epoch 0", "epoch 1")})
    arms = tuple(told if one.name == arm.name else one for one in forged.arms)
    sealed = SealedHub(folder=path)
    sealed.__dict__["record"] = forged.model_copy(update={"arms": arms})
    assert "arm diverging: its end in hub.json are not those of its files" in inconsistencies(
        sealed
    )
